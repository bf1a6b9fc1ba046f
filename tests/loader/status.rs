//! What `etl status` says, as a page and as JSON.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::loader::{Loader, finish};
use crate::obstacle::{Obstacle, halfway};
use crate::terminal::Terminal;

/// Every field of the JSON object, as the README documents them; a change here is one there.
const FIELDS: &str = "
    dimensions[].current_rows dimensions[].dimension dimensions[].is_estimate dimensions[].rows
    healthy
    last_hour.duplicates last_hour.files last_hour.loaded last_hour.rejected last_hour.runs
    problems[].advice problems[].problem problems[].source problems[].text
    read_at
    rejections[].files rejections[].newest.detail rejections[].newest.file_name
    rejections[].newest.rejected_at rejections[].newest.rejected_id rejections[].reason
    rejections[].source
    runs[].duplicates runs[].files runs[].finished_at runs[].loaded runs[].looked_at runs[].looks
    runs[].pending runs[].rejected runs[].run_id runs[].since runs[].sources[] runs[].started_at
    runs[].versions_closed runs[].versions_opened
    sources[].advanced_at sources[].duplicates sources[].loaded sources[].looked_at
    sources[].newest_event_at sources[].offset_at sources[].pending sources[].pending_since
    sources[].rejected sources[].running sources[].source sources[].waiting";

