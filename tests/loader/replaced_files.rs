//! A file that is changed or replaced is read again, however little of it has changed.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use etl::clock::FileTime;

use crate::books;
use crate::loader::{Loader, event_id, user_event};
use crate::machine::Machine;

/// A user's event; its score makes the content another one of the same length.
fn document(number: u64, score: f64) -> String {
    let id = event_id(number);
    user_event(&id, "2026-11-23 20:10:20", 7, "Ann", score).to_string()
}

/// Writes to a file as it is, which leaves its folder and its inode number alone.
fn change_in_place(path: &Path, content: &str) {
    fs::write(path, content).expect("the file can be written");
}

fn set_modified(path: &Path, modified: SystemTime) {
    let file = File::options().write(true).open(path);
    file.and_then(|file| file.set_modified(modified))
        .expect("the file can be stamped");
}

fn changed_nanos(path: &Path) -> i64 {
    let file = fs::metadata(path).expect("the file is there");
    file.ctime() * 1_000_000_000 + file.ctime_nsec()
}

#[test]
fn a_file_that_is_changed_in_place_is_read_again_however_old_it_is() {
    let loader = Loader::new();
    for number in 1..=50 {
        loader.put_user(number);
    }
    let run = ["--overlap", "1ms"];
    assert_eq!(loader.run(&run)["loaded"], 50);
    for number in [3, 27, 50] {
        let path = loader.path(&format!("users/{number}.json"));
        change_in_place(&path, &document(100 + number, 2.0));
        assert_eq!(loader.run(&run)["loaded"], 1);
        assert_eq!(loader.run(&run)["files"], 0);
    }
    // Half a change, found pending until it is whole, while others come.
    let path = loader.path("users/20.json");
    let whole = document(120, 4.0);
    change_in_place(&path, &whole[..40]);
    loader.put_user(51);
    let run = ["--overlap", "1ms", "--settle", "1h"];
    assert_eq!(loader.run(&run)["pending"], 1);
    assert_eq!(loader.run(&run)["pending"], 1);
    change_in_place(&path, &whole);
    assert_eq!(loader.run(&run)["loaded"], 1);
    books::verify(&loader);
}

/// The change time of a file has the grain of the kernel's clock, or of the file system's: two versions
/// of a file can have the same. Each of these differs from the first version in one thing alone.
#[test]
fn a_file_that_is_replaced_within_one_tick_of_the_clock_is_read_again() {
    type Replace = fn(&Loader, &Path, SystemTime);
    let cases: [(&str, Replace); 3] = [
        ("another inode", |loader, path, modified| {
            let aside = loader.path("aside");
            fs::write(&aside, document(2, 2.0)).expect("the inbox can be written");
            set_modified(&aside, modified);
            fs::rename(&aside, path).expect("the inbox can be written");
        }),
        ("another size", |_, path, modified| {
            change_in_place(path, &document(2, 12.0));
            set_modified(path, modified);
        }),
        ("another modification time", |_, path, _| {
            change_in_place(path, &document(2, 2.0));
        }),
    ];
    for (name, replace) in cases {
        let mut machine = Machine::new();
        let path = machine.loader.put("users/x.json", document(1, 1.0));
        let before = fs::metadata(&path).expect("the file is there");
        let changed_before = changed_nanos(&path);
        assert_eq!(machine.loads(), 1, "{name}");
        replace(
            &machine.loader,
            &path,
            before.modified().expect("the file has a time"),
        );
        // From the change on, the clock shows what it showed before it.
        let changed = changed_nanos(&path);
        let back = changed_before - changed;
        let change = (FileTime::from_nanos(changed), back);
        machine.clock.changes.push(change);
        assert_eq!(machine.loads(), 1, "{name}");
        assert_eq!(machine.loads(), 0, "{name}");
    }
}

#[test]
fn files_that_are_repaired_are_read_at_once_while_another_one_is_pending() {
    let loader = Loader::new();
    loader.put("users/pending.json", "{");
    for number in 1..=40 {
        loader.put(&format!("users/{number}.json"), "[]");
    }
    let run = ["--overlap", "1ms", "--settle", "1h"];
    let summary = loader.run(&run);
    assert_eq!(
        (&summary["rejected"], &summary["pending"]),
        (&40.into(), &1.into())
    );
    for number in 1..=40 {
        let path = loader.path(&format!("users/{number}.json"));
        change_in_place(&path, &crate::loader::numbered_user(number).to_string());
    }
    let summary = loader.run(&run);
    assert_eq!(
        (&summary["loaded"], &summary["pending"]),
        (&40.into(), &1.into())
    );
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event where resolved_at is null"),
        "0"
    );
}
