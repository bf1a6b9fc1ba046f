//! Runs on top of each other: each file is loaded by one of them, and none fails for the others.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::books;
use crate::killed::put_some;
use crate::loader::{Loader, card_event, event_id, finish, numbered_user, start};
use crate::obstacle::{Obstacle, Step};
use crate::proxy::{Cut, Proxy};

/// How long the claim of a run lasts that does not renew it.
const CLAIM_LASTS: Duration = Duration::from_secs(15);

#[test]
fn twenty_first_runs_at_once_make_the_schema_and_load_every_file_once() {
    let loader = Loader::new();
    let mut number = 0;
    (0..20).for_each(|_| put_some(&loader, &mut number));
    let arguments: [&[&str]; 5] = [
        &["run", "--json"],
        &["run", "--json", "--source", "users"],
        &["run", "--json", "--source", "cards"],
        &["run", "--json", "--batch-size", "7"],
        &["run", "--json", "--since", "1d"],
    ];
    let runs: Vec<_> = (0..20)
        .map(|number| loader.start(arguments[number % arguments.len()]))
        .collect();
    let mut loaded = 0;
    for run in runs {
        let said = finish(run);
        assert_eq!(said.status, 0, "{}", said.log);
        let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
        loaded += summary["loaded"].as_i64().expect("a number");
    }
    let landed = loader.value(crate::model::EVENTS);
    assert_eq!(loaded.to_string(), landed);
    books::settle(&loader);
    assert_eq!(loader.value(crate::model::EVENTS), landed);
}

#[test]
fn backfills_beside_the_runs_of_cron_load_every_file_once() {
    let loader = Loader::new();
    loader.run(&[]);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for arguments in [&["--since", "1d", "--batch-size", "20"][..], &[], &[]] {
            let (loader, is_done) = (&loader, &is_done);
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    loader.run(arguments);
                }
            });
        }
        let mut number = 0;
        for _ in 0..40 {
            put_some(&loader, &mut number);
            thread::sleep(Duration::from_millis(50));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    books::settle(&loader);
}

/// Waits for the end of runs, which must succeed.
fn finish_well(runs: impl IntoIterator<Item = Child>) {
    for run in runs {
        let said = finish(run);
        assert_eq!(said.status, 0, "{}", said.log);
    }
}

#[test]
fn two_sources_are_loaded_at_the_same_time_by_two_runs() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader.put_card(2);
    let mut obstacle = Obstacle::after(&loader, Step::Timeline);
    let runs = ["users", "cards"].map(|source| loader.start(&["run", "--source", source]));
    let pids = obstacle.wait_for_runs(2);
    // Both are in a transaction, and each has written its own dimension.
    let written = |table: &str| {
        loader.query(&format!(
            "select pid from pg_locks join pg_stat_activity using (pid)
             where relation = 'warehouse.{table}'::regclass and mode = 'RowExclusiveLock'
               and xact_start is not null"
        ))
    };
    let (users, cards) = (written("dim_user"), written("dim_card"));
    assert_eq!((users.len(), cards.len()), (1, 1));
    assert_ne!(users, cards);
    let mut waiting: Vec<String> = pids.iter().map(i32::to_string).collect();
    waiting.sort();
    let mut writers = [users, cards].concat();
    writers.sort();
    assert_eq!(waiting, writers);
    drop(obstacle);
    finish_well(runs);
    books::settle(&loader);
}

#[test]
fn runs_of_two_sources_that_meet_in_one_dimension_take_turns() {
    let loader = Loader::new();
    loader.run(&[]);
    // A user's event in each folder: the type decides the table.
    loader.put_user(1);
    loader.put_user(2);
    std::fs::rename(loader.path("users/2.json"), loader.path("cards/2.json"))
        .expect("the inbox can be changed");
    let mut obstacle = Obstacle::after(&loader, Step::Events);
    let runs = ["users", "cards"].map(|source| loader.start(&["run", "--source", source]));
    obstacle.wait_for_runs(2);
    // One waits for the table, the other one for its turn, and has written nothing.
    assert_eq!(
        loader.query(
            "select count(*) from pg_locks
             where relation = 'landing.user_event'::regclass and mode = 'RowExclusiveLock'"
        ),
        ["1"]
    );
    drop(obstacle);
    finish_well(runs);
    books::settle(&loader);
}

