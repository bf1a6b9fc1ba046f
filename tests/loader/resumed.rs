//! What a run by hand that is interrupted advises does the rest, typed as it is printed.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::books;
use crate::loader::{Loader, finish, numbered_user, said, send, start};
use crate::obstacle::Obstacle;

/// Starts a run with three batches of three users in an inbox of its own, interrupts it in the second
/// one, and types in what it advises.
fn interrupt_and_resume(arguments: &[&str]) {
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
    obstacle.wait_for_runs(1);
    send(&run, Signal::INT);
    drop(obstacle);
    let interrupted = finish(run);
    assert!(
        interrupted.log.contains("outcome=interrupted"),
        "{}",
        interrupted.log
    );
    assert!(
        interrupted
            .log
            .contains("one batch of 3 files is committed"),
        "{}",
        interrupted.log
    );
    let advice = interrupted
        .log
        .split('`')
        .nth(1)
        .unwrap_or_else(|| panic!("no command: {}", interrupted.log));
    assert!(advice.starts_with("etl run "), "{advice}");
    let program = env!("CARGO_BIN_EXE_etl");
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", &advice.replacen("etl", &format!("{program} -v"), 1)])
        .env_clear()
        .env("DATABASE_URL", &loader.url)
        .stdin(Stdio::null());
    let resumed = said(shell.output().expect("sh can be started"));
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
    interrupt_and_resume(&["--since", "1d"]);
}

#[test]
fn the_advice_of_an_interrupted_reconciliation_does_the_rest() {
    interrupt_and_resume(&["--reconcile"]);
}

#[test]
fn the_advice_of_an_interrupted_backfill_of_a_named_inbox_does_the_rest() {
    interrupt_and_resume(&["--since", "1d", "--inbox-name", "old"]);
}
