//! Keys that somebody has damaged: no run fails for one, what is new of it waits in the dead-letter
//! table with the reason, `etl verify` names what repairs it, and once it is repaired nothing is lost.

use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model::{self, Dimensions};
use crate::verify::{check_sound, verify};

/// Keys of each entity; the damage is done to card 1, or to all cards.
const KEYS: i64 = 4;

/// Puts an event of each user and card.
fn put(loader: &Loader, number: u64, second: u32, active: bool) {
    let at = format!("2026-11-23 20:10:{second:02}");
    for key in 1..=KEYS {
        let number = number * 100 + key as u64;
        let id = event_id(number);
        let user = user_event(&id, &at, key, "Ann", f64::from(u8::from(active)));
        let card = card_event(&id, &at, key, 3, active);
        loader.put(&format!("users/{number}.json"), user.to_string());
        loader.put(&format!("cards/{number}.json"), card.to_string());
    }
}

/// Users and cards 1 to 4, each with the versions from second 10, 20 and 30, whose last event repeats
/// what is known.
fn filled() -> Loader {
    let loader = Loader::new();
    for (number, second, active) in [(1, 10, true), (2, 20, false), (3, 30, true), (4, 40, true)] {
        put(&loader, number, second, active);
    }
    loader.run(&[]);
    check_sound(&loader);
    loader
}

fn rebuild(loader: &Loader, arguments: &[&str]) -> (i32, Value, String) {
    let said = loader.etl(&[&["rebuild", "--json"], arguments].concat());
    let rebuilt = serde_json::from_str(&said.out).expect("the result is JSON");
    (said.status, rebuilt, said.log)
}

/// What of cards is rejected, as `entity_id|detail`.
fn rejected(loader: &Loader) -> Vec<String> {
    loader.query(
        "select entity, entity_id, detail from landing.rejected_event
         where resolved_at is null and reason = 'broken_timeline' order by rejected_id",
    )
}

/// Loads what is new of all keys, and checks that only events of damaged cards were rejected, and why.
fn load_beside_damage(loader: &Loader, damaged: i64, cause: &str) {
    // A late-arriving event in the middle of the history, and one at its end.
    put(loader, 5, 25, true);
    put(loader, 6, 50, false);
    let summary = loader.run(&[]);
    let rejections = rejected(loader);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&(4 * KEYS - 2 * damaged).into(), &(2 * damaged).into()),
        "{cause}: {rejections:?}"
    );
    assert_eq!(rejections.len() as i64, 2 * damaged);
    for rejection in &rejections {
        assert!(
            rejection.starts_with("card|") && rejection.contains(cause),
            "{cause}: {rejection}"
        );
        assert!(
            damaged == KEYS || rejection.starts_with("card|1|"),
            "{rejection}"
        );
    }
    // It stays like that, and the other keys are loaded.
    assert_eq!(loader.run(&[])["files"], 0);
}

