//! Rejected files are work: listed, shown, and judged again.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use postgres::NoTls;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model::{self, Dimensions};
use crate::server::server;
use crate::terminal::Terminal;

/// Random cases of the property, unless `PROPTEST_CASES` says otherwise; each is four commands.
const CASES: u32 = 40;

fn json(loader: &Loader, arguments: &[&str]) -> Value {
    let said = loader.etl(&[arguments, &["--json"]].concat());
    assert_eq!(said.status, 0, "{}", said.log);
    serde_json::from_str(&said.out).expect("what is printed is JSON")
}

/// Retries and expects these numbers: loaded, duplicates, rejected.
fn retry(loader: &Loader, arguments: &[&str], expected: [i64; 3]) -> Value {
    let summary = json(loader, &[&["rejected", "retry"], arguments].concat());
    let found = ["loaded", "duplicates", "rejected"].map(|field| summary[field].as_i64());
    assert_eq!(found, expected.map(Some), "{summary}");
    assert_eq!(summary["files"], expected.iter().sum::<i64>(), "{summary}");
    summary
}

/// Takes a file out of the inbox and keeps it as rules of yesterday would have: rejected. Tells the
/// number of the rejection.
fn reject_by_hand(loader: &Loader, file: &str, reason: &str) -> i64 {
    let path = loader.path(file);
    let (source, name) = file.split_once('/').expect("a folder and a name");
    let document = fs::read(&path).expect("the file is there");
    let modified = fs::metadata(&path)
        .and_then(|file| file.modified())
        .expect("the file has a time");
    let micros = modified
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_micros() as i64;
    fs::remove_file(&path).expect("the inbox can be written");
    loader
        .client()
        .query_one(
            "with run as (
               insert into etl.run (sources, started_at, finished_at, looked_at, files, loaded, duplicates, rejected,
                                    pending, versions_opened, versions_closed)
               values (array[$1::text], now(), now(), now(), 1, 0, 0, 1, 0, 0, 0)
               returning run_id
             ), counted as (
               update etl.checkpoint set rejected = rejected + 1 where source = $1::text
             )
             insert into landing.rejected_event (source, file_name, file_modified_at, file_changed_at, file_size,
                                                 reason, detail, document, run_id)
             select $1::text, $2::text, timestamptz 'epoch' + $3::bigint * interval '1 microsecond', clock_timestamp(),
                    length($4::bytea), $5::text,
                    'what the rules of yesterday said', $4::bytea, run_id
             from run
             returning rejected_id",
            &[&source, &name, &micros, &document, &reason],
        )
        .expect("a rejection can be written")
        .get(0)
}

/// What was loaded by the checkpoints, by the runs and by the tables.
fn check_books(loader: &Loader) {
    assert_eq!(
        loader.value(&format!(
            "select (select sum(loaded) from etl.checkpoint) = ({events})
                and (select sum(loaded) from etl.run) = ({events}) as loaded,
                    (select sum(duplicates) from etl.checkpoint) = (select sum(duplicates) from etl.run) as duplicates,
                    (select sum(rejected) from etl.checkpoint) = (select sum(rejected) from etl.run) as rejected",
            events = model::EVENTS
        )),
        "true|true|true"
    );
}

fn card(number: u64, second: u64, active: bool) -> String {
    let at = format!("2026-11-23 20:10:{second:02}");
    card_event(&event_id(number), &at, 7, 3, active).to_string()
}

