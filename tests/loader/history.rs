//! `etl history`: what it shows of a user or card.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::loader::{Loader, Said, card_event, event_id, said, user_event};
use crate::terminal::Terminal;

/// A card that lives through everything: another owner, an event that changes nothing, two in one
/// second, a late-arriving one, rejections. Its files are named after its events.
fn eventful_card() -> Loader {
    let loader = Loader::new();
    let user = |number, at: &str, id, name| {
        let event = user_event(&event_id(number), at, id, name, 0.5);
        loader.put(&format!("users/{number}.json"), event.to_string());
    };
    let card = |number, at: &str, user_id, active| {
        let event = card_event(&event_id(number), at, 42, user_id, active);
        loader.put_modified(&format!("cards/{number}.json"), event.to_string(), number);
    };
    user(1, "2026-11-23 20:00:00", 7, "Ann Ash");
    user(2, "2026-11-23 20:12:00", 7, "Ann Oak");
    card(11, "2026-11-23 20:10:00", 7, true);
    card(13, "2026-11-23 20:13:00", 7, false);
    card(14, "2026-11-23 20:14:00", 8, false);
    card(15, "2026-11-23 20:14:00", 8, true);
    card(16, "2026-11-23 20:15:00", 8, true);
    // What is rejected, about this card and not.
    let mut bad = card_event(&event_id(21), "2026-11-23 20:16:00", 42, 7, true);
    bad["payload"]["user_id"].take();
    loader.put("cards/null_owner.json", bad.to_string());
    bad["payload"]["id"] = json!("42");
    loader.put("cards/text_id.json", bad.to_string());
    bad["payload"]["id"] = json!(421);
    loader.put("cards/other_card.json", bad.to_string());
    bad["payload"]["id"] = json!(42);
    bad["metadata"]["type"] = json!("user");
    loader.put("cards/a_user.json", bad.to_string());
    loader.put(
        "cards/latin_1.json",
        b"{\"payload\": {\"id\": 42, \"name\": \"J\xf6rg\"}}",
    );
    loader.put("cards/half.json", "{\"payload\": {\"id\": 42");
    loader.put("cards/zeros.json", b"\0\0 42 \0");
    loader.run(&["--settle", "0s"]);
    card(12, "2026-11-23 20:11:00", 7, true);
    loader.wait_for_free_locks();
    assert_eq!(loader.run(&[])["loaded"], 1);
    loader
}

fn history(loader: &Loader, entity: &str, id: &str) -> Value {
    let Said { status, out, log } = loader.etl(&["history", entity, id, "--json"]);
    assert_eq!(status, 0, "{log}");
    serde_json::from_str(&out).expect("the history is JSON")
}

