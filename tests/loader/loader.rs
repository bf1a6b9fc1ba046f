//! An inbox and a database, with the command between them.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use etl::source::Source;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Server, is_root, server};
use crate::tables::Tables;

/// How long something may take that happens at once: a run reaches a step, or a lock is let go by
/// the backend of a run that is dead.
const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// A user who owns nothing, on every Linux.
const NOBODY: u32 = 65_534;

pub struct Loader {
    folder: TempDir,
    pub database: String,
    tables: Tables,
}

impl Deref for Loader {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

/// What a finished command said.
pub struct Said {
    pub status: i32,
    pub out: String,
    pub log: String,
}

impl Said {
    /// Whether the log has a line of this kind (`ignored`) about this file (`users/x.json`).
    pub fn tells(&self, kind: &str, file: &str) -> bool {
        let (kind, file) = (format!("] {kind}: "), format!("/{file}"));
        let mut lines = self.log.lines();
        lines.any(|line| line.contains(&kind) && line.ends_with(&file))
    }
}

impl Loader {
    /// An empty inbox and an empty database.
    pub fn new() -> Loader {
        Loader::on(server())
    }

    /// An empty inbox and an empty database of this server.
    pub fn on(server: &Server) -> Loader {
        Loader::at(server, server.create_database())
    }

    /// An empty inbox and a database of this server that there is.
    pub fn at(server: &Server, database: String) -> Loader {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = server.url(&database);
        let loader = Loader {
            folder,
            database,
            tables: Tables { url },
        };
        loader.make_inbox("");
        loader
    }

    /// Executes SQL as the superuser of the test.
    pub fn execute(&self, sql: &str) {
        self.client()
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Makes an inbox in the one there is, `second` say, whose files are `second/users/x.json`.
    /// Returns its path as `--inbox` takes it.
    pub fn make_inbox(&self, name: &str) -> String {
        let inbox = self.path(name);
        for source in Source::ALL {
            fs::create_dir_all(inbox.join(source.name()))
                .expect("the temporary folder can be written");
        }
        inbox.to_str().expect("UTF-8").to_owned()
    }

    /// Empties the folders of an inbox.
    pub fn empty_inbox(&self, name: &str) {
        for source in Source::ALL {
            let folder = self.path(name).join(source.name());
            for entry in fs::read_dir(folder).expect("the inbox can be listed") {
                fs::remove_file(entry.expect("the inbox can be listed").path())
                    .expect("the inbox can be emptied");
            }
        }
    }

    /// Empties the inbox and the database.
    pub fn empty(&self) {
        self.empty_inbox("");
        self.execute(
            "truncate warehouse.dim_user, warehouse.dim_card, landing.user_event, landing.card_event,
             landing.rejected_event, etl.checkpoint, etl.recent_file, etl.pending_file, etl.run",
        );
    }

    pub fn inbox(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Puts a file into the inbox, `users/x.json` say, in one piece.
    pub fn put(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(file);
        let aside = self.folder.path().join("aside");
        fs::write(&aside, content).expect("the inbox can be written");
        fs::rename(&aside, &path).expect("the inbox can be written");
        path
    }

    /// Puts a user's event into the inbox, all of it made of a number.
    pub fn put_user(&self, number: u64) {
        let event = numbered_user(number).to_string();
        self.put(&format!("users/{number}.json"), event);
    }

    /// Puts an event of card 7 into the inbox.
    pub fn put_card(&self, number: u64) {
        let event = card_event(&event_id(number), "2026-11-23 20:10:20", 7, 3, true);
        self.put(&format!("cards/{number}.json"), event.to_string());
    }

    /// Puts an event of a user called Ann into the inbox.
    pub fn put_user_event(&self, number: u64, user_id: i64, event_at: &str, score: f64) {
        let event = user_event(&event_id(number), event_at, user_id, "Ann", score);
        self.put(&format!("users/{number}.json"), event.to_string());
    }

    /// Puts an event of a card of user 7 into the inbox.
    pub fn put_card_event(&self, number: u64, card_id: i64, event_at: &str, active: bool) {
        let event = card_event(&event_id(number), event_at, card_id, 7, active);
        self.put(&format!("cards/{number}.json"), event.to_string());
    }

    /// Puts a file into the inbox with a modification time, in microseconds since 1970.
    pub fn put_modified(&self, file: &str, content: impl AsRef<[u8]>, micros: u64) {
        let path = self.put(file, content);
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| {
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            })
            .expect("the file can be stamped");
    }

    /// The command, with the settings of this inbox and database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etl"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("ETL_INBOX", self.folder.path());
        command
    }

    /// Runs the command to its end.
    pub fn etl(&self, arguments: &[&str]) -> Said {
        said(
            self.command(arguments)
                .output()
                .expect("etl can be started"),
        )
    }

    /// Runs the command as a user to whom permissions apply, which root is not.
    pub fn etl_unprivileged(&self, arguments: &[&str]) -> Said {
        said(
            self.unprivileged_command(arguments)
                .output()
                .expect("etl can be started"),
        )
    }

