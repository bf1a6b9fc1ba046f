//! What `etl status` finds wrong, and when it does not: as JSON, on its page, and on the one line of
//! `etl status --check`.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::loader::Loader;
use crate::status::{age_checkpoints, amend, json, on_terminal, page};

/// The codes, sources and inboxes of what is wrong. `etl status --check` must agree.
fn problems(loader: &Loader) -> Vec<String> {
    let status = json(loader);
    let problems = status["problems"].as_array().expect("problems");
    assert_eq!(status["healthy"], problems.is_empty());
    let check = loader.etl(&["status", "--check"]);
    assert_eq!(check.log, "");
    assert_eq!(check.out.lines().count(), 1, "{}", check.out);
    match problems.is_empty() {
        true => assert_eq!((check.status, check.out.as_str()), (0, "healthy\n")),
        false => {
            assert_eq!(check.status, 1, "{}", check.out);
            assert!(check.out.starts_with("not healthy: "), "{}", check.out);
        }
    }
    let word = |problem: &Value, field: &str| problem[field].as_str().unwrap_or("-").to_owned();
    for problem in problems {
        let code = format!("{}: ", word(problem, "problem"));
        assert!(check.out.contains(&code), "{code} in {}", check.out);
    }
    problems
        .iter()
        .map(|problem| {
            let words = ["problem", "source", "inbox"].map(|field| word(problem, field));
            words.join(" ")
        })
        .collect()
}

/// The text and the advice of the only problem.
fn problem(loader: &Loader) -> [String; 2] {
    let status = json(loader);
    let problems = status["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{problems:?}");
    ["text", "advice"].map(|field| problems[0][field].as_str().expect("a text").to_owned())
}

#[test]
fn status_distinguishes_stale_from_fresh() {
    let loader = Loader::new();
    loader.run(&[]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 0);
    sleep(Duration::from_millis(20));
    let said = loader.etl(&["status", "--max-lag", "1ms"]);
    assert_eq!(said.status, 3);
    assert!(said.log.contains("users"), "{}", said.log);
    let as_json = loader.etl(&["status", "--max-lag", "1ms", "--json"]);
    assert_eq!(as_json.status, 3);
    assert!(
        as_json.out.contains("\"problem\":\"stale\""),
        "{}",
        as_json.out
    );
    // A run that finds nothing has scanned all the same, and one over a single source has not
    // scanned the other.
    age_checkpoints(&loader, "1 day", "true");
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 3);
    loader.run(&["--source", "users"]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 3);
    loader.run(&[]);
    assert_eq!(loader.etl(&["status", "--max-lag", "1h"]).status, 0);
}

