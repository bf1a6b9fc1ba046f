//! Rejected files: listed, shown, validated again, dismissed.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model::{self, Dimensions};
use crate::obstacle;
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

/// Takes a file out of the inbox and keeps it as an earlier program with other rules would have:
/// rejected. Returns the number of the rejection.
fn reject_by_hand(loader: &Loader, file: &str, reason: &str) -> i64 {
    let path = loader.path(file);
    let (source, name) = file.split_once('/').expect("a folder and a name");
    let document = fs::read(&path).expect("the file is there");
    let micros = model::modified_micros(&path) as i64;
    fs::remove_file(&path).expect("the inbox can be written");
    let mut client = loader.client();
    client
        .execute(
            "update landing.rejected_event
             set resolved_at = now(), resolution = 'superseded', resolved_run_id = run_id
             where source = $1 and file_name = $2 and resolved_at is null",
            &[&source, &name],
        )
        .expect("a rejection can be superseded");
    client
        .query_one(
            "with run as (
               insert into etl.run (command, inbox, sources, started_at, finished_at, files, loaded, duplicates,
                                    rejected, pending, versions_opened, versions_closed, versions_changed)
               values ('run', 'main', array[$1::text], now(), now(), 1, 0, 0, 1, 0, 0, 0, 0)
               returning run_id
             ), counted as (
               insert into etl.checkpoint (source, inbox, rejected)
               values ($1::text, 'main', 1)
               on conflict (source, inbox) do update set rejected = checkpoint.rejected + 1
             )
             insert into landing.rejected_event (source, inbox, file_name, file_modified_at, file_changed_at,
                                                 file_size, reason, detail, document, run_id)
             select $1::text, 'main', $2::text, timestamptz 'epoch' + $3::bigint * interval '1 microsecond', clock_timestamp(),
                    length($4::bytea), $5::text,
                    'what an earlier program said', $4::bytea, run_id
             from run
             returning rejected_id",
            &[&source, &name, &micros, &document, &reason],
        )
        .expect("a rejection can be written")
        .get(0)
}

