//! `etl rebuild`: dimensions become what landing says, beside runs, and as a migration asks for it.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::loader::{Loader, card_event, end, event_id, send};
use crate::model::{self, Dimensions};
use crate::obstacle::Obstacle;
use crate::verify::{check_sound, fill, verify};

fn rebuild(loader: &Loader, arguments: &[&str]) -> Value {
    let said = loader.etl(&[&["rebuild", "--json"], arguments].concat());
    assert_eq!(said.status, 0, "{}", said.log);
    serde_json::from_str(&said.out).expect("the result is JSON")
}

/// Keys, changed keys, opened, changed and removed versions.
fn figures(rebuilt: &Value) -> [i64; 5] {
    [
        "keys",
        "keys_changed",
        "versions_opened",
        "versions_changed",
        "versions_removed",
    ]
    .map(|field| rebuilt[field].as_i64().expect("a number"))
}

fn versions(loader: &Loader) -> Vec<String> {
    let mut versions =
        loader.query("select * from warehouse.dim_user order by user_id, valid_from");
    versions.extend(loader.query("select * from warehouse.dim_card order by card_id, valid_from"));
    versions
}

#[test]
fn a_rebuild_changes_what_is_wrong_and_nothing_else() {
    let loader = Loader::new();
    let said = loader.etl(&["rebuild"]);
    assert_eq!(said.status, 1);
    assert!(said.log.contains("no schema yet"), "{}", said.log);
    fill(&loader);
    let right = versions(&loader);
    assert_eq!(figures(&rebuild(&loader, &[])), [8, 0, 0, 0, 0]);
    assert_eq!(versions(&loader), right);

    loader.execute("delete from warehouse.dim_user where user_id = 2;
         update warehouse.dim_user set score = 99 where user_id = 3;
         insert into warehouse.dim_card (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from,
                                         event_id)
         select 77, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
         from warehouse.dim_card where card_id = 1 and is_current",
    );
    let damaged = versions(&loader);
    assert_eq!(figures(&rebuild(&loader, &["--dry-run"])), [9, 3, 3, 3, 1]);
    assert_eq!(versions(&loader), damaged);
    // One of them, and then those of one dimension.
    assert_eq!(
        figures(&rebuild(&loader, &["user", "3", "3"])),
        [1, 1, 0, 3, 0]
    );
    let rebuilt = rebuild(&loader, &["user"]);
    assert_eq!(figures(&rebuilt), [4, 1, 3, 0, 0]);
    assert_eq!(rebuilt["entities"]["user"]["versions_opened"], 3);
    let said = loader.etl(&["rebuild"]);
    assert!(
        said.out.starts_with(
            "keys: 9 read, 1 changed, 0 failed; versions: 0 opened, 0 changed, 1 removed; "
        ),
        "{}",
        said.out
    );
    check_sound(&loader);
    // Versions that are right have kept their surrogate keys, and removed ones are not given again.
    let now = versions(&loader);
    let kept = right.iter().filter(|version| now.contains(version)).count();
    assert_eq!((kept, now.len()), (right.len() - 3, right.len()));

    let said = loader.etl(&["rebuild", "card", "--", "-5", "1"]);
    assert!(
        said.status == 0 && said.log.contains("card -5 has neither events nor versions"),
        "{}{}",
        said.out,
        said.log
    );
    for arguments in [&["cart"][..], &["card", "x"], &["1"]] {
        let said = loader.etl(&[&["rebuild"], arguments].concat());
        assert_eq!(said.status, 2, "{arguments:?}: {}", said.out);
    }
}

/// Cards with so many events together that they take several transactions, without a file.
fn put_many(loader: &Loader) {
    loader.run(&[]);
    loader.execute("insert into landing.card_event (card_id, event_id, event_at, user_id, created_by_name, active, created_at,
                                         updated_at, file_name, file_modified_at, run_id)
         select number % 5000 - 2500, gen_random_uuid(), '2026-01-01'::timestamptz + make_interval(secs => number / 5000),
                1, 'Ann', number / 5000 % 3 = 0, '2026-01-01', '2026-01-01', number || '.json', '2026-01-01', 1
         from generate_series(0, 59999) as number;
         insert into etl.run (run_id, command, inbox, sources, started_at, finished_at, files, loaded, duplicates, rejected,
                              pending, versions_opened, versions_closed, versions_changed)
         overriding system value values (1, 'run', 'other', '{cards}', now(), now(), 60000, 60000, 0, 0, 0, 0, 0, 0)",
    );
}

