//! Copies of loaded files: what they may change of the order of events, and what not.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::books;
use crate::loader::{Loader, card_event, event_id, user_event};
use crate::lost_files::pass_over;
use crate::model::CARDS;
use crate::verify::check_sound;

/// 2026-11-20 10:00:00 UTC, in microseconds since 1970.
const SECOND: u64 = 1_795_168_800_000_000;

const AT: &str = "2026-11-20 10:00:00";

/// Two events of a card in one second, of which the second one, by their files' times, is effective.
fn two_of_a_second(loader: &Loader) {
    let first = card_event(&event_id(9), AT, 1, 7, true).to_string();
    let second = card_event(&event_id(5), AT, 1, 7, false).to_string();
    loader.put_modified("cards/a.json", first, SECOND + 100_000);
    loader.put_modified("cards/b.json", second, SECOND + 900_000);
}

/// Puts the file of one of them once more, under another name.
fn put_copy(loader: &Loader, number: u64, active: bool, modified: u64) {
    let event = card_event(&event_id(number), AT, 1, 7, active).to_string();
    loader.put_modified(
        &format!("cards/copy-{number}-{modified}.json"),
        event,
        modified,
    );
}

fn is_active(loader: &Loader) -> String {
    loader.value("select active from warehouse.card_current")
}

fn succeeds(program: &str, folder: &Path, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .status();
    assert!(
        status.expect("the program can be started").success(),
        "{program}"
    );
}

/// The copy comes before the versions are written, so none of them is one that changes.
#[test]
fn a_copy_in_the_same_batch_decides_before_versions_are_written() {
    let loader = Loader::new();
    two_of_a_second(&loader);
    put_copy(&loader, 5, false, SECOND + 50_000);
    let summary = loader.run(&[]);
    assert_eq!(is_active(&loader), "true");
    let counted = [
        "loaded",
        "duplicates",
        "versions_opened",
        "versions_changed",
    ];
    assert_eq!(
        counted.map(|name| summary[name].as_i64()),
        [2, 1, 1, 0].map(Some)
    );
    books::check(&loader);
}

#[test]
fn an_inbox_restored_from_an_archive_with_whole_seconds_changes_nothing() {
    let loader = Loader::new();
    two_of_a_second(&loader);
    loader.run(&[]);
    let before = loader.query(CARDS);
    assert_eq!(is_active(&loader), "false");
    let cards = loader.path("cards");
    // GNU tar's own format keeps whole seconds.
    succeeds(
        "tar",
        &cards,
        &["--format=gnu", "-cf", "../backup.tar", "."],
    );
    for name in ["a.json", "b.json"] {
        fs::remove_file(cards.join(name)).expect("the inbox is ours");
    }
    succeeds("tar", &cards, &["-xf", "../backup.tar"]);
    let modified = fs::metadata(cards.join("b.json")).and_then(|file| file.modified());
    assert_eq!(
        modified.expect("the file has a time"),
        SystemTime::UNIX_EPOCH + Duration::from_micros(SECOND)
    );
    let summary = loader.run(&[]);
    let changes = ["versions_opened", "versions_closed", "versions_changed"];
    assert_eq!(summary["duplicates"], 2);
    assert_eq!(changes.map(|field| &summary[field]), [0, 0, 0]);
    assert_eq!(loader.query(CARDS), before);
    books::verify(&loader);
}

#[test]
fn a_copy_that_moves_an_event_is_reported_as_a_change_of_versions() {
    let loader = Loader::new();
    two_of_a_second(&loader);
    loader.run(&[]);
    // The first event's file is found with a time after the second one's: it changes nothing.
    put_copy(&loader, 9, true, SECOND + 950_000);
    assert_eq!(loader.run(&[])["versions_changed"], 0);
    // The second event's file is found with a time before the first one's.
    put_copy(&loader, 5, false, SECOND + 50_000);
    let said = loader.etl(&["run"]);
    assert_eq!(is_active(&loader), "true");
    for figure in [
        "duplicates=1",
        "versions_opened=0",
        "versions_closed=0",
        "versions_changed=1",
    ] {
        assert!(
            said.log.contains(&format!(" {figure} ")),
            "{figure}: {}",
            said.log
        );
    }
    assert_eq!(
        loader.value("select versions_changed from etl.run order by run_id desc limit 1"),
        "1"
    );
    books::check(&loader);
}

#[test]
fn of_copies_the_earliest_with_a_fraction_counts_whatever_the_order_of_arrival() {
    // Times of the first event's copies in the order in which they arrive, and whether its event is
    // the last of the second then. The other event is at half past.
    let cases: [(&[u64], &[bool]); 6] = [
        (&[900_000, 100_000], &[true, false]),
        (&[100_000, 900_000], &[false, false]),
        // A rounded copy is nothing beside one with a fraction, though it is earlier.
        (&[900_000, 0], &[true, true]),
        (&[0, 900_000], &[false, true]),
        (
            &[0, 900_000, 600_000, 300_000, 0],
            &[false, true, true, false, false],
        ),
        // Without a fraction anywhere, the earliest counts.
        (&[2_000_000, 1_000_000, 0], &[true, true, false]),
    ];
    for (times, expected) in cases {
        let loader = Loader::new();
        loader.put_modified(
            "cards/other.json",
            card_event(&event_id(5), AT, 1, 7, false).to_string(),
            SECOND + 500_000,
        );
        for (time, is_last) in times.iter().zip(expected) {
            put_copy(&loader, 9, true, SECOND + time);
            loader.run(&["--since", "1d"]);
            assert_eq!(
                is_active(&loader),
                is_last.to_string(),
                "{times:?} at {time}"
            );
            books::check(&loader);
        }
    }
}

