//! What a run by hand that is interrupted or fails advises does the rest, typed as it is printed.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use chrono::{TimeDelta, Utc};
use rustix::process::Signal;

use crate::books;
use crate::loader::{Loader, Said, event_id, finish, numbered_user, said, send, start, user_event};
use crate::obstacle::{Obstacle, halfway};

/// What ends a run before its end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Interrupted,
    Failed,
}

/// The command in the line that ends a run.
fn advice(run: &Said) -> &str {
    let advice = run.log.split('`').find(|part| part.starts_with("etl run "));
    advice.unwrap_or_else(|| panic!("no command: {}", run.log))
}

/// Types in a command, in a shell without the settings of the tests.
fn type_in(loader: &Loader, command: &str) -> Said {
    let program = env!("CARGO_BIN_EXE_etl");
    let mut shell = Command::new("sh");
    shell
        .args([
            "-euc",
            &command.replacen("etl", &format!("{program} -v"), 1),
        ])
        .env_clear()
        .env("DATABASE_URL", &loader.url)
        .stdin(Stdio::null());
    said(shell.output().expect("sh can be started"))
}

/// Starts a run with three batches of three users in an inbox of its own, ends it in the second one,
/// and types in what it advises.
fn end_and_resume(end: End, arguments: &[&str]) {
    let loader = Loader::new();
    loader.run(&[]);
    // The current inbox is another one, and the old one has a name that a shell would take apart.
    loader.put_user(100);
    let old = loader.make_inbox("an old 'inbox'; exit 1");
    for number in 1..=9 {
        let name = format!("an old 'inbox'; exit 1/users/{number}.json");
        loader.put(&name, numbered_user(number).to_string());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::write(
        format!("{old}/cards/user.json"),
        numbered_user(50).to_string(),
    )
    .expect("the inbox can be written");
    let mut obstacle = Obstacle::at_user(&loader, 5);
    let batches = [
        "run",
        "--inbox",
        &old,
        "--source",
        "users",
        "--batch-size",
        "3",
    ];
    let run = start(&mut loader.command(&[&batches[..], arguments].concat()));
    match end {
        End::Interrupted => {
            obstacle.wait_for_runs(1);
            send(&run, Signal::INT);
        }
        End::Failed => obstacle.strike_run("pg_cancel_backend"),
    }
    drop(obstacle);
    let ended = finish(run);
    let outcome = match end {
        End::Interrupted => "outcome=interrupted",
        End::Failed => "outcome=failed",
    };
    for words in [outcome, "one batch of 3 files is committed"] {
        assert!(ended.log.contains(words), "{words}: {}", ended.log);
    }
    // No other run does the rest.
    assert!(!ended.log.contains("next run"), "{}", ended.log);
    let advice = advice(&ended);
    let resumed = type_in(&loader, advice);
    assert_eq!(resumed.status, 0, "{advice}: {}", resumed.log);
    assert_eq!(
        loader.query("select user_id from landing.user_event order by 1"),
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
        "{advice}: all of the old inbox's users, and nothing else"
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
    let summary = loader.run(&["--inbox", &old, "--since", "1d"]);
    assert_eq!(summary["loaded"], 1, "{summary}");
    books::check_inboxes(&loader, &[loader.inbox(), old.into()]);
}

#[test]
fn the_advice_of_an_interrupted_backfill_does_the_rest() {
    end_and_resume(End::Interrupted, &["--since", "1d"]);
}

#[test]
fn the_advice_of_an_interrupted_reconciliation_does_the_rest() {
    end_and_resume(End::Interrupted, &["--reconcile"]);
}

#[test]
fn the_advice_of_an_interrupted_backfill_of_a_named_inbox_does_the_rest() {
    end_and_resume(End::Interrupted, &["--since", "1d", "--inbox-name", "old"]);
}

#[test]
fn the_advice_of_a_failed_backfill_does_the_rest() {
    end_and_resume(End::Failed, &["--since", "1d"]);
}

#[test]
fn the_advice_of_a_failed_reconciliation_does_the_rest() {
    end_and_resume(End::Failed, &["--reconcile", "--inbox-name", "old"]);
}

#[test]
fn the_advice_has_the_settings_of_the_run() {
    let loader = Loader::new();
    loader.run(&[]);
    // A day is the most that is accepted without.
    let event_at = (Utc::now() + TimeDelta::days(10)).to_rfc3339();
    for number in 1..=3 {
        let event = user_event(&event_id(number), &event_at, number as i64, "Ann", 1.0);
        loader.put(&format!("users/{number}.json"), event.to_string());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut obstacle = Obstacle::at_user(&loader, 2);
    let settings = [
        "--settle",
        "1h",
        "--overlap",
        "36h",
        "--max-ahead",
        "31d",
        "--batch-size",
        "1",
        "--max-file-size",
        "2000000",
    ];
    let run = loader.start(&[&["run", "--since", "1d"], &settings[..]].concat());
    obstacle.wait_for_runs(1);
    send(&run, Signal::INT);
    drop(obstacle);
    let interrupted = finish(run);
    let advice = advice(&interrupted);
    for flag in [
        " --settle 1h",
        " --overlap 1day12h",
        " --max-ahead 1month13h26m24s",
        " --batch-size 1",
        " --max-file-size 2000000",
    ] {
        assert!(advice.contains(flag), "{flag}: {advice}");
    }
    let resumed = type_in(&loader, advice);
    assert!(resumed.log.contains(" loaded=2 "), "{}", resumed.log);
    assert!(resumed.log.contains(" rejected=0 "), "{}", resumed.log);

    // Defaults are left out.
    let (obstacle, run) = halfway(&Loader::new(), &["--since", "1d", "--overlap", "1m"]);
    send(&run, Signal::INT);
    drop(obstacle);
    let interrupted = finish(run);
    for flag in ["--settle", "--overlap", "--max-ahead", "--max-file-size"] {
        assert!(!interrupted.log.contains(flag), "{}", interrupted.log);
    }
}

#[test]
fn a_backfill_that_does_not_connect_advises_itself() {
    let loader = Loader::new();
    // A port that nobody listens on, since it was free just now.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let mut run = loader.command(&["run", "--reconcile"]);
    run.env("DATABASE_URL", format!("postgresql://u@127.0.0.1:{port}/x"));
    let failed = finish(start(&mut run));
    assert_eq!(failed.status, 1, "{}", failed.log);
    assert!(
        failed
            .log
            .contains("; nothing was committed, and `etl run --reconcile "),
        "{}",
        failed.log
    );
    assert!(!failed.log.contains("next run"), "{}", failed.log);
}