#[test]
fn many_keys_are_rebuilt_some_at_a_time() {
    let loader = Loader::new();
    put_many(&loader);
    assert_eq!(
        figures(&rebuild(&loader, &[])),
        [5_000, 5_000, 40_000, 0, 0]
    );
    check_sound(&loader);
    let transactions =
        loader.value("select count(distinct xmin::text) > 2 from warehouse.dim_card");
    assert_eq!(transactions, "true");
    // A key with more events than a transaction has otherwise is one transaction.
    loader.execute("update landing.card_event set card_id = 1 where card_id < 2000");
    loader.execute("delete from warehouse.dim_card where card_id < 2000 and card_id <> 1");
    assert_eq!(rebuild(&loader, &["card"])["keys"], 501);
    check_sound(&loader);
}

#[test]
fn a_rebuild_that_fails_after_its_last_key_advises_no_rest() {
    let loader = Loader::new();
    loader.put_card(1);
    loader.run(&[]);
    let database = &loader.database;
    loader.execute(&format!(
        "alter database {database} set default_transaction_read_only = on"
    ));
    let said = loader.etl(&["rebuild", "card", "7"]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(said.log.contains("SQLSTATE 25006"), "{}", said.log);
    assert!(!said.log.contains("the rest"), "{}", said.log);
}

/// Waits until the rebuild waits for the dimension, and sends it a signal.
fn interrupt(obstacle: &mut Obstacle, rebuild: &Child) {
    obstacle.wait_for_runs(1);
    send(rebuild, Signal::TERM);
    // It is noticed between two transactions.
    thread::sleep(Duration::from_millis(100));
}

#[test]
fn a_rebuild_that_is_interrupted_keeps_what_is_committed() {
    let loader = Loader::new();
    put_many(&loader);
    let mut obstacle = Obstacle::table(&loader, "warehouse.dim_card", "share row exclusive");
    let child = loader.start(&["rebuild", "card"]);
    interrupt(&mut obstacle, &child);
    drop(obstacle);
    let (by, ended) = end(child);
    assert_eq!(by, Some(Signal::TERM.as_raw()));
    let kept: i64 = loader
        .value("select count(distinct card_id) from warehouse.dim_card")
        .parse()
        .expect("a number");
    assert!(
        kept > 0
            && kept < 5_000
            && ended
                .log
                .contains(&format!("rebuilt and committed: {kept};")),
        "{kept}: {}",
        ended.log
    );
    assert_eq!(rebuild(&loader, &["card"])["keys_changed"], 5_000 - kept);
    check_sound(&loader);
}

#[test]
fn runs_go_on_beside_a_rebuild() {
    let loader = Loader::new();
    fill(&loader);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                loader.execute(
                    "begin;
                     select pg_advisory_xact_lock(6648940, 102);
                     update warehouse.dim_card set active = not active where card_id = 2;
                     delete from warehouse.dim_card where card_id = 3;
                     commit",
                );
                rebuild(&loader, &[]);
            }
        });
        for number in 100..140 {
            let at = format!("2026-11-23 20:10:{:02}", number * 7 % 60);
            let event = card_event(
                &event_id(number),
                &at,
                (number % 5) as i64,
                1,
                number % 2 == 0,
            );
            loader.put(&format!("cards/{number}.json"), event.to_string());
            loader.run(&[]);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    rebuild(&loader, &[]);
    loader.etl(&["rejected", "retry"]);
    check_sound(&loader);
    let expected = model::dimensions(&loader.inbox());
    assert_eq!(Dimensions::of(&loader).difference(&expected), None);
}

