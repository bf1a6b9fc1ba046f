//! The database goes away, or refuses: one clear line, exit status 1, and the next run catches up.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rand::RngExt;

use crate::books;
use crate::killed::{batter, check, kills, put_some, random_arguments};
use crate::loader::{Loader, Said, finish, said};
use crate::obstacle::{Obstacle, Step};
use crate::proxy::{Cut, Proxy};
use crate::server::{PASSWORD, Server, Shutdown, is_root, server, unprivileged_user};

/// What a run says whose connection broke in a commit.
const COMMIT_UNKNOWN: &str =
    "the outcome of the commit is unknown; the next run checks and loads what is missing";

/// A run has failed with one line, which says all of this.
pub fn assert_failed(said: &Said, words: &[&str]) {
    assert_eq!(said.status, 1, "{}", said.log);
    assert_eq!(said.log.lines().count(), 1, "one line: {}", said.log);
    for word in words {
        assert!(said.log.contains(word), "{word:?} is missing: {}", said.log);
    }
    assert!(!said.log.contains(PASSWORD), "{}", said.log);
}

/// A loader whose schema is there, and a user's file to load.
pub fn loader_with_a_user() -> Loader {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader
}

/// Connects to a server whose other clients are about to go.
fn connect_patiently(url: &str) -> Client {
    let began = Instant::now();
    loop {
        match Client::connect(url, NoTls) {
            Ok(client) => return client,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error:?}"),
        }
        sleep(Duration::from_millis(5));
    }
}

/// Calls a function with the server process of a run, if there is one.
fn strike_server_process(client: &mut Client, function: &str) -> bool {
    client
        .query(
            &format!(
                "select {function}(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'etl'"
            ),
            &[],
        )
        .is_ok_and(|rows| !rows.is_empty())
}

#[test]
fn runs_whose_sessions_are_ended_or_cancelled_at_random_times_load_everything_exactly_once() {
    let loader = Loader::new();
    let mut client = loader.client();
    let functions = ["pg_terminate_backend", "pg_cancel_backend"];
    let hits = batter(
        &loader,
        kills().div_ceil(4),
        || loader.command(random_arguments()),
        |run| {
            let function = functions[rand::rng().random_range(0..2)];
            while !strike_server_process(&mut client, function) {
                if run.try_wait().expect("etl is ours").is_some() {
                    return false;
                }
            }
            true
        },
    );
    books::settle(&loader);
    println!("{hits} sessions ended or cancelled");
}

#[test]
fn runs_whose_connection_is_cut_in_the_middle_of_bytes_load_everything_exactly_once() {
    let loader = Loader::new();
    let proxy = Proxy::start();
    let url = proxy.url(&loader.database);
    let run = |cut: Cut| {
        proxy.cut(cut);
        let said = said(
            loader
                .command(&["run", "--batch-size", "3"])
                .env("DATABASE_URL", &url)
                .output()
                .expect("etl can be started"),
        );
        check(&said);
        said
    };
    let mut number = 0;
    assert_eq!(run(Cut::Nowhere).status, 0);
    let (mut cuts, mut sizes) = (0, (1, 1));
    while cuts < kills().div_ceil(4) {
        put_some(&loader, &mut number);
        let cut = match (cuts % 8, rand::random()) {
            (0, _) => Cut::Nowhere,
            (1, _) => Cut::BeforeCommit,
            (2, _) => Cut::InCommit,
            (_, true) => Cut::Sent(rand::rng().random_range(0..sizes.0)),
            (_, false) => Cut::Received(rand::rng().random_range(0..sizes.1)),
        };
        let said = run(cut);
        match cut {
            Cut::Nowhere => {
                assert_eq!(said.status, 0, "{}", said.log);
                sizes = proxy.carried();
            }
            Cut::BeforeCommit | Cut::InCommit => {
                assert!(said.log.contains(COMMIT_UNKNOWN), "{}", said.log);
            }
            _ => {}
        }
        cuts += 1;
    }
    books::settle(&loader);
    println!("{cuts} runs over a connection that was cut");
}

#[test]
fn a_commit_whose_answer_is_lost_is_kept_and_one_that_never_arrives_is_not() {
    let loader = loader_with_a_user();
    let proxy = Proxy::start();
    let url = proxy.url(&loader.database);
    for (cut, kept) in [(Cut::BeforeCommit, "0"), (Cut::InCommit, "1")] {
        proxy.cut(cut);
        let output = loader.command(&["run"]).env("DATABASE_URL", &url).output();
        assert_failed(
            &said(output.expect("etl can be started")),
            &[COMMIT_UNKNOWN],
        );
        loader.wait_for_free_locks();
        assert_eq!(
            loader.value("select count(*) from landing.user_event"),
            kept
        );
    }
    assert_eq!(loader.run(&[])["files"], 0);
    books::check(&loader);
}

