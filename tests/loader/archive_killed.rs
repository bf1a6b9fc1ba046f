//! `etl archive` is killed, meets a bad disk, or finds its files changed: every event is in the inbox or in
//! a whole archive all the time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::archive::{Archive, EVERYTHING, RELATIVE, checked, described, files_below, inbox, name};
use crate::books;
use crate::killed::put_some;
use crate::loader::{finish, numbered_user, said};
use crate::system_calls::tampered;

/// The names of all files that are in the inbox or in a whole archive.
fn kept(archive: &Archive) -> BTreeSet<String> {
    let unpacked = tempfile::tempdir().expect("a temporary folder");
    archive.unpack(&inbox(unpacked.path()));
    [unpacked.path(), &archive.loader.inbox()]
        .iter()
        .flat_map(|inbox| described(inbox))
        .map(|file| file.0)
        .collect()
}

#[test]
fn an_archive_that_is_killed_at_any_step_loses_nothing_and_the_next_one_goes_on() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let (mut number, mut put) = (0, BTreeSet::new());
    for call in ["mkdir", "fsync", "renameat2", "unlinkat"] {
        let mut kills = 0;
        loop {
            put_some(loader, &mut number);
            put.extend(described(&loader.inbox()).into_iter().map(|file| file.0));
            loader.run(&[]);
            let tampering = format!("{call}:signal=KILL:when={}", kills + 1);
            let command = archive.command(&EVERYTHING);
            let Some(mut killed) = tampered(&command, &tampering, None) else {
                return;
            };
            let killed = said(killed.output().expect("strace can be started"));
            assert_eq!(kept(&archive), put, "{call} {kills}");
            if killed.status == 0 {
                break;
            }
            kills += 1;
        }
        println!("{call}: killed {kills} times");
        assert!(kills > 0, "{call} is never called");
        archive.archive();
        assert_eq!(kept(&archive), put, "{call}");
        assert!(described(&loader.inbox()).is_empty());
        let unfinished = |path: &PathBuf| name(path).starts_with('.');
        assert!(!files_below(&archive.folder()).iter().any(unfinished));
    }
    books::verify(loader);
}

#[test]
fn a_disk_that_is_full_or_faulty_costs_an_archive_and_no_file() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (0..20).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let before = described(&loader.inbox());
    for (tampering, expected) in [
        (
            "fsync:error=ENOSPC:when=6+",
            "make room, or name a folder on another file system",
        ),
        (
            "fsync:error=EIO:when=6+",
            "the next call tries again; no file was removed for it",
        ),
        ("renameat2:error=EIO", "cannot be written"),
        (
            "mkdir:error=EROFS",
            "run `etl archive` as a user who may write there",
        ),
    ] {
        let mut command = archive.command(&EVERYTHING);
        command.env("ETL_ARCHIVE", RELATIVE);
        let Some(mut failing) = tampered(&command, tampering, None) else {
            return;
        };
        failing.current_dir(loader.inbox());
        let failed = said(failing.output().expect("strace can be started"));
        assert_eq!(failed.status, 1, "{tampering}: {}", failed.log);
        assert!(failed.log.contains(expected), "{tampering}: {}", failed.log);
        assert_eq!(described(&loader.inbox()), before, "{tampering}");
        assert!(files_below(&archive.folder()).is_empty(), "{tampering}");
        fs::remove_dir_all(archive.folder()).unwrap_or_default();
    }
    assert_eq!(archive.archive()["archived"], 20);
}

#[test]
fn a_file_that_changes_between_packing_and_removing_stays() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=5).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let mut command = archive.command(&EVERYTHING);
    command.env("ETL_ARCHIVE", RELATIVE);
    // The archive is written, and waits to be made durable.
    let Some(mut slow) = tampered(&command, "fsync:delay_enter=1500000:when=6", None) else {
        return;
    };
    let slow = slow
        .current_dir(loader.inbox())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace can be started");
    wait_for(|| {
        files_below(&archive.folder())
            .iter()
            .any(|path| fs::metadata(path).is_ok_and(|stat| stat.len() > 0))
    });
    // Replaced, appended to, removed, and touched.
    loader.put("users/1.json", numbered_user(11).to_string());
    File::options()
        .append(true)
        .open(loader.path("users/2.json"))
        .and_then(|mut file| file.write_all(b" "))
        .expect("the inbox is ours");
    fs::remove_file(loader.path("users/3.json")).expect("the inbox is ours");
    File::options()
        .write(true)
        .open(loader.path("users/4.json"))
        .and_then(|file| file.set_modified(SystemTime::now()))
        .expect("the inbox is ours");
    // Meanwhile it is the only one, and runs go on.
    let said = archive.said(&EVERYTHING);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(
        said.log.contains("another `etl archive` is at work"),
        "{}",
        said.log
    );
    loader.run(&[]);
    let slow = finish(slow);
    assert_eq!(slow.status, 0, "{}", slow.log);
    let summary = checked(&slow);
    assert_eq!(summary["archived"], 1, "{summary}");
    assert_eq!(summary["left"]["changed"], 4, "{summary}");
    let left: Vec<String> = described(&loader.inbox())
        .into_iter()
        .map(|file| file.0)
        .collect();
    assert_eq!(left, ["users/1.json", "users/2.json", "users/4.json"]);
    loader.run(&[]);
    assert_eq!(archive.archive()["archived"], 3);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "6");
}

fn wait_for(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never is so");
        sleep(Duration::from_millis(10));
    }
}