/// The page, which must come with exit status 0 and fit on a terminal.
fn page(loader: &Loader) -> String {
    let said = loader.etl(&["status"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    let mut command = loader.command(&["status"]);
    command.env("NO_COLOR", "1");
    for line in Terminal::show(command).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        !said.out.contains('\x1b'),
        "no colour in a pipe: {:?}",
        said.out
    );
    said.out
}

fn json(loader: &Loader) -> Value {
    let said = loader.etl(&["status", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    serde_json::from_str(&said.out).expect("the status is JSON")
}

/// Changes the books behind the loader's back.
fn amend(loader: &Loader, sql: &str) {
    loader.client().batch_execute(sql).expect(sql);
}

/// The codes and sources of what is wrong.
fn problems(loader: &Loader) -> Vec<String> {
    let status = json(loader);
    let problems = status["problems"].as_array().expect("problems");
    assert_eq!(status["healthy"], problems.is_empty());
    problems
        .iter()
        .map(|problem| {
            let word = |field: &str| problem[field].as_str().unwrap_or("-").to_owned();
            format!("{} {}", word("problem"), word("source"))
        })
        .collect()
}

#[test]
fn status_tells_how_far_each_source_is() {
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
        "healthy: last look",
        "last hour: 3 files, 1 rejected",
        "dim_user",
        "none yet",
        "users  not_an_object  1 file, the newest ",
        "  bad.json  the document is a list, not an object",
        "█████",
    ] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }

    let status = json(&loader);
    let [users, cards] = [0, 1].map(|index| &status["sources"][index]);
    assert_eq!(
        (&users["source"], &users["loaded"], &users["rejected"]),
        (&"users".into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&cards["source"], &cards["pending"]),
        (&"cards".into(), &1.into())
    );
    assert!(cards["offset_at"].is_null() && cards["looked_at"].is_string());
    assert!(users["pending_since"].is_null() && cards["pending_since"].is_string());
    assert_eq!(status["rejections"][0]["reason"], "not_an_object");
    assert_eq!(status["rejections"][0]["newest"]["file_name"], "bad.json");
    assert_eq!(status["dimensions"][0]["current_rows"], 1);
    assert_eq!(status["runs"][0]["files"], 3);
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
    amend(
        &loader,
        "update etl.run set looked_at = now() - interval '1 day'",
    );
    let mut fields = BTreeSet::new();
    collect(&json(&loader), String::new(), &mut fields);
    let expected: BTreeSet<String> = FIELDS.split_whitespace().map(str::to_owned).collect();
    let difference: Vec<_> = fields.symmetric_difference(&expected).collect();
    assert!(difference.is_empty(), "{difference:?}");
}

#[test]
fn what_is_open_now_is_told_from_what_was_counted_since_the_first_run() {
    let loader = Loader::new();
    loader.put("users/bad.json", "[]");
    loader.put("users/mended.json", "[]");
    loader.run(&[]);
    assert!(!page(&loader).contains("More than are rejected now"));
    loader.run(&["--since", "1d"]);
    loader.put(
        "users/mended.json",
        fs::read(loader.path("users/bad.json")).expect("it is there"),
    );
    loader.put_user(1);
    fs::rename(
        loader.path("users/1.json"),
        loader.path("users/mended.json"),
    )
    .expect("our folder");
    loader.run(&[]);
    let status = json(&loader);
    assert_eq!(status["sources"][0]["rejected"], 4);
    assert_eq!(status["rejections"][0]["files"], 1);
    // A backfill does not count towards the hour.
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
fn status_tells_stale_from_fresh() {
    let loader = Loader::new();
    loader.run(&[]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 0);
    sleep(Duration::from_millis(20));
    let said = loader.etl(&["status", "--max-lag", "1ms"]);
    assert_eq!(said.status, 3);
    assert!(said.log.contains("users"), "{}", said.log);
    // A run that finds nothing has looked all the same, and one over a single source has not looked
    // at the other.
    amend(
        &loader,
        "update etl.run set looked_at = now() - interval '1 day'",
    );
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 3);
    loader.run(&["--source", "users"]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 3);
    loader.run(&[]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 0);
}

#[test]
fn a_health_check_reads_the_checkpoints_and_the_runs_alone() {
    let loader = Loader::new();
    loader.run(&[]);
    let reader = format!("{}_reader", loader.database);
    amend(
        &loader,
        &format!(
            "create role {reader} login;
             grant usage on schema etl to {reader};
             grant select on etl.checkpoint, etl.run, etl.schema_history to {reader}"
        ),
    );
    let url = loader.url.replacen("postgres@", &format!("{reader}@"), 1);
    let status = |arguments: &[&str]| {
        let mut command = loader.command(arguments);
        let status = command
            .env("DATABASE_URL", &url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.expect("etl can be started").code()
    };
    assert_eq!(status(&["status", "--max-lag", "1h"]), Some(0));
    assert_eq!(status(&["status"]), Some(1));
    amend(
        &loader,
        &format!("drop owned by {reader}; drop role {reader}"),
    );
}

#[test]
fn a_health_check_does_not_walk_through_the_runs() {
    let loader = Loader::new();
    loader.run(&[]);
    // No run was over one source alone, and the planner has seen so.
    amend(
        &loader,
        "insert into etl.run (sources, started_at, finished_at, files, loaded, duplicates, rejected,
                              pending, versions_opened, versions_closed, looked_at)
         select array['users', 'cards'], now(), now(), 1, 1, 0, 0, 0, 0, 0, now()
         from generate_series(1, 20000);
         analyze etl.run",
    );
    let asked = include_str!("../../sql/status/sources.sql");
    let mut client = loader.client();
    let plan = client.query(&format!("explain (analyze, timing off) {asked}"), &[]);
    let plan: Vec<String> = plan
        .expect("the books can be read")
        .iter()
        .map(|row| row.get(0))
        .collect();
    let passed_over = plan.iter().find(|line| line.contains("Rows Removed"));
    assert_eq!(passed_over, None, "{plan:#?}");
}

#[test]
fn a_source_that_no_run_looks_at_is_a_problem() {
    let loader = Loader::new();
    loader.run(&["--source", "users"]);
    assert_eq!(problems(&loader), ["never_looked cards"]);
    assert!(page(&loader).contains("runs do come through elsewhere"));
    loader.run(&[]);
    assert_eq!(problems(&loader), Vec::<String>::new());
    amend(
        &loader,
        "update etl.run set looked_at = looked_at - interval '6 min'",
    );
    assert_eq!(problems(&loader), ["stale users", "stale cards"]);
    let page_now = page(&loader);
    for words in [
        "stale: no run has looked at users for 6m",
        "is cron running",
    ] {
        assert!(page_now.contains(words), "{words} is missing:\n{page_now}");
    }
    // What a program that hangs looks like from outside.
    let mut hanging = loader.client();
    hanging
        .batch_execute("select pg_advisory_lock(x'65746c'::integer, 2)")
        .expect("the lock of cards is free");
    let status = json(&loader);
    let running = [0, 1].map(|index| status["sources"][index]["running"] == true);
    assert_eq!(running, [false, true]);
    assert!(page(&loader).contains("a run is at it now"));
}

#[test]
fn files_that_stay_pending_are_a_problem() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.put("cards/half.json", "{");
    loader.run(&["--settle", "1h"]);
    loader.put_user(2);
    loader.run(&["--settle", "1h"]);
    assert_eq!(problems(&loader), Vec::<String>::new());
    // Both runs left the file; the first one tells since when.
    amend(
        &loader,
        "update etl.run set started_at = now() - interval '7 min' where run_id = 1",
    );
    assert_eq!(problems(&loader), ["held cards"]);
    let page = page(&loader);
    assert!(
        page.contains("cards is held by 1 pending file, for 7m"),
        "{page}"
    );
    // The log names the file, which it does not for as long as nothing is odd about it.
    let said = loader.etl(&["run", "--settle", "1h"]);
    let reason = "its document has not ended, and it changed a moment ago";
    assert!(
        said.tells("left for later", "cards/half.json") && said.log.contains(reason),
        "{}",
        said.log
    );
    amend(&loader, "update etl.run set started_at = now()");
    assert_eq!(loader.etl(&["run", "--settle", "1h"]).log, "");
    loader.run(&["--settle", "0s"]);
    assert_eq!(problems(&loader), Vec::<String>::new());
}