#[test]
fn a_server_restarted_at_random_times_costs_runs_and_no_event() {
    // What it has committed it has to find again.
    let server = Server::start(&[], &["synchronous_commit=on"]);
    let loader = Loader::on(&server);
    let mut hits = 0;
    let strike = |_: &mut Child| {
        hits += 1;
        server.restart(if hits % 2 == 0 {
            Shutdown::Fast
        } else {
            Shutdown::Immediate
        });
        true
    };
    let restarts = batter(
        &loader,
        kills().div_ceil(20),
        || loader.command(random_arguments()),
        strike,
    );
    books::settle(&loader);
    println!("{restarts} restarts of the server");
}

#[test]
fn a_server_without_a_free_connection_is_named_as_such() {
    let server = Server::start(&[], &["max_connections=8", "max_wal_senders=0"]);
    let loader = Loader::on(&server);
    loader.put_user(1);
    let mut taken = Vec::new();
    while let Ok(client) = Client::connect(&loader.url, NoTls) {
        taken.push(client);
    }
    let words = [
        "no connection",
        "SQLSTATE 53300",
        "max_connections",
        "CONNECTION LIMIT",
    ];
    assert_failed(&loader.etl(&["run"]), &words);
    drop(taken);
    // A server process outlives its client by a moment.
    let mut client = connect_patiently(&loader.url);
    let others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    let began = Instant::now();
    while client
        .query_one(others, &[])
        .expect("the server is up")
        .get::<_, i64>(0)
        > 0
    {
        assert!(began.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(5));
    }
    // A user with a limit of one's own.
    client
        .batch_execute("create role limited login connection limit 0")
        .expect("a role can be made");
    drop(client);
    let url = loader.url.replace("postgres@", "limited@");
    let output = loader.command(&["run"]).env("DATABASE_URL", url).output();
    assert_failed(&said(output.expect("etl can be started")), &words);
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}

#[test]
fn what_an_administrator_does_to_a_run_is_reported_and_costs_no_event() {
    let loader = loader_with_a_user();
    for (function, words) in [
        ("pg_cancel_backend", ["SQLSTATE 57014", "statement_timeout"]),
        // The server says why, but that can get lost with the connection.
        (
            "pg_terminate_backend",
            ["stopping or starting", "pg_terminate_backend"],
        ),
    ] {
        let mut obstacle = Obstacle::after(&loader, Step::Events);
        let run = loader.start(&["run"]);
        obstacle.strike_run(function);
        let said = finish(run);
        assert_failed(&said, &words);
        assert_failed(
            &said,
            &["while opening versions", "the next run does the rest"],
        );
        // It is written down with another connection.
        let failure = loader.value("select distinct last_failure from etl.checkpoint");
        assert!(
            failure.contains("while opening versions") && said.log.contains(&failure),
            "{failure}"
        );
    }
    let set = |value: &str| {
        loader.execute(&format!(
            "alter database {} set default_transaction_read_only = {value}",
            loader.database
        ));
    };
    set("on");
    assert_failed(&loader.etl(&["run"]), &["SQLSTATE 25006", "standby"]);
    loader.execute(&format!(
        "set transaction read write; alter database {} reset default_transaction_read_only",
        loader.database
    ));
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}

/// A small file system of its own, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().ok()?.keep();
        let done = is_root()
            && Command::new("mount")
                .args([
                    "-t",
                    "tmpfs",
                    "-o",
                    &format!("size={size},mode=777"),
                    "none",
                ])
                .arg(&folder)
                .output()
                .is_ok_and(|output| output.status.success());
        done.then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// Fills what is left of a disk.
fn fill(path: &Path) {
    let block = vec![0; 4096];
    let mut file = fs::File::create(path).expect("the disk can be written");
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
}

#[test]
fn a_full_disk_costs_a_run_and_no_event() {
    let Some(disk) = SmallDisk::mount("64m") else {
        println!("skipped: only root can mount a small disk, and not everywhere");
        return;
    };
    let loader = Loader::new();
    let mut admin = Client::connect(&server().url("postgres"), NoTls).expect("the server is up");
    let mut execute = |sql: String| {
        admin
            .batch_execute(&sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    };
    let (database, space) = (&loader.database, format!("small_{}", loader.database));
    let folder = disk.0.join("space");
    fs::create_dir(&folder).expect("the disk can be written");
    let (uid, gid) = unprivileged_user();
    chown(&folder, Some(uid), Some(gid)).expect("root can give files away");
    execute(format!(
        "create tablespace {space} location '{}'",
        folder.display()
    ));
    execute(format!("alter database {database} set tablespace {space}"));
    loader.run(&[]);
    let mut number = 0;
    (0..30).for_each(|_| put_some(&loader, &mut number));
    let filler = disk.0.join("filler");
    fill(&filler);
    assert_failed(
        &loader.etl(&["run"]),
        &["SQLSTATE 53100", "make room on the disk"],
    );
    fs::remove_file(filler).expect("the disk can be written");
    loader.wait_for_free_locks();
    books::settle(&loader);
    execute(format!("drop database {database} with (force)"));
    execute(format!("drop tablespace {space}"));
}
