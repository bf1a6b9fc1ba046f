//! A warehouse that is rebuilt from archives with the commands of `etl archive --help` equals the lost
//! one, and what a later load would decide otherwise is in no archive.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::archive::{Archive, EVERYTHING, checked, described, files_below, inbox, name};
use crate::books;
use crate::killed::put_some;
use crate::loader::{card_event, event_id, finish, numbered_user, start, user_event};

/// 2023-11-14 22:13:20 UTC, in microseconds since 1970.
const SECOND: u64 = 1_700_000_000_000_000;

#[test]
fn a_warehouse_that_is_rebuilt_from_archives_equals_the_lost_one() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let everything = inbox(&loader.path("everything"));
    let mut number = 0;
    for round in 0..12 {
        put_some(loader, &mut number);
        // Copies with other times, one of which may count.
        for copy in 0..3 {
            let copied = fs::read(loader.path(&format!("users/{}.json", number - 1)))
                .or_else(|_| fs::read(loader.path(&format!("cards/{}.json", number - 1))));
            let micros = 1_700_000_000_000_000 + copy * 500_000 + round;
            loader.put_modified(
                &format!("users/{number}-{copy}.json"),
                copied.expect("a file of ours"),
                micros,
            );
        }
        for source in ["users", "cards"] {
            let copied = Command::new("sh")
                .arg("-c")
                .arg("cp -p \"$1\"/*.json \"$2\" 2>/dev/null || true")
                .args(["sh", loader.path(source).to_str().expect("UTF-8")])
                .arg(everything.join(source))
                .status()
                .expect("cp can be started");
            assert!(copied.success());
        }
        loader.run(&[]);
        let mut running = start(&mut archive.command(&EVERYTHING));
        if round % 3 != 0 {
            sleep(Duration::from_millis(round * 4));
            running.kill().expect("etl is ours");
        }
        finish(running);
    }
    loader.run(&[]);
    archive.archive();
    books::check_inboxes(loader, std::slice::from_ref(&everything));
    assert!(described(&loader.inbox()).is_empty());
    let unfinished = |path: &PathBuf| name(path).starts_with('.');
    assert!(!files_below(&archive.folder()).iter().any(unfinished));
    let said = archive.said(&[
        "verify",
        "--archive",
        archive.folder().to_str().expect("UTF-8"),
    ]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.log);

    archive.lose_and_restore();
    books::settle(loader);
}

#[test]
fn a_copy_that_counts_is_read_by_a_run_before_it_is_archived() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let second = 1_700_000_000_000_000;
    let event = |number: u64, score: f64| {
        user_event(&event_id(number), "2026-11-23 20:10:20", 7, "Ann", score).to_string()
    };
    loader.put_modified("users/1.json", event(1, 1.0), second + 5);
    loader.put_modified("users/2.json", event(2, 2.0), second + 3);
    loader.run(&[]);
    let current = "select score from warehouse.user_current";
    assert_eq!(loader.value(current), "1");
    // Earlier than the event of the same second, and so it comes first. Rounded, it does not count.
    loader.put_modified("users/copy.json", event(1, 1.0), second + 1);
    loader.put_modified("users/rounded.json", event(1, 1.0), second);
    let summary = archive.archive();
    assert_eq!(summary["left"], json!({"unread_copy": 1}));
    assert_eq!(summary["archived"], 3);
    loader.run(&[]);
    assert_eq!(loader.value(current), "2");
    assert_eq!(archive.archive()["archived"], 1);
}

#[test]
fn an_event_that_conflicts_is_packed_after_the_one_that_it_conflicts_with() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let event = |score: f64| user_event(&event_id(1), "2026-11-23 20:10:20", 7, "Ann", score);
    loader.put("users/b.json", event(1.0).to_string());
    loader.run(&[]);
    // In the folder of another source, which is archived later.
    loader.put("users/a.json", event(2.0).to_string());
    loader.run(&[]);
    // The file of the loaded event stays, since it changed a moment ago.
    fs::remove_file(loader.path("users/b.json")).expect("the inbox is ours");
    loader.put("users/b.json", event(1.0).to_string() + " ");
    let said = archive.said(&["archive", "--json", "--older-than", "0s"]);
    let summary = checked(&said);
    assert_eq!(summary["archived"], 2, "{summary}");
    let archives = archive.archives();
    assert_eq!(archives.len(), 2);
    assert!(!name(&archives[0]).contains("rejected") && name(&archives[1]).contains("rejected"));
    // While it is there, the other one stays.
    loader.put("users/b.json", "{}");
    loader.put("users/a.json", event(2.0).to_string());
    loader.run(&[]);
    let summary = archive.archive();
    assert_eq!(summary["left"], json!({"conflicting": 1}));
    assert_eq!(archive.archive()["archived"], 1);
}

