//! A run without what it takes for granted: threads, memory, and somebody who reads its log.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use crate::books;
use crate::loader::{Loader, finish, numbered_user, said, send};
use crate::obstacle::Obstacle;
use crate::server::{is_root, server};

/// A user who owns nothing and runs nothing else, so that the limit of its processes is this test's.
const STRANGER: u32 = 64_001;

/// Most memory that a run over the growing files may take, in KiB: less than these, and more than a
/// batch (64 MiB), what is read ahead (32 MiB), a chunk and what the allocator keeps (170 MiB were seen).
const MEMORY_LIMIT: u64 = 224 << 10;

/// How long a run may take to end once it is asked to.
const END_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_system_without_threads_makes_a_run_slower_or_fail_and_never_panic() {
    if !is_root() {
        println!("skipped: only root can run as a user who runs nothing else");
        return;
    }
    let loader = Loader::new();
    loader.run(&[]);
    let program = loader.program_for_anyone();
    let mut succeeded = 0;
    for processes in 1..=6_u64 {
        (0..40).for_each(|number| loader.put_user(processes * 100 + number));
        let mut run = Command::new("prlimit");
        run.arg(format!("--nproc={processes}"))
            .arg(&program)
            .args(["run", "--json", "--log-format", "json"])
            .env_clear()
            .env("DATABASE_URL", server().tcp_url(&loader.database))
            .env("ETL_INBOX", loader.inbox())
            .uid(STRANGER)
            .gid(STRANGER);
        if let Some(path) = std::env::var_os("PATH") {
            run.env("PATH", path);
        }
        let said = said(run.output().expect("prlimit can be started"));
        assert!(!said.log.contains("panicked"), "{processes}: {}", said.log);
        // Every line is one of the log, and the last one says how it ended.
        let lines: Vec<serde_json::Value> = said
            .log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect();
        let outcome = lines.last().map(|line| line["outcome"].clone());
        match said.status {
            0 => {
                assert_eq!(outcome, Some("done".into()), "{processes}: {}", said.log);
                assert!(said.out.contains("\"loaded\":40"), "{}", said.out);
                succeeded += 1;
            }
            status => {
                assert_eq!(
                    (status, outcome),
                    (1, Some("failed".into())),
                    "{processes}: {}",
                    said.log
                );
                assert!(
                    said.log.contains("the system starts no thread"),
                    "{}",
                    said.log
                );
                loader.empty_inbox("");
            }
        }
    }
    assert!(
        succeeded > 0,
        "the highest of these limits leaves room for a thread"
    );
    books::settle(&loader);
}

/// The highest memory that a process has had so far, in KiB.
fn peak(run: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}

/// Batches and what is read ahead are bounded by what is read, and not by what was there at the scan.
#[test]
fn files_that_grow_after_the_scan_take_no_more_memory_than_large_ones() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(0);
    sleep(Duration::from_millis(20));
    // What the readers read before the run stops at the first user.
    let mut filler = numbered_user(0).to_string().into_bytes();
    filler.resize(64 << 10, b' ');
    (0..1_000).for_each(|number| drop(loader.put(&format!("users/filler_{number}.json"), &filler)));
    sleep(Duration::from_millis(20));
    let growing: Vec<_> = (1..=256)
        .map(|number| loader.put(&format!("users/{number}.json"), ""))
        .collect();
    let mut obstacle = Obstacle::at_user(&loader, 0);
    let mut run = loader.start(&["run", "--json", "--batch-size", "100"]);
    obstacle.wait_for_runs(1);
    let mut event = numbered_user(1).to_string().into_bytes();
    event.resize(1 << 20, b' ');
    for path in &growing {
        fs::write(path, &event).expect("the inbox can be written");
    }
    let before = peak(&run);
    drop(obstacle);
    let mut highest = before;
    while run.try_wait().expect("etl is ours").is_none() {
        highest = highest.max(peak(&run));
        sleep(Duration::from_millis(2));
    }
    let said = finish(run);
    assert_eq!(said.status, 0, "{}", said.log);
    // 256 MiB of one event.
    assert!(said.out.contains("\"loaded\":2"), "{}", said.out);
    println!("{highest} KiB at the peak, {before} KiB before the files grew");
    assert!(highest < MEMORY_LIMIT, "{highest} KiB");
}

/// A pipe that takes no byte more, for the standard error of a run; its reader, who does not read, goes
/// with it.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("the pipe is open");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("the pipe is open");
    loop {
        match writer.write(&[b'.'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    fcntl_setfl(&writer, flags).expect("the pipe is open");
    (reader, writer)
}

/// Nobody reads the log of a run, which therefore waits: not within a transaction, nor with a lock.
#[test]
fn a_log_that_nobody_reads_holds_no_lock() {
    for arguments in [&["run"][..], &["run", "--dry-run"], &["rejected", "retry"]] {
        let loader = Loader::new();
        loader.put("users/open.json", "[]");
        loader.run(&[]);
        loader.put_user(1);
        loader.put("users/bad.json", "[]");
        let (_reader, writer) = full_pipe();
        let run = loader
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(writer)
            .spawn()
            .expect("etl can be started");
        // It has come to the end of its work, and waits.
        let waits = "select coalesce(bool_and(state = 'idle'), false) and count(*) = 1
                       and min(state_change) < clock_timestamp() - interval '0.3 s'
                     from pg_stat_activity
                     where datname = current_database() and application_name = 'etl'";
        loader.wait_until("the run waits outside a transaction", waits);
        let locks = "select locktype, relation::regclass, mode from pg_locks
                     join pg_stat_activity using (pid)
                     where datname = current_database() and application_name = 'etl'";
        assert_eq!(loader.query(locks), Vec::<String>::new(), "{arguments:?}");
        // And it can be ended.
        let began = Instant::now();
        send(&run, Signal::TERM);
        let mut run = run;
        let status = loop {
            if let Some(status) = run.try_wait().expect("etl is ours") {
                break status;
            }
            if began.elapsed() > END_LIMIT {
                run.kill().expect("etl is ours");
                panic!("{arguments:?}: SIGTERM has no effect");
            }
            sleep(Duration::from_millis(10));
        };
        assert_eq!(
            status.signal(),
            Some(Signal::TERM.as_raw()),
            "{arguments:?}"
        );
        loader.wait_for_free_locks();
        loader.run(&[]);
    }
}
