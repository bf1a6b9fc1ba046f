//! The database goes away, or refuses: one clear line, exit status 1, and the next run catches up.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rand::RngExt;

use crate::books;
use crate::killed::{batter, check, kills, put_some, random_arguments};
use crate::loader::{Loader, Said, finish, said, start};
use crate::obstacle::{Obstacle, Step};
use crate::proxy::{Cut, Proxy};
use crate::server::{PASSWORD, Server, Shutdown, is_root, server, unprivileged_user};

/// A run has failed with one line, which says all of this.
fn assert_failed(said: &Said, words: &[&str]) {
    assert_eq!(said.status, 1, "{}", said.log);
    assert_eq!(said.log.lines().count(), 1, "one line: {}", said.log);
    for word in words {
        assert!(said.log.contains(word), "{word:?} is missing: {}", said.log);
    }
    assert!(!said.log.contains(PASSWORD), "{}", said.log);
}

/// A loader whose schema is there, and a user's file to load.
fn loader_with_a_user() -> Loader {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader
}

/// Does something to the backend of a run, if there is one.
fn strike_backend(client: &mut Client, function: &str) -> bool {
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
fn runs_whose_sessions_are_ended_or_cancelled_at_random_moments_load_everything_exactly_once() {
    let loader = Loader::new();
    let mut client = loader.client();
    let functions = ["pg_terminate_backend", "pg_cancel_backend"];
    let hits = batter(
        &loader,
        kills().div_ceil(4),
        || loader.command(random_arguments()),
        |run| {
            let function = functions[rand::rng().random_range(0..2)];
            while !strike_backend(&mut client, function) {
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
                assert!(said.log.contains("the next run finds out"), "{}", said.log);
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
            &["whether it is kept the next run finds out"],
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
fn a_server_restarted_at_random_moments_costs_runs_and_no_event() {
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
    loader.wait_until(
        "the connections are free",
        "select count(*) = 1 from pg_stat_activity where backend_type = 'client backend'",
    );
    // A user with a limit of one's own.
    loader
        .client()
        .batch_execute("create role limited login connection limit 0")
        .expect("a role can be made");
    let url = loader.url.replace("postgres@", "limited@");
    let output = loader.command(&["run"]).env("DATABASE_URL", url).output();
    assert_failed(&said(output.expect("etl can be started")), &words);
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}

#[test]
fn what_an_administrator_does_to_a_run_is_said_and_made_good() {
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
        assert_failed(&said, &["while opening versions", "the next run goes on"]);
    }
    let set = |value: &str| {
        loader
            .client()
            .batch_execute(&format!(
                "alter database {} set default_transaction_read_only = {value}",
                loader.database
            ))
            .expect("a database can be changed");
    };
    set("on");
    assert_failed(&loader.etl(&["run"]), &["SQLSTATE 25006", "standby"]);
    loader
        .client()
        .batch_execute(&format!(
            "set transaction read write; alter database {} reset default_transaction_read_only",
            loader.database
        ))
        .expect("a database can be changed");
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}

#[test]
fn a_table_that_somebody_has_locked_is_waited_for_in_bounds() {
    let loader = loader_with_a_user();
    // What a session has for bounds, told by itself.
    loader
        .client()
        .batch_execute(
            "create table public.bound as select name, setting from pg_settings where false;
             create function public.bound() returns trigger language plpgsql as $$
               begin
                 insert into public.bound
                 select name, setting from pg_settings where name in ('lock_timeout', 'tcp_keepalives_idle');
                 return null;
               end $$;
             create trigger bound after insert on landing.user_event execute function public.bound()",
        )
        .expect("a trigger can be made");
    let mut run = loader.command(&["run"]);
    run.env("DATABASE_URL", server().tcp_url(&loader.database));
    assert_eq!(finish(start(&mut run)).log.matches("loaded=1").count(), 1);
    assert_eq!(
        loader.query("select * from public.bound order by name"),
        ["lock_timeout|30000", "tcp_keepalives_idle|30"]
    );
    loader
        .client()
        .batch_execute(&format!(
            "alter database {} set lock_timeout = '500ms'",
            loader.database
        ))
        .expect("a database can be changed");
    loader.put_user(2);
    let words = ["SQLSTATE 55P03", "pg_locks", "usename"];
    let mut obstacle = Obstacle::table(&loader, "warehouse.dim_user", "exclusive");
    // An analyst who holds cards is in nobody's way as long as there are only users.
    let other = Obstacle::table(&loader, "warehouse.dim_card", "exclusive");
    let began = Instant::now();
    let said = loader.etl(&["run"]);
    assert_failed(&said, &words);
    assert!(began.elapsed() < Duration::from_secs(10));
    // What the line tells to ask is answered with the name of the table.
    let (_, after) = said.log.split_once(" does: ").expect("a query");
    let (query, _) = after.split_once(';').expect("an end of it");
    let held = loader.query(query);
    assert!(
        held.iter()
            .any(|row| row.contains("|postgres|ExclusiveLock|warehouse.dim_user|")),
        "{held:?}"
    );
    // A run that is killed while it waits leaves a backend that waits no longer than that either.
    let mut killed = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    killed.kill().expect("etl is ours");
    killed.wait().expect("etl is ours");
    loader.wait_for_free_locks();
    drop(obstacle);
    assert_eq!(loader.run(&[])["loaded"], 1);
    drop(other);
    // The lock of a migration is one of these, and so is that of a dimension.
    let empty = Loader::new();
    empty
        .client()
        .batch_execute(&format!(
            "alter database {} set lock_timeout = '500ms'",
            empty.database
        ))
        .expect("a database can be changed");
    let mut migration = empty.client();
    migration
        .batch_execute("select pg_advisory_lock(6648940, 0)")
        .expect("the lock is free");
    assert_failed(
        &empty.etl(&["run"]),
        &["waiting for another migration", "55P03"],
    );
    drop(migration);
    loader.put_user(3);
    let mut writer = loader.client();
    writer
        .batch_execute("select pg_advisory_lock(6648940, 101)")
        .expect("the lock is free");
    assert_failed(&loader.etl(&["run"]), &["the dimension's lock", "55P03"]);
    drop(writer);
    loader.wait_for_free_locks();
    empty.run(&[]);
    loader.run(&[]);
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
