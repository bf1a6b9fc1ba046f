//! The folder changes under the reader: between the scan and the reading, and during the scan.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime};

use etl::clock::FileTime;
use etl::event::Rejection;
use etl::source::Source;
use etl::stamp::FileStamp;
use etl::warehouse::rejected_names::RejectedNames;
use etl::warehouse::rejections::{FolderRejections, RejectedFile};

use crate::books;
use crate::loader::{Loader, Said, event_id, finish, numbered_user, start, user_event};
use crate::obstacle::Obstacle;
use crate::server::is_root;

/// Files between the first one and those that are to be unread when a run waits with the first one,
/// and the length of each in bytes. A run reads ahead, 24 MiB beyond the batch that it has taken, with
/// 48 threads of which each may be at another block of 16 files.
const FILLERS: u64 = 2_000;
const FILLER_BYTES: usize = 32 << 10;

/// How long a run over a few files may take that does not wait for anything.
const RUN_LIMIT: Duration = Duration::from_secs(20);

/// Waits for the end of a run, which must not wait for a FIFO.
fn finish_soon(mut run: Child) -> Said {
    let began = Instant::now();
    while run.try_wait().expect("etl is ours").is_none() {
        if began.elapsed() > RUN_LIMIT {
            run.kill().expect("etl is ours");
            panic!("the run waits for something");
        }
        sleep(Duration::from_millis(5));
    }
    finish(run)
}

/// Runs a program of the system.
fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .status()
        .expect("the program can be started")
        .success()
}

/// An inbox with the users 0 to 40, and a run that has scanned it and waits with the first of them:
/// the others are still to be read.
fn run_that_has_scanned() -> (Loader, Obstacle, Child) {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(0);
    sleep(Duration::from_millis(20));
    // The same event again and again, with much white space.
    let mut filler = numbered_user(0).to_string().into_bytes();
    filler.resize(FILLER_BYTES, b' ');
    (0..FILLERS).for_each(|number| drop(loader.put(&filler_name(number), &filler)));
    sleep(Duration::from_millis(20));
    (1..=40).for_each(|number| loader.put_user(number));
    let mut obstacle = Obstacle::at_user(&loader, 0);
    let run = start(&mut loader.unprivileged_command(&["run", "--json", "--batch-size", "100"]));
    obstacle.wait_for_runs(1);
    (loader, obstacle, run)
}

fn filler_name(number: u64) -> String {
    format!("users/filler_{number}.json")
}

/// Removes the files that kept a run busy.
fn remove_fillers(folder: &Path) {
    for number in 0..FILLERS {
        fs::remove_file(folder.join(filler_name(number))).expect("the inbox can be changed");
    }
}

fn user(number: u64, name: &str) -> String {
    user_event(
        &event_id(number),
        "2026-11-23 20:10:20",
        number as i64,
        name,
        1.0,
    )
    .to_string()
}

#[test]
fn files_that_change_between_the_scan_and_the_reading_are_lost_and_doubled_nowhere() {
    let (loader, obstacle, run) = run_that_has_scanned();
    let path = |number: u64| loader.path(&format!("users/{number}.json"));
    let remove = |number: u64| fs::remove_file(path(number)).expect("the inbox can be changed");
    let text = |number: u64| path(number).display().to_string();

    remove(20);
    fs::rename(path(21), loader.path("users/21_renamed.json")).expect("the inbox can be changed");
    // Replaced by another event, and rewritten in place.
    loader.put("users/22.json", user(122, "Replaced"));
    fs::write(path(23), user(123, "Rewritten")).expect("the inbox can be changed");
    // Truncated, closed, grown.
    File::options()
        .write(true)
        .open(path(24))
        .and_then(|file| file.set_len(60))
        .expect("the inbox can be changed");
    fs::set_permissions(path(25), Permissions::from_mode(0o000)).expect("the file is ours");
    File::options()
        .write(true)
        .open(path(26))
        .and_then(|file| file.set_len(1 << 30))
        .expect("the inbox can be changed");
    // Replaced by what is no regular file.
    let secret = loader.path("secret");
    fs::write(&secret, user(127, "Secret")).expect("the temporary folder can be written");
    (30..=33).for_each(remove);
    symlink(&secret, path(30)).expect("a link can be made");
    assert!(succeeds("mkfifo", &[&text(31)]));
    fs::create_dir(path(32)).expect("a folder can be made");
    let has_device = is_root() && succeeds("mknod", &[&text(33), "c", "1", "5"]);
    if !has_device {
        println!("without a device, which this user cannot make");
        symlink("/dev/zero", path(33)).expect("a link can be made");
    }

    drop(obstacle);
    let said = finish_soon(run);
    assert_eq!(said.status, 0, "{}", said.log);
    for number in 30..=33 {
        assert!(
            said.tells("ignored", &format!("users/{number}.json")),
            "{}",
            said.log
        );
    }
    for number in [20, 21] {
        assert!(
            said.tells("vanished", &format!("users/{number}.json")),
            "{}",
            said.log
        );
    }
    assert_eq!(
        loader.query("select file_name, reason from landing.rejected_event"),
        ["26.json|too_large"]
    );
    assert_eq!(
        loader.query("select name from landing.user_event where name <> 'Ann' order by 1"),
        ["Replaced", "Rewritten"]
    );

    remove_fillers(&loader.inbox());
    for number in [30, 31, 33] {
        remove(number);
    }
    fs::remove_dir(path(32)).expect("the folder is ours");
    fs::set_permissions(path(25), Permissions::from_mode(0o644)).expect("the file is ours");
    for number in [24, 26] {
        fs::write(path(number), user(number, "Ann")).expect("the inbox can be changed");
    }
    books::settle(&loader);
    assert_eq!(
        loader.value("select count(*) from landing.user_event"),
        "36"
    );
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event where resolved_at is null"),
        "0"
    );
}

