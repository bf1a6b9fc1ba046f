//! What counts as an event, through the whole way: file, run, tables.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::loader::{Loader, card_event, event_id, numbered_user, user_event};

/// A good user event, changed by `change`.
fn user_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event = user_event(&event_id(1), "2026-11-23 20:10:20", 7, "Ann Ash", 0.5);
    change(&mut event);
    event.to_string().into_bytes()
}

/// A good card event, changed by `change`.
fn card_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event = card_event(&event_id(1), "2026-11-23 20:10:20", 7, 3, true);
    change(&mut event);
    event.to_string().into_bytes()
}

/// A good user event in UTF-16.
fn utf_16(to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = String::from_utf8(user_with(|_| {})).expect("JSON is UTF-8");
    text.encode_utf16().flat_map(to_bytes).collect()
}

/// A good user event in which one text is replaced by another.
fn user_text(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(user_with(|_| {})).expect("JSON is UTF-8");
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn each_bad_document_is_kept_whole_with_its_reason_and_disturbs_nothing() {
    let brackets = "[".repeat(10_000) + &"]".repeat(10_000);
    let unknown = |value: &str| user_text("\"id\":7", &format!("\"id\":7,\"unknown\":{value}"));
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("empty", b"".to_vec(), "truncated", "the document"),
        ("white_space", b" \n".to_vec(), "truncated", "the document"),
        (
            "half",
            user_with(|_| {})[..60].to_vec(),
            "truncated",
            "the document",
        ),
        (
            "half_number",
            br#"{"payload": {"id": -"#.to_vec(),
            "truncated",
            "the document",
        ),
        (
            "half_character",
            b"{\"payload\": {\"name\": \"J\xc3".to_vec(),
            "truncated",
            "the document",
        ),
        (
            "latin_1",
            b"{\"payload\": \"J\xf6rg\"}".to_vec(),
            "not_utf8",
            "byte 14",
        ),
        (
            "not_json",
            b"{'id': 7}".to_vec(),
            "invalid_json",
            "not JSON",
        ),
        (
            "two_documents",
            [user_with(|_| {}), user_with(|_| {})].concat(),
            "invalid_json",
            "several documents, the second one from line 1",
        ),
        (
            "json_lines",
            [user_with(|_| {}), user_with(|_| {})].join(&b"\n"[..]),
            "invalid_json",
            "several documents, the second one from line 2, column 1",
        ),
        (
            "bare_nan",
            user_text("0.5", "NaN"),
            "invalid_json",
            "payload.score is NaN, which JSON does not have",
        ),
        (
            "bare_infinity",
            user_text("0.5", "-Infinity"),
            "invalid_json",
            "payload.score is -Infinity, which JSON does not have",
        ),
        (
            "utf_16",
            utf_16(u16::to_le_bytes),
            "not_utf8",
            "it is UTF-16: every other byte is NUL",
        ),
        (
            "utf_16_big_endian",
            utf_16(u16::to_be_bytes),
            "not_utf8",
            "it is UTF-16: every other byte is NUL",
        ),
        (
            "utf_16_with_mark",
            [vec![0xff, 0xfe], utf_16(u16::to_le_bytes)].concat(),
            "not_utf8",
            "it is UTF-16, by its byte order mark",
        ),
        (
            "nul_padding",
            [user_with(|_| {}), vec![0; 100]].concat(),
            "invalid_json",
            "it has NUL bytes from byte 208 on, 100 in a row",
        ),
        (
            "nul_alone",
            vec![0; 4096],
            "invalid_json",
            "it has NUL bytes from byte 0 on, 4096 in a row",
        ),
        (
            "gzip",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0".to_vec(),
            "not_utf8",
            "it is compressed with gzip",
        ),
        (
            "zip",
            b"PK\x03\x04\x0a\0\0\0".to_vec(),
            "not_utf8",
            "it is a zip archive",
        ),
        (
            "list",
            b"[]".to_vec(),
            "not_an_object",
            "the document is a list",
        ),
        (
            "text",
            b"\"event\"".to_vec(),
            "not_an_object",
            "the document is a string",
        ),
        (
            "metadata_null",
            user_with(|event| event["metadata"] = json!(null)),
            "not_an_object",
            "metadata is null",
        ),
        (
            "payload_list",
            user_with(|event| event["payload"] = json!([])),
            "not_an_object",
            "payload is a list",
        ),
        (
            "no_payload",
            br#"{"metadata": {"type": "user"}}"#.to_vec(),
            "missing_field",
            "payload is missing",
        ),
        (
            "no_type",
            user_text("\"type\"", "\"kind\""),
            "missing_field",
            "metadata.type is missing",
        ),
        (
            "no_user_id",
            card_with(|event| drop(event["payload"].as_object_mut().unwrap().remove("user_id"))),
            "missing_field",
            "payload.user_id is missing",
        ),
        (
            "null_user_id",
            card_with(|event| event["payload"]["user_id"] = json!(null)),
            "wrong_type",
            "payload.user_id is null, not an integer",
        ),
        (
            "text_id",
            user_with(|event| event["payload"]["id"] = json!("7")),
            "wrong_type",
            "payload.id is a string, not an integer",
        ),
        (
            "fraction_id",
            user_text("\"id\":7", "\"id\":7.0"),
            "wrong_type",
            "payload.id",
        ),
        (
            "exponent_id",
            user_text("\"id\":7", "\"id\":7e0"),
            "wrong_type",
            "payload.id",
        ),
        (
            "huge_id",
            user_text("\"id\":7", "\"id\":9223372036854775808"),
            "out_of_range",
            "payload.id is 9223372036854775808",
        ),
        (
            "list_id",
            user_text("\"id\":7", &format!("\"id\":{brackets}")),
            "wrong_type",
            "payload.id is a list",
        ),
        (
            "text_score",
            user_with(|event| event["payload"]["score"] = json!("0.5")),
            "wrong_type",
            "payload.score",
        ),
        (
            "infinite_score",
            user_text("0.5", "1e400"),
            "out_of_range",
            "payload.score is 1e400",
        ),
        (
            "number_active",
            card_with(|event| event["payload"]["active"] = json!(1)),
            "wrong_type",
            "payload.active",
        ),
        (
            "nul",
            user_text("Ann", "A\\u0000n"),
            "invalid_text",
            "payload.name has the character NUL",
        ),
        (
            "surrogate",
            user_text("Ann", "A\\ud800n"),
            "invalid_text",
            "payload.name has half of a surrogate pair",
        ),
        (
            "no_such_date",
            user_text("2026-11-23", "2026-02-30"),
            "invalid_time",
            "metadata.event_at",
        ),
        (
            "year_0",
            user_text("2026-11-23", "0000-12-31"),
            "invalid_time",
            "metadata.event_at is \"0000-12-31 20:10:20\"",
        ),
        (
            "year_300000",
            user_text("2026-11-23", "300000-01-01"),
            "invalid_time",
            "metadata.event_at",
        ),
        (
            "number_time",
            user_with(|event| event["metadata"]["event_at"] = json!(1)),
            "wrong_type",
            "metadata.event_at is a number, not a string",
        ),
        (
            "card_time",
            card_with(|event| event["payload"]["created_at"] = json!("yesterday")),
            "invalid_time",
            "payload.created_at is \"yesterday\"",
        ),
        (
            "unknown_type",
            user_text("\"user\"", "\"account\""),
            "unknown_type",
            "metadata.type is \"account\"",
        ),
        (
            "no_uuid",
            user_text(&event_id(1), "7"),
            "invalid_event_id",
            "metadata.event_id is \"7\"",
        ),
        (
            "uuid_without_dashes",
            user_text(&event_id(1), &event_id(1).replace('-', "")),
            "invalid_event_id",
            "metadata.event_id",
        ),
        (
            "twice",
            user_text("\"id\":7", "\"id\":7,\"id\":8"),
            "duplicate_field",
            "payload.id appears twice",
        ),
        (
            "twice_escaped",
            user_text("\"id\":7", "\"id\":7,\"\\u0069d\":8"),
            "duplicate_field",
            "payload.id appears twice",
        ),
        (
            "twice_unknown",
            unknown("{\"a\":[{\"k\":1,\"b\":{},\"\\u006b\":2}]}"),
            "duplicate_field",
            "payload.unknown.a.k appears twice",
        ),
        (
            "nested",
            brackets.clone().into_bytes(),
            "not_an_object",
            "the document is a list",
        ),
        (
            "nested_unknown",
            unknown(&brackets),
            "too_deep",
            "payload.unknown",
        ),
        (
            "nul_unknown",
            unknown("{\"a\": [\"\\u0000\"]}"),
            "invalid_text",
            "payload.unknown",
        ),
        (
            "nul_name",
            user_text("\"id\":7", "\"id\":7,\"a\\u0000\":8"),
            "invalid_text",
            "payload.a",
        ),
        (
            "surrogate_name",
            user_text("\"id\":7", "\"id\":7,\"\\udc00\":8"),
            "invalid_text",
            "name of a field",
        ),
        (
            "numeric_unknown",
            unknown("1e200000"),
            "out_of_range",
            "payload.unknown is 1e200000",
        ),
        (
            "number_that_grows",
            unknown("1e131071"),
            "out_of_range",
            "payload.unknown is 1e131071, which makes the document more than twice as long",
        ),
        (
            "small_numbers_that_grow",
            unknown(&format!("[{}0]", "1e-500,".repeat(10))),
            "out_of_range",
            "payload.unknown is 1e-500, which makes the document more than twice as long",
        ),
        (
            "numbers_unknown",
            unknown(&format!("[{}0]", "1e131071,".repeat(200))),
            "out_of_range",
            "payload.unknown is 1e131071",
        ),
        (
            "character_after_the_end",
            [user_with(|_| {}), b"\xc3".to_vec()].concat(),
            "invalid_json",
            "something follows the document",
        ),
        ("large", vec![b' '; 2 << 20], "too_large", "2097152 bytes"),
    ];
    let loader = Loader::new();
    loader.put(
        "users/good.json",
        user_event(&event_id(99), "2026-11-23 20:10:20", 99, "Good", 1.0).to_string(),
    );
    for (name, document, _, _) in &cases {
        loader.put(&format!("cards/{name}.json"), document);
    }
    let summary = loader.run(&["--settle", "0s"]);
    assert_eq!(summary["rejected"], cases.len());
    assert_eq!(summary["loaded"], 1);
    for (name, document, reason, detail) in &cases {
        let found = loader.query(&format!(
            "select reason, detail, encode(document, 'hex') as document, file_size, resolved_at
             from landing.rejected_event where source = 'cards' and file_name = '{name}.json'"
        ));
        let [row] = found.as_slice() else {
            panic!("{name}: {found:?}");
        };
        let columns: Vec<&str> = row.split('|').collect();
        assert_eq!(columns[0], *reason, "{name}: {row}");
        assert!(columns[1].contains(detail), "{name}: {}", columns[1]);
        let kept: String = match *reason {
            "too_large" => String::new(),
            _ => document.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        assert_eq!(columns[2], kept, "{name} is kept whole");
        assert_eq!(columns[3], document.len().to_string(), "{name}");
    }
    assert_eq!(loader.value("select count(*) from warehouse.dim_user"), "1");
    // Validated again, they are the same rejections.
    assert_eq!(
        loader.run(&["--settle", "0s", "--since", "1d"])["rejected"],
        cases.len()
    );
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event"),
        cases.len().to_string()
    );
}