#[test]
fn a_name_that_was_used_again_is_restored_with_all_its_events() {
    let archive = Archive::new();
    let loader = &archive.loader;
    for content in [
        numbered_user(1).to_string(),
        "[]".to_owned(),
        numbered_user(2).to_string(),
    ] {
        loader.put("users/1.json", content);
        loader.run(&[]);
        assert_eq!(archive.archive()["archived"], 1);
    }
    archive.lose_and_restore();
    assert_eq!(loader.value("select count(*) from landing.user_event"), "2");
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event"),
        "1"
    );
    books::verify(loader);
}

#[test]
fn an_event_far_ahead_that_was_accepted_by_hand_stays() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let at = |days: i64| {
        let at = Utc::now() + TimeDelta::days(days);
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    };
    loader.put_user_event(1, 1, &at(300), 1.0);
    loader.put_user_event(2, 2, &at(0), 1.0);
    loader.run(&[]);
    let said = loader.etl(&["rejected", "retry", "--max-ahead", "3650d"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "2");
    let summary = archive.archive();
    assert_eq!(summary["left"], json!({"from_the_future": 1}));
    assert!(loader.path("users/1.json").exists());
}

#[test]
fn a_document_that_has_not_ended_stays_while_its_writer_may_go_on() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let event = numbered_user(1).to_string();
    loader.put("users/1.json", &event[..event.len() / 2]);
    loader.run(&["--settle", "0s"]);
    assert_eq!(archive.archive()["left"], json!({"unfinished": 1}));
    let dismissal = [
        "rejected",
        "dismiss",
        "--reason",
        "truncated",
        "--note",
        "its writer is gone",
    ];
    assert_eq!(loader.etl(&dismissal).status, 0);
    assert_eq!(archive.archive()["archived"], 1);
}

#[test]
fn a_copy_with_a_later_time_is_packed_with_the_time_that_counts() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let event = |number: u64, score: f64| {
        user_event(&event_id(number), "2026-11-23 20:10:20", 7, "Ann", score).to_string()
    };
    let put = |name: &str, content: String, micros: u64| {
        loader.put_modified(&format!("users/{name}.json"), content, micros);
    };
    put("1", event(1, 1.0), SECOND + 300_000);
    put("2", event(2, 2.0), SECOND + 600_000);
    loader.run(&[]);
    // As `cp` without -p leaves the inbox.
    put("1", event(1, 1.0), SECOND + 9_700_000);
    put("2", event(2, 2.0), SECOND + 9_100_000);
    assert_eq!(loader.run(&[])["duplicates"], 2);
    assert_eq!(archive.archive()["archived"], 2);
    let current = "select score from warehouse.user_current";
    assert_eq!(loader.value(current), "2");
    archive.lose_and_restore();
    assert_eq!(loader.value(current), "2");
    books::settle(loader);
}

#[test]
fn a_conflict_waits_for_the_other_file_in_whichever_folder_that_is() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let event = |active| card_event(&event_id(1), "2026-11-23 20:10:20", 7, 3, active).to_string();
    loader.put("cards/b.json", event(true));
    loader.run(&[]);
    loader.put("users/a.json", event(false));
    loader.run(&[]);
    let summary = archive.archive();
    assert_eq!(summary["left"], json!({"conflicting": 1}), "{summary}");
    assert_eq!(archive.archive()["archived"], 1);
    assert!(name(&archive.archives()[1]).contains("rejected"));
    archive.lose_and_restore();
    assert_eq!(
        loader.value("select active from warehouse.card_current"),
        "true"
    );
}

/// A name of the record that `tar` has for a long name, and as hostile as one can be.
#[test]
fn a_long_name_with_line_breaks_is_packed_like_any_other() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let long = "x".repeat(100);
    for (number, middle) in ["\n", "\n12 size=1\n", "\n12 path=ab\n", "\n\n=7 mtime="]
        .iter()
        .enumerate()
    {
        let name = format!("users/{long}{middle}{long}.json");
        loader.put(&name, numbered_user(number as u64).to_string());
    }
    loader.put_user(9);
    loader.run(&[]);
    assert_eq!(archive.archive()["archived"], 5);
    let folder = archive.folder();
    let folder = folder.to_str().expect("UTF-8");
    let said = archive.said(&["verify", "--archive", folder]);
    assert_eq!(said.status, 0, "{}", said.out);
    archive.lose_and_restore();
    assert_eq!(loader.value("select count(*) from landing.user_event"), "5");
}
