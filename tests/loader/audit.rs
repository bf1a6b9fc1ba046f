//! `etl verify`: silent about what is right, and it finds and names every kind of damage.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, user_event};

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
const PAUSE: Duration = Duration::from_millis(30);

/// Users and cards with late events, events of one second, repeats that change nothing, copies and
/// rejections, loaded by several runs.
fn fill(loader: &Loader) {
    let mut number = 0;
    for (second, active, micros) in [
        (10, true, 5),
        (30, false, 5),
        (20, true, 5),
        (30, true, 4),
        (40, true, 5),
    ] {
        for key in 1..=4 {
            number += 1;
            let (id, at) = (event_id(number), format!("2026-11-23 20:10:{second:02}"));
            let user = user_event(&id, &at, key, "Ann", f64::from(u8::from(active)));
            let card = card_event(&id, &at, key, 3, active);
            loader.put_modified(&format!("users/{number}.json"), user.to_string(), micros);
            loader.put_modified(&format!("cards/{number}.json"), card.to_string(), micros);
        }
        loader.run(&[]);
    }
    fs::copy(loader.path("cards/1.json"), loader.path("cards/copy.json"))
        .expect("the inbox can be written");
    loader.put("users/odd\\.json", "[]");
    let odd = loader
        .inbox()
        .join("users")
        .join(OsStr::from_bytes(b"odd\xff.json"));
    fs::write(odd, "[]").expect("the inbox can be written");
    loader.put("cards/.hidden.json", "[]");
    loader.put("cards/__id_counter", "7");
    sleep(PAUSE);
    // The last file of each folder carries the offset past all others.
    for folder in ["users", "cards"] {
        loader.put(&format!("{folder}/last.json"), "[");
    }
    loader.run(&["--settle", "0s"]);
}

/// Verifies as if runs did not look again before the checkpoint, which all files are close to here.
fn verify(loader: &Loader) -> (i32, String) {
    let said = loader.etl(&["verify", "--overlap", "0s"]);
    assert_eq!(said.log, "");
    (said.status, said.out)
}

fn check_sound(loader: &Loader) {
    let (status, out) = verify(loader);
    assert_eq!((status, out.lines().count()), (0, 1), "{out}");
    assert!(out.starts_with("all is well: "), "{out}");
}

