//! What `etl status` prints, as a page and as JSON. What it finds wrong is tested in
//! [`status_health`](crate::status_health).

use std::collections::BTreeSet;
use std::fs;

use chrono::{TimeDelta, Utc};
use serde_json::Value;

use crate::loader::{Loader, event_id, finish, user_event};
use crate::obstacle::{Obstacle, halfway};
use crate::terminal::Terminal;

/// Every field of the JSON object, as the README documents them; a change here is one there.
const FIELDS: &str = "
    archives[].archive_path archives[].archives archives[].bytes archives[].files archives[].inbox
    archives[].kept archives[].kept_since archives[].last_archived_at archives[].source
    cluster
    dimensions[].current_rows dimensions[].dimension dimensions[].is_estimate dimensions[].rows
    healthy
    last_hour.duplicates last_hour.files last_hour.loaded last_hour.rejected last_hour.runs
    problems[].advice problems[].inbox problems[].problem problems[].source problems[].text
    read_at
    rejections[].files rejections[].inbox rejections[].newest.detail rejections[].newest.file_name
    rejections[].newest.rejected_at rejections[].newest.rejected_id rejections[].reason
    rejections[].source
    runs[].command runs[].duplicates runs[].files runs[].finished_at runs[].inbox runs[].loaded
    runs[].pending runs[].rejected runs[].run_id runs[].since runs[].sources[] runs[].started_at
    runs[].versions_changed runs[].versions_closed runs[].versions_opened
    sources[].advanced_at sources[].archivable sources[].archivable_since sources[].duplicates sources[].failing_since sources[].folder_path
    sources[].inbox sources[].last_failed_at sources[].last_failure sources[].last_scanned_at
    sources[].listed sources[].loaded sources[].newest_event_at sources[].offset_at sources[].pending
    sources[].pending_since sources[].rejected sources[].remaining sources[].running sources[].scan_ms
    sources[].source";