#[test]
fn a_health_check_reads_the_checkpoints_and_the_pending_files_alone() {
    let loader = Loader::new();
    loader.run(&[]);
    let reader = format!("{}_reader", loader.database);
    amend(
        &loader,
        &format!(
            "create role {reader} login;
             grant usage on schema etl to {reader};
             grant select on etl.checkpoint, etl.pending_file, etl.schema_history, etl.rebuild to {reader}"
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
    // And the verdict on one line asks for no more than the runs.
    amend(&loader, &format!("grant select on etl.run to {reader}"));
    assert_eq!(status(&["status", "--check"]), Some(0));
    amend(
        &loader,
        &format!("drop owned by {reader}; drop role {reader}"),
    );
}

#[test]
fn a_source_that_no_run_scans_is_a_problem() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    assert_eq!(
        problems(&loader),
        ["never_scanned users main", "never_scanned cards main"]
    );
    loader.run(&["--source", "users"]);
    assert_eq!(problems(&loader), ["never_scanned cards main"]);
    assert!(page(&loader).contains("runs scan other folders of this inbox"));
    loader.run(&[]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
    age_checkpoints(&loader, "6 min", "true");
    assert_eq!(problems(&loader), ["stale users main", "stale cards main"]);
    let page_now = page(&loader);
    for words in ["stale: no run has scanned users for 6m", "is cron running"] {
        assert!(page_now.contains(words), "{words} is missing:\n{page_now}");
    }
    assert_eq!(page_now.matches("is cron running").count(), 1, "{page_now}");

    // What a program that hangs looks like from outside: it keeps its claim, and commits nothing.
    let mut hanging = loader.client();
    let claim = "update etl.checkpoint
                 set claimed_by = 7, claimed_pid = pg_backend_pid(), claimed_until = now() + interval '1 min'
                 where source = 'cards'";
    hanging.batch_execute(claim).expect("cards are free");
    let status = json(&loader);
    let running = [0, 1].map(|index| status["sources"][index]["running"] == true);
    assert_eq!(running, [false, true]);
    assert!(page(&loader).contains("a run is working on it now: a very long one"));
    // One that commits batches is no problem, however long ago it scanned the folder.
    let advance = "update etl.checkpoint set advanced_at = now() where source = 'cards'";
    amend(&loader, advance);
    assert_eq!(problems(&loader), ["stale users main"]);
    // Nor is it one that is running once its claim has expired, or its session has ended.
    let is_running = || json(&loader)["sources"][1]["running"] == true;
    amend(
        &loader,
        "update etl.checkpoint set claimed_until = now() where source = 'cards'",
    );
    assert!(!is_running());
    // Behind a pooler a claim names no session.
    let through_pooler = "update etl.checkpoint
                          set claimed_pid = null, claimed_until = now() + interval '1 min'
                          where source = 'cards'";
    amend(&loader, through_pooler);
    assert!(is_running());
    hanging.batch_execute(claim).expect("cards are free");
    assert!(is_running());
    drop(hanging);
    loader.wait_until(
        "the session ends",
        "select not exists (select from etl.checkpoint inner join pg_stat_activity on pid = claimed_pid)",
    );
    assert!(!is_running());
}

#[test]
fn each_inbox_has_its_rows_and_one_that_is_gone_can_be_removed() {
    let loader = Loader::new();
    let other = tempfile::tempdir().expect("a temporary folder");
    for source in ["users", "cards"] {
        fs::create_dir(other.path().join(source)).expect("the folder is ours");
    }
    fs::write(other.path().join("cards/bad.json"), "[]").expect("the folder is ours");
    fs::write(other.path().join("users/half.json"), "{").expect("the folder is ours");
    let inbox = other.path().to_str().expect("a plain path");
    loader.put_user(1);
    loader.run(&[]);
    loader.run(&["--inbox", inbox, "--inbox-name", "host-2", "--settle", "1h"]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
    let status = json(&loader);
    let rows: Vec<String> = status["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .map(|row| {
            let counts = ["loaded", "rejected", "pending"].map(|field| row[field].to_string());
            format!("{} {} {}", row["source"], row["inbox"], counts.join(" ")).replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "users host-2 0 0 1",
            "users main 1 0 0",
            "cards host-2 0 1 0",
            "cards main 0 0 0",
        ]
    );
    let page_now = page(&loader);
    let row = |page: &str, beginning: &[&str]| {
        let is_row = |line: &&str| {
            line.split_whitespace()
                .take(2)
                .eq(beginning.iter().copied())
        };
        page.lines()
            .find(is_row)
            .map(str::to_owned)
            .unwrap_or_default()
    };
    assert!(
        row(&on_terminal(&loader, 80), &["source", "inbox"]).ends_with("  rejected"),
        "{page_now}"
    );
    assert!(
        row(&page_now, &["cards", "host-2"]).ends_with(" 1"),
        "{page_now}"
    );
    assert!(
        row(&page_now, &["cards", "main"]).ends_with(" 0"),
        "{page_now}"
    );
    assert!(
        page_now.contains("cards in inbox host-2  not_an_object  1 file"),
        "{page_now}"
    );

    age_checkpoints(&loader, "2 days", "inbox = 'host-2'");
    assert_eq!(
        problems(&loader),
        ["stale users host-2", "stale cards host-2"]
    );
    let page_now = page(&loader);
    assert!(
        page_now.contains("stale: no run has scanned users in inbox host-2 for 2d\n"),
        "{page_now}"
    );
    let on_one_line = page_now.replace('\n', " ");
    let (_, statements) = on_one_line
        .split_once("remove it: ")
        .expect("how to remove it");
    let (statements, _) = statements.rsplit_once("'host-2';").expect("a statement");
    amend(&loader, &format!("{statements}'host-2'"));
    assert_eq!(problems(&loader), [] as [&str; 0]);
    for table in ["etl.checkpoint", "etl.recent_file", "etl.pending_file"] {
        let left = format!("select count(*) from {table} where inbox = 'host-2'");
        assert_eq!(loader.value(&left), "0", "{table}");
    }
    assert!(!row(&page(&loader), &["source", "files"]).is_empty());
}

#[test]
fn a_file_that_stays_pending_is_a_problem() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.put("cards/half.json", "{");
    loader.put("users/quarter.json", "{");
    loader.run(&["--settle", "1h"]);
    loader.put_user(2);
    loader.run(&["--settle", "1h"]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
    let pending_for_long = "update etl.pending_file set pending_since = now() - interval '7 min'
                            where file_name = 'half.json'";
    amend(&loader, pending_for_long);
    // The file of the other source has been pending for some milliseconds.
    assert_eq!(problems(&loader), ["blocked cards main"]);
    let text = "cards/half.json has been pending for 7m: its document has not ended";
    assert!(
        problem(&loader)[0].starts_with(text),
        "{:?}",
        problem(&loader)
    );
    let page = page(&loader);
    assert!(page.contains(text), "{page}");

    // Another file that comes meanwhile is not the one that has been pending.
    fs::remove_file(loader.path("cards/half.json")).expect("the inbox is ours");
    loader.put("cards/other.json", "{");
    loader.run(&["--settle", "1h"]);
    assert_eq!(json(&loader)["sources"][1]["pending"], 1);
    assert_eq!(problems(&loader), [] as [&str; 0]);

    // Of several it is the oldest that is named, and the log of a run names it too.
    loader.put("cards/half.json", "{");
    loader.run(&["--settle", "1h"]);
    amend(&loader, pending_for_long);
    let [text, advice] = problem(&loader);
    assert!(text.starts_with("cards/half.json "), "{text}");
    assert!(advice.ends_with("pending too: 1 file"), "{advice}");
    let said = loader.etl(&["run", "--settle", "1h"]);
    let reason = "its document has not ended, and it changed a moment ago";
    assert!(
        said.tells("pending", "cards/half.json") && said.log.contains(reason),
        "{}",
        said.log
    );
    amend(&loader, "update etl.pending_file set pending_since = now()");
    assert_eq!(loader.etl(&["run", "--settle", "1h"]).log, "");
    loader.run(&["--settle", "0s"]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
}

#[test]
fn runs_that_fail_are_a_problem_at_once() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    let (aside, folder) = (loader.path("aside-cards"), loader.path("cards"));
    fs::rename(&folder, &aside).expect("the inbox is ours");
    assert_eq!(loader.etl(&["run"]).status, 1);
    assert_eq!(problems(&loader), ["failing cards main"]);
    let [text, _] = problem(&loader);
    assert!(
        text.starts_with("every run of cards has failed for ")
            && text.contains(folder.to_str().expect("a plain path")),
        "{text}"
    );
    let first = json(&loader)["sources"][1].clone();
    assert_eq!(first["failing_since"], first["last_failed_at"]);
    assert!(
        text.ends_with(first["last_failure"].as_str().expect("why")),
        "{text}"
    );
    sleep(Duration::from_millis(20));
    assert_eq!(loader.etl(&["run"]).status, 1);
    let second = json(&loader)["sources"][1].clone();
    assert_eq!(first["failing_since"], second["failing_since"]);
    assert_ne!(first["last_failed_at"], second["last_failed_at"]);
    // Once the folder is stale, the advice points at the failure.
    age_checkpoints(&loader, "6 min", "source = 'cards'");
    assert_eq!(
        problems(&loader),
        ["failing cards main", "stale cards main"]
    );
    assert!(page(&loader).contains("its runs fail: `etl status` shows why"));

    fs::rename(&aside, &folder).expect("the inbox is ours");
    loader.run(&[]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
    let cards = json(&loader)["sources"][1].clone();
    assert!(cards["failing_since"].is_null() && cards["last_failure"].is_string());

    // A failure of the database is one of both sources.
    amend(&loader, "alter table etl.recent_file rename to aside");
    loader.put_user(2);
    assert_eq!(loader.etl(&["run"]).status, 1);
    assert_eq!(
        problems(&loader),
        ["failing users main", "failing cards main"]
    );
    amend(&loader, "alter table etl.aside rename to recent_file");
    loader.run(&[]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
}

#[test]
fn an_hour_in_which_most_is_rejected_is_a_problem() {
    let loader = Loader::new();
    for number in 0..10 {
        loader.put_user(number);
        loader.put(&format!("cards/{number}.json"), "[]");
    }
    loader.run(&[]);
    assert_eq!(problems(&loader), [] as [&str; 0]);
    loader.put("cards/one-more.json", "[]");
    loader.run(&[]);
    assert_eq!(problems(&loader), ["rejecting - -"]);
    assert!(page(&loader).contains("11 of the last hour's 21 files were rejected"));
    amend(
        &loader,
        "update etl.run set started_at = started_at - interval '2 h'",
    );
    assert_eq!(problems(&loader), [] as [&str; 0]);
}

#[test]
fn files_that_stay_pending_and_files_that_are_read_again_do_not_hide_rejections() {
    let loader = Loader::new();
    for number in 0..20 {
        loader.put(&format!("cards/{number}.json"), "[]");
    }
    for number in 0..30 {
        loader.put(&format!("cards/half{number}.json"), "{");
    }
    loader.run(&["--settle", "1h"]);
    loader.put("cards/20.json", "[]");
    loader.run(&["--settle", "1h"]);
    assert_eq!(problems(&loader), ["rejecting - -"]);
    let [text, _] = problem(&loader);
    assert!(
        text.starts_with("21 of the last hour's 21 files "),
        "{text}"
    );
    // Users are well, but none of them is new.
    (0..30).for_each(|number| loader.put_user(number));
    loader.run(&["--since", "1d", "--settle", "1h"]);
    loader.run(&["--reconcile", "--settle", "1h"]);
    loader.etl(&["rejected", "retry"]);
    assert_eq!(
        loader.query("select distinct command from etl.run order by 1"),
        ["backfill", "retry", "run"]
    );
    assert_eq!(problems(&loader), ["rejecting - -"]);
}