/// The checkpoints, the runs and the tables agree about what was loaded.
fn check_counters(loader: &Loader) {
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
    loader.put("users/fixed.json", "{} {}");
    loader.run(&["--max-file-size", "50"]);
    loader.put(
        "users/fixed.json",
        user_event(&event_id(1), "2026-11-23 20:10:20", 1, "Ann", 1.0).to_string(),
    );
    loader.run(&[]);

    let said = loader.etl(&["rejected", "list"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    assert!(
        said.out.contains(name) && !said.out.contains("fixed"),
        "{}",
        said.out
    );
    let all = loader.etl(&["rejected", "list", "--all"]);
    assert!(
        all.out.contains("fixed") && all.out.contains("accepted"),
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
        "state     open\n",
        "inbox     main\n",
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
fn a_retry_keeps_what_is_still_rejected_with_its_present_reason() {
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
        said.out.contains("2 still rejected") && said.out.contains("once the file can be read"),
        "{}",
        said.out
    );

    loader.execute(
        "update landing.rejected_event set reason = 'too_deep', detail = 'x'
         where reason = 'not_an_object'",
    );
    retry(&loader, &[], [0, 0, 2]);
    assert_eq!(
        loader.query(
            "select reason, detail, run_id = (select max(run_id) from etl.run), resolved_at is null
                      from landing.rejected_event where file_name = 'list.json'"
        ),
        ["not_an_object|the document is a list, not an object|true|true"]
    );
    check_counters(&loader);
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
    check_counters(&loader);

    let metadata = || {
        loader
            .query("select (select array_agg(run_id) from etl.run) as runs, * from etl.checkpoint")
    };
    let before = metadata();
    retry(&loader, &["--dry-run"], [2, 0, 0]);
    assert_eq!(metadata(), before);
    assert!(
        loader
            .etl(&["rejected", "retry", "--dry-run"])
            .out
            .starts_with("dry run, rolled back: retried 2")
    );

    // A retry does not scan the inbox: it does not hide that cron has stopped, nor does what it
    // validates count as new.
    let scanned = "select max(last_scanned_at) from etl.checkpoint";
    let hour = || json(&loader, &["status"])["last_hour"].clone();
    let before = (loader.value(scanned), hour());
    retry(&loader, &[&ids[1].to_string()], [1, 0, 0]);
    retry(&loader, &[&ids[0].to_string()], [1, 0, 0]);
    assert_eq!((loader.value(scanned), hour()), before);
    assert_eq!(Dimensions::of(&loader).difference(&expected), None);
    assert_eq!(
        loader.query("select resolved_run_id is not null and resolved_run_id <> run_id from landing.rejected_event"),
        ["true", "true"]
    );
    check_counters(&loader);

    let said = loader.etl(&["rejected", "retry", &ids[0].to_string()]);
    assert!(
        said.log.contains("is closed already") && said.out.starts_with("retried 0"),
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
    loader.execute(
        "update etl.run set files = files - 1, loaded = loaded - 1
         where run_id = (select run_id from landing.card_event);
         update etl.checkpoint set loaded = loaded - 1 where source = 'cards';
         delete from landing.card_event;
         delete from warehouse.dim_card",
    );
    fs::remove_file(loader.path("cards/1.json")).expect("the inbox can be written");
    fs::remove_file(loader.path("cards/2.json")).expect("the inbox can be written");
    loader.put("cards/2.json", card(1, 10, false));
    retry(&loader, &[], [1, 0, 0]);
    assert_eq!(
        loader.query("select active from warehouse.dim_card"),
        ["false"]
    );
    assert_eq!(loader.query(open), Vec::<String>::new());
    check_counters(&loader);
}

#[test]
fn of_a_file_only_what_it_held_last_is_retried() {
    let loader = Loader::new();
    loader.run(&[]);
    let good = card(1, 10, true);
    for (file, contents) in [
        ("1.json", [("{", "truncated"), (&good, "too_deep")]),
        ("2.json", [(&good, "too_deep"), ("[]", "not_an_object")]),
    ] {
        for (content, reason) in contents {
            let file = format!("cards/{file}");
            loader.put(&file, content);
            reject_by_hand(&loader, &file, reason);
        }
    }
    retry(&loader, &[], [1, 0, 1]);
    assert_eq!(
        loader.query(
            "select file_name, reason, resolution from landing.rejected_event order by rejected_id"
        ),
        [
            "1.json|truncated|superseded",
            "1.json|too_deep|accepted",
            "2.json|too_deep|superseded",
            "2.json|not_an_object|"
        ]
    );
    assert_eq!(
        loader.value(
            "select newest_event_at = '2026-11-23 20:10:10Z' from etl.checkpoint where source = 'cards'"
        ),
        "true"
    );
    check_counters(&loader);
}

#[test]
fn a_retry_waits_for_the_run_that_is_at_its_source() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put("cards/1.json", card(1, 10, true));
    reject_by_hand(&loader, "cards/1.json", "too_deep");
    // Other runs have the checkpoints: of users for good, of cards for half a second.
    let _users = obstacle::claim(&loader, "users");
    let cards = obstacle::claim(&loader, "cards");
    std::thread::scope(|scope| {
        let retried = scope.spawn(|| retry(&loader, &[], [1, 0, 0]));
        sleep(Duration::from_millis(500));
        assert_eq!(loader.value("select count(*) from landing.card_event"), "0");
        drop(cards);
        retried.join().expect("the retry succeeds")
    });
}

/// An event, by its key, second and state, the time of its file, and whether an earlier program
/// rejected it.
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
    check_counters(loader);
    let said = loader.etl(&["verify", "--overlap", "0s"]);
    prop_assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
    Ok(())
}

/// The numbers of the rejections and what became of them, by file.
fn states(loader: &Loader) -> Vec<String> {
    loader.query(
        "select file_name, coalesce(resolution, 'open') as state, note
         from landing.rejected_event
         order by file_name, rejected_id",
    )
}

fn number(loader: &Loader, file: &str) -> String {
    loader.value(&format!(
        "select max(rejected_id) from landing.rejected_event where file_name = '{file}'"
    ))
}

#[test]
fn a_dismissed_rejection_is_closed_with_who_and_why_and_stays_so() {
    let loader = Loader::new();
    loader.put("cards/a.json", "[]");
    loader.put("cards/b.json", "{}");
    loader.put("users/c.json", "[]");
    loader.run(&[]);
    let a = number(&loader, "a.json");
    let dismissed = json(
        &loader,
        &["rejected", "dismiss", &a, "--note", "a test of the service"],
    );
    assert_eq!(
        (&dismissed["dismissed"], &dismissed["skipped"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        loader.value(&format!(
            "select dismissed_by = current_user and resolved_at > rejected_at and resolved_run_id is null
             from landing.rejected_event where rejected_id = {a}"
        )),
        "true"
    );
    // It is no work any more, and is listed for those who ask.
    let listed = json(&loader, &["rejected", "list"]);
    assert_eq!(listed["total"], 2);
    let all = json(&loader, &["rejected", "list", "--all"]);
    assert_eq!(all["total"], 3);
    let entries = all["rejections"].as_array().expect("a list").iter();
    let closed: Vec<&Value> = entries
        .filter(|entry| !entry["resolved_at"].is_null())
        .collect();
    let [entry] = closed[..] else {
        panic!("one is closed: {all}")
    };
    assert_eq!(entry["rejected_id"].to_string(), a);
    assert_eq!(
        [&entry["resolution"], &entry["note"]],
        ["dismissed", "a test of the service"]
    );
    let shown = loader.etl(&["rejected", "show", &a]).out;
    assert!(shown.contains("\nstate     dismissed 20"), "{shown}");
    assert!(shown.contains(": a test of the service\n"), "{shown}");
    assert_eq!(json(&loader, &["rejected", "retry"])["files"], 2);

    // The same content again is the same rejection.
    assert_eq!(loader.run(&["--since", "1d"])["rejected"], 3);
    let before = [
        "a.json|dismissed|a test of the service",
        "b.json|open|",
        "c.json|open|",
    ];
    assert_eq!(states(&loader), before);
    // So it is when the file is written anew.
    loader.put("cards/a.json", "[]");
    assert_eq!(loader.run(&[])["rejected"], 1);
    assert_eq!(states(&loader), before);

    // Dismissed once more: there is nothing to do.
    let said = loader.etl(&["rejected", "dismiss", &a, "--note", "again"]);
    assert_eq!((said.status, said.out.as_str()), (0, "dismissed 0\n"));
    assert!(
        said.log
            .contains(&format!("rejection {a} is closed already")),
        "{}",
        said.log
    );
    // A slip in one number changes nothing of the others.
    let b = number(&loader, "b.json");
    let said = loader.etl(&["rejected", "dismiss", &b, "999", "--note", "x"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.log.contains("there is no rejection 999"),
        "{}",
        said.log
    );
    assert_eq!(states(&loader), before);

    // It can be reopened, and is work again.
    let said = loader.etl(&["rejected", "undismiss", &a, &b]);
    assert_eq!((said.status, said.out.as_str()), (0, "reopened 1\n"));
    assert!(
        said.log
            .contains(&format!("rejection {b} is not dismissed")),
        "{}",
        said.log
    );
    assert_eq!(
        states(&loader),
        ["a.json|open|", "b.json|open|", "c.json|open|"]
    );
    assert_eq!(loader.run(&["--since", "1d"])["rejected"], 3);
    assert_eq!(states(&loader).len(), 3);
    assert_eq!(json(&loader, &["rejected", "retry"])["files"], 3);

    // Other content is another rejection, and a good one is loaded.
    for file in [&a, &b] {
        loader.etl(&["rejected", "dismiss", file, "--note", "x"]);
    }
    loader.put("cards/a.json", "{} {}");
    loader.put("cards/b.json", card(2, 10, true));
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(
        states(&loader),
        [
            "a.json|superseded|x",
            "a.json|open|",
            "b.json|dismissed|x",
            "c.json|open|"
        ]
    );
    check_counters(&loader);
}

#[test]
fn rejections_are_selected_by_what_they_are_about() {
    let loader = Loader::new();
    let bad = |id: i64, kind: &str| {
        format!("{{\"metadata\": {{\"type\": \"{kind}\"}}, \"payload\": {{\"id\": {id}}}}}")
    };
    loader.put("cards/card_7.json", bad(7, "card"));
    loader.put("cards/card_8.json", bad(8, "card"));
    loader.put("cards/user_7.json", bad(7, "user"));
    loader.put("users/card_minus_7.json", bad(-7, "card"));
    loader.put("users/list.json", "[]");
    loader.run(&[]);
    let selected = |arguments: &[&str]| {
        let list = json(&loader, &[&["rejected", "list"], arguments].concat());
        let mut files: Vec<String> = list["rejections"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| {
                entry["file_name"]
                    .as_str()
                    .unwrap_or("-")
                    .replace(".json", "")
            })
            .collect();
        files.sort();
        assert_eq!(list["total"], files.len());
        files.join(" ")
    };
    for (arguments, expected) in [
        (&["--card", "7"][..], "card_7"),
        (&["--card", "-7"], "card_minus_7"),
        (&["--user", "7"], "user_7"),
        (&["--user", "8"], ""),
        (&["--source", "users"], "card_minus_7 list"),
        (&["--source", "users", "--card", "-7"], "card_minus_7"),
        (&["--reason", "not_an_object"], "list"),
        (&["--before", "1h"], ""),
        (&["--since", "1h", "--reason", "not_an_object"], "list"),
    ] {
        assert_eq!(selected(arguments), expected, "{arguments:?}");
    }
    let listed = loader.etl(&["rejected", "list", "--card", "7"]).out;
    assert!(listed.contains("card 7"), "{listed}");

    // What a list shows is what a dismissal takes.
    for (arguments, expected) in [
        (&["--before", "1h"][..], 0),
        (&["--card", "7"], 1),
        (
            &[
                "--source",
                "users",
                "--reason",
                "not_an_object",
                "--before",
                "0s",
            ],
            1,
        ),
        (&["--since", "1h"], 3),
    ] {
        let command = [&["rejected", "dismiss", "--note", "x"], arguments].concat();
        assert_eq!(
            json(&loader, &command)["dismissed"],
            expected,
            "{arguments:?}"
        );
    }
    assert_eq!(selected(&[]), "");
    for wrong in [
        &["rejected", "dismiss", "7"][..],
        &["rejected", "dismiss", "--note", "x"],
        &["rejected", "dismiss", "7", "--note", ""],
        &["rejected", "dismiss", "7", "--card", "7", "--note", "x"],
        &["rejected", "list", "--card", "7", "--user", "7"],
        &["rejected", "undismiss"],
    ] {
        assert_eq!(loader.etl(wrong).status, 2, "{wrong:?}");
    }
}

#[test]
fn very_many_are_dismissed_and_those_that_a_run_is_changing_are_left_to_it() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    loader.execute(
        "insert into landing.rejected_event (source, inbox, file_name, file_modified_at, file_changed_at,
                                             file_size, reason, detail, document, run_id)
         select 'cards', 'main', number || '.json', now(), now(), 2, 'missing_field', 'x', '{}', 1
         from generate_series(1, 25000) as number",
    );
    let mut run = loader.client();
    let mut changing = run.transaction().expect("a transaction");
    changing
        .execute(
            "select from landing.rejected_event where file_name in ('7.json', '20000.json') for update",
            &[],
        )
        .expect("nobody else is here");
    let command = [
        "rejected",
        "dismiss",
        "--reason",
        "missing_field",
        "--note",
        "x",
    ];
    let said = loader.etl(&command);
    assert_eq!(
        (said.status, said.out.as_str()),
        (
            0,
            "dismissed 24998\n2 were being changed by a run and are as they were: repeat the command\n"
        )
    );
    changing.commit().expect("the run ends");
    assert_eq!(loader.etl(&command).out, "dismissed 2\n");
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event where resolved_at is null"),
        "0"
    );
}