/// The page, which must come with exit status 0 and fit on a terminal.
pub fn page(loader: &Loader) -> String {
    let said = loader.etl(&["status"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    on_terminal(loader, 80);
    assert!(
        !said.out.contains('\x1b'),
        "no colour in a pipe: {:?}",
        said.out
    );
    said.out
}

/// The page on a terminal of so many columns, of which no line is wider.
pub fn on_terminal(loader: &Loader, columns: u16) -> String {
    let mut command = loader.command(&["status"]);
    command.env("NO_COLOR", "1");
    let shown = Terminal::show_in(columns, command);
    for line in shown.lines() {
        assert!(
            line.chars().count() <= columns.into(),
            "{columns} columns: {line}"
        );
    }
    shown
}

pub fn json(loader: &Loader) -> Value {
    let said = loader.etl(&["status", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    serde_json::from_str(&said.out).expect("the status is JSON")
}

/// Changes the metadata behind the loader's back.
pub fn amend(loader: &Loader, sql: &str) {
    loader.execute(sql);
}

/// Lets time pass, as far as the checkpoints are concerned.
pub fn age_checkpoints(loader: &Loader, age: &str, condition: &str) {
    amend(
        loader,
        &format!(
            "update etl.checkpoint
             set last_scanned_at = last_scanned_at - interval '{age}', advanced_at = advanced_at - interval '{age}'
             where {condition}"
        ),
    );
}

#[test]
fn status_shows_how_far_each_source_has_been_loaded() {
    let loader = Loader::new();
    let said = loader.etl(&["status"]);
    assert_eq!(said.status, 1);
    assert!(said.log.contains("no schema yet"), "{}", said.log);

    loader.put_user(1);
    loader.put("users/bad.json", "[]");
    loader.put("cards/half.json", "{");
    loader.run(&[]);
    let page = page(&loader);
    for words in [
        "healthy: last scan",
        "last hour: 2 files, 1 rejected",
        "dim_user",
        "none yet",
        "users  not_an_object  1 file, the newest ",
        "  bad.json  the document is a list, not an object",
        "█████",
    ] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
    assert!(!page.contains("inbox"), "there is only one:\n{page}");

    let status = json(&loader);
    let [users, cards] = [0, 1].map(|index| &status["sources"][index]);
    assert_eq!(
        (&users["source"], &users["loaded"], &users["rejected"]),
        (&"users".into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&cards["source"], &cards["inbox"], &cards["pending"]),
        (&"cards".into(), &"main".into(), &1.into())
    );
    let path = loader.path("cards");
    assert_eq!(cards["folder_path"].as_str(), path.to_str());
    assert!(cards["offset_at"].is_null() && cards["last_scanned_at"].is_string());
    assert!(users["pending_since"].is_null() && cards["pending_since"].is_string());
    assert!(users["failing_since"].is_null() && users["last_failure"].is_null());
    assert_eq!(status["rejections"][0]["reason"], "not_an_object");
    assert_eq!(status["rejections"][0]["newest"]["file_name"], "bad.json");
    assert_eq!(status["dimensions"][0]["current_rows"], 1);
    assert_eq!(status["runs"][0]["files"], 3);
    assert_eq!(status["runs"][0]["command"], "run");
}

#[test]
fn the_json_object_has_the_fields_that_are_documented() {
    fn collect(value: &Value, path: String, fields: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let dot = if path.is_empty() { "" } else { "." };
                    collect(value, format!("{path}{dot}{name}"), fields);
                }
            }
            Value::Array(items) => {
                for item in items {
                    collect(item, format!("{path}[]"), fields);
                }
            }
            _ => {
                fields.insert(path);
            }
        }
    }
    let loader = Loader::new();
    loader.put_user(1);
    loader.put("cards/bad.json", "[]");
    loader.run(&[]);
    age_checkpoints(&loader, "1 day", "true");
    let to = loader.path("archive");
    loader.etl(&["archive", "--to", to.to_str().expect("UTF-8")]);
    let mut fields = BTreeSet::new();
    collect(&json(&loader), String::new(), &mut fields);
    let expected: BTreeSet<String> = FIELDS.split_whitespace().map(str::to_owned).collect();
    let difference: Vec<_> = fields.symmetric_difference(&expected).collect();
    assert!(difference.is_empty(), "{difference:?}");
}

#[test]
fn what_is_open_now_is_shown_beside_what_was_counted_since_the_first_run() {
    let loader = Loader::new();
    loader.put("users/bad.json", "[]");
    loader.put("users/fixed.json", "[]");
    loader.run(&[]);
    assert!(!page(&loader).contains("More than are rejected now"));
    loader.run(&["--since", "1d"]);
    loader.put(
        "users/fixed.json",
        fs::read(loader.path("users/bad.json")).expect("it is there"),
    );
    loader.put_user(1);
    fs::rename(loader.path("users/1.json"), loader.path("users/fixed.json")).expect("our folder");
    loader.run(&[]);
    let status = json(&loader);
    assert_eq!(status["sources"][0]["rejected"], 4);
    assert_eq!(status["rejections"][0]["files"], 1);
    // A backfill does not count towards the hour.
    assert_eq!(status["runs"][1]["command"], "backfill");
    assert_eq!(status["last_hour"]["files"], 3);
    let page = page(&loader);
    assert!(page.contains("More than are rejected now"), "{page}");
    let row = page
        .lines()
        .find(|line| line.starts_with("users"))
        .unwrap_or_default();
    assert!(row.ends_with(" 1"), "{page}");
}

#[test]
fn what_is_remaining_is_shown_during_a_run_and_after_it_was_interrupted() {
    let loader = Loader::new();
    let (obstacle, mut run) = halfway(&loader, &[]);
    let at_work = page(&loader);
    assert!(
        at_work.contains("3 files of users still to be read: a run is working on it now"),
        "{at_work}"
    );
    run.kill().expect("etl is ours");
    run.wait().expect("etl is ours");
    drop(obstacle);
    loader.wait_until(
        "the session of the killed run ends",
        "select not exists (select from etl.checkpoint inner join pg_stat_activity on pid = claimed_pid)",
    );
    let interrupted = page(&loader);
    assert!(
        interrupted.contains("3 files of users still to be read: the last run was interrupted"),
        "{interrupted}"
    );
    assert_eq!(json(&loader)["sources"][0]["remaining"], 3);
    loader.run(&[]);
    assert_eq!(json(&loader)["sources"][0]["remaining"], 0);
    assert!(!page(&loader).contains("still to be read"));
}

#[test]
fn a_first_run_at_work_is_not_taken_for_a_dead_cron() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    loader.put_user(5);
    let mut obstacle = Obstacle::at_user(&loader, 5);
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    let page = page(&loader);
    assert!(
        page.contains("a run is working on it now, and its first batch is not committed yet"),
        "{page}"
    );
    drop(obstacle);
    assert_eq!(finish(run).status, 0);
}