#[test]
fn each_good_document_is_loaded_as_it_stands() {
    let loader = Loader::new();
    let documents = [
        user_text("2026-11-23 20:10:20", "2026-11-23T21:10:20.123456789+01:00"),
        user_text("0.5", "-12e-3"),
        user_text(
            "Ann Ash",
            "J\\u00f6rg \\ud83d\\ude00 '; drop table landing.user_event; --",
        ),
        user_text("\"id\":7", "\"id\":-9223372036854775808"),
        user_text(
            "\"id\":7",
            "\"id\":7,\"note\":{\"n\":[1e300,1e-300,123456789012345678901234567890]}",
        ),
        user_text("{\"metadata\"", "{\"version\":2,\"metadata\""),
        user_text("\"type\"", "\"trace\":null,\"type\""),
        user_text("2026-11-23 20:10:20", "0001-01-01T00:00:00Z"),
        [b"\xef\xbb\xbf".to_vec(), user_with(|_| {})].concat(),
        user_text("0.5", "-0.0"),
    ];
    for (number, document) in documents.iter().enumerate() {
        let text = String::from_utf8_lossy(document)
            .replace(&event_id(1), &event_id(number as u64).to_uppercase());
        loader.put(&format!("users/{number}.json"), text);
    }
    assert_eq!(loader.run(&[])["loaded"], documents.len());
    let longest = documents
        .iter()
        .map(Vec::len)
        .max()
        .expect("there are some");
    let stored = loader.value("select max(octet_length(extra::text)) from landing.user_event");
    let stored: usize = stored.parse().expect("a number");
    assert!(
        stored <= longest + 1_024,
        "{stored} of at most {longest} bytes"
    );
    let found = loader.query(
        "select user_id, event_at::text, name, score, extra from landing.user_event order by file_name",
    );
    let number_7 = "2026-11-23 20:10:20+00";
    assert_eq!(
        found,
        [
            "7|2026-11-23 20:10:20.123456+00|Ann Ash|0.5|".to_owned(),
            format!("7|{number_7}|Ann Ash|-0.012|"),
            format!("7|{number_7}|Jörg 😀 '; drop table landing.user_event; --|0.5|"),
            format!("-9223372036854775808|{number_7}|Ann Ash|0.5|"),
            format!(
                "7|{number_7}|Ann Ash|0.5|{{\"payload\": {{\"note\": {{\"n\": [1{}, 0.{}1, \
                 123456789012345678901234567890]}}}}}}",
                "0".repeat(300),
                "0".repeat(299)
            ),
            format!("7|{number_7}|Ann Ash|0.5|{{\"version\": 2}}"),
            format!("7|{number_7}|Ann Ash|0.5|{{\"metadata\": {{\"trace\": null}}}}"),
            "7|0001-01-01 00:00:00+00|Ann Ash|0.5|".to_owned(),
            format!("7|{number_7}|Ann Ash|0.5|"),
            format!("7|{number_7}|Ann Ash|0|"),
        ]
    );
}

