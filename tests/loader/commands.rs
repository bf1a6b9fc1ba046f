//! `etl run`: its flags and what it prints.

use std::thread::sleep;
use std::time::Duration;

use crate::loader::{Loader, card_event, event_id, finish, numbered_user, start};
use crate::obstacle;

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
const PAUSE: Duration = Duration::from_millis(30);

#[test]
fn a_second_run_finds_nothing_and_changes_nothing() {
    let loader = Loader::new();
    for number in 0..20 {
        loader.put_user(number);
        let event = card_event(
            &event_id(number),
            &format!("2026-11-23 20:10:{number:02}"),
            7,
            3,
            number % 3 == 0,
        );
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    loader.run(&[]);
    // `xmin` and `ctid` show whether a row was so much as written again.
    let rows = || {
        ["dim_user", "dim_card"]
            .map(|table| loader.query(&format!("select ctid, xmin, * from warehouse.{table}")))
    };
    let before = rows();
    assert_eq!(loader.run(&[])["files"], 0);
    let summary = loader.run(&["--since", "1d"]);
    assert_eq!(
        (summary["loaded"].as_i64(), summary["duplicates"].as_i64()),
        (Some(0), Some(40))
    );
    assert_eq!(rows(), before);
}

#[test]
fn a_backfill_never_moves_the_offset_back_nor_over_what_it_left_out() {
    let loader = Loader::new();
    let offset = || loader.value("select offset_at from etl.checkpoint where source = 'users'");
    let between = || {
        sleep(PAUSE);
        let time = chrono::Utc::now().to_rfc3339();
        sleep(PAUSE);
        time
    };
    loader.put_user(1);
    let since = between();
    loader.put_user(2);
    // Before the first run there is no offset: a backfill over a part leaves the rest to the next
    // run.
    assert_eq!(loader.run(&["--since", &since])["loaded"], 1);
    assert_eq!(offset(), "");
    assert_eq!(loader.run(&[])["loaded"], 1);
    let first = offset();
    assert_ne!(first, "");
    assert_eq!(loader.run(&["--since", "2020-01-01"])["duplicates"], 2);
    assert_eq!(offset(), first);
    // With an offset, a backfill that begins after it leaves out what lies between.
    loader.put_user(3);
    let since = between();
    loader.put_user(4);
    assert_eq!(loader.run(&["--since", &since])["loaded"], 1);
    assert_eq!(offset(), first);
    assert_eq!(loader.run(&["--overlap", "0s"])["loaded"], 1);
    assert_ne!(offset(), first);
}

#[test]
fn a_clock_that_was_set_back_hides_no_file() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    // What a clock an hour ahead would have left behind.
    loader.execute("update etl.checkpoint set offset_at = now() + interval '1 hour'");
    loader.put_user(2);
    sleep(PAUSE);
    let said = loader.etl(&["run", "--json", "--overlap", "1ms"]);
    assert!(said.log.contains("it was set back"), "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    assert_eq!(
        loader.value("select bool_and(offset_at <= now()) from etl.checkpoint"),
        "true"
    );
    assert_eq!(loader.etl(&["run", "--overlap", "1ms"]).log, "");
}

#[test]
fn files_that_change_during_a_run_do_not_carry_the_offset_past_others() {
    let loader = Loader::new();
    loader.run(&[]);
    for number in 0..600 {
        loader.put_user(number);
    }
    sleep(PAUSE);
    let mut child = loader
        .command(&["run", "--batch-size", "10", "--overlap", "0s"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("etl can be started");
    while loader.value("select count(*) < 50 from landing.user_event") == "true" {
        sleep(Duration::from_millis(5));
    }
    // Files that this run has not read yet change now, later than files that it has not read
    // either.
    for number in (300..600).step_by(20) {
        loader.put_user(number);
    }
    while loader.value("select count(*) < 400 from landing.user_event") == "true" {
        sleep(Duration::from_millis(5));
    }
    child.kill().expect("etl is ours");
    child.wait().expect("etl is ours");
    loader.wait_for_free_locks();
    loader.run(&["--overlap", "0s"]);
    assert_eq!(
        loader.value("select count(*) from landing.user_event"),
        "600"
    );
}

#[test]
fn a_run_takes_only_the_sources_it_is_asked_for_and_that_are_free() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.put(
        "cards/1.json",
        card_event(&event_id(1), "2026-11-23 20:10:20", 7, 3, true).to_string(),
    );
    assert_eq!(loader.run(&["--source", "cards"])["loaded"], 1);
    let other = obstacle::claim(&loader, "users");
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0);
    assert!(
        said.log
            .contains("another run is loading users: it is left to that run"),
        "{}",
        said.log
    );
    assert!(said.out.contains("\"files\":0"), "{}", said.out);
    let said = loader.etl(&["run", "--source", "users", "--json"]);
    assert_eq!(
        (said.status, said.out.contains("\"files\":0")),
        (0, true),
        "{}",
        said.log
    );
    drop(other);
    loader.wait_for_free_locks();
    assert_eq!(
        loader.run(&["--source", "users", "--source", "users"])["loaded"],
        1
    );
}

#[test]
fn a_backfill_waits_for_the_run_that_is_at_its_source() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    loader.put_user(1);
    let other = obstacle::claim(&loader, "users");
    let summary = std::thread::scope(|scope| {
        let backfill = scope.spawn(|| loader.run(&["--since", "1d"]));
        sleep(Duration::from_millis(500));
        drop(other);
        backfill.join().expect("the backfill succeeds")
    });
    assert_eq!(summary["loaded"], 1);
}

#[test]
fn an_empty_variable_is_none() {
    let loader = Loader::new();
    // Where the inbox and the archive are by default, seen from where the command is started.
    loader.make_inbox("data/events/inbox");
    loader.put(
        "data/events/inbox/users/1.json",
        numbered_user(1).to_string(),
    );
    for arguments in [["run", "--json"], ["archive", "--older-than=0s"]] {
        let mut command = loader.command(&arguments);
        command.current_dir(loader.inbox());
        for name in [
            "ETL_INBOX",
            "ETL_INBOX_NAME",
            "ETL_ARCHIVE",
            "ETL_LOG_FORMAT",
        ] {
            command.env(name, "");
        }
        let said = finish(start(&mut command));
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
    }
    assert_eq!(loader.value("select count(*) from landing.user_event"), "1");
    assert!(loader.path("data/events/archive/users").exists());
    // A flag is not left out by mistake.
    assert_eq!(loader.etl(&["run", "--inbox", ""]).status, 2);
}

#[test]
fn data_goes_to_stdout_and_the_log_to_stderr() {
    let loader = Loader::new();
    loader.put_user(1);
    let said = loader.etl(&["run"]);
    assert_eq!(said.out, "");
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    loader.put_user(2);
    let said = loader.etl(&["run", "--dry-run"]);
    assert!(
        said.log.contains("] dry run, rolled back ") && said.log.contains(" files=1 "),
        "{}",
        said.log
    );
    loader.run(&[]);
    // A run that finds nothing new is silent.
    assert_eq!(loader.etl(&["run"]).log, "");
}