/// A copy that moves its event within its second changes a row of landing, and perhaps a version.
#[test]
fn a_copy_whose_change_is_refused_is_rejected_and_stops_no_other() {
    for obstacle in [
        "alter table landing.card_event add constraint obstacle check (card_id <> 1) not valid",
        "alter table warehouse.dim_card add constraint obstacle check (card_id <> 1) not valid",
        "create function public.refuse() returns trigger language plpgsql as $$
         begin
           if new.card_id = 1 then raise exception 'the obstacle'; end if;
           return null;
         end $$;
         create constraint trigger refuse after update on landing.card_event
         deferrable initially deferred for each row execute function public.refuse()",
    ] {
        let loader = Loader::new();
        let event = |number: u64, card_id: u64| {
            card_event(&event_id(number), AT, card_id as i64, 7, number >= 10).to_string()
        };
        // The second one of each card is effective, until it turns out to be the first one.
        for card in 1..=3 {
            loader.put_modified(&format!("cards/{card}.json"), event(card, card), 500);
            loader.put_modified(&format!("cards/1{card}.json"), event(10 + card, card), 900);
        }
        loader.run(&[]);
        loader.execute(obstacle);
        for card in 1..=3 {
            let copy = format!("cards/copy-{card}.json");
            loader.put_modified(&copy, event(10 + card, card), 100);
        }
        loader.put_card_event(100, 4, AT, true);
        for arguments in [&["--dry-run"][..], &[]] {
            let summary = loader.run(arguments);
            let counted = ["loaded", "duplicates", "rejected"].map(|field| &summary[field]);
            assert_eq!(counted, [1, 2, 1], "{obstacle}");
        }
        let current =
            || loader.query("select card_id, active from warehouse.card_current order by 1");
        assert_eq!(current(), ["1|true", "2|false", "3|false", "4|true"]);
        let detail = loader.value("select detail from landing.rejected_event");
        assert!(detail.contains("obstacle"), "{detail}");
        // It is in a table.
        pass_over(&loader);
        check_sound(&loader);
        loader.execute(
            "alter table landing.card_event drop constraint if exists obstacle;
             alter table warehouse.dim_card drop constraint if exists obstacle;
             drop function if exists public.refuse() cascade",
        );
        let retried = loader.etl(&["rejected", "retry", "--json"]);
        assert!(retried.out.contains("\"duplicates\":1"), "{}", retried.out);
        assert_eq!(current(), ["1|false", "2|false", "3|false", "4|true"]);
        books::check(&loader);
        check_sound(&loader);
    }
}

#[test]
fn zero_has_one_form() {
    for scores in [["0.0", "-0.0"], ["-0.0", "0.0"]] {
        let loader = Loader::new();
        for (number, score) in scores.iter().enumerate() {
            let event = user_event(&event_id(1), AT, 7, "Ann", 0.5).to_string();
            let event = event.replace("0.5", score);
            loader.put(&format!("users/{number}.json"), event);
            loader.run(&[]);
        }
        assert_eq!(
            loader.query(
                "select loaded, duplicates, rejected from etl.checkpoint where source = 'users'"
            ),
            ["1|1|0"]
        );
        assert_eq!(
            loader.query("select encode(float8send(score), 'hex') from warehouse.dim_user"),
            ["0000000000000000"]
        );
    }
}

#[test]
fn reading_a_file_again_as_it_is_advised_does_not_reorder_events() {
    let loader = Loader::new();
    two_of_a_second(&loader);
    loader.run(&[]);
    let before = loader.query(CARDS);
    // `touch -a` changes the change time, by which the file is found, and not the modification time.
    succeeds("touch", &loader.path("cards"), &["-a", "a.json", "b.json"]);
    let summary = loader.run(&["--overlap", "1ms"]);
    assert_eq!(
        (&summary["duplicates"], &summary["versions_changed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(loader.query(CARDS), before);
    let stamp = File::open(loader.path("cards/a.json")).and_then(|file| file.metadata());
    assert_eq!(
        stamp
            .and_then(|stamp| stamp.modified())
            .expect("the file has a time"),
        SystemTime::UNIX_EPOCH + Duration::from_micros(SECOND + 100_000)
    );
}

#[test]
fn of_two_deliveries_of_a_rejected_file_the_time_counts_that_would_count_of_copies() {
    let (whole, early, late) = (SECOND, SECOND + 200_000, SECOND + 700_000);
    let deliveries = [
        (whole, late, late),
        (late, whole, late),
        (early, late, early),
        (late, early, early),
    ];
    // With the same reason both times, and with another one.
    for max_ahead in ["1d", "2d"] {
        let loader = Loader::new();
        let put = |card: usize, modified: u64| {
            let id = event_id(card as u64);
            let event = card_event(&id, "2027-06-01 10:00:00", card as i64, 7, true);
            loader.put_modified(&format!("cards/{card}.json"), event.to_string(), modified);
        };
        for (card, (first, ..)) in deliveries.iter().enumerate() {
            put(card, *first);
        }
        loader.run(&[]);
        for (card, (_, second, _)) in deliveries.iter().enumerate() {
            put(card, *second);
        }
        assert_eq!(loader.run(&["--max-ahead", max_ahead])["rejected"], 4);
        loader.etl(&["rejected", "retry", "--max-ahead", "400d"]);
        assert_eq!(
            loader.query(
                "select (extract(epoch from file_modified_at) * 1000000)::bigint
                 from landing.card_event order by card_id"
            ),
            deliveries.map(|(.., counts)| counts.to_string()),
            "{max_ahead}"
        );
    }
}
