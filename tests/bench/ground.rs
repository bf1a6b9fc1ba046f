//! What is measured on: an inbox with files of the real services, and an empty warehouse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use serde_json::Value;
use tempfile::TempDir;

use crate::server::server;

/// The seed of everything random.
const SEED: &str = "7";

/// A folder with an inbox, and the warehouse that it is loaded into.
pub struct Ground {
    folder: TempDir,
    database: String,
}

impl Ground {
    /// The machine, in a line.
    pub fn describe() -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let version: String = Client::connect(&server().url("postgres"), NoTls)
            .and_then(|mut client| client.query_one("show server_version", &[]))
            .map_or_else(|error| error.to_string(), |row| row.get(0));
        format!("{cores} cores, PostgreSQL {version} with its default settings")
    }

    /// An empty inbox and an empty database.
    pub fn new() -> Ground {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for source in ["users", "cards"] {
            fs::create_dir(folder.path().join(source)).expect("the folder can be written");
        }
        Ground {
            folder,
            database: server().create_database(),
        }
    }

    /// The folder of a source.
    pub fn inbox(&self, source: &str) -> PathBuf {
        self.folder.path().join(source)
    }

    /// Has the cards service write so many events, as fast as it can.
    pub fn write_cards(&self, events: usize) {
        let status = Command::new(env!("CARGO_BIN_EXE_cards"))
            .args(["--seed", SEED, "--rate", "inf", "--events"])
            .arg(events.to_string())
            .env("EVENTS_DIR", self.inbox("cards"))
            .env("LOGS_DIR", self.folder.path())
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("the service can be started").success());
    }

    /// Puts one file into the folder of the cards.
    pub fn put_card(&self, name: &str, event_at: &str, card_id: i64, active: bool) {
        let event = serde_json::json!({
            "metadata": {"type": "card", "event_at": event_at, "event_id": uuid::Uuid::from_u128(rand::random()).to_string()},
            "payload": {"id": card_id, "user_id": 1, "created_by_name": "Ann Ash", "active": active,
                        "created_at": "2026-11-23 00:00:00", "updated_at": event_at},
        });
        fs::write(self.inbox("cards").join(name), event.to_string())
            .expect("the folder can be written");
    }

    /// A connection to the warehouse.
    pub fn client(&self) -> Client {
        Client::connect(&server().url(&self.database), NoTls).expect("the server is there")
    }

    /// An empty database in the place of the one so far, its schema made.
    pub fn empty_warehouse(&mut self) {
        self.database = server().create_database();
        let empty = tempfile::tempdir().expect("a temporary folder");
        for source in ["users", "cards"] {
            fs::create_dir(empty.path().join(source)).expect("the folder can be written");
        }
        self.etl(&["run"], empty.path());
        self.client()
            .batch_execute("checkpoint")
            .expect("the superuser may");
    }

    /// `etl` with the settings of this ground, ready to be started.
    pub fn command(&self, arguments: &[&str], inbox: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etl"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", server().url(&self.database))
            .env("ETL_INBOX", inbox)
            .env("RUST_LOG", "error");
        command
    }

    fn etl(&self, arguments: &[&str], inbox: &Path) -> String {
        let output = self
            .command(arguments, inbox)
            .output()
            .expect("etl can be started");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs `etl run` with more arguments and tells how long it took, from the outside, and what it
    /// says it did.
    pub fn run(&self, arguments: &[&str]) -> (Duration, Value) {
        let began = Instant::now();
        let said = self.etl(
            &[&["run", "--json"], arguments].concat(),
            self.folder.path(),
        );
        let elapsed = began.elapsed();
        (
            elapsed,
            serde_json::from_str(&said).expect("the summary is JSON"),
        )
    }
}
