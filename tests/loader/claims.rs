//! The claim of a run on its checkpoints: renewed with each batch, given back at the end, void when its
//! run is gone, and lost by a run that was stopped for too long.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::books;
use crate::killed::kill;
use crate::loader::{Loader, finish, send};
use crate::obstacle::{Obstacle, Step};

/// How long the claim of a killed run may be in the way: until its server process is gone, and a
/// small part of what a claim lasts.
const VOID_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn the_claim_of_a_killed_run_is_void_once_its_server_process_is_gone() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::Claim);
    let mut run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    // The next run of cron leaves the folders to this one.
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    for source in ["users", "cards"] {
        let words = format!("another run is loading {source}: it is left to that run");
        assert!(said.log.contains(&words), "{}", said.log);
    }
    assert!(said.out.contains("\"files\":0"), "{}", said.out);
    assert!(kill(&mut run));
    drop(obstacle);
    let began = Instant::now();
    while loader.run(&[])["loaded"] != 1 {
        assert!(began.elapsed() < VOID_LIMIT, "the claim is in the way");
    }
    assert_eq!(
        loader.value("select count(*) from etl.checkpoint where claimed_by is not null"),
        "0"
    );
    books::check(&loader);
}

#[test]
fn a_run_that_was_stopped_until_its_claim_expired_loads_nothing_on_top_of_the_next_one() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::Claim);
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    send(&run, Signal::STOP);
    drop(obstacle);
    let expire = "update etl.checkpoint set claimed_until = now() where claimed_by is not null";
    assert_eq!(loader.client().execute(expire, &[]).expect("ours"), 2);
    assert_eq!(loader.run(&[])["loaded"], 1);
    send(&run, Signal::CONT);
    let said = finish(run);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(
        said.log.contains("another run has taken over"),
        "{}",
        said.log
    );
    books::check(&loader);
}

#[test]
fn a_run_that_was_stopped_in_a_batch_keeps_its_claim_until_the_batch_ends() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::Scan);
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    send(&run, Signal::STOP);
    drop(obstacle);
    // The batch has locked the rows of the checkpoints: nobody claims them, expired or not.
    let free = "select count(*) from (select from etl.checkpoint for update skip locked) as free";
    assert_eq!(loader.value(free), "0");
    assert_eq!(loader.run(&[])["files"], 0);
    send(&run, Signal::CONT);
    let said = finish(run);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    books::check(&loader);
}

/// A batch may take longer than a claim lasts, and a backfill does.
#[test]
fn each_batch_renews_the_claim_of_its_run() {
    let loader = Loader::new();
    loader.run(&[]);
    (1..=3).for_each(|number| loader.put_user(number));
    sleep(Duration::from_millis(30));
    (4..=6).for_each(|number| loader.put_user(number));
    // It waits in the first batch, and again in the second one.
    let mut obstacle = Obstacle::at_users(&loader, "2, 5");
    let run = loader.start(&["run", "--batch-size", "3"]);
    obstacle.wait_for_runs(1);
    let now = loader.value("select clock_timestamp()");
    obstacle.let_one_pass();
    obstacle.wait_for_runs(1);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "3");
    // A claim lasts 15 s.
    assert_eq!(
        loader.value(&format!(
            "select bool_and(claimed_until > timestamptz '{now}' + interval '15 s') from etl.checkpoint"
        )),
        "true"
    );
    drop(obstacle);
    let said = finish(run);
    assert_eq!(said.status, 0, "{}", said.log);
    books::check(&loader);
}

/// Each commit is a write that a disk has to confirm, and cron starts a run every few seconds.
#[test]
fn a_run_without_pending_files_saves_its_checkpoint_once() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.execute(
        "create table public.change (transaction_id xid8 default pg_current_xact_id());
         create function public.note() returns trigger language plpgsql as $$
           begin
             insert into public.change default values;
             return null;
           end $$;
         create trigger note after update on etl.checkpoint
         for each statement execute function public.note()",
    );
    let transactions = || {
        let count = "select count(distinct transaction_id) from public.change";
        let count = loader.query(count).concat();
        loader.execute("truncate public.change");
        count
    };
    loader.run(&[]);
    assert_eq!(transactions(), "2", "the claim and its end");
    loader.put_user(1);
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(transactions(), "3", "the batch between them");
    // Pending files are saved after the last batch.
    loader.put_user(2);
    loader.put("users/3.json", "{");
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(transactions(), "4", "and the pending file");
    books::settle(&loader);
}
