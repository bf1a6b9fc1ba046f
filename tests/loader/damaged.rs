//! Somebody else has changed the tables: one key that cannot be updated stops no other, and no history
//! is written that landing does not confirm.

use serde_json::Value;

use crate::books;
use crate::loader::{Loader, numbered_user};

/// The versions of a card, without their keys.
fn versions(loader: &Loader, card_id: i64) -> Vec<String> {
    loader.query(&format!(
        "select active, valid_from::time, valid_to::time, event_id from warehouse.dim_card
         where card_id = {card_id} order by valid_from"
    ))
}

fn counts(summary: &Value) -> [i64; 3] {
    ["loaded", "duplicates", "rejected"].map(|field| summary[field].as_i64().expect("a number"))
}

/// Cards 1 and 2 with an event at 10:00 (active), 11:00 (not) and 12:00 (active), and user 1.
fn three_versions() -> Loader {
    let loader = Loader::new();
    for card_id in [1, 2] {
        for (hour, active) in [(10, true), (11, false), (12, true)] {
            let number = card_id as u64 * 100 + hour;
            loader.put_card_event(number, card_id, &format!("2026-11-20 {hour}:00:00"), active);
        }
    }
    loader.put_user_event(1, 1, "2026-11-20 10:00:00", 1.0);
    assert_eq!(loader.run(&[])["loaded"], 7);
    loader
}

/// Loads a new event of the damaged card 1 at a time, and of card 2, card 3 and user 1 with it. The first
/// one has to be rejected, for this reason, and the others loaded.
fn load_beside(loader: &Loader, at: &str, reason: &str) {
    let before = versions(loader, 1);
    loader.put_card_event(901, 1, at, false);
    loader.put_card_event(902, 2, "2026-11-20 13:00:00", false);
    loader.put_card_event(903, 3, "2026-11-20 13:00:00", false);
    loader.put_user_event(904, 1, "2026-11-20 13:00:00", 2.0);
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
    assert_eq!(counts(&summary), [3, 0, 1], "{}", said.log);
    assert!(said.log.contains("reason=broken_timeline"), "{}", said.log);
    assert_eq!(
        loader.query("select file_name, reason, entity, entity_id from landing.rejected_event"),
        ["901.json|broken_timeline|card|1"]
    );
    let detail = loader.value("select detail from landing.rejected_event");
    assert!(
        detail.starts_with("the versions of card 1 cannot be updated: ") && detail.contains(reason),
        "{detail}"
    );
    assert_eq!(versions(loader, 1), before, "no history is made up");
    assert_eq!(
        loader.value("select count(*) from landing.card_event where event_id = '00000385-0000-4000-8000-000000000000'"),
        "0",
        "what is rejected is not in landing"
    );
    assert_eq!(
        loader.query(
            "select card_id, active from warehouse.card_current where card_id > 1 order by 1"
        ),
        ["2|false", "3|false"]
    );
    assert_eq!(
        loader.value("select score from warehouse.user_current"),
        "2"
    );
    // The next runs have nothing to do with it.
    assert_eq!(loader.run(&[])["files"], 0);
}

/// Whatever was damaged, the database lets it pass only without its constraints.
fn damage(loader: &Loader, sql: &str) {
    loader.execute(&format!("set session_replication_role = replica; {sql}"));
}

#[test]
fn a_card_without_events_stops_no_other() {
    let loader = three_versions();
    loader.execute("delete from landing.card_event where card_id = 1");
    load_beside(
        &loader,
        "2026-11-20 13:00:00",
        "is not among the events in landing",
    );
}

#[test]
fn a_landing_table_that_was_emptied_stops_nothing_new() {
    let loader = three_versions();
    loader.execute("truncate landing.card_event");
    loader.put_card_event(901, 1, "2026-11-20 13:00:00", false);
    loader.put_card_event(902, 2, "2026-11-20 10:30:00", false);
    loader.put_card_event(903, 3, "2026-11-20 13:00:00", false);
    loader.put_user_event(904, 1, "2026-11-20 13:00:00", 2.0);
    assert_eq!(counts(&loader.run(&[])), [2, 0, 2]);
    // A backfill finds the events themselves rejected: nobody may add to what cannot be confirmed.
    let summary = loader.run(&["--since", "1d"]);
    assert_eq!(counts(&summary), [0, 3, 8]);
    assert_eq!(
        loader.query("select distinct reason from landing.rejected_event"),
        ["broken_timeline"]
    );
}