#[test]
fn a_good_warehouse_passes() {
    let loader = Loader::new();
    let said = loader.etl(&["verify"]);
    assert_eq!(said.status, 1);
    assert!(said.log.contains("no schema yet"), "{}", said.log);
    loader.run(&[]);
    check_sound(&loader);
    fill(&loader);
    check_sound(&loader);
    // Nothing that the check of names relies on is remembered for ever.
    loader
        .client()
        .batch_execute("truncate etl.recent_file")
        .expect("the books can be changed");
    check_sound(&loader);
    let said = loader.etl(&["verify", "--json", "--overlap", "0s"]);
    let audit: Value = serde_json::from_str(&said.out).expect("the audit is JSON");
    assert_eq!(
        (said.status, &audit["sound"], &audit["findings"]),
        (0, &true.into(), &Value::Array(vec![]))
    );
    let figures = &audit["figures"];
    for (figure, expected) in [
        ("user_events", 20),
        ("card_events", 20),
        ("open_rejections", 4),
        ("files", 45),
    ] {
        assert_eq!(figures[figure], expected, "{figures}");
    }
    // A file that no run has looked at is not lost.
    loader.put("users/new.json", "[]");
    let (status, out) = verify(&loader);
    assert!(
        status == 0 && out.contains("46 files in the inbox, 1 of them waiting"),
        "{out}"
    );

    fs::remove_dir_all(loader.path("cards")).expect("the inbox can be written");
    let said = loader.etl(&["verify"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.log.contains("--inbox"), "{}", said.log);
}

/// What can be done to the tables by hand, and words of what is said of it.
const DAMAGES: &[(&str, &[&str])] = &[
    (
        "update warehouse.dim_card set valid_from = valid_from + interval '1 second' where card_id = 1 and is_current",
        &["card 1: the version from 2026-11-23 20:10:40", "is missing", "(card_key ", "no event in landing opens"],
    ),
    (
        "delete from warehouse.dim_card where card_id = 2 and valid_from = '2026-11-23 20:10:30+00'",
        &["card 2: the version from 2026-11-23 20:10:30 UTC, which the event 00000006-0000", "is missing"],
    ),
    (
        "update warehouse.dim_user set score = 99 where user_id = 1 and is_current",
        &["user 1: the version from", "make of score (1, not 99); find out"],
    ),
    (
        "update warehouse.dim_card set updated_at = updated_at - interval '1 second' where card_id = 3 and is_current",
        &["card 3: the version from", "make of updated_at (2026-11-23 20:10:40, not 2026-11-23 20:10:39); find out"],
    ),
    (
        "update warehouse.dim_card set valid_to = valid_to + interval '1 second' where card_id = 3 and not is_current",
        &["card 3: the version from", "make of valid_to (", "); find out"],
    ),
    (
        "insert into warehouse.dim_user (user_id, name, address, job, score, valid_from, event_id)
         select user_id, name, address, job, score, valid_from + interval '1 hour', event_id
         from warehouse.dim_user where user_id = 4 and is_current",
        &["user 4: the version from 2026-11-23 21:10:40", "no event in landing opens"],
    ),
    (
        "insert into warehouse.dim_card (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from,
                                         valid_to, event_id)
         select card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id
         from warehouse.dim_card where card_id = 4 and is_current",
        &["card 4: the version from", "no event in landing opens"],
    ),
    (
        "update warehouse.dim_card set event_id = gen_random_uuid() where card_id = 1 and is_current",
        &["card 1: the version from", "make of event_id (", "); find out"],
    ),
    (
        "update warehouse.dim_user set valid_from = '-infinity' where user_id = 3 and is_current",
        &["user 3: the version from -infinity UTC (user_key "],
    ),
    (
        "delete from warehouse.dim_user where user_id = 2",
        &["user 2: the version from", "is missing"],
    ),
    (
        "delete from landing.card_event where card_id = 4",
        &["card 4: the version from", "no event in landing opens", "run ", "landing has 7 of them; `etl run --since` loads them again", "cards/4.json: it changed at",
          "the event 00000004-0000-4000-8000-000000000000 of card 4 is not in landing; touch the file"],
    ),
    // A repeat, without which no version is another.
    (
        "delete from landing.user_event where user_id = 1 and event_at = '2026-11-23 20:10:20+00'",
        &["it loaded 8 events, and landing has 7 of them", "users/9.json: it changed at"],
    ),
    (
        "update landing.user_event set score = 99 where user_id = 3 and event_at = '2026-11-23 20:10:40+00'",
        &["user 3: the version from"],
    ),
    (
        "update landing.card_event set run_id = 9999 where card_id = 1",
        &["run 9999: landing has 5 events of it, and etl.run does not know it"],
    ),
    (
        "update etl.checkpoint set loaded = loaded + 1 where source = 'users'",
        &["counter loaded: etl.checkpoint adds up to 41, and etl.run to 40"],
    ),
    (
        "update etl.checkpoint set rejected = 0",
        &["counter rejected: etl.checkpoint adds up to 0, and etl.run to 4"],
    ),
    (
        "update etl.run set files = files + 1",
        &["its files are not the sum"],
    ),
    (
        "delete from etl.run where loaded > 0",
        &["and etl.run does not know it", "counter loaded"],
    ),
    (
        "update etl.checkpoint set offset_at = now() + interval '1 hour' where source = 'cards'",
        &["checkpoint of cards: its offset", "after the clock"],
    ),
    (
        "update landing.rejected_event set resolved_run_id = 1 where file_name = 'last.json'",
        &["rejection ", "is half resolved"],
    ),
    (
        "update landing.rejected_event set run_id = 9999",
        &["was rejected by run 9999, which etl.run does not have"],
    ),
    (
        "update landing.rejected_event set resolved_at = now(), resolved_run_id = 9999",
        &["was resolved by run 9999, which etl.run does not have"],
    ),
    (
        "update landing.rejected_event set document = null where file_name = 'last.json'",
        &["has lost its document"],
    ),
    (
        "delete from landing.rejected_event where source = 'users'",
        &["users/odd\\\\.json: it changed at", "users/odd\\xFF.json", "not among the rejected ones, and the document is a list"],
    ),
    (
        "delete from etl.checkpoint where source = 'users'",
        &["checkpoint of users: etl.checkpoint does not have it", "insert into etl.checkpoint (source) values ('users')"],
    ),
];