/// Retries what was rejected, all of which is accepted now.
fn retry(loader: &Loader) {
    let said = loader.etl(&["rejected", "retry"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert_eq!(rejected(loader), Vec::<String>::new());
}

/// Checks that nothing is wrong and nothing is lost.
fn check_restored(loader: &Loader) {
    check_sound(loader);
    let expected = model::dimensions(&loader.inbox());
    assert_eq!(Dimensions::of(loader).difference(&expected), None);
}

/// Damage is done, found, kept away from the other keys and repaired.
fn check(what: &str, damage: &str, damaged: i64, cause: &str) {
    println!("{what}");
    let loader = filled();
    loader.execute(damage);
    let (status, out) = verify(&loader);
    assert_eq!(status, 1, "{what}");
    assert!(out.contains("`etl rebuild card 1`"), "{what}:\n{out}");
    load_beside_damage(&loader, damaged, cause);
    let before = loader.query("select * from warehouse.dim_user order by user_id, valid_from");
    let (status, tried, log) = rebuild(&loader, &["card", "--dry-run"]);
    assert_eq!(status, 0, "{what}: {log}");
    assert_eq!(verify(&loader).0, 1, "{what}: a dry run repairs nothing");
    let (status, mut rebuilt, log) = rebuild(&loader, &["card"]);
    assert_eq!(status, 0, "{what}: {log}");
    for field in [
        "keys",
        "keys_changed",
        "versions_opened",
        "versions_changed",
        "versions_removed",
    ] {
        assert_eq!(tried[field], rebuilt[field].take(), "{what}: {field}");
    }
    assert_eq!(
        loader.query("select * from warehouse.dim_user order by user_id, valid_from"),
        before
    );
    let (_, out) = verify(&loader);
    assert!(!out.contains("etl rebuild"), "{what}:\n{out}");
    retry(&loader);
    // Events that were deleted from landing come back from their files.
    loader.run(&["--since", "1d"]);
    check_restored(&loader);
}

/// Takes away what keeps versions in order.
const WITHOUT_CONSTRAINTS: &str = "alter table warehouse.dim_card drop constraint dim_card_next;
     alter table warehouse.dim_card drop constraint dim_card_start;
     alter table warehouse.dim_card drop constraint dim_card_finite;
     drop index warehouse.dim_card_end, warehouse.dim_card_current;";

#[test]
fn events_that_are_missing_from_landing() {
    check(
        "all events of a card",
        "delete from landing.card_event where card_id = 1",
        1,
        "which is not among the events in landing",
    );
    check(
        "the event that opened the current version",
        "delete from landing.card_event where card_id = 1 and event_at >= '2026-11-23 20:10:30+00'",
        1,
        "does not agree with the latest event in landing",
    );
    check(
        "all events of all cards",
        "truncate landing.card_event",
        KEYS,
        "which is not among the events in landing",
    );
}

#[test]
fn versions_that_are_missing() {
    check(
        "all versions of a card",
        "delete from warehouse.dim_card where card_id = 1",
        1,
        "landing has events of it, and the dimension has no current version",
    );
    check(
        "all versions of all cards",
        "truncate warehouse.dim_card",
        KEYS,
        "the dimension has no current version",
    );
    check(
        "the current version",
        &format!(
            "{WITHOUT_CONSTRAINTS} delete from warehouse.dim_card where card_id = 1 and is_current"
        ),
        1,
        "the dimension has no current version",
    );
}

#[test]
fn versions_that_contradict_the_events() {
    check(
        "a current version with another state",
        "update warehouse.dim_card set active = false where card_id = 1 and is_current",
        1,
        "does not agree with the latest event in landing",
    );
    check(
        "a time that no clock shows",
        "update warehouse.dim_card set updated_at = 'infinity' where card_id = 1 and is_current",
        1,
        "a version cannot be read",
    );
    check(
        "two current versions",
        &format!(
            "{WITHOUT_CONSTRAINTS}
             update warehouse.dim_card set valid_to = null
             where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'"
        ),
        1,
        "does not agree with the latest event in landing",
    );
}

/// What one batch finds out, the others of the run know.
#[test]
fn a_broken_key_is_broken_in_every_batch_of_a_run() {
    let loader = filled();
    loader.execute("update warehouse.dim_card set active = false where card_id = 1 and is_current");
    (5..9).for_each(|number| {
        put(
            &loader,
            number,
            40 + number as u32,
            number.is_multiple_of(2),
        )
    });
    let summary = loader.run(&["--batch-size", "4"]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&(8 * KEYS - 4).into(), &4.into())
    );
    assert_eq!(rejected(&loader).len(), 4);
    let (status, _, log) = rebuild(&loader, &["card", "1"]);
    assert_eq!(status, 0, "{log}");
    retry(&loader);
    check_restored(&loader);
}

/// Damage within the history is noticed by what touches it. An event at the end does not: it appends
/// to a current version that is right, and stays right.
#[test]
fn damage_within_the_history_rejects_what_touches_it() {
    for (what, damage) in [
        (
            "a version is missing",
            "delete from warehouse.dim_card where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'",
        ),
        (
            "a version has another state",
            "update warehouse.dim_card set active = true where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'",
        ),
        (
            "versions overlap",
            "update warehouse.dim_card set valid_to = null where card_id = 1 and valid_from = '2026-11-23 20:10:10+00';
             delete from warehouse.dim_card where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'",
        ),
        (
            "a version that no event opens",
            "insert into warehouse.dim_card (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from,
                                             valid_to, event_id)
             select card_id, user_id, created_by_name, true, created_at, updated_at, '2026-11-23 20:10:27+00', valid_to,
                    gen_random_uuid()
             from warehouse.dim_card where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'",
        ),
    ] {
        println!("{what}");
        let loader = filled();
        loader.execute(WITHOUT_CONSTRAINTS);
        loader.execute(damage);
        assert!(verify(&loader).1.contains("`etl rebuild card 1`"), "{what}");
        put(&loader, 5, 25, true);
        let summary = loader.run(&[]);
        assert_eq!(
            (&summary["loaded"], &summary["rejected"]),
            (&(2 * KEYS - 1).into(), &1.into()),
            "{what}"
        );
        assert!(rejected(&loader)[0].starts_with("card|1|"), "{what}");
        let (status, rebuilt, log) = rebuild(&loader, &["card", "1"]);
        assert_eq!((status, &rebuilt["keys"]), (0, &1.into()), "{what}: {log}");
        check_sound(&loader);
        retry(&loader);
        check_restored(&loader);
    }
}

