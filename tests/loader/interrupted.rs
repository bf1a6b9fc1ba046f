//! Ctrl-C and SIGTERM: a run ends between two steps, reports what is committed, and the next one goes
//! on.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::books;
use crate::killed::{RandomPause, put_some, random_arguments};
use crate::loader::{Loader, end, said as said_by, send, start};
use crate::log::parse;
use crate::obstacle::{Obstacle, Step, halfway};

/// Runs that are interrupted at a random time.
const INTERRUPTIONS: usize = 40;

#[test]
fn an_interrupted_run_reports_what_is_committed_and_the_next_one_does_the_rest() {
    for (signal, arguments, word) in [
        (Signal::INT, &[][..], "the next run does the rest"),
        (
            Signal::TERM,
            &["--since", "1d"],
            "does the rest, and skips loaded events as duplicates",
        ),
    ] {
        let loader = Loader::new();
        let (obstacle, run) = halfway(&loader, arguments);
        send(&run, signal);
        drop(obstacle);
        let (by, said) = end(run);
        assert_eq!(by, Some(signal.as_raw()), "{}", said.log);
        assert_eq!(said.log.lines().count(), 1, "{}", said.log);
        for word in [
            "WARN ",
            "one batch of 3 files is committed",
            word,
            " outcome=interrupted ",
        ] {
            assert!(said.log.contains(word), "{word:?} is missing: {}", said.log);
        }
        assert_eq!(loader.value("select count(*) from landing.user_event"), "3");
        // It has given its claims back.
        assert_eq!(loader.run(&[])["loaded"], 3);
        books::check(&loader);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let loader = Loader::new();
    let (obstacle, run) = halfway(&loader, &[]);
    send(&run, Signal::INT);
    sleep(Duration::from_millis(300));
    send(&run, Signal::INT);
    let (by, said) = end(run);
    assert_eq!((by, said.log.as_str()), (Some(Signal::INT.as_raw()), ""));
    drop(obstacle);
    loader.wait_for_free_locks();
    assert_eq!(loader.run(&[])["loaded"], 3);
    books::check(&loader);
}

/// As `timeout` does it, which signals the process and then its group.
#[test]
fn two_signals_in_one_go_are_one() {
    let loader = Loader::new();
    let (obstacle, run) = halfway(&loader, &[]);
    send(&run, Signal::TERM);
    send(&run, Signal::TERM);
    drop(obstacle);
    let (by, said) = end(run);
    assert_eq!(by, Some(Signal::TERM.as_raw()));
    assert!(said.log.contains("one batch of 3 files"), "{}", said.log);
}

#[test]
fn the_advised_command_loads_the_rest_of_a_backfill_from_the_same_time_and_folder() {
    let loader = Loader::new();
    let (obstacle, run) = halfway(&loader, &["--since", "5s"]);
    send(&run, Signal::INT);
    drop(obstacle);
    let (_, said) = end(run);
    let (_, rest) = said.log.split_once("`etl ").expect("advice");
    let (command, _) = rest.split_once('`').expect("advice");
    let since = command.split_whitespace().nth(2).expect("a time");
    assert!(
        said.log.contains(&format!(" since={since} ")),
        "{}",
        said.log
    );
    // Typed as it is printed, from anywhere.
    let mut rest = loader.command(&command.split_whitespace().collect::<Vec<_>>());
    let rest = rest.arg("--json").env_remove("ETL_INBOX").output();
    let said = said_by(rest.expect("etl can be started"));
    assert!(said.out.contains("\"loaded\":3"), "{}", said.log);
    books::check(&loader);
}

#[test]
fn a_commit_that_has_begun_is_not_interrupted() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::CommitBegun);
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    send(&run, Signal::INT);
    drop(obstacle);
    let (by, said) = end(run);
    assert_eq!((by, said.status), (None, 0), "{}", said.log);
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    books::check(&loader);
}

#[test]
fn a_backfill_that_waits_for_another_run_can_be_interrupted() {
    let loader = Loader::new();
    let (obstacle, other) = halfway(&loader, &[]);
    let backfill = loader.start(&["run", "--since", "1d"]);
    sleep(Duration::from_millis(300));
    let began = Instant::now();
    send(&backfill, Signal::INT);
    let (by, said) = end(backfill);
    assert_eq!(by, Some(Signal::INT.as_raw()), "{}", said.log);
    assert!(said.log.contains("nothing was committed"), "{}", said.log);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(obstacle);
    assert_eq!(end(other).1.status, 0);
}

#[test]
fn nothing_of_an_interrupted_dry_run_is_kept() {
    let loader = Loader::new();
    let (obstacle, run) = halfway(&loader, &["--dry-run"]);
    send(&run, Signal::INT);
    drop(obstacle);
    let (by, said) = end(run);
    assert_eq!(by, Some(Signal::INT.as_raw()), "{}", said.log);
    assert!(said.log.contains("nothing of it is kept"), "{}", said.log);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "0");
}

#[test]
fn runs_interrupted_at_random_times_report_what_the_metadata_tables_have() {
    let loader = Loader::new();
    loader.run(&[]);
    let (mut number, mut interrupted, mut between_batches) = (0, 0, 0);
    let mut pause = RandomPause::new();
    while interrupted < INTERRUPTIONS {
        put_some(&loader, &mut number);
        let mut command: Command = loader.command(random_arguments());
        let began = Instant::now();
        let run = start(command.args(["--log-format", "json"]));
        pause.wait();
        send(&run, Signal::INT);
        let (by, said) = end(run);
        match by {
            None => pause.note(began.elapsed()),
            Some(_) => interrupted += 1,
        }
        // Before it listens, it has nothing to report.
        let Some(line) = parse(&said.log)
            .pop()
            .filter(|line| !line["outcome"].is_null())
        else {
            continue;
        };
        let batches = line["batches"].as_u64().expect("a number");
        between_batches += u32::from(line["outcome"] == "interrupted" && batches > 0);
        let recorded = format!(
            "select coalesce(sum(files), 0) || ' ' || coalesce(sum(loaded), 0) from etl.run where run_id = {}",
            line["run"]
        );
        assert_eq!(
            loader.value(&recorded),
            format!("{} {}", line["files"], line["loaded"]),
            "{line}"
        );
    }
    books::settle(&loader);
    println!("{interrupted} runs interrupted, {between_batches} of them between two batches");
}