    /// The command as a user to whom permissions apply.
    pub fn unprivileged_command(&self, arguments: &[&str]) -> Command {
        if !is_root() {
            return self.command(arguments);
        }
        let mut command = Command::new(self.program_for_anyone());
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", server().tcp_url(&self.database))
            .env("ETL_INBOX", self.folder.path())
            .uid(NOBODY)
            .gid(NOBODY);
        command
    }

    /// A copy of the program in the inbox's folder, which any user can reach and start.
    ///
    /// Another process writes the copy: a file that this one holds open for writing is inherited by
    /// whatever another test starts in that moment, and a program that is open for writing cannot be
    /// started ("text file busy").
    pub fn program_for_anyone(&self) -> PathBuf {
        let program = self.path("etl");
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_etl"))
            .arg(&program)
            .status()
            .expect("cp can be started");
        assert!(copied.success(), "the program can be copied");
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755))
            .expect("the folder is ours");
        program
    }

    /// Starts the command and lets it run.
    pub fn start(&self, arguments: &[&str]) -> Child {
        start(&mut self.command(arguments))
    }

    /// Waits until a query, which says `what`, answers true.
    pub fn wait_until(&self, what: &str, query: &str) {
        let mut client = self.client();
        let began = Instant::now();
        while !client
            .query_one(query, &[])
            .unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .get::<_, bool>(0)
        {
            assert!(began.elapsed() < WAIT_LIMIT, "in vain: {what}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Runs `etl run --json` with more arguments, which must succeed, and checks that its numbers
    /// add up.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let said = self.etl(&[&["run", "--json"], arguments].concat());
        assert_eq!(said.status, 0, "{}", said.log);
        let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
        check_summary(&summary);
        summary
    }

    /// Waits until nobody holds an advisory lock on the database or a claim on a checkpoint: the
    /// server process of a killed run outlives it by a moment.
    pub fn wait_for_free_locks(&self) {
        let locks = "select count(*) = 0 from pg_locks
                     where locktype = 'advisory'
                       and database = (select oid from pg_database where datname = current_database())";
        self.wait_until("no lock is left behind", locks);
        if self.value("select to_regclass('etl.checkpoint') is not null") == "true" {
            let claims = "select count(*) = 0 from etl.checkpoint
                          where claimed_until > clock_timestamp()
                            and (claimed_pid is null or claimed_pid in (select pid from pg_stat_activity))";
            self.wait_until("no claim is left behind", claims);
        }
    }
}

/// A user's event, all of it made of a number.
pub fn numbered_user(number: u64) -> Value {
    user_event(
        &event_id(number),
        "2026-11-23 20:10:20",
        number as i64,
        "Ann",
        1.0,
    )
}

/// Starts a command and lets it run; what it says is kept for [`finish`].
pub fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("etl can be started")
}

/// Waits for the end of a command.
pub fn finish(child: Child) -> Said {
    said(child.wait_with_output().expect("etl is ours"))
}

/// Sends a signal to a command that still runs.
pub fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is there");
}

/// Waits for the end of a command; returns the signal that ended it, if any, and what it printed.
pub fn end(child: Child) -> (Option<i32>, Said) {
    let output = child.wait_with_output().expect("etl is ours");
    (output.status.signal(), said(output))
}

pub fn said(output: Output) -> Said {
    Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("what is printed is UTF-8"),
        log: String::from_utf8(output.stderr).expect("what is logged is UTF-8"),
    }
}

/// Every file is exactly one of four things, and the sources add up to the whole.
fn check_summary(summary: &Value) {
    let number = |object: &Value, field: &str| {
        object[field]
            .as_i64()
            .unwrap_or_else(|| panic!("{field} is missing in {summary}"))
    };
    let sources: Vec<&Value> = summary["sources"]
        .as_object()
        .expect("sources")
        .values()
        .collect();
    for object in sources.iter().copied().chain([summary]) {
        let parts = ["loaded", "duplicates", "rejected", "pending"];
        let sum: i64 = parts.iter().map(|part| number(object, part)).sum();
        assert_eq!(number(object, "files"), sum, "{summary}");
    }
    let fields = [
        "files",
        "loaded",
        "duplicates",
        "rejected",
        "pending",
        "versions_opened",
        "versions_closed",
        "versions_changed",
    ];
    for field in fields {
        let sum: i64 = sources.iter().map(|source| number(source, field)).sum();
        assert_eq!(number(summary, field), sum, "{field} of {summary}");
    }
}

/// A user event as the service writes it.
pub fn user_event(event_id: &str, event_at: &str, id: i64, name: &str, score: f64) -> Value {
    json!({
        "metadata": {"type": "user", "event_at": event_at, "event_id": event_id},
        "payload": {"id": id, "name": name, "address": "1 Road\nTown, AA 11111", "job": "Baker", "score": score},
    })
}

/// A card event as the service writes it.
pub fn card_event(event_id: &str, event_at: &str, id: i64, user_id: i64, active: bool) -> Value {
    json!({
        "payload": {"id": id, "user_id": user_id, "created_by_name": "Ann Ash", "updated_at": event_at,
                    "created_at": "2026-11-23 20:00:00", "active": active},
        "metadata": {"type": "card", "event_at": event_at, "event_id": event_id},
    })
}

/// An event id made of a number.
pub fn event_id(number: u64) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}
