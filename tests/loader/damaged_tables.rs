//! Whatever somebody does to the tables by hand, `etl verify` finds it, names it and says what to do.

use crate::loader::Loader;
use crate::verify::{check_sound, fill, verify};

/// What can be done to the tables by hand, words of what is said of it, and whether a rebuild repairs
/// it.
type Damage = (&'static str, &'static [&'static str], bool);

const DAMAGES: &[Damage] = &[
    (
        "update warehouse.dim_card set valid_from = valid_from + interval '1 second' where card_id = 1 and is_current",
        &["card 1: the version from 2026-11-23 20:10:40 UTC, which", "is missing; `etl rebuild card 1` adds it",
          "card 1: no event in landing opens the version from 2026-11-23 20:10:41 UTC (card_key "],
        true,
    ),
    (
        "delete from warehouse.dim_card where card_id = 2 and valid_from = '2026-11-23 20:10:30+00'",
        &["card 2: the version from 2026-11-23 20:10:30 UTC, which the event 00000006-0000", "is missing"],
        true,
    ),
    (
        "update warehouse.dim_user set score = 99 where user_id = 1 and is_current",
        &["user 1: the version from", "differs from its events: score: expected 1, found 99; `etl rebuild user 1` repairs it"],
        true,
    ),
    (
        "update warehouse.dim_user set address = 'x' where user_id = 1 and is_current",
        &[r#"address: expected "1 Road\nTown, AA 11111", found "x"; `etl"#],
        true,
    ),
    (
        "update warehouse.dim_card set active = not active where card_id = 3 and is_current",
        &["active: expected t, found f; `etl"],
        true,
    ),
    (
        "update warehouse.dim_card set updated_at = updated_at - interval '1 second' where card_id = 3 and is_current",
        &["card 3: the version from", "updated_at: expected 2026-11-23 20:10:40 UTC, found 2026-11-23 20:10:39 UTC; `etl"],
        true,
    ),
    (
        "update warehouse.dim_card set valid_to = valid_to + interval '1 second' where card_id = 3 and not is_current",
        &["card 3: the version from", "valid_to: expected 2026-11-23 20:10:", "; `etl rebuild card 3` repairs it"],
        true,
    ),
    (
        "insert into warehouse.dim_user (user_id, name, address, job, score, valid_from, event_id)
         select user_id, name, address, job, score, valid_from + interval '1 hour', event_id
         from warehouse.dim_user where user_id = 4 and is_current",
        &["user 4: no event in landing opens the version from 2026-11-23 21:10:40 UTC (user_key ", "`etl rebuild user 4` removes it"],
        true,
    ),
    (
        "insert into warehouse.dim_card (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from,
                                         valid_to, event_id)
         select card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id
         from warehouse.dim_card where card_id = 4 and is_current",
        &["card 4: no event in landing opens the version from"],
        true,
    ),
    (
        "update warehouse.dim_card set event_id = gen_random_uuid() where card_id = 1 and is_current",
        &["card 1: the version from", "event_id: expected \"00000011-0000-4000-8000-000000000000\", found \"", "; `etl"],
        true,
    ),
    (
        "update warehouse.dim_user set valid_from = '-infinity' where user_id = 3 and is_current",
        &["user 3: no event in landing opens the version from -infinity UTC (user_key "],
        true,
    ),
    (
        "update warehouse.dim_card set updated_at = 'infinity' where card_id = 3 and is_current",
        &["updated_at: expected 2026-11-23 20:10:40 UTC, found infinity; `etl"],
        true,
    ),
    (
        "delete from warehouse.dim_user where user_id = 2",
        &["user 2: the version from", "is missing"],
        true,
    ),
    (
        "truncate warehouse.dim_card, warehouse.dim_user",
        &["user 1: the version from", "card 1: the version from", "and 4 more"],
        true,
    ),
    (
        "with other as (
           select card_key from warehouse.dim_card where card_id = 2 order by card_key limit 1
         ),
         gone as (delete from warehouse.dim_card where card_id = 1 and is_current returning *)
         insert into warehouse.dim_card (card_key, card_id, user_id, created_by_name, active, created_at, updated_at,
                                         valid_from, event_id)
         overriding system value
         select other.card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
         from gone, other",
        &["card_key ", ": it identifies 2 versions, of card 1, 2; `etl rebuild card 1 2` leaves it to the version that was loaded first"],
        true,
    ),
    (
        "delete from landing.card_event where card_id = 4",
        &["card 4: no event in landing opens the version from", "if its events were deleted from landing by mistake, restore them first",
          "it loaded 8 events, and landing has 7 of them; `etl run --since` loads the others again", "cards/4.json: it changed at",
          "landing does not have the event 00000004-0000-4000-8000-000000000000 of card 4; `etl run --since 20", "Z --inbox /", " --source cards` reads it again"],
        false,
    ),
    // A repeat, without which no version is another.
    (
        "delete from landing.user_event where user_id = 1 and event_at = '2026-11-23 20:10:20+00'",
        &["it loaded 8 events, and landing has 7 of them", "users/9.json: it changed at"],
        false,
    ),
    (
        "update landing.user_event set score = 99 where user_id = 3 and event_at = '2026-11-23 20:10:40+00'",
        &["user 3: the version from", "users/19.json: it changed at", "landing has its event with other content, from 19.json"],
        false,
    ),
    (
        "update landing.card_event set run_id = 9999 where card_id = 1",
        &["run 9999: landing has 5 events of it, and etl.run has no row of it"],
        false,
    ),
    (
        "update etl.checkpoint set loaded = loaded + 1 where source = 'users'",
        &["counter loaded of the inbox main: its checkpoints add up to 41, and its runs to 40"],
        false,
    ),
    (
        "update etl.checkpoint set rejected = 0",
        &["counter rejected of the inbox main: its checkpoints add up to 0, and its runs to 4"],
        false,
    ),
    (
        "update etl.run set files = files + 1",
        &["its files are not the sum"],
        false,
    ),
    (
        "delete from etl.run where loaded > 0",
        &["and etl.run has no row of it", "counter loaded"],
        false,
    ),
    (
        "update etl.checkpoint set offset_at = now() + interval '1 hour' where source = 'cards'",
        &["checkpoint of cards in the inbox main: its offset", "after the clock"],
        false,
    ),
    (
        "update landing.rejected_event set resolved_run_id = 1 where file_name = 'last.json'",
        &["rejection ", "its resolution contradicts dismissed_by or resolved_run_id"],
        false,
    ),
    (
        "update landing.rejected_event set resolution = 'accepted' where file_name = 'last.json'",
        &["rejection ", "it is half closed"],
        false,
    ),
    (
        "update landing.rejected_event set resolution = 'dismissed', resolved_at = now()",
        &["rejection ", "its resolution contradicts dismissed_by"],
        false,
    ),
    (
        "insert into landing.rejected_event (source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason,
                                             detail, document, run_id)
         select source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, document, run_id
         from landing.rejected_event where source = 'cards'",
        &["its file has a later rejection that is open or dismissed too"],
        false,
    ),
    (
        "update landing.rejected_event set run_id = 9999",
        &["it was rejected by run 9999, of which etl.run has no row"],
        false,
    ),
    (
        "update landing.rejected_event set resolved_at = now(), resolution = 'superseded', resolved_run_id = 9999",
        &["it was closed by run 9999, of which etl.run has no row", "users/odd\\xFF.json: it changed at"],
        false,
    ),
    (
        "update landing.rejected_event set document = null where file_name = 'last.json'",
        &["its document is missing"],
        false,
    ),
    (
        "update landing.rejected_event set document = 'x' where source = 'users'",
        &["users/odd\\\\.json: it changed at", "users/odd\\xFF.json: it changed at"],
        false,
    ),
    (
        "delete from landing.rejected_event where source = 'users'",
        &["users/odd\\\\.json: it changed at", "users/odd\\xFF.json", "is in no table: the document is a list"],
        false,
    ),
    (
        "delete from etl.checkpoint where source = 'users'",
        &["counter loaded of the inbox main: its checkpoints add up to 20, and its runs to 40"],
        false,
    ),
    (
        "select etl.request_rebuild('card')",
        &["warehouse.dim_card: a migration has requested to rebuild it, and that is not done; `etl migrate`"],
        false,
    ),
];