#[test]
fn a_run_right_after_another_one_finds_its_locks_free() {
    let loader = Loader::new();
    let proxy = Proxy::start();
    proxy.cut(Cut::LateEnd);
    let mut run = loader.command(&["run"]);
    run.env("DATABASE_URL", proxy.url(&loader.database));
    assert_eq!(finish(start(&mut run)).status, 0);
    // The backend of that run is still there.
    loader.put_user(1);
    assert_eq!(loader.run(&[])["loaded"], 1);
    // And so it is if the run fails.
    let alter = |to: &str| {
        let sql = format!(
            "set transaction read write; alter database {} {to}",
            loader.database
        );
        loader.execute(&sql);
    };
    loader.put_user(2);
    alter("set default_transaction_read_only = on");
    assert_eq!(finish(start(&mut run)).status, 1);
    alter("reset default_transaction_read_only");
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn runs_that_wait_for_both_sources_do_not_wait_for_each_other() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader.put_card(2);
    // Two runs of cron, one in each folder, that end one after the other.
    let mut users_table = Obstacle::table(&loader, "warehouse.dim_user", "share row exclusive");
    let first = loader.start(&["run", "--source", "users"]);
    users_table.wait_for_runs(1);
    let mut cards_table = Obstacle::table(&loader, "warehouse.dim_card", "share row exclusive");
    let second = loader.start(&["run", "--source", "cards"]);
    cards_table.wait_for_runs(2);
    let waiting: Vec<Child> = (0..6)
        .map(|_| loader.start(&["run", "--since", "1d"]))
        .collect();
    let sessions = "select count(*) = 8 from pg_stat_activity
                    where datname = current_database() and application_name = 'etl'";
    loader.wait_until("all runs have begun", sessions);
    drop(users_table);
    let claim = "select coalesce(claimed_by > 3, false) from etl.checkpoint where source = 'users'";
    loader.wait_until("a waiting run has claimed the users", claim);
    drop(cards_table);
    let began = Instant::now();
    finish_well([first, second].into_iter().chain(waiting));
    assert!(began.elapsed() < CLAIM_LASTS, "{:?}", began.elapsed());
    books::settle(&loader);
}

/// Each of two runs has more files of its own than a chunk, and then one of the other's, so that each
/// needs the dimension that the other one has locked.
#[test]
fn runs_that_need_each_others_dimension_end() {
    let loader = Loader::new();
    loader.run(&[]);
    let card = |number: u64| {
        card_event(
            &event_id(number),
            "2026-11-20 10:00:00",
            number as i64,
            3,
            true,
        )
        .to_string()
    };
    let user = |number: u64| numbered_user(number).to_string();
    // A chunk ends after 8 MiB.
    let padded = |mut event: String| {
        event.push_str(&" ".repeat(1 << 20));
        event
    };
    let shared = loader.make_inbox("shared");
    for number in 1..=9_u64 {
        loader.put(&format!("shared/users/{number}.json"), padded(user(number)));
        loader.put(&format!("shared/cards/{number}.json"), padded(card(number)));
    }
    thread::sleep(Duration::from_millis(20));
    loader.put("shared/users/card.json", card(10));
    loader.put("shared/cards/user.json", user(10));
    let run = |source: &str| {
        let arguments = [
            "run",
            "--json",
            "--inbox",
            &shared,
            "--max-file-size",
            "2000000",
        ];
        loader.start(&[&arguments[..], &["--source", source]].concat())
    };
    // Both wait with the first of their own, each with its own dimension locked.
    let mut obstacles = [
        Obstacle::table(&loader, "landing.user_event", "share"),
        Obstacle::table(&loader, "landing.card_event", "share"),
    ];
    let runs = ["users", "cards"].map(run);
    obstacles[0].wait_for_runs(2);
    drop(obstacles);
    for run in runs {
        let said = finish(run);
        assert_eq!(said.status, 0, "{}", said.log);
        assert!(said.out.contains("\"loaded\":10"), "{}", said.log);
    }
    books::check_inboxes(&loader, &[loader.path("shared")]);
}