#[test]
fn an_event_of_the_future_is_not_shown_as_one_of_now() {
    let loader = Loader::new();
    let event_at = Utc::now() + TimeDelta::minutes(200);
    let event_at = event_at.format("%Y-%m-%d %H:%M:%S").to_string();
    let event = user_event(&event_id(1), &event_at, 1, "Ann", 1.0);
    loader.put("users/1.json", event.to_string());
    loader.run(&[]);
    let page = page(&loader);
    assert!(page.contains("  in 3h 19m  "), "{page}");
}

#[test]
fn a_file_name_does_nothing_to_the_terminal() {
    let loader = Loader::new();
    loader.put("cards/\x1b[2Jx.json", "[]");
    loader.run(&[]);
    assert!(page(&loader).contains("\\u{1b}[2Jx.json"));
    // Nor does what the server or a pending file's name brings along.
    amend(
        &loader,
        "update etl.checkpoint set failing_since = now(), last_failure = E'\\x1b[2Jfailed' where source = 'users';
         insert into etl.pending_file
         values ('cards', 'main', E'\\u202ehalf.json', now() - interval '1 h', E'\\x1b[2Jreason')",
    );
    for arguments in [
        ["status", "--check"].as_slice(),
        &["status"],
        &["status", "--max-lag", "1h"],
        &["status", "--format", "prometheus"],
    ] {
        let said = loader.etl(arguments);
        let shown = format!("{}{}", said.out, said.log);
        assert!(
            !shown.contains(['\x1b', '\u{202e}']),
            "{arguments:?}: {shown:?}"
        );
    }
    for words in ["\\u{1b}[2Jfailed", "\\u{202e}half.json", "\\u{1b}[2Jreason"] {
        assert!(page(&loader).contains(words), "{words}");
    }
}

#[test]
fn a_page_is_as_wide_as_the_terminal() {
    let loader = Loader::new();
    let name = format!("{}.json", "long".repeat(20));
    loader.put(&format!("cards/{name}"), "[]");
    loader.run(&[]);
    let sentence = format!("  {name}  the document is a list, not an object\n");
    assert!(page(&loader).contains(&sentence), "{}", page(&loader));
    let usual = on_terminal(&loader, 80);
    assert!(
        !usual.contains(&name) && usual.contains("longl…"),
        "{usual}"
    );
    assert!(usual.contains("rejected now\n"), "{usual}");
    // The tables are cut, and what is wrong is wrapped.
    age_checkpoints(&loader, "6 min", "true");
    let narrow = on_terminal(&loader, 40);
    for lines in [
        "\nsource  files until (UTC)    newest eve…\n",
        "stale: no run has scanned cards for 6m\n  is cron running, and what do its runs\n  log?\n",
    ] {
        assert!(narrow.contains(lines), "{lines} is missing:\n{narrow}");
    }
    let rows = |page: &str| {
        page.lines()
            .filter(|line| line.starts_with("cards "))
            .count()
    };
    assert_eq!(rows(&narrow), rows(&usual), "{narrow}");
}

#[test]
fn a_large_dimension_is_not_counted() {
    let loader = Loader::new();
    loader.run(&[]);
    // Rows as wide as a row can be without being moved out of its page: 64 MiB are soon full.
    amend(
        &loader,
        "alter table warehouse.dim_user drop constraint dim_user_next;
         alter table warehouse.dim_user set (autovacuum_enabled = off);
         insert into warehouse.dim_user (user_id, name, address, job, score, valid_from, valid_to, event_id)
         select number / 2, '', repeat('x', 1900), '', 0, now() + number * interval '1 s',
                case when number % 2 = 0 then now() + (number + 1) * interval '1 s' end, gen_random_uuid()
         from generate_series(0, 39999) as number",
    );
    let users = |loader: &Loader| {
        let users = json(loader)["dimensions"][0].clone();
        let number = |field: &str| users[field].as_i64().unwrap_or_default();
        (
            number("rows"),
            number("current_rows"),
            users["is_estimate"] == true,
        )
    };
    assert_eq!(users(&loader), (40_000, 20_000, false));
    amend(&loader, "analyze warehouse.dim_user");
    let (rows, current_rows, is_estimate) = users(&loader);
    assert!(is_estimate);
    assert!((38_000..42_000).contains(&rows), "{rows}");
    assert!((19_000..21_000).contains(&current_rows), "{current_rows}");
    let page = page(&loader);
    assert!(page.contains("  about "), "{page}");
}