#[test]
fn a_run_does_the_rebuild_that_a_migration_requests() {
    let loader = Loader::new();
    fill(&loader);
    let damage = "update warehouse.dim_card set active = not active;
                  update warehouse.dim_user set score = 99;
                  select etl.request_rebuild('card')";
    loader.execute(damage);
    loader.put_user(9);
    let tried = loader.etl(&["run", "--dry-run"]);
    assert!(
        tried.status == 0
            && tried
                .log
                .contains("requested the rebuild of a dimension, which a dry run does not do"),
        "{}",
        tried.log
    );
    let done = loader.etl(&["run"]);
    assert_eq!(done.status, 0, "{}", done.log);
    assert!(
        done.log.contains(
            "rebuilt warehouse.dim_card as a migration asked: keys: 4 read, 4 changed, 0 failed"
        ),
        "{}",
        done.log
    );
    assert_eq!(
        loader.query("select * from etl.rebuild"),
        Vec::<String>::new()
    );
    assert!(!loader.etl(&["run"]).log.contains("rebuilt"));
    // What was not requested is left alone.
    assert_eq!(figures(&rebuild(&loader, &[])), [9, 4, 0, 12, 0]);
    check_sound(&loader);

    // It goes on from where the last program has left it, and `etl migrate` does it too.
    loader.execute(damage);
    loader.execute("update etl.rebuild set next_id = 3");
    let done = loader.etl(&["migrate"]);
    assert!(
        done.status == 0 && done.log.contains("keys: 2 read, 2 changed"),
        "{}",
        done.log
    );
    assert_eq!(
        loader.query("select * from etl.rebuild"),
        Vec::<String>::new()
    );
    assert_eq!(figures(&rebuild(&loader, &["card"])), [4, 2, 0, 6, 0]);
    let refused = loader
        .client()
        .batch_execute("select etl.request_rebuild('cart')")
        .expect_err("there is no such dimension");
    assert!(format!("{refused:?}").contains("there is no dimension of the entity cart"));
}

#[test]
fn a_surrogate_key_that_was_given_twice_stays_with_the_version_that_had_it_first() {
    let loader = Loader::new();
    fill(&loader);
    // The events of card 1 were loaded by a later run than those of card 2, so card 2 had the key first.
    loader.execute(
        "insert into etl.run (run_id, command, inbox, sources, started_at, finished_at, files, loaded, duplicates, rejected,
                              pending, versions_opened, versions_closed, versions_changed)
         overriding system value
         select max(run_id) + 1, 'run', 'main', '{cards}', now(), now(), 5, 5, 0, 0, 0, 0, 0, 0 from etl.run;
         update etl.run set files = files - 1, loaded = loaded - 1 where loaded = 8;
         update landing.card_event set run_id = (select max(run_id) from etl.run) where card_id = 1;
         with given as (select card_key from warehouse.dim_card where card_id = 2 and is_current),
         gone as (delete from warehouse.dim_card where card_id = 1 and is_current returning *)
         insert into warehouse.dim_card (card_key, card_id, user_id, created_by_name, active, created_at, updated_at,
                                         valid_from, event_id)
         overriding system value
         select given.card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
         from gone, given",
    );
    let keys = |card: i64| {
        loader.query(&format!(
            "select card_key from warehouse.dim_card where card_id = {card} order by valid_from"
        ))
    };
    let (first, second) = (keys(1), keys(2));
    assert_eq!(first[2], second[2]);
    let (status, out) = verify(&loader);
    let named = format!(
        "card_key {}: it identifies 2 versions, of card 1, 2; `etl rebuild card 1 2`",
        first[2]
    );
    assert!(status == 1 && out.contains(&named), "{out}");
    // Both cards load as ever.
    for key in 1..=2 {
        let event = card_event(
            &event_id(100 + key),
            "2026-11-23 20:10:50",
            key as i64,
            3,
            false,
        );
        loader.put(&format!("cards/{}.json", 100 + key), event.to_string());
    }
    assert_eq!(loader.run(&[])["loaded"], 2);
    assert_eq!(
        figures(&rebuild(&loader, &["card", "1", "2"])),
        [2, 1, 1, 0, 1]
    );
    assert_eq!(keys(2)[2], second[2]);
    assert!(!keys(1).contains(&second[2]));
    check_sound(&loader);
    let expected = model::dimensions(&loader.inbox());
    assert_eq!(Dimensions::of(&loader).difference(&expected), None);
}
