//! A connection pooler between the loader and the server: PgBouncer in transaction mode, which gives a
//! server process to a client for one transaction. What a client leaves behind in a process, the next
//! one finds; and no process says whether its client is still there.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::Value;

use crate::books;
use crate::killed::{batter, kills, put_some, random_arguments};
use crate::loader::{Loader, Said, card_event, event_id, finish, said, start};
use crate::obstacle::{Obstacle, Step};
use crate::server::{is_root, server, unprivileged_user};

/// Where Debian's package has the program.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// Server processes of a database: few, so that clients share them.
const PROCESSES: usize = 3;

/// How long the pooler may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long the claim of a killed run may be in the way: what a claim lasts, and a slow machine.
const CLAIM_LIMIT: Duration = Duration::from_secs(25);

struct Pooler {
    port: u16,
    /// Its standard input stays open for as long as this lives.
    _shell: Mutex<Child>,
}

/// The pooler of this process; `None` if it is not installed, which is printed.
fn pooler() -> Option<&'static Pooler> {
    static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();
    let pooler = POOLER.get_or_init(Pooler::start).as_ref();
    if pooler.is_none() {
        println!("skipped: there is no {PROGRAM}; install the package pgbouncer");
    }
    pooler
}

impl Pooler {
    fn start() -> Option<Pooler> {
        if !Path::new(PROGRAM).exists() {
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let [settings, users, log] =
            ["pgbouncer.ini", "pgbouncer.users", "pgbouncer.log"].map(|file| server().path(file));
        let texts = [
            (
                &settings,
                format!(
                    "[databases]\n\
                     * = host={folder} port={server_port}\n\
                     [pgbouncer]\n\
                     listen_addr = 127.0.0.1\n\
                     listen_port = {port}\n\
                     unix_socket_dir =\n\
                     auth_type = trust\n\
                     auth_file = {users}\n\
                     pool_mode = transaction\n\
                     default_pool_size = {PROCESSES}\n\
                     server_round_robin = 1\n\
                     logfile = {log}\n",
                    folder = server().path("").display(),
                    server_port = server().port,
                    users = users.display(),
                    log = log.display(),
                ),
            ),
            (&users, "\"postgres\" \"\"\n".to_owned()),
        ];
        let mut shell = Command::new("sh");
        shell
            .args([
                "-euc",
                "\"$1\" -q \"$2\" & read -r _ || kill $!",
                "pooler",
                PROGRAM,
            ])
            .arg(&settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        for (path, text) in texts {
            fs::write(path, text).expect("the folder of the server can be written");
            if is_root() {
                let (uid, gid) = unprivileged_user();
                chown(path, Some(uid), Some(gid)).expect("root can give files away");
                shell.uid(uid).gid(gid);
            }
        }
        let shell = shell.spawn().expect("sh can be started");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(&log).unwrap_or_default();
            assert!(
                began.elapsed() < START_LIMIT,
                "PgBouncer did not start\n{log}"
            );
            sleep(Duration::from_millis(20));
        }
        Some(Pooler {
            port,
            _shell: Mutex::new(shell),
        })
    }

    fn url(&self, loader: &Loader) -> String {
        format!(
            "postgresql://postgres@127.0.0.1:{}/{}",
            self.port, loader.database
        )
    }

    /// The command with a connection through the pooler.
    fn command(&self, loader: &Loader, arguments: &[&str]) -> Command {
        let mut command = loader.command(arguments);
        command.env("DATABASE_URL", self.url(loader));
        command
    }

    /// Runs the command to its end.
    fn etl(&self, loader: &Loader, arguments: &[&str]) -> Said {
        let output = self.command(loader, arguments).output();
        said(output.expect("etl can be started"))
    }

    /// Runs `etl run --json` with more arguments, which must succeed.
    fn run(&self, loader: &Loader, arguments: &[&str]) -> Value {
        let said = self.etl(loader, &[&["run", "--json"], arguments].concat());
        assert_eq!(said.status, 0, "{}", said.log);
        serde_json::from_str(&said.out).expect("the summary is JSON")
    }

    /// Runs until nothing is left to do, and checks the metadata and the server processes.
    fn settle(&self, loader: &Loader) {
        self.run(loader, &["--settle", "0s"]);
        assert_eq!(self.run(loader, &["--settle", "0s"])["files"], 0);
        books::check(loader);
        self.check_processes(loader);
    }

    /// Checks that runs have left nothing behind in the server processes that they have used.
    fn check_processes(&self, loader: &Loader) {
        let used = used_processes(loader);
        assert!(!used.is_empty());
        // Each client in a transaction has a process to itself.
        let mut clients: Vec<Client> = Vec::new();
        let mut seen = Vec::new();
        for _ in &used {
            let mut client =
                Client::connect(&self.url(loader), NoTls).expect("the pooler takes clients");
            client.batch_execute("begin").expect("a process is free");
            seen.extend(rows(&mut client, "select pg_backend_pid()"));
            clients.push(client);
        }
        seen.sort();
        assert_eq!(seen, used);
        // Those with a dot belong to a language, and are there once it was used.
        let settings = "select name || ' = ' || setting from pg_settings
                        where name <> 'application_name' and name not like '%.%' order by name";
        let mut direct = loader.client();
        direct.batch_execute("begin").expect("the server is up");
        let expected = rows(&mut direct, settings);
        for client in &mut clients {
            let found = rows(client, settings);
            let differs = found
                .iter()
                .zip(&expected)
                .find(|(found, expected)| found != expected);
            assert_eq!(differs, None, "found and expected setting");
            let left = "select 'prepared statement: ' || statement from pg_prepared_statements
                        union all select 'cursor: ' || name from pg_cursors
                        union all select 'channel: ' || channel from pg_listening_channels() as channel
                        union all select 'lock: ' || locktype from pg_locks
                          where locktype = 'advisory'
                            and database = (select oid from pg_database where datname = current_database())
                        union all select 'temporary table: ' || relname from pg_class where relpersistence = 't'";
            assert_eq!(rows(client, left), [] as [&str; 0]);
        }
    }
}

/// The server processes that runs through the pooler have used and that are still there, in order.
fn used_processes(loader: &Loader) -> Vec<String> {
    let mut used = loader.query(
        "select pid from pg_stat_activity
         where datname = current_database() and application_name = 'etl'",
    );
    used.sort();
    used
}

/// The first column of a query, without a prepared statement.
fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    client
        .simple_query(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        })
        .collect()
}

