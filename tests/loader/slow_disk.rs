//! A slow disk or share, and one that fails: opening each file takes long, or a call fails for one file.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::books;
use crate::loader::{Loader, finish, numbered_user, said, start};
use crate::system_calls::tampered;

/// How long opening a file takes, in microseconds; and how many of these files there are, such that a
/// run reads for several seconds with its 16 threads.
const OPEN_TAKES: u64 = 500_000;
const FILES: u64 = 200;

/// How long a transaction of a run may wait for anything but the database: it waits a quarter of a
/// second for files that are being read; beside other tests that takes longer.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// How long looking for a file takes, in microseconds: with all files of the folder before, several seconds.
const STAT_TAKES: u64 = 40_000;

#[test]
fn no_transaction_waits_for_a_slow_disk_and_the_claim_is_renewed() {
    let loader = Loader::new();
    loader.run(&[]);
    (0..FILES).for_each(|number| loader.put_user(number));
    let tampering = format!("openat:delay_enter={}", OPEN_TAKES * 3 / 4);
    check_slow_run(&loader, &["--dry-run"], &tampering, FILES);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "0");
    let tampering = format!("openat:delay_enter={OPEN_TAKES}");
    check_slow_run(&loader, &[], &tampering, FILES);
    books::settle(&loader);
}

/// Whether it is the same folder is found out by its files where nothing else tells.
#[test]
fn no_transaction_waits_for_the_files_of_a_folder_that_was_replaced() {
    let loader = Loader::new();
    (0..FILES).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let (folder, replaced) = (loader.path("users"), loader.path("replaced"));
    fs::rename(&folder, &replaced).expect("the inbox can be changed");
    fs::create_dir(&folder).expect("the inbox can be changed");
    loader.put_user(FILES);
    let tampering = format!("newfstatat:delay_enter={STAT_TAKES}");
    check_slow_run(&loader, &[], &tampering, 1);
    fs::rename(
        folder.join(format!("{FILES}.json")),
        replaced.join("last.json"),
    )
    .expect("the inbox can be changed");
    fs::remove_dir(&folder).expect("the inbox can be changed");
    fs::rename(replaced, folder).expect("the inbox can be changed");
    books::settle(&loader);
}

/// A run that such a tampering makes slow has loaded so many files, waited for none in a transaction, and
/// renewed its claim.
fn check_slow_run(loader: &Loader, arguments: &[&str], tampering: &str, files: u64) {
    let run = loader.command(&[&["run", "--json"], arguments].concat());
    let Some(mut run) = tampered(&run, tampering, None) else {
        return;
    };
    let began = Instant::now();
    let mut run = start(&mut run);
    let mut claims = Vec::new();
    let mut client = loader.client();
    while run.try_wait().expect("etl is ours").is_none() {
        let row = client
            .query_one(
                "select
                   coalesce(extract(epoch from max(clock_timestamp() - state_change)
                     filter (where state = 'idle in transaction')), 0)::float8,
                   (select extract(epoch from max(claimed_until))::float8 from etl.checkpoint)
                 from pg_stat_activity
                 where datname = current_database() and application_name = 'etl'",
                &[],
            )
            .expect("the activity can be read");
        let idle: f64 = row.get(0);
        assert!(
            idle < IDLE_LIMIT.as_secs_f64(),
            "idle in a transaction for {idle} s"
        );
        claims.extend(row.get::<_, Option<f64>>(1));
        sleep(Duration::from_millis(50));
    }
    let took = began.elapsed();
    let said = finish(run);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(
        said.out.contains(&format!("\"loaded\":{files}")),
        "{}",
        said.out
    );
    assert!(took > Duration::from_secs(5), "{took:?} is not slow");
    let (Some(first), Some(last)) = (claims.first(), claims.last()) else {
        panic!("there was no claim");
    };
    assert!(last > first, "the claim was not renewed in {took:?}");
}