#[test]
fn a_folder_that_is_moved_away_and_made_anew_is_read_to_its_end() {
    let (loader, obstacle, run) = run_that_has_scanned();
    fs::rename(loader.path("users"), loader.path("away")).expect("the inbox can be changed");
    fs::create_dir(loader.path("users")).expect("the inbox can be changed");
    loader.put_user(41);
    drop(obstacle);
    let said = finish_soon(run);
    assert!(said.out.contains("\"loaded\":41"), "{}", said.log);
    assert_eq!(loader.run(&[])["loaded"], 1);
    for entry in fs::read_dir(loader.path("away")).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let name = path.file_name().expect("a file has a name");
        fs::rename(&path, loader.path("users").join(name)).expect("the inbox can be changed");
    }
    remove_fillers(&loader.inbox());
    books::settle(&loader);
}

#[test]
fn files_that_arrive_during_the_scan_are_loaded_exactly_once() {
    let loader = Loader::new();
    let is_done = AtomicBool::new(false);
    let runs = thread::scope(|scope| {
        let runs = scope.spawn(|| {
            let mut runs = 0;
            while !is_done.load(Ordering::Relaxed) {
                loader.run(&[]);
                runs += 1;
            }
            runs
        });
        for number in 0..2_000 {
            let name = format!("users/{number}.json");
            // Half of them as the services write them, which a reader can meet empty.
            if number % 2 == 0 {
                loader.put(&name, user(number, "Ann"));
            } else {
                fs::write(loader.path(&name), user(number, "Ann"))
                    .expect("the inbox can be written");
            }
        }
        is_done.store(true, Ordering::Relaxed);
        runs.join().expect("the runs succeed")
    });
    books::settle(&loader);
    println!("{runs} runs while 2,000 files arrived");
}

#[test]
fn ten_thousand_files_unpacked_at_once_with_times_years_ago_are_all_loaded() {
    let loader = Loader::new();
    loader.put_user(0);
    loader.run(&[]);
    fs::create_dir(loader.path("packed")).expect("the temporary folder can be written");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for number in 1..=10_000 {
        let path = loader.path(&format!("packed/{number}.json"));
        fs::write(&path, user(number, "Ann")).expect("the temporary folder can be written");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(long_ago))
            .expect("the file can be stamped");
    }
    let path = |name: &str| loader.path(name).display().to_string();
    let (archive, packed, users) = (path("archive.tar"), path("packed"), path("users"));
    assert!(succeeds("tar", &["-cf", &archive, "-C", &packed, "."]));
    assert!(succeeds("tar", &["-xpf", &archive, "-C", &users]));
    assert_eq!(loader.run(&[])["loaded"], 10_000);
    assert_eq!(loader.run(&[])["files"], 0);
    assert_eq!(
        loader.value(
            "select max(file_modified_at) < '2002-01-01' from landing.user_event where user_id > 0"
        ),
        "true"
    );
    books::check(&loader);
}

#[test]
fn a_file_that_the_file_system_lists_twice_is_pending_once() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut client = loader.client();
    let keep = include_str!("../../sql/checkpoint/keep_pending.sql");
    let now = chrono::Utc::now();
    for _ in 0..2 {
        let (names, reasons) = (["x.json", "y.json", "x.json"], ["one", "other", "one"]);
        client
            .execute(
                keep,
                &[
                    &"users",
                    &"main",
                    &now,
                    &names.as_slice(),
                    &reasons.as_slice(),
                ],
            )
            .expect("they can be kept");
    }
    assert_eq!(
        loader.query("select file_name, reason from etl.pending_file order by 1"),
        ["x.json|one", "y.json|other"]
    );
}

#[test]
fn a_file_that_the_file_system_lists_twice_is_rejected_once() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut client = loader.client();
    let rejection = Rejection::Truncated { size: 1 };
    let rejected = |document| RejectedFile {
        name: "x.json",
        stamp: FileStamp {
            inode: 1,
            size: 1,
            modified: FileTime::from_nanos(0),
            changed: FileTime::from_nanos(0),
        },
        rejection: &rejection,
        document: Some(document),
    };
    // Twice in one chunk, and once more in the next one.
    let mut transaction = client.transaction().expect("the database answers");
    let source = Source::ALL[0];
    let mut rejections =
        FolderRejections::new(1, source, &Default::default(), RejectedNames::default());
    for documents in [vec![b"[", b"{"], vec![b"{"]] {
        let files = documents
            .into_iter()
            .map(|document| rejected(document))
            .collect();
        rejections
            .keep(&mut transaction, files)
            .expect("they can be kept");
    }
    transaction.commit().expect("the database answers");
    assert_eq!(
        loader.query("select file_name, convert_from(document, 'UTF8') as document from landing.rejected_event"),
        ["x.json|{"]
    );
}