/// Lets the claims expire of runs that were killed.
fn expire_claims(loader: &Loader) {
    loader.execute("update etl.checkpoint set claimed_until = now() where claimed_by is not null");
}

/// Kills a run that must still be there.
fn kill(mut run: Child) {
    run.kill().expect("etl is ours");
    assert_eq!(finish(run).status, -1);
}

#[test]
fn every_command_works_through_a_pooler_and_leaves_nothing_behind() {
    let Some(pooler) = pooler() else { return };
    let loader = Loader::new();
    let said = pooler.etl(&loader, &["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("V5__roles"), "{}", said.log);
    let said = pooler.etl(&loader, &["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    for number in 1..=3 {
        loader.put_user(number);
    }
    let card = card_event(&event_id(4), "2026-11-23 20:10:20", 7, 3, true);
    loader.put("cards/4.json", card.to_string());
    loader.put("cards/bad.json", "[]");
    let counts = |summary: &Value| {
        ["loaded", "duplicates", "rejected"].map(|field| summary[field].as_i64().expect("a number"))
    };
    assert_eq!(counts(&pooler.run(&loader, &["--dry-run"])), [4, 0, 1]);
    assert_eq!(counts(&pooler.run(&loader, &[])), [4, 0, 1]);
    assert_eq!(counts(&pooler.run(&loader, &[])), [0, 0, 0]);
    // A late-arriving event, in small batches.
    let card = card_event(&event_id(5), "2026-11-23 20:10:10", 7, 3, false);
    loader.put("cards/5.json", card.to_string());
    loader.put_user(6);
    assert_eq!(
        counts(&pooler.run(&loader, &["--batch-size", "1"])),
        [2, 0, 0]
    );
    assert_eq!(counts(&pooler.run(&loader, &["--since", "1d"])), [0, 6, 1]);
    loader.put_user(8);
    assert_eq!(counts(&pooler.run(&loader, &["--reconcile"])), [1, 0, 0]);
    for arguments in [
        &["rejected", "retry"][..],
        &["rejected", "retry", "--dry-run"],
        &["status"],
        &["status", "--json"],
        &["status", "--format", "prometheus"],
        &["history", "card", "7"],
        &["rejected", "list"],
        &["report", "-"],
        &["verify"],
    ] {
        let said = pooler.etl(&loader, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
    }
    pooler.settle(&loader);
}

#[test]
fn runs_at_once_through_a_pooler_load_every_file_once() {
    let Some(pooler) = pooler() else { return };
    let loader = Loader::new();
    // The first runs meet in the migrations.
    let first: Vec<Child> = (0..6)
        .map(|_| start(&mut pooler.command(&loader, &["run"])))
        .collect();
    for run in first {
        let said = finish(run);
        assert_eq!(said.status, 0, "{}", said.log);
    }
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for arguments in [
            &[][..],
            &["--batch-size", "7"],
            &["--source", "cards"],
            &["--since", "1d", "--batch-size", "20"],
            &["--reconcile"],
        ] {
            let (loader, is_done) = (&loader, &is_done);
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    pooler.run(loader, arguments);
                }
            });
        }
        let mut number = 0;
        for _ in 0..30 {
            put_some(&loader, &mut number);
            sleep(Duration::from_millis(50));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(used_processes(&loader).len(), PROCESSES);
    pooler.settle(&loader);
}

#[test]
fn a_run_killed_at_any_step_behind_a_pooler_is_in_the_way_until_its_claim_expires() {
    let Some(pooler) = pooler() else { return };
    thread::scope(|scope| {
        for step in Step::ALL {
            scope.spawn(move || {
                println!("{step:?}");
                let loader = Loader::new();
                pooler.run(&loader, &[]);
                loader.put_user(1);
                loader.put("users/bad.json", "[]");
                let mut obstacle = Obstacle::after(&loader, step);
                let run = start(&mut pooler.command(&loader, &["run"]));
                obstacle.wait_for_runs(1);
                kill(run);
                drop(obstacle);
                // It ends with the transaction of the killed run, whatever becomes of its claim.
                let rows_are_free = "select count(*) = 2 from
                                     (select from etl.checkpoint for update skip locked) as checkpoint";
                loader.wait_until("the run's transaction has ended", rows_are_free);
                assert_eq!(pooler.run(&loader, &[])["files"], 0, "{step:?}");
                expire_claims(&loader);
                let kept = matches!(step, Step::CommitBegun | Step::Commit);
                let summary = pooler.run(&loader, &[]);
                assert_eq!(summary["loaded"], i32::from(!kept), "{step:?}");
                pooler.settle(&loader);
            });
        }
    });
}

#[test]
fn the_claim_of_a_run_that_was_killed_behind_a_pooler_expires() {
    let Some(pooler) = pooler() else { return };
    let loader = Loader::new();
    pooler.run(&loader, &[]);
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::Claim);
    let run = start(&mut pooler.command(&loader, &["run"]));
    obstacle.wait_for_runs(1);
    kill(run);
    drop(obstacle);
    // Somebody who waits for a run does not have to try again.
    let began = Instant::now();
    assert_eq!(pooler.run(&loader, &["--since", "1d"])["loaded"], 1);
    assert!(began.elapsed() < CLAIM_LIMIT, "{:?}", began.elapsed());
    pooler.settle(&loader);
}

#[test]
fn a_run_keeps_its_claim_when_the_pooler_ends_the_server_process() {
    let Some(pooler) = pooler() else { return };
    let loader = Loader::new();
    pooler.run(&loader, &[]);
    // The pooler takes its processes in turn, so that the claim is made in another one than what
    // comes after it.
    let mut clients: Vec<Client> = (0..PROCESSES)
        .map(|_| Client::connect(&pooler.url(&loader), NoTls).expect("the pooler takes clients"))
        .collect();
    for words in ["begin", "commit"] {
        for client in &mut clients {
            client.batch_execute(words).expect("a process is free");
        }
    }
    loader.put_user(1);
    let mut obstacle = Obstacle::after(&loader, Step::Claim);
    let run = start(&mut pooler.command(&loader, &["run"]));
    obstacle.wait_for_runs(1);
    let ended = loader.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity
         where datname = current_database() and application_name = 'etl' and state = 'idle'",
    );
    assert!(ended.len() >= 2, "{ended:?}");
    let said = pooler.etl(&loader, &["run"]);
    assert_eq!(said.status, 0, "{}", said.log);
    let words = "another run is loading users: it is left to that run";
    assert!(said.log.contains(words), "{}", said.log);
    drop(obstacle);
    let said = finish(run);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    pooler.settle(&loader);
}

#[test]
fn runs_killed_at_random_times_behind_a_pooler_load_every_event_exactly_once() {
    let Some(pooler) = pooler() else { return };
    let loader = Loader::new();
    pooler.run(&loader, &[]);
    let killed = batter(
        &loader,
        kills().div_ceil(4),
        || {
            // Every run before has ended.
            expire_claims(&loader);
            pooler.command(&loader, random_arguments())
        },
        |run| {
            run.kill().expect("etl is ours");
            !run.wait().expect("etl is ours").success()
        },
    );
    expire_claims(&loader);
    pooler.settle(&loader);
    println!("{killed} runs killed");
}