#[test]
fn a_history_shows_versions_changes_events_owners_and_rejections() {
    let loader = eventful_card();
    let history = history(&loader, "card", "42");
    let versions = history["versions"].as_array().expect("versions");
    let shown: Vec<Value> = versions
        .iter()
        .map(|version| {
            let events: Vec<String> = version["events"]
                .as_array()
                .expect("events")
                .iter()
                .map(|event| {
                    let [file, effect] = ["file_name", "effect"]
                        .map(|field| event[field].as_str().unwrap_or_default());
                    let late = if event["late"] == true { " late" } else { "" };
                    format!("{file} {effect}{late}")
                })
                .collect();
            json!([
                version["valid_from"],
                version["state"]["user_name"],
                version["changes"],
                events
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!([
                "2026-11-23T20:10:00Z",
                "Ann Ash",
                [],
                ["11.json opened", "12.json no_change late"]
            ]),
            json!([
                "2026-11-23T20:13:00Z",
                "Ann Oak",
                [{"field": "active", "old": true, "new": false}],
                ["13.json opened"]
            ]),
            json!([
                "2026-11-23T20:14:00Z",
                null,
                [{"field": "user_id", "old": 7, "new": 8}, {"field": "active", "old": false, "new": true}],
                ["14.json overruled", "15.json opened", "16.json no_change"]
            ]),
        ]
    );
    let rejected = |history: &Value| -> Vec<Value> {
        let files = history["rejected"].as_array().expect("rejected files");
        let mut shown: Vec<Value> = files
            .iter()
            .map(|file| {
                json!([
                    file["file_name"],
                    file["entity"],
                    file["entity_id"],
                    file["resolution"]
                ])
            })
            .collect();
        shown.sort_by_key(Value::to_string);
        shown
    };
    assert_eq!(
        rejected(&history),
        [
            json!(["null_owner.json", "card", 42, null]),
            json!(["text_id.json", "card", 42, null])
        ]
    );

    let number = |file: &str| {
        loader.value(&format!(
            "select rejected_id from landing.rejected_event where file_name = '{file}'"
        ))
    };
    let dismissed = loader.etl(&[
        "rejected",
        "dismiss",
        &number("text_id.json"),
        "--note",
        "a test",
    ]);
    assert_eq!(dismissed.status, 0, "{}", dismissed.log);
    let by = loader.value("select current_user");
    let said = loader.etl(&["history", "card", "42"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    let lines = [
        "card 42: 3 versions, 6 events (1 late-arriving), 2 rejected files (1 open)",
        "2026-11-23 20:13:00 to 2026-11-23 20:14:00, card_key ",
        "  user_id          7 (Ann Oak)",
        "  user_id          7 → 8 (not known then)",
        "  active           true → false",
        "                       late-arriving: loaded at ",
        "  2026-11-23 20:14:00  14.json  overruled",
        "                       payload.user_id is null, not an integer",
        "                       dismissed 20",
    ];
    for line in lines {
        assert!(
            said.out.lines().any(|out| out.starts_with(line)),
            "{line:?} is missing in\n{}",
            said.out
        );
    }
    for end in [
        &format!("  null_owner.json  rejection {}", number("null_owner.json")),
        &format!(" by {by}: a test"),
    ] {
        assert!(
            said.out.lines().any(|out| out.ends_with(end)),
            "{end:?} is missing in\n{}",
            said.out
        );
    }
    // The user with this number is not the card.
    let about_user = loader.etl(&["history", "user", "42"]);
    assert!(
        about_user
            .out
            .contains("0 versions, 0 events, 1 rejected file (1 open)"),
        "{}",
        about_user.out
    );
}

#[test]
fn what_has_not_begun_is_not_said_to_last_until_now() {
    let loader = Loader::new();
    let in_an_hour = Utc::now() + TimeDelta::hours(1);
    let as_event_time = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S").to_string();
    for (number, at, name) in [
        (1, "2026-11-23 20:10:20".to_owned(), "Ann Ash"),
        (2, as_event_time(in_an_hour), "Ann Oak"),
        (
            3,
            as_event_time(in_an_hour + TimeDelta::hours(1)),
            "Ann Elm",
        ),
    ] {
        let event = user_event(&event_id(number), &at, 7, name, 0.5);
        loader.put(&format!("users/{number}.json"), event.to_string());
    }
    // Of the future alone.
    let event = user_event(&event_id(4), &as_event_time(in_an_hour), 8, "Bob", 0.5);
    loader.put("users/4.json", event.to_string());
    loader.run(&[]);
    let periods = |id: &str| -> Vec<String> {
        let out = loader.etl(&["history", "user", id]).out;
        out.lines()
            .filter_map(|line| Some(line.split_once(", user_key ")?.0.to_owned()))
            .collect()
    };
    let [first, second, third] = &periods("7")[..] else {
        panic!("three versions: {:?}", periods("7"))
    };
    let begins = as_event_time(in_an_hour);
    assert_eq!(*first, format!("2026-11-23 20:10:20 to {begins}"));
    assert!(second.starts_with(&format!("{begins} to ")), "{second}");
    assert!(second.ends_with(", not begun yet"), "{second}");
    assert!(third.starts_with("from "), "{third}");
    assert!(third.ends_with(" on, not begun yet"), "{third}");
    assert_eq!(periods("8"), [format!("from {begins} on, not begun yet")]);
}

#[test]
fn a_value_that_cannot_be_represented_is_an_error_and_no_panic() {
    let loader = Loader::new();
    let event = card_event(&event_id(1), "2026-11-23 20:10:20", 42, 7, true);
    loader.put("cards/1.json", event.to_string());
    loader.run(&[]);
    loader.execute("update warehouse.dim_card set created_at = 'infinity'");
    let said = loader.etl(&["history", "card", "42"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(
        said.log
            .contains("the warehouse failed while reading the history: "),
        "{}",
        said.log
    );
    assert!(!said.log.contains("panicked"), "{}", said.log);
}

#[test]
fn an_unknown_key_is_a_sentence_with_status_1() {
    let loader = Loader::new();
    assert_eq!(loader.etl(&["history", "card", "42"]).status, 1);
    loader.run(&[]);
    for arguments in [["history", "card", "-42"], ["history", "user", "7"]] {
        let said = loader.etl(&arguments);
        assert_eq!((said.status, said.out.as_str()), (1, ""));
        let sentence = format!("nothing is known of {} {}", arguments[1], arguments[2]);
        assert!(said.log.contains(&sentence), "{}", said.log);
    }
    assert_eq!(loader.etl(&["history", "user", "seven"]).status, 2);
}

#[test]
fn a_reader_that_has_read_enough_is_no_error_and_the_exit_status_stays() {
    let loader = eventful_card();
    let unread = |arguments: &[&str]| {
        let mut child = loader
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("etl can be started");
        drop(child.stdout.take());
        said(child.wait_with_output().expect("etl ends"))
    };
    for arguments in [
        &["history", "card", "42"],
        &["history", "card", "42", "--json"] as &[&str],
        &["rejected", "list"],
        &["report", "-"],
        &["completions", "bash"],
    ] {
        let said = unread(arguments);
        assert_eq!((said.status, said.log.as_str()), (0, ""), "{arguments:?}");
    }
    let said = unread(&["status", "--max-lag", "1ns"]);
    assert_eq!(said.status, 3, "{}", said.log);
    assert!(!said.log.contains("output"), "{}", said.log);
}

#[test]
fn a_history_fits_the_terminal_and_cannot_steer_it() {
    let loader = Loader::new();
    let long = "漢 \u{1b}[31m\u{202e}".repeat(40);
    for (number, name) in [(1, long.as_str()), (2, "Ann Ash"), (3, long.as_str())] {
        let event = user_event(
            &event_id(number),
            &format!("2026-11-23 20:10:2{number}.5"),
            -7,
            name,
            0.5,
        );
        loader.put(&format!("users/{number}.json"), event.to_string());
    }
    loader.run(&[]);
    let history = history(&loader, "user", "-7");
    assert_eq!(
        history["versions"][2]["changes"][0],
        json!({"field": "name", "old": "Ann Ash", "new": long})
    );

    // Where no terminal is, nothing is cut.
    let whole = loader.etl(&["history", "user", "-7"]).out;
    assert!(!whole.contains(['\u{1b}', '\u{202e}']), "{whole}");
    let shown = long
        .replace('\u{1b}', "\\u{1b}")
        .replace('\u{202e}', "\\u{202e}");
    let change = format!("  name     Ann Ash → {shown}\n");
    assert!(whole.contains(&change), "{whole}");

    let on_terminal = |no_color: &str| {
        let mut command = loader.command(&["history", "user", "-7"]);
        command.env("TERM", "xterm").env("NO_COLOR", no_color);
        Terminal::show(command)
    };
    let plain = on_terminal("1");
    assert!(!plain.contains(['\u{1b}', '\u{202e}']), "{plain}");
    for line in plain.lines() {
        // Each of those characters takes two columns.
        let columns = line.chars().count() + line.matches('漢').count();
        assert!(columns <= 80, "{columns} columns: {line}");
    }
    assert!(
        plain.contains("  name     Ann Ash\n         → 漢"),
        "{plain}"
    );
    // There is colour, unless it is not wanted.
    assert!(
        on_terminal("").contains("\u{1b}[1muser -7\u{1b}[0m"),
        "{}",
        on_terminal("")
    );
}

/// The page that is read when versions and events contradict each other.
#[test]
fn events_without_a_version_are_shown() {
    let loader = Loader::new();
    let put = |number, at| {
        let event = user_event(&event_id(number), at, 7, "Ann Ash", number as f64);
        loader.put(&format!("users/{number}.json"), event.to_string());
    };
    put(1, "2026-11-23 20:00:00");
    put(2, "2026-11-23 20:10:00");
    loader.run(&[]);
    let delete = |condition: &str| {
        loader.execute(&format!(
            "set session_replication_role = replica; delete from warehouse.dim_user where {condition}"
        ));
    };
    delete("valid_to is not null");
    let said = loader.etl(&["history", "user", "7"]);
    assert!(
        said.out.starts_with("user 7: 1 version, 2 events"),
        "{}",
        said.out
    );
    let (versions, rest) = said.out.split_once("without a version").expect("a heading");
    assert!(
        versions.contains("2.json") && !versions.contains("1.json"),
        "{versions}"
    );
    assert!(rest.contains("`etl rebuild user 7`"), "{rest}");
    assert!(
        rest.contains("1.json") && !rest.contains("2.json"),
        "{rest}"
    );
    delete("true");
    let found = history(&loader, "user", "7");
    assert_eq!(found["versions"], json!([]));
    let files: Vec<&Value> = (0..2)
        .map(|event| &found["events_without_version"][event]["file_name"])
        .collect();
    assert_eq!(files, ["1.json", "2.json"]);
}