#[test]
fn a_dimension_that_was_emptied_stops_nothing_new() {
    let loader = three_versions();
    loader.execute("truncate warehouse.dim_card");
    loader.put_card_event(901, 1, "2026-11-20 13:00:00", false);
    loader.put_card_event(902, 2, "2026-11-20 10:30:00", false);
    loader.put_card_event(903, 3, "2026-11-20 13:00:00", false);
    loader.put_user_event(904, 1, "2026-11-20 13:00:00", 2.0);
    assert_eq!(counts(&loader.run(&[])), [2, 0, 2]);
    assert_eq!(
        loader.query("select distinct detail from landing.rejected_event order by 1"),
        [1, 2].map(|card| format!(
            "the versions of card {card} cannot be updated: landing has events of it, and the dimension has no \
             current version"
        ))
    );
    // Duplicates are duplicates all the same.
    let summary = loader.run(&["--since", "1d"]);
    assert_eq!(counts(&summary), [0, 9, 2]);
}

#[test]
fn a_version_that_is_missing_is_noticed_where_an_event_arrives() {
    for (case, at, reason) in [
        (
            "delete from warehouse.dim_card where card_id = 1 and valid_to is null",
            "2026-11-20 13:00:00",
            "the dimension has no current version",
        ),
        (
            "delete from warehouse.dim_card where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "is in landing, and no version agrees with it",
        ),
    ] {
        let loader = three_versions();
        damage(&loader, case);
        load_beside(&loader, at, reason);
    }
}

#[test]
fn a_version_that_was_changed_is_noticed_where_an_event_arrives() {
    for (change, at, reason) in [
        (
            "active = false where card_id = 1 and valid_to is null",
            "2026-11-20 13:00:00",
            "does not agree with the latest event in landing",
        ),
        (
            "active = true where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "no version agrees with it",
        ),
        (
            "event_id = '00000000-0000-4000-8000-000000000000' where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "no version agrees with it",
        ),
        (
            "valid_from = '2026-11-20 11:10:00+00' where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "is not among the events in landing",
        ),
        // What the program cannot represent is no panic.
        (
            "created_at = 'infinity' where card_id = 1 and valid_to is null",
            "2026-11-20 13:00:00",
            "a version cannot be read",
        ),
        (
            "updated_at = '-infinity' where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "a version cannot be read",
        ),
        (
            "valid_to = 'infinity' where card_id = 1 and valid_from = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "a version cannot be read",
        ),
    ] {
        let loader = three_versions();
        damage(&loader, &format!("update warehouse.dim_card set {change}"));
        load_beside(&loader, at, reason);
    }
}

#[test]
fn an_event_that_was_deleted_or_changed_is_noticed_where_an_event_arrives() {
    for (change, at, reason) in [
        (
            "delete from landing.card_event where card_id = 1 and event_at = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "is not among the events in landing",
        ),
        (
            "delete from landing.card_event where card_id = 1 and event_at = '2026-11-20 12:00:00+00'",
            "2026-11-20 13:00:00",
            "the current version, from 2026-11-20 12:00:00 UTC, does not agree",
        ),
        (
            "update landing.card_event set active = true where card_id = 1 and event_at = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "no version agrees with it",
        ),
        (
            "update landing.card_event set created_at = 'infinity' where card_id = 1 and event_at = '2026-11-20 11:00:00+00'",
            "2026-11-20 11:30:00",
            "an event cannot be read",
        ),
        (
            "update landing.card_event set event_at = 'infinity' where card_id = 1 and event_at = '2026-11-20 12:00:00+00'",
            "2026-11-20 13:00:00",
            "the time of its latest event cannot be read",
        ),
    ] {
        let loader = three_versions();
        loader.execute(change);
        load_beside(&loader, at, reason);
    }
}

