//! In a big folder a run does not ask every file for its times, and still finds every change. A
//! debug build calls a folder of 200 files big, and patrols it 25 files at a time.

use std::fs::{self, File};
use std::io::Write;

use crate::loader::{Loader, event_id, user_event};

/// Files of the big folder: a round of twelve runs.
const FILES: u64 = 300;

/// Runs after which a round that begins now is over: the rest of the present one, and one more.
const TWO_ROUNDS: usize = 26;

/// A run that looks back no further than it has to.
const RUN: [&str; 2] = ["--overlap", "1ms"];

/// A big folder of which the database knows the old files.
fn patrolled() -> Loader {
    let loader = Loader::new();
    (0..FILES).for_each(|number| loader.put_user(number));
    assert_eq!(loader.run(&[])["loaded"], FILES);
    loader.put_user(FILES);
    loader.run(&RUN);
    loader.run(&RUN);
    assert!(known(&loader) >= FILES - 1, "{}", known(&loader));
    loader
}

/// How many files are known as old.
fn known(loader: &Loader) -> u64 {
    let sum = "select coalesce(sum(length(fingerprints)) / 8, 0)::bigint from etl.old_file where source = 'users'";
    loader.value(sum).parse().expect("a number")
}

fn document(number: u64, score: f64) -> String {
    let id = event_id(1_000_000 + number);
    user_event(&id, "2026-11-23 20:10:21", number as i64, "Ann", score).to_string()
}

/// Writes to a file as it is, which leaves its folder and its inode number alone.
fn change_in_place(loader: &Loader, number: u64, content: &str) {
    let path = loader.path(&format!("users/{number}.json"));
    let mut file = File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .expect("the file is there");
    file.write_all(content.as_bytes())
        .expect("the file can be written");
}

/// Runs until something is loaded, and tells after how many.
fn runs_until_loaded(loader: &Loader) -> usize {
    (1..=TWO_ROUNDS)
        .find(|_| loader.run(&RUN)["loaded"] == 1)
        .expect("a round has an end")
}

#[test]
fn a_new_file_and_a_replaced_one_are_found_at_once() {
    let loader = patrolled();
    loader.put_user(FILES + 1);
    assert_eq!(loader.run(&RUN)["loaded"], 1);
    loader.put("users/7.json", document(7, 2.0));
    assert_eq!(loader.run(&RUN)["loaded"], 1);
    assert_eq!(loader.run(&RUN)["files"], 0);
}

#[test]
fn a_file_that_is_changed_in_place_is_found_on_the_patrol_and_nothing_is_read_twice() {
    let loader = patrolled();
    for number in [3, 140, 299] {
        change_in_place(&loader, number, &document(number, 3.0));
        runs_until_loaded(&loader);
    }
    let events = loader.value("select count(*) from landing.user_event");
    assert_eq!(events, (FILES + 4).to_string());
    for _ in 0..TWO_ROUNDS {
        assert_eq!(loader.run(&RUN)["files"], 0);
    }
    assert!(
        loader.value("select verified_at > now() - interval '1 minute' from etl.checkpoint where source = 'users'")
            == "true"
    );
}

#[test]
fn a_file_that_is_found_half_changed_is_asked_until_it_is_whole() {
    let loader = patrolled();
    let whole = document(20, 4.0);
    change_in_place(&loader, 20, &whole[..40]);
    let run = || loader.run(&[&RUN[..], &["--settle", "1h"]].concat());
    // The offset goes past the change, so that it does not wait for the file.
    loader.put_user(FILES + 1);
    let found = (0..TWO_ROUNDS).any(|_| run()["pending"] == 1);
    assert!(found);
    for _ in 0..TWO_ROUNDS {
        assert_eq!(run()["pending"], 1);
    }
    change_in_place(&loader, 20, &whole);
    assert_eq!(run()["loaded"], 1);
}

#[test]
fn what_is_forgotten_hides_nothing() {
    let loader = patrolled();
    change_in_place(&loader, 30, &document(30, 5.0));
    // Another comes, and the offset goes past the change, before it is the changed one's turn (or
    // in it: inode numbers decide).
    loader.put_user(FILES + 1);
    let before = loader.run(&RUN);
    loader
        .client()
        .batch_execute("truncate etl.old_file")
        .expect("the books");
    let after = loader.run(&RUN);
    let loaded = [before, after].map(|summary| summary["loaded"].as_i64());
    assert_eq!(loaded.into_iter().flatten().sum::<i64>(), 2);
    loader.run(&RUN);
    assert!(known(&loader) >= FILES - 1);
}

#[test]
fn a_folder_that_is_no_longer_big_is_asked_as_a_whole() {
    let loader = patrolled();
    change_in_place(&loader, 299, &document(299, 6.0));
    loader.put_user(FILES + 1);
    for number in 0..200 {
        fs::remove_file(loader.path(&format!("users/{number}.json"))).expect("the inbox is ours");
    }
    assert_eq!(loader.run(&RUN)["loaded"], 2);
    assert_eq!(known(&loader), 0);
    assert_eq!(
        loader.value("select count(verified_at) from etl.checkpoint"),
        "0"
    );
}
