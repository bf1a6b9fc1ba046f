//! What is measured on: an inbox with files of the real services, and an empty warehouse.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{PASSWORD, Server};
use crate::services;

/// The settings that a server has by itself, in the place of those that spare the tests the disk.
const DURABLE: [&str; 3] = ["fsync=on", "synchronous_commit=on", "full_page_writes=on"];

/// The server of all measurements.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[], &DURABLE))
}

/// Ticks in a second of the processor times that the kernel shows.
const TICKS: u64 = 100;

/// How long the server takes, at most, to notice that a session has ended; before, its time does not count.
const NOTICED_AFTER: Duration = Duration::from_secs(1);

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
        let status = Command::new(services::program("cards"))
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

    /// An empty database in the place of the one so far, with the schema.
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

    /// Runs `etl run` with more arguments; returns how long it took, from the outside, and its summary.
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

    /// Lands the cards' files with dlt, by the Python that `PYTHON` names; returns how long that took
    /// from inside, so that starting Python does not count.
    pub fn land_with_dlt(&self) -> Duration {
        let url = format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{}",
            server().port,
            self.database
        );
        let output = Command::new(std::env::var_os("PYTHON").unwrap_or("python3".into()))
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/bench/dlt_load.py"
            ))
            .arg(self.inbox("cards"))
            .arg(url)
            .output()
            .expect("python3 can be started");
        let said = String::from_utf8_lossy(&output.stdout);
        match said.lines().last().and_then(|line| line.parse().ok()) {
            Some(seconds) => Duration::from_secs_f64(seconds),
            None => panic!(
                "PYTHON has to name a Python with dlt[postgres]: {}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }

    /// Runs `etl archive` with more arguments; returns how long it took and its summary.
    pub fn archive(&self, arguments: &[&str]) -> (Duration, Value) {
        let began = Instant::now();
        let to = self.archives();
        let to = to.to_str().expect("UTF-8");
        let said = self.etl(
            &[&["archive", "--json", "--to", to], arguments].concat(),
            self.folder.path(),
        );
        (
            began.elapsed(),
            serde_json::from_str(&said).expect("the summary is JSON"),
        )
    }

    /// Makes the files of the cards' folder change one after the other, in random order.
    pub fn shuffle_cards(&self) {
        let mut files = crate::floor::list(&self.inbox("cards"));
        files.sort();
        files.shuffle(&mut StdRng::seed_from_u64(7));
        for file in files {
            fs::set_permissions(file, fs::Permissions::from_mode(0o640)).expect("the file is ours");
        }
    }

    /// Processor time of the server's sessions that have ended.
    pub fn server_time(&self) -> Duration {
        let row = self.client().query_one("show data_directory", &[]);
        let folder: String = row.expect("the superuser may").get(0);
        let pid = fs::read_to_string(format!("{folder}/postmaster.pid")).expect("the server runs");
        let pid = pid.lines().next().expect("a number");
        let time_of_ended = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server runs");
            let (_, fields) = stat.rsplit_once(") ").expect("the kernel's format");
            let ticks: u64 = fields
                .split(' ')
                .skip(13)
                .take(2)
                .filter_map(|ticks| ticks.parse::<u64>().ok())
                .sum();
            Duration::from_millis(ticks * 1_000 / TICKS)
        };
        let mut time = time_of_ended();
        loop {
            std::thread::sleep(NOTICED_AFTER);
            let later = time_of_ended();
            if later == time {
                return time;
            }
            time = later;
        }
    }

    /// The folder of the archives.
    pub fn archives(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    /// Makes the system forget the files that it has in memory; returns whether it did.
    pub fn forget_files() -> bool {
        let synced = Command::new("sync").status();
        synced.is_ok_and(|status| status.success())
            && fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
    }

    /// Runs `etl run`; returns how long it took and the most memory it had, in bytes.
    pub fn run_and_watch_memory(&self) -> (Duration, u64) {
        self.watch_memory(&["run"])
    }

    /// The same of any command.
    pub fn watch_memory(&self, arguments: &[&str]) -> (Duration, u64) {
        let (elapsed, peak, _) = self.watch(arguments);
        (elapsed, peak)
    }

    /// Runs `etl run`; returns how long it took, the most memory it had, in bytes, and its summary.
    pub fn run_and_watch(&self) -> (Duration, u64, Value) {
        let (elapsed, peak, said) = self.watch(&["run", "--json"]);
        (
            elapsed,
            peak,
            serde_json::from_str(&said).expect("the summary is JSON"),
        )
    }

    /// Runs any command; returns how long it took, the most memory it had, in bytes, and what it said,
    /// which has to fit the pipe.
    fn watch(&self, arguments: &[&str]) -> (Duration, u64, String) {
        let began = Instant::now();
        let mut child = self
            .command(arguments, self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("etl can be started");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            // The kernel keeps the peak; the last reading before the end counts.
            let reading = fs::read_to_string(&status).unwrap_or_default();
            let kilobytes = reading
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            peak = peak.max(kilobytes.unwrap_or_default() * 1024);
            if let Some(status) = child.try_wait().expect("etl is ours") {
                assert!(status.success());
                let elapsed = began.elapsed();
                let said = child.stdout.take().map(std::io::read_to_string);
                return (elapsed, peak, said.expect("a pipe").expect("UTF-8"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Writes a card's history past the loader: so many events ten seconds apart, each a version.
    pub fn write_history(&self, card_id: i64, versions: i64) {
        self.write_events(&format!("{card_id}, number"), versions);
    }

    /// Writes so many events past the loader, ten to a card, each a version.
    pub fn write_warehouse(&self, events: i64) {
        self.write_events("number / 10, number % 10", events);
    }

    /// Writes events numbered from zero; `place` is the card and the number of the event in its
    /// history, in SQL.
    fn write_events(&self, place: &str, events: i64) {
        self.client()
            .batch_execute(&format!(
                "with event as (
                   select number, place.card_id, place.step, to_timestamp(1700000000 + place.step * 10) as event_at
                   from generate_series(0::bigint, {events} - 1) as number
                   cross join lateral (select {place}) as place (card_id, step)
                 )
                 insert into landing.card_event (
                   card_id, event_id, event_at, user_id, created_by_name, active, created_at, updated_at, file_name,
                   file_modified_at, run_id
                 )
                 select
                   card_id, gen_random_uuid(), event_at, 1, 'Ann Ash', step % 2 = 0, '2026-11-23', event_at,
                   number || '.json', event_at, 1
                 from event;

                 insert into warehouse.dim_card (
                   card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id
                 )
                 select
                   card_id, user_id, created_by_name, active, created_at, updated_at, event_at,
                   lead(event_at) over (partition by card_id order by event_at), event_id
                 from landing.card_event as event
                 where not exists (select from warehouse.dim_card where dim_card.card_id = event.card_id);

                 analyze landing.card_event, warehouse.dim_card;"
            ))
            .expect("the events are taken");
    }
}