#[test]
fn what_the_database_refuses_is_rejected_with_its_words() {
    for (obstacle, reason) in [
        // A fact refers to a version that a late-arriving event would merge away.
        (
            "create table public.fact (
               card_id bigint, card_key bigint,
               foreign key (card_id, card_key) references warehouse.dim_card (card_id, card_key)
             );
             insert into public.fact select card_id, card_key from warehouse.dim_card",
            "violates foreign key constraint \"fact_card_id_card_key_fkey\" on table \"fact\"",
        ),
        (
            "alter table warehouse.dim_card add constraint no_merge check (card_id <> 1) not valid",
            "violates check constraint \"no_merge\"",
        ),
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if old.card_id = 1 then raise exception 'card 1 is under review'; end if;
               return coalesce(new, old);
             end $$;
             create trigger refuse before update or delete on warehouse.dim_card
             for each row execute function public.refuse()",
            "card 1 is under review",
        ),
        (
            "alter table landing.card_event add constraint no_event check (card_id <> 1) not valid",
            "violates check constraint \"no_event\"",
        ),
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if new.card_id = 1 then raise exception 'card 1 is closed'; end if;
               return new;
             end $$;
             create trigger refuse before insert on landing.card_event
             for each row execute function public.refuse()",
            "card 1 is closed",
        ),
        // A code of somebody's own.
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if old.card_id = 1 then raise exception 'card 1 is frozen' using errcode = 'UC001'; end if;
               return coalesce(new, old);
             end $$;
             create trigger refuse before update or delete on warehouse.dim_card
             for each row execute function public.refuse()",
            "card 1 is frozen",
        ),
        // Checked at commit, as an event and as a version.
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if new.card_id = 1 then raise exception 'card 1 is sealed'; end if;
               return null;
             end $$;
             create constraint trigger refuse after insert on landing.card_event
             deferrable initially deferred for each row execute function public.refuse()",
            "card 1 is sealed",
        ),
        (
            "create function public.refuse() returns trigger language plpgsql as $$
             begin
               if old.card_id = 1 then raise exception 'card 1 is under audit'; end if;
               return null;
             end $$;
             create constraint trigger refuse after update or delete on warehouse.dim_card
             deferrable initially deferred for each row execute function public.refuse()",
            "card 1 is under audit",
        ),
    ] {
        let loader = three_versions();
        loader.execute(obstacle);
        // The event of 11:00 in the same second, so that its version is merged away: the file's time is
        // later than that of the event that it overrules.
        let before = versions(&loader, 1);
        loader.put_card_event(901, 1, "2026-11-20 11:00:00", true);
        std::fs::copy(
            loader.path("cards/901.json"),
            loader.path("cards/copy.json"),
        )
        .expect("the inbox can be written");
        loader.put_card_event(902, 2, "2026-11-20 13:00:00", false);
        loader.put_user_event(904, 1, "2026-11-20 13:00:00", 2.0);
        let said = loader.etl(&["run", "--json"]);
        assert_eq!(said.status, 0, "{}", said.log);
        let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
        assert_eq!(counts(&summary), [2, 0, 2], "{}", said.log);
        let detail =
            loader.value("select detail from landing.rejected_event where file_name = '901.json'");
        assert!(detail.contains(reason), "{detail}");
        assert_eq!(versions(&loader, 1), before);
        let tried = loader.etl(&["rejected", "retry", "--dry-run", "--json"]);
        assert!(tried.out.contains("\"loaded\":0"), "{}", tried.out);
        // Once nothing is in the way, a retry loads it.
        loader.execute(
            "drop table if exists public.fact;
             alter table warehouse.dim_card drop constraint if exists no_merge;
             alter table landing.card_event drop constraint if exists no_event;
             drop function if exists public.refuse() cascade",
        );
        let retried = loader.etl(&["rejected", "retry", "--json"]);
        assert_eq!(retried.status, 0, "{}", retried.log);
        for count in ["\"loaded\":1", "\"duplicates\":1"] {
            assert!(retried.out.contains(count), "{}", retried.out);
        }
        assert_eq!(versions(&loader, 1).len(), 1);
        books::check(&loader);
        books::verify(&loader);
    }
}