/// How long it takes to open the only file, in microseconds: longer than the minute for which a run reads files
/// for one batch.
const LONG_OPEN_TAKES: u64 = 63_000_000;

#[test]
fn a_share_that_answers_after_a_minute_is_waited_for() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let run = loader.command(&["run", "--json"]);
    let tampering = format!("openat:delay_enter={LONG_OPEN_TAKES}");
    let Some(mut run) = tampered(&run, &tampering, Some("1.json")) else {
        return;
    };
    let said = said(run.output().expect("strace can be started"));
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    books::settle(&loader);
}

/// The file system fails for one file: it stays pending, blocks the offset, and stops no other.
#[test]
fn one_file_that_cannot_be_had_stops_no_other() {
    // `lstat` at the scan, and opening. What a share says of a regular file can be what a device is refused
    // with.
    for (call, error, number) in [
        ("newfstatat", "EIO", 5),
        ("openat", "EIO", 5),
        ("openat", "ENXIO", 6),
    ] {
        let loader = Loader::new();
        loader.run(&[]);
        (1..=5).for_each(|number| loader.put_user(number));
        let run = loader.command(&["run", "--json", "--overlap", "1ms"]);
        let Some(mut faulty) = tampered(&run, &format!("{call}:error={error}"), Some("3.json"))
        else {
            return;
        };
        for expected in ["\"loaded\":4", "\"loaded\":0"] {
            let said = said(faulty.output().expect("strace can be started"));
            assert_eq!(said.status, 0, "{call}: {}", said.log);
            assert!(said.out.contains(expected), "{call}: {}", said.out);
            assert!(said.out.contains("\"pending\":1"), "{call}: {}", said.out);
            assert!(
                said.tells("pending", "users/3.json"),
                "{call}: {}",
                said.log
            );
            let cause = format!("os error {number}");
            assert!(said.log.contains(&cause), "{call}: {}", said.log);
            assert_eq!(
                loader.query(&format!(
                    "select file_name, pending_file.reason like '%{cause}%', pending
                     from etl.pending_file join etl.checkpoint using (source, inbox)"
                )),
                ["3.json|true|1"],
                "{call}"
            );
        }
        // The disk works again; the file itself has not changed.
        assert_eq!(loader.run(&["--overlap", "1ms"])["loaded"], 1, "{call}");
        books::settle(&loader);
    }
}

/// A backfill finds a file that is older than the offset, and cannot read it.
#[test]
fn a_file_that_a_backfill_leaves_pending_is_read_by_the_next_run() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader.execute("update etl.checkpoint set offset_at = now() + '1 second'");
    sleep(Duration::from_secs(1));
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
    let backfill = loader.command(&["run", "--json", "--since", "1h", "--overlap", "0s"]);
    let Some(mut faulty) = tampered(&backfill, "openat:error=EIO", Some("1.json")) else {
        return;
    };
    let said = said(faulty.output().expect("strace can be started"));
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"pending\":1"), "{}", said.out);
    let summary = loader.run(&["--overlap", "0s"]);
    assert_eq!(
        (&summary["files"], &summary["loaded"]),
        (&1.into(), &1.into())
    );
    assert_eq!(loader.value("select count(*) from etl.pending_file"), "0");
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
    books::settle(&loader);
}

#[test]
fn a_folder_that_cannot_be_listed_stops_no_other() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader.put("cards/2.json", numbered_user(2).to_string());
    fs::rename(loader.path("users"), loader.path("away")).expect("the inbox can be changed");
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    assert!(
        said.log.contains("create it, or name the inbox"),
        "{}",
        said.log
    );
    assert_eq!(
        loader.query("select source, last_failure is not null from etl.checkpoint order by 1"),
        ["cards|false", "users|true"]
    );
    fs::rename(loader.path("away"), loader.path("users")).expect("the inbox can be changed");
    assert_eq!(loader.run(&[])["loaded"], 1);
}