#[test]
fn names_that_are_passed_over_are_counted() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    let says = |others: &str| {
        let (status, out) = verify(&loader);
        let said = format!(
            "all is well: 1 event, 1 version, 1 run, 0 open rejections; 1 file in the inbox, 0 of them waiting{others}; "
        );
        assert!(status == 0 && out.starts_with(&said), "{out}");
    };
    // What the services keep there is no event, nor is a file that is still being written.
    for name in ["users/.lock", "users/.growing.tmp", "cards/__id_counter"] {
        loader.put(name, "7");
    }
    says("");
    loader.put("users/2.json.gz", "");
    says(", 1 other name");
    loader.put("cards/UPPER.JSON", "{}");
    loader.put("cards/.hidden.json", "{}");
    says(", 3 other names");
    let said = loader.etl(&["verify", "--json"]);
    assert!(said.out.contains("\"other_names\":3"), "{}", said.out);
}

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
             alter table landing.rejected_event drop constraint rejected_event_check",
        )
        .expect("the constraints are there");
    for (damage, words) in DAMAGES {
        loader.empty();
        fill(&loader);
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
    }
}

#[test]
fn a_file_that_runs_have_passed_over_is_found() {
    let loader = Loader::new();
    fill(&loader);
    for number in 100..115 {
        loader.put_user(number);
    }
    loader.put("cards/half.json", "{");
    sleep(PAUSE);
    loader
        .client()
        .batch_execute("update etl.checkpoint set offset_at = now()")
        .expect("the books can be changed");
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
    // Runs that look again before the checkpoint would still find them.
    assert_eq!(loader.etl(&["verify"]).status, 0);
    let said = loader.etl(&["verify", "--overlap", "0s", "--json"]);
    assert_eq!(said.status, 1);
    let audit: Value = serde_json::from_str(&said.out).expect("the audit is JSON");
    assert_eq!(
        (
            &audit["more_findings"],
            audit["findings"].as_array().map(Vec::len)
        ),
        (&6.into(), Some(10))
    );
    assert_eq!(audit["findings"][0]["check"], "inbox");
    let (_, out) = verify(&loader);
    assert!(
        out.contains("touch the file, or `etl run --since 20") && out.contains("and 6 more"),
        "{out}"
    );
    // What is advised helps.
    loader.run(&["--since", "1d", "--settle", "0s"]);
    check_sound(&loader);
}

#[test]
fn what_is_advised_about_lost_events_helps() {
    let loader = Loader::new();
    fill(&loader);
    // Without this one, which repeats what was known, no version is another.
    let lost = "from landing.user_event where user_id = 1 and event_at = '2026-11-23 20:10:20+00'";
    let run_id = loader.value(&format!("select run_id {lost}"));
    loader
        .client()
        .batch_execute(&format!("delete {lost}"))
        .expect("landing can be changed");
    let (_, out) = verify(&loader);
    assert!(
        out.contains(&format!("run {run_id}: "))
            && out.contains("loaded of its checkpoint, by 1\n"),
        "{out}"
    );
    assert_eq!(loader.run(&["--since", "1d"])["loaded"], 1);
    loader
        .client()
        .batch_execute(&format!(
            "update etl.run set files = files - 1, loaded = loaded - 1 where run_id = {run_id};
             update etl.checkpoint set loaded = loaded - 1 where source = 'users'"
        ))
        .expect("the books can be changed");
    check_sound(&loader);
}

#[test]
fn runs_that_go_on_meanwhile_are_no_damage() {
    let loader = Loader::new();
    loader.run(&[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    number += 1;
                    let at = format!(
                        "2026-11-23 20:{:02}:{:02}",
                        number * 7 % 60,
                        number * 11 % 60
                    );
                    let event = card_event(
                        &event_id(number),
                        &at,
                        (number % 3) as i64,
                        1,
                        number % 2 == 0,
                    );
                    loader.put(&format!("cards/{number}.json"), event.to_string());
                }
                loader.run(&["--overlap", "100ms", "--batch-size", "7"]);
            }
        });
        for _ in 0..12 {
            let said = loader.etl(&["verify", "--overlap", "100ms"]);
            if said.status != 0 {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(said.status, 0, "{}{}", said.out, said.log);
        }
        done.store(true, Ordering::Relaxed);
    });
}