/// An index of somebody's own takes values of up to a third of a page.
#[test]
fn a_value_too_long_for_an_index_stops_no_other() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.execute("create index own on warehouse.dim_user (address)");
    let mut event = numbered_user(1);
    // Nothing that could be compressed.
    let address: Vec<String> = (0..1_500_u64)
        .map(|number| format!("{:x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    event["payload"]["address"] = address.concat().into();
    loader.put("users/long.json", event.to_string());
    loader.put_user(2);
    let summary = loader.run(&[]);
    assert_eq!(counts(&summary), [1, 0, 1]);
    let detail = loader.value("select detail from landing.rejected_event");
    assert!(detail.contains("index row"), "{detail}");
    loader.execute("drop index warehouse.own");
    let retried = loader.etl(&["rejected", "retry", "--json"]);
    assert!(retried.out.contains("\"loaded\":1"), "{}", retried.out);
    books::check(&loader);
}

#[test]
fn many_broken_keys_among_many_good_ones_cost_a_few_attempts() {
    let loader = Loader::new();
    for key in 0..400_u64 {
        loader.put_card_event(key, key as i64, "2026-11-20 10:00:00", true);
        loader.put_user_event(key, key as i64, "2026-11-20 10:00:00", 1.0);
    }
    loader.run(&[]);
    loader.execute(
        "delete from landing.card_event where card_id % 40 = 0;
         alter table warehouse.dim_user add constraint refused check (user_id % 40 <> 1 or valid_to is null) not valid;
         select setval(pg_get_serial_sequence('warehouse.dim_user', 'user_key'), 1, false)",
    );
    for key in 0..400_u64 {
        loader.put_card_event(1_000 + key, key as i64, "2026-11-20 11:00:00", false);
        loader.put_user_event(1_000 + key, key as i64, "2026-11-20 11:00:00", 2.0);
    }
    let said = loader.etl(&["run", "--json", "--batch-size", "500"]);
    assert_eq!(said.status, 0, "{}", said.log);
    let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
    assert_eq!(counts(&summary), [780, 0, 20], "{}", said.log);
    // A note of a batch that was done again is not lost.
    assert!(said.log.contains("user_key was behind"), "{}", said.log);
    let rejected = "select entity, count(*), count(distinct entity_id), min(entity_id % 40), max(entity_id % 40)
                    from landing.rejected_event where reason = 'broken_timeline' group by entity order by entity";
    assert_eq!(loader.query(rejected), ["card|10|10|0|0", "user|10|10|1|1"]);
    assert_eq!(
        loader.query(
            "select (select count(*) from warehouse.card_current where not active),
                    (select count(*) from warehouse.user_current where score = 2)"
        ),
        ["390|390"]
    );
}

/// What a commit would refuse of landing is found among the events, not among the versions: there it would
/// break every key.
#[test]
fn an_event_that_a_deferred_constraint_refuses_stops_no_other() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.execute(
        "create table public.blocked (card_id bigint primary key);
         insert into public.blocked select generate_series(0, 399);
         alter table landing.card_event add constraint known_card
         foreign key (card_id) references public.blocked (card_id) deferrable initially deferred",
    );
    for key in 0..=400_u64 {
        loader.put_card_event(key, key as i64, "2026-11-20 10:00:00", true);
    }
    for arguments in [&["--dry-run"][..], &[]] {
        let summary = loader.run(arguments);
        assert_eq!(counts(&summary), [400, 0, 1]);
    }
    assert_eq!(
        loader.query("select reason, entity, entity_id from landing.rejected_event"),
        ["broken_timeline|card|400"]
    );
    let detail = loader.value("select detail from landing.rejected_event");
    assert!(detail.contains("\"known_card\""), "{detail}");
    loader.execute("insert into public.blocked values (400)");
    let retried = loader.etl(&["rejected", "retry", "--json"]);
    assert!(retried.out.contains("\"loaded\":1"), "{}", retried.out);
    books::check(&loader);
    books::verify(&loader);
}

#[test]
fn a_dry_run_meets_a_broken_key_as_the_run_does() {
    let loader = three_versions();
    loader.execute("delete from landing.card_event where card_id = 1");
    loader.put_card_event(901, 1, "2026-11-20 13:00:00", false);
    loader.put_card_event(902, 2, "2026-11-20 13:00:00", false);
    let tried = loader.run(&["--dry-run"]);
    assert_eq!(counts(&tried), [1, 0, 1]);
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event"),
        "0"
    );
    let done = loader.run(&[]);
    assert_eq!(counts(&done), [1, 0, 1]);
    let tried = loader.etl(&["rejected", "retry", "--dry-run", "--json"]);
    assert!(
        tried.out.contains("\"loaded\":0") && tried.out.contains("\"rejected\":1"),
        "{}",
        tried.out
    );
}

#[test]
fn a_time_without_end_in_any_table_is_an_error_and_no_panic() {
    for (change, arguments, expected) in [
        (
            "update etl.checkpoint set offset_at = 'infinity'",
            &["run"][..],
            "claiming the checkpoints",
        ),
        (
            "insert into etl.pending_file values ('cards', 'main', 'x.json', '-infinity', 'it is pending')",
            &["run"],
            "claiming the checkpoints",
        ),
        (
            "update landing.rejected_event set file_modified_at = 'infinity'",
            &["rejected", "retry"],
            "reading rejected documents",
        ),
        (
            "update landing.rejected_event set file_changed_at = '-infinity'",
            &["rejected", "retry"],
            "reading rejected documents",
        ),
    ] {
        let loader = three_versions();
        loader.put("cards/bad.json", "[]");
        loader.run(&[]);
        loader.execute(change);
        let said = loader.etl(arguments);
        assert_eq!(said.status, 1, "{change}: {}", said.log);
        assert!(said.log.contains(expected), "{change}: {}", said.log);
        assert!(!said.log.contains("panicked"), "{change}: {}", said.log);
    }
}