#[test]
fn what_is_to_come_is_shown_while_a_run_is_at_it_and_after_it_was_cut_off() {
    let loader = Loader::new();
    let (obstacle, mut run) = halfway(&loader, &[]);
    let at_work = page(&loader);
    assert!(
        at_work.contains("3 files of users to come: a run is at it now"),
        "{at_work}"
    );
    run.kill().expect("etl is ours");
    run.wait().expect("etl is ours");
    drop(obstacle);
    loader.wait_for_free_locks();
    let cut_off = page(&loader);
    assert!(
        cut_off.contains("3 files of users to come: a run was cut off before"),
        "{cut_off}"
    );
    assert_eq!(json(&loader)["sources"][0]["waiting"], 3);
    loader.run(&[]);
    assert_eq!(json(&loader)["sources"][0]["waiting"], 0);
    assert!(!page(&loader).contains("to come"));
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
        page.contains("a run is at it now, and shows itself with its first batch"),
        "{page}"
    );
    drop(obstacle);
    assert_eq!(finish(run).status, 0);
}

#[test]
fn an_hour_in_which_most_is_rejected_is_a_problem() {
    let loader = Loader::new();
    for number in 0..10 {
        loader.put_user(number);
        loader.put(&format!("cards/{number}.json"), "[]");
    }
    loader.run(&[]);
    assert_eq!(problems(&loader), Vec::<String>::new());
    loader.put("cards/one-more.json", "[]");
    loader.run(&[]);
    assert_eq!(problems(&loader), ["rejecting -"]);
    assert!(page(&loader).contains("11 of the last hour's 21 files were rejected"));
    amend(
        &loader,
        "update etl.run set started_at = started_at - interval '2 h'",
    );
    assert_eq!(problems(&loader), Vec::<String>::new());
}

#[test]
fn a_file_name_does_nothing_to_the_terminal() {
    let loader = Loader::new();
    loader.put("cards/\x1b[2Jx.json", "[]");
    loader.run(&[]);
    let page = page(&loader);
    assert!(page.contains("\\u{1b}[2Jx.json"), "{page}");
}

#[test]
fn a_sentence_is_whole_where_no_terminal_is() {
    let loader = Loader::new();
    let name = format!("{}.json", "long".repeat(20));
    loader.put(&format!("cards/{name}"), "[]");
    loader.run(&[]);
    let sentence = format!("  {name}  the document is a list, not an object\n");
    assert!(page(&loader).contains(&sentence), "{}", page(&loader));
    let on_terminal = Terminal::show(loader.command(&["status"]));
    assert!(
        !on_terminal.contains(&name) && on_terminal.contains("longl…"),
        "{on_terminal}"
    );
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