#[test]
fn a_fact_table_that_forbids_the_change() {
    let loader = filled();
    loader.execute("create table public.payment (
           card_id bigint not null,
           card_key bigint not null,
           foreign key (card_id, card_key) references warehouse.dim_card (card_id, card_key) on delete restrict
         );
         insert into public.payment
         select card_id, card_key from warehouse.dim_card
         where card_id = 1 and valid_from = '2026-11-23 20:10:20+00'",
    );
    // At second 20, this one overrules the event that opened the version, and says what is known.
    put(&loader, 5, 20, true);
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&7.into(), &1.into())
    );
    let cause = rejected(&loader);
    assert!(
        cause[0].starts_with("card|1|")
            && cause[0].contains("payment")
            // A violation of `on delete restrict` has its own code from PostgreSQL 18 on.
            && ["(SQLSTATE 23503)", "(SQLSTATE 23001)"].iter().any(|code| cause[0].contains(code)),
        "{cause:?}"
    );
    // Nothing is wrong: the event is not loaded, and the version is what the others make of it.
    check_sound(&loader);
    assert_eq!(rebuild(&loader, &[]).1["keys_changed"], 0);

    // What is wrong and cannot be repaired for the fact is reported, and the rest is repaired.
    loader.execute(
        "update landing.card_event set active = true where card_id = 1;
         update warehouse.dim_card set active = not active where card_id = 2",
    );
    let (status, rebuilt, log) = rebuild(&loader, &[]);
    assert_eq!(
        (status, &rebuilt["keys_failed"], &rebuilt["keys_changed"]),
        (1, &1.into(), &1.into())
    );
    assert_eq!(
        (
            &rebuilt["failures"][0]["entity"],
            &rebuilt["failures"][0]["id"]
        ),
        (&"card".into(), &1.into())
    );
    assert!(
        log.contains("card 1 could not be rebuilt: ") && log.contains("payment"),
        "{log}"
    );
    let (_, out) = verify(&loader);
    assert!(
        out.contains("card 1: ") && !out.contains("card 2: "),
        "{out}"
    );

    loader.execute("drop table public.payment;
         update landing.card_event set active = false where card_id = 1 and event_at = '2026-11-23 20:10:20+00'",
    );
    assert_eq!(rebuild(&loader, &["card"]).0, 0);
    retry(&loader);
    check_restored(&loader);
}

#[test]
fn a_constraint_or_a_trigger_that_forbids_the_change() {
    for (obstacle, cause, removal) in [
        (
            "alter table warehouse.dim_card add constraint no_first_card check (card_id <> 1) not valid",
            "(SQLSTATE 23514)",
            "alter table warehouse.dim_card drop constraint no_first_card",
        ),
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if new.card_id = 1 then raise exception E'card 1 is mine\\x1b[2J'; end if;
               return new;
             end $$;
             create trigger refuse before insert or update on warehouse.dim_card
             for each row execute function public.refuse()",
            r"card 1 is mine\u{1b}[2J",
            "drop trigger refuse on warehouse.dim_card",
        ),
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               raise exception 'too many changes' using errcode = 'integrity_constraint_violation';
             end $$;
             create constraint trigger refuse after insert or update on warehouse.dim_card deferrable initially deferred
             for each row when (new.card_id = 1) execute function public.refuse()",
            "too many changes",
            "drop trigger refuse on warehouse.dim_card",
        ),
    ] {
        let loader = filled();
        loader.execute(obstacle);
        load_beside_damage(&loader, 1, cause);
        check_sound(&loader);
        // A rebuild that has to change the card is refused alike.
        loader.execute("alter table warehouse.dim_card disable trigger all;
             delete from warehouse.dim_card where card_id in (1, 2);
             alter table warehouse.dim_card enable trigger all",
        );
        for arguments in [&["--dry-run"][..], &[]] {
            let (status, rebuilt, log) = rebuild(&loader, arguments);
            assert_eq!(
                (status, &rebuilt["keys_failed"], &rebuilt["keys_changed"]),
                (1, &1.into(), &1.into()),
                "{log}"
            );
            assert!(log.contains(cause), "{log}");
        }
        loader.execute(removal);
        assert_eq!(rebuild(&loader, &["card", "1"]).0, 0);
        check_sound(&loader);
        retry(&loader);
        check_restored(&loader);
    }
}