#[test]
fn rejections_are_listed_and_shown() {
    let loader = Loader::new();
    assert!(loader.etl(&["rejected", "list"]).log.contains("no schema"));
    let name = "16ffaaa3-2094-4f07-adec-717e9149cc2f.json";
    loader.put(&format!("cards/{name}"), "[\"\u{1b}[2Jé\"]");
    loader.put("users/bytes.json", b"[\"\xff\"]");
    loader.put("users/large.json", vec![b' '; 100]);
    loader.put("users/mended.json", "{} {}");
    loader.run(&["--max-file-size", "50"]);
    loader.put(
        "users/mended.json",
        user_event(&event_id(1), "2026-11-23 20:10:20", 1, "Ann", 1.0).to_string(),
    );
    loader.run(&[]);

    let said = loader.etl(&["rejected", "list"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    assert!(
        said.out.contains(name) && !said.out.contains("mended"),
        "{}",
        said.out
    );
    let all = loader.etl(&["rejected", "list", "--all"]);
    assert!(
        all.out.contains("mended") && all.out.contains("yes"),
        "{}",
        all.out
    );
    // A name is cut where it would not fit the terminal, and nowhere else.
    let long = format!("{}.json", "long".repeat(20));
    loader.put(&format!("cards/{long}"), "[]");
    loader.run(&[]);
    for arguments in [vec!["rejected", "list"], vec!["rejected", "list", "--all"]] {
        let listed = loader.etl(&arguments).out;
        assert!(listed.contains(&long), "{listed}");
        let shown = Terminal::show(loader.command(&arguments));
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(
            shown.contains("cards/longlong") && shown.contains("long.json"),
            "{shown}"
        );
    }
    loader.put(&format!("cards/{long}"), card(2, 10, true));
    loader.run(&[]);
    let listed = |arguments: &[&str]| {
        let list = json(&loader, &[&["rejected", "list"], arguments].concat());
        (
            list["total"].as_i64(),
            list["rejections"].as_array().map(Vec::len),
        )
    };
    assert_eq!(listed(&[]), (Some(3), Some(3)));
    assert_eq!(listed(&["--all"]), (Some(5), Some(5)));
    assert_eq!(listed(&["--limit", "2"]), (Some(3), Some(2)));
    assert_eq!(listed(&["--reason", "not_utf8"]), (Some(1), Some(1)));
    assert_eq!(listed(&["--source", "users"]), (Some(2), Some(2)));
    assert_eq!(listed(&["--since", "1h"]), (Some(3), Some(3)));
    assert_eq!(listed(&["--since", "0s"]), (Some(0), Some(0)));
    assert!(
        loader
            .etl(&["rejected", "list", "--limit", "1"])
            .out
            .contains("2 older ones")
    );

    let id = |file: &str| {
        loader.value(&format!(
            "select rejected_id from landing.rejected_event where file_name = '{file}'"
        ))
    };
    let said = loader.etl(&["rejected", "show", &id(name)]);
    assert_eq!(said.status, 0, "{}", said.log);
    for words in [
        &format!("cards/{name}"),
        "invalid_json",
        "\n[\"\\u{1b}[2Jé\"]\n",
        "resolved  no",
    ] {
        assert!(
            said.out.contains(words),
            "{words:?} is missing:\n{}",
            said.out
        );
    }
    let shown = json(&loader, &["rejected", "show", &id(name)]);
    assert_eq!(
        (&shown["document"], &shown["file_size"]),
        (&"[\"\u{1b}[2Jé\"]".into(), &10.into())
    );
    assert!(
        loader
            .etl(&["rejected", "show", &id("bytes.json")])
            .out
            .contains("[\"\\xff\"]")
    );
    let shown = json(&loader, &["rejected", "show", &id("bytes.json")]);
    assert_eq!(shown["document_hex"], "5b22ff225d");
    assert!(
        loader
            .etl(&["rejected", "show", &id("large.json")])
            .out
            .contains("was not read")
    );
    assert!(json(&loader, &["rejected", "show", &id("large.json")])["document"].is_null());

    let said = loader.etl(&["rejected", "show", "999"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.log.contains("there is no rejection 999"),
        "{}",
        said.log
    );
    let said = loader.etl(&["rejected", "retry", &id(name), "998", "999"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.log.contains("there is no rejection 998, 999"),
        "{}",
        said.log
    );
}

#[test]
fn a_retry_keeps_what_is_still_rejected_with_the_reason_of_today() {
    let loader = Loader::new();
    loader.put("cards/half.json", "{\"metadata\"");
    loader.put("cards/list.json", "[]");
    loader.put("users/large.json", vec![b' '; 100]);
    loader.run(&["--max-file-size", "50", "--settle", "0s"]);
    let rows = || {
        loader.query("select rejected_id, reason, detail, run_id, rejected_at, resolved_at from landing.rejected_event order by rejected_id")
    };
    let before = rows();
    let summary = retry(&loader, &[], [0, 0, 2]);
    assert_eq!(summary["without_document"], 1);
    assert_eq!(summary["sources"]["cards"]["rejected"], 2);
    assert_eq!(rows(), before);
    let said = loader.etl(&["rejected", "retry"]);
    assert!(
        said.out.contains("2 still rejected") && said.out.contains("touch the file"),
        "{}",
        said.out
    );

    loader
        .client()
        .batch_execute("update landing.rejected_event set reason = 'too_deep', detail = 'x' where reason = 'not_an_object'")
        .expect("the books can be changed");
    retry(&loader, &[], [0, 0, 2]);
    assert_eq!(
        loader.query(
            "select reason, detail, run_id = (select max(run_id) from etl.run), resolved_at is null
                      from landing.rejected_event where file_name = 'list.json'"
        ),
        ["not_an_object|the document is a list, not an object|true|true"]
    );
    check_books(&loader);
}

#[test]
fn a_retried_event_takes_the_place_that_its_file_has() {
    let loader = Loader::new();
    loader.run(&[]);
    // Of two events in one second the later file counts; the one that comes by a retry is earlier.
    loader.put_modified("cards/1.json", card(1, 10, true), 1_000);
    loader.put_modified("cards/2.json", card(2, 20, false), 2_000_000);
    loader.put_modified("cards/3.json", card(3, 20, true), 1_999_999);
    loader.put_modified("cards/4.json", card(4, 15, false), 3_000_000);
    let expected = model::dimensions(&loader.inbox());
    let ids = [("cards/3.json", "too_deep"), ("cards/4.json", "truncated")]
        .map(|(file, reason)| reject_by_hand(&loader, file, reason));
    loader.run(&[]);
    check_books(&loader);

    let books = || {
        loader
            .query("select (select array_agg(run_id) from etl.run) as runs, * from etl.checkpoint")
    };
    let before = books();
    retry(&loader, &["--dry-run"], [2, 0, 0]);
    assert_eq!(books(), before);
    assert!(
        loader
            .etl(&["rejected", "retry", "--dry-run"])
            .out
            .starts_with("dry run, undone: retried 2")
    );

    // A retry is no look at the inbox: it does not hide that cron has stopped, nor does what it
    // judges count as new.
    let looked = "select max(looked_at) from etl.run where sources <> '{}'";
    let hour = || json(&loader, &["status"])["last_hour"].clone();
    let before = (loader.value(looked), hour());
    retry(&loader, &[&ids[1].to_string()], [1, 0, 0]);
    retry(&loader, &[&ids[0].to_string()], [1, 0, 0]);
    assert_eq!((loader.value(looked), hour()), before);
    assert_eq!(Dimensions::of(&loader).difference(&expected), None);
    assert_eq!(
        loader.query("select resolved_run_id is not null and resolved_run_id <> run_id from landing.rejected_event"),
        ["true", "true"]
    );
    check_books(&loader);

    let said = loader.etl(&["rejected", "retry", &ids[0].to_string()]);
    assert!(
        said.log.contains("resolved already") && said.out.starts_with("retried 0"),
        "{}",
        said.log
    );
    retry(&loader, &[], [0, 0, 0]);
}

#[test]
fn a_conflict_lasts_as_long_as_its_rival() {
    let loader = Loader::new();
    loader.put("cards/1.json", card(1, 10, true));
    loader.run(&[]);
    loader.put("cards/2.json", card(1, 10, false));
    loader.put("cards/copy.json", card(1, 10, true));
    let copy = reject_by_hand(&loader, "cards/copy.json", "too_deep");
    loader.run(&[]);
    let open = "select reason from landing.rejected_event where resolved_at is null order by 1";
    assert_eq!(loader.query(open), ["conflicting_event", "too_deep"]);
    // A copy of a known event is no work any more; the rival is.
    retry(&loader, &[], [0, 1, 1]);
    assert_eq!(loader.query(open), ["conflicting_event"]);
    retry(&loader, &[&copy.to_string()], [0, 0, 0]);
    // An administrator decides for the other one.
    loader
        .client()
        .batch_execute(
            "update etl.run set files = files - 1, loaded = loaded - 1
             where run_id = (select run_id from landing.card_event);
             update etl.checkpoint set loaded = loaded - 1 where source = 'cards';
             delete from landing.card_event;
             delete from warehouse.dim_card",
        )
        .expect("the tables can be changed");
    fs::remove_file(loader.path("cards/1.json")).expect("the inbox can be written");
    fs::remove_file(loader.path("cards/2.json")).expect("the inbox can be written");
    loader.put("cards/2.json", card(1, 10, false));
    retry(&loader, &[], [1, 0, 0]);
    assert_eq!(
        loader.query("select active from warehouse.dim_card"),
        ["false"]
    );
    assert_eq!(loader.query(open), Vec::<String>::new());
    check_books(&loader);
}

#[test]
fn what_a_file_held_before_is_resolved_with_it_and_what_it_held_after_is_not() {
    let loader = Loader::new();
    loader.run(&[]);
    for (content, reason) in [
        ("{", "truncated"),
        (&card(1, 10, true), "too_deep"),
        ("[]", "not_an_object"),
    ] {
        loader.put("cards/1.json", content);
        reject_by_hand(&loader, "cards/1.json", reason);
    }
    retry(&loader, &[], [1, 0, 2]);
    assert_eq!(
        loader.query(
            "select reason, resolved_at is null from landing.rejected_event order by rejected_id"
        ),
        ["truncated|false", "too_deep|false", "not_an_object|true"]
    );
    assert_eq!(
        loader.value(
            "select newest_event_at = '2026-11-23 20:10:10Z' from etl.checkpoint where source = 'cards'"
        ),
        "true"
    );
    check_books(&loader);
}

#[test]
fn a_retry_waits_for_the_run_that_is_at_its_source() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put("cards/1.json", card(1, 10, true));
    reject_by_hand(&loader, "cards/1.json", "too_deep");
    // The locks of other runs, on `users` for good and on `cards` for a moment.
    let mut users =
        postgres::Client::connect(&server().url(&loader.database), NoTls).expect("a connection");
    let mut cards =
        postgres::Client::connect(&server().url(&loader.database), NoTls).expect("a connection");
    for (client, lock) in [(&mut users, 1), (&mut cards, 2)] {
        client
            .batch_execute(&format!("select pg_advisory_lock(6648940, {lock})"))
            .expect("the lock is free");
    }
    std::thread::scope(|scope| {
        let retried = scope.spawn(|| retry(&loader, &[], [1, 0, 0]));
        sleep(Duration::from_millis(500));
        assert_eq!(loader.value("select count(*) from landing.card_event"), "0");
        drop(cards);
        retried.join().expect("the retry succeeds")
    });
}

/// An event, by its key, second and state, the time of its file, and whether it was rejected
/// yesterday.
type Planned = (bool, i64, u8, u8, u64, bool);

#[test]
fn after_a_retry_the_dimensions_are_those_of_all_files() {
    let loader = Loader::new();
    loader.run(&[]);
    let event = (
        any::<bool>(),
        0..2i64,
        0..9u8,
        0..3u8,
        0..4u64,
        prop::bool::weighted(0.4),
    );
    let strategy = prop::collection::vec(event, 1..25);
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let result = TestRunner::new(config).run(&strategy, |events| {
        loader.empty();
        play(&loader, &events)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

fn play(loader: &Loader, events: &[Planned]) -> Result<(), TestCaseError> {
    let mut files = Vec::new();
    for (index, (is_card, key, second, state, micros, rejected)) in events.iter().enumerate() {
        let (id, at) = (
            event_id(index as u64),
            format!("2026-11-23 20:00:{second:02}"),
        );
        let (folder, document) = match is_card {
            true => (
                "cards",
                card_event(&id, &at, *key, i64::from(state / 2), state % 2 == 0),
            ),
            false => (
                "users",
                user_event(&id, &at, *key, "Ann Ash", f64::from(*state)),
            ),
        };
        let file = format!("{folder}/{index}.json");
        loader.put_modified(&file, document.to_string(), 1_700_000_000_000_000 + micros);
        files.push((file, *rejected));
    }
    let expected = model::dimensions(&loader.inbox());
    for (file, rejected) in &files {
        if *rejected {
            reject_by_hand(loader, file, "too_deep");
        }
    }
    loader.run(&[]);
    let rejected = files.iter().filter(|(_, rejected)| *rejected).count() as i64;
    retry(loader, &[], [rejected, 0, 0]);
    prop_assert_eq!(Dimensions::of(loader).difference(&expected), None);
    check_books(loader);
    let said = loader.etl(&["verify", "--overlap", "0s"]);
    prop_assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
    Ok(())
}