#[test]
fn the_type_decides_the_table_and_not_the_folder() {
    let loader = Loader::new();
    loader.put(
        "users/card.json",
        card_event(&event_id(1), "2026-11-23 20:10:20", 7, 3, true).to_string(),
    );
    loader.put(
        "cards/user.json",
        user_event(&event_id(1), "2026-11-23 20:10:20", 3, "Ann", 1.0).to_string(),
    );
    let summary = loader.run(&[]);
    assert_eq!(summary["sources"]["users"]["loaded"], 1);
    assert_eq!(
        loader.query("select card_id, user_id from warehouse.card_current"),
        ["7|3"]
    );
    assert_eq!(
        loader.query("select user_id, name from warehouse.user_current"),
        ["3|Ann"]
    );
}

#[test]
fn half_a_document_is_pending_then_rejected_then_accepted_once_complete() {
    let loader = Loader::new();
    let whole = user_with(|_| {});
    loader.put("users/slow.json", &whole[..100]);
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["pending"], &summary["rejected"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        loader.value("select pending from etl.checkpoint where source = 'users'"),
        "1"
    );
    assert_eq!(loader.run(&[])["pending"], 1);

    let summary = loader.run(&["--settle", "0s"]);
    assert_eq!(
        (&summary["pending"], &summary["rejected"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        loader.value("select pending from etl.checkpoint where source = 'users'"),
        "0"
    );
    assert_eq!(
        loader.query("select reason, resolved_at from landing.rejected_event"),
        ["truncated|"]
    );
    assert_eq!(loader.run(&["--settle", "0s"])["files"], 0);

    // Written on in place: the folder does not change, only the file does.
    sleep(Duration::from_millis(20));
    fs::write(loader.path("users/slow.json"), &whole).expect("the inbox can be written");
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(
        loader.query("select reason, resolved_at is not null, resolved_run_id = (select max(run_id) from etl.run) \
                      from landing.rejected_event"),
        ["truncated|true|true"]
    );
}

#[test]
fn a_pending_file_holds_the_offset_back_and_delays_no_other() {
    let loader = Loader::new();
    let event = |number: u64| numbered_user(number).to_string();
    let half = loader.put("users/half.json", "{");
    let changed = fs::metadata(half).expect("the file is there");
    let changed_micros = changed.ctime() * 1_000_000 + changed.ctime_nsec() / 1_000;
    sleep(Duration::from_millis(20));
    loader.put("users/1.json", event(1));
    let offset = "select (extract(epoch from offset_at) * 1000000)::bigint
                  from etl.checkpoint where source = 'users'";
    let summary = loader.run(&["--overlap", "0s"]);
    assert_eq!(
        (&summary["loaded"], &summary["pending"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(loader.value(offset), changed_micros.to_string());
    loader.put("users/2.json", event(2));
    assert_eq!(loader.run(&["--overlap", "0s"])["loaded"], 1);
    assert_eq!(loader.value(offset), changed_micros.to_string());
    // The file has not changed, so only an offset that is not past it lets it be found again.
    let summary = loader.run(&["--overlap", "0s", "--settle", "0s"]);
    assert_eq!(
        (&summary["files"], &summary["rejected"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
}

#[test]
fn the_same_event_again_is_a_duplicate_and_with_other_content_a_conflict() {
    let loader = Loader::new();
    let first = card_event(&event_id(1), "2026-11-23 20:10:20", 7, 3, true).to_string();
    let other = card_event(&event_id(1), "2026-11-23 20:10:20", 7, 4, true).to_string();
    // The same id of another card, or of a user, is another event.
    let cousin = card_event(&event_id(1), "2026-11-23 20:10:20", 8, 4, true).to_string();
    let namesake = user_event(&event_id(1), "2026-11-23 20:10:20", 7, "Ann", 1.0).to_string();
    loader.put("cards/first.json", &first);
    sleep(Duration::from_millis(20));
    loader.put("cards/again.json", first.replace(",\"", ", \""));
    loader.put("cards/other.json", &other);
    loader.put("cards/cousin.json", cousin);
    loader.put("users/namesake.json", namesake);
    let summary = loader.run(&[]);
    let counts = |summary: &Value| {
        ["loaded", "duplicates", "rejected"].map(|field| summary[field].as_i64().unwrap())
    };
    assert_eq!(counts(&summary), [3, 1, 1]);
    loader.put("cards/again_later.json", &first);
    loader.put("cards/other_later.json", &other);
    let summary = loader.run(&[]);
    assert_eq!(counts(&summary), [0, 1, 1]);
    assert_eq!(
        loader.query("select file_name, reason, detail from landing.rejected_event order by 1"),
        ["other.json", "other_later.json"].map(|file| format!(
            "{file}|conflicting_event|the event {} of card 7 is already loaded from first.json with other content",
            event_id(1)
        ))
    );
    assert_eq!(
        loader.query("select card_id, user_id from warehouse.card_current order by 1"),
        ["7|3", "8|4"]
    );
}

#[test]
fn many_large_files_fill_more_than_one_batch() {
    let loader = Loader::new();
    loader.put("users/good.json", user_with(|_| {}));
    for number in 0..200 {
        let file = fs::File::create(loader.path(&format!("users/{number}.json")));
        file.and_then(|file| file.set_len(1 << 20))
            .expect("the inbox can be written");
    }
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&json!(1), &json!(200))
    );
    // Batches of 64 MiB and a chunk of 8 at most, each with its own transaction; with a slow disk there are
    // more of them.
    assert_eq!(
        loader.value(
            "select count(*) >= 4 and max(bytes) <= (64 + 8) * 1024 * 1024
             from (select sum(file_size) as bytes from landing.rejected_event group by xmin::text) as batch"
        ),
        "true"
    );
}

/// The last batch has nothing but the pending file, so nothing to commit.
#[test]
fn a_file_that_the_last_batch_leaves_pending_counts_in_the_row_of_the_run() {
    let loader = Loader::new();
    (1..=4).for_each(|number| loader.put_user(number));
    sleep(Duration::from_millis(20));
    loader.put("users/half.json", "{");
    let summary = loader.run(&["--batch-size", "2"]);
    assert_eq!(
        (&summary["files"], &summary["pending"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(
        loader.query("select files, loaded, pending from etl.run"),
        ["5|4|1"]
    );
}

#[test]
fn an_event_that_is_rejected_is_not_the_newest_one() {
    let loader = Loader::new();
    let event = |at| user_event(&event_id(1), at, 1, "Ann", 1.0).to_string();
    loader.put("users/good.json", event("2026-11-23 20:10:20"));
    loader.run(&[]);
    loader.put("users/conflict.json", event("2026-11-23 23:10:20"));
    assert_eq!(loader.run(&[])["rejected"], 1);
    let is_newest = "select newest_event_at = '2026-11-23 20:10:20Z' from etl.checkpoint where source = 'users'";
    assert_eq!(loader.value(is_newest), "true");
    // One that is loaded already is as good as one that is new.
    loader.execute("update etl.checkpoint set newest_event_at = null");
    loader.put("users/again.json", event("2026-11-23 20:10:20"));
    assert_eq!(loader.run(&[])["duplicates"], 1);
    assert_eq!(loader.value(is_newest), "true");
}

#[test]
fn only_regular_event_files_are_opened() {
    let loader = Loader::new();
    fs::write(loader.path("secret"), user_with(|_| {}))
        .expect("the temporary folder can be written");
    symlink(loader.path("secret"), loader.path("users/link.json")).expect("a link can be made");
    fs::create_dir(loader.path("users/folder.json")).expect("a folder can be made");
    let fifo = loader.path("users/fifo.json");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo can be started")
            .success()
    );
    for name in [
        "users/.hidden.json",
        "users/__id_counter",
        "users/x.json.tmp",
        "users/UPPER.JSON",
    ] {
        loader.put(name, user_with(|_| {}));
    }
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"files\":0"), "{}", said.out);
    for name in ["link", "folder", "fifo"] {
        assert!(
            said.tells("ignored", &format!("users/{name}.json")),
            "{}",
            said.log
        );
    }
    assert_eq!(loader.value(crate::model::EVENTS), "0");
    // Logged once, not every five seconds.
    assert!(!loader.etl(&["run"]).log.contains("ignored"));
}

#[test]
fn an_unreadable_file_is_rejected_once_settled_and_resolved_when_it_can_be_read() {
    let loader = Loader::new();
    let path = loader.path("users/closed.json");
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o000)
        .open(&path)
        .expect("the inbox can be written");
    let run = |arguments: &[&str]| -> Value {
        let said = loader.etl_unprivileged(&[&["run", "--json"], arguments].concat());
        assert_eq!(said.status, 0, "{}", said.log);
        serde_json::from_str(&said.out).expect("the summary is JSON")
    };
    assert_eq!(run(&[])["pending"], 1);
    assert_eq!(run(&["--settle", "0s"])["rejected"], 1);
    assert_eq!(
        loader.value("select reason from landing.rejected_event"),
        "unreadable"
    );
    fs::remove_file(&path).expect("the inbox can be written");
    loader.put("users/closed.json", user_with(|_| {}));
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(
        loader.value("select resolved_at is not null from landing.rejected_event"),
        "true"
    );
}