#[test]
fn every_kind_of_damage_is_found_and_named() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut client = loader.client();
    // What would refuse the damage.
    client
        .batch_execute(
            "alter table warehouse.dim_user drop constraint dim_user_next;
             alter table warehouse.dim_card drop constraint dim_card_next;
             alter table warehouse.dim_user drop constraint dim_user_start, drop constraint dim_user_finite;
             alter table warehouse.dim_card drop constraint dim_card_start;
             drop index warehouse.dim_user_end, warehouse.dim_user_current,
                        warehouse.dim_card_end, warehouse.dim_card_current;
             alter table etl.run drop constraint run_check;
             alter table landing.rejected_event
               drop constraint rejected_event_check, drop constraint rejected_event_check1,
               drop constraint rejected_event_check2;
             drop index landing.rejected_event_file",
        )
        .expect("the constraints are there");
    for (damage, words, is_rebuilt) in DAMAGES {
        loader.empty();
        fill(&loader);
        check_sound(&loader);
        client
            .batch_execute(damage)
            .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        let (status, out) = verify(&loader);
        assert_eq!(status, 1, "{damage}");
        for word in *words {
            assert!(out.contains(word), "{damage}: {word:?} is missing:\n{out}");
        }
        assert!(
            out.lines()
                .last()
                .is_some_and(|line| line.starts_with("not all is well: ")),
            "{out}"
        );
        assert!(!out.contains("touch"), "{out}");
        if *is_rebuilt {
            let said = loader.etl(&["rebuild"]);
            assert_eq!(said.status, 0, "{damage}: {}{}", said.out, said.log);
            check_sound(&loader);
        }
    }
}
