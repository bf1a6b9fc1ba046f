//! A throwaway Citus cluster: a coordinator and two workers, where `ETL_CITUS_BIN` names the folder of
//! the programs of a PostgreSQL that has the extension.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use postgres::{Client, NoTls};

use crate::loader::Loader;
use crate::server::Server;

/// Lets the nodes of the cluster connect to each other.
const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

const SETTINGS: [&str; 6] = [
    "shared_preload_libraries=citus",
    "hba_file=../pg_hba.conf",
    "citus.node_conninfo=sslmode=prefer",
    "max_worker_processes=100",
    "max_prepared_transactions=200",
    "wal_level=logical",
];

pub struct Cluster {
    pub coordinator: Server,
    workers: [Server; 2],
}

/// The cluster of this process; `None`, which is said, where there is none to be had.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let programs = PathBuf::from(std::env::var_os("ETL_CITUS_BIN")?);
        let start = || Server::start_from(&programs, &[("pg_hba.conf", HBA)], &SETTINGS);
        Some(Cluster {
            coordinator: start(),
            workers: [start(), start()],
        })
    });
    if cluster.is_none() {
        println!("skipped: ETL_CITUS_BIN names no folder of a PostgreSQL with Citus");
    }
    cluster.as_ref()
}

impl Cluster {
    /// An empty inbox, and an empty database that has both workers.
    pub fn loader(&self) -> Loader {
        self.loader_through([self.workers[0].port, self.workers[1].port])
    }

    /// The same with the workers at these ports.
    pub fn loader_through(&self, ports: [u16; 2]) -> Loader {
        let loader = Loader::at(&self.coordinator, self.create_database());
        loader.execute(&format!(
            "select citus_set_coordinator_host('127.0.0.1', {})",
            self.coordinator.port
        ));
        for port in ports {
            loader.execute(&format!("select citus_add_node('127.0.0.1', {port})"));
        }
        loader
    }

    /// An empty inbox, and a warehouse that is distributed in four shards.
    pub fn distributed(&self) -> Loader {
        let loader = self.loader();
        distribute(&loader);
        loader
    }

    /// Makes an empty database with the extension at each of the servers.
    fn create_database(&self) -> String {
        let name = self.coordinator.create_database();
        for worker in &self.workers {
            execute(&worker.url("postgres"), &format!("create database {name}"));
        }
        for server in self.workers.iter().chain([&self.coordinator]) {
            execute(&server.url(&name), "create extension citus");
        }
        name
    }

    /// A link to the first worker.
    pub fn link(&self) -> Link {
        Link::to(self.workers[0].port)
    }

    /// Port of the second worker.
    pub fn second_port(&self) -> u16 {
        self.workers[1].port
    }
}

/// Distributes a warehouse in four shards.
pub fn distribute(loader: &Loader) {
    let said = loader.etl(&["migrate", "--distribute", "--shards", "4"]);
    assert_eq!(said.status, 0, "{}", said.log);
}

fn execute(url: &str, sql: &str) {
    Client::connect(url, NoTls)
        .and_then(|mut client| client.batch_execute(sql))
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// What a link does with the connections of the coordinator to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Up,
    /// A connection ends when the coordinator is about to commit at the worker, what that has prepared
    /// or not.
    CutAtCommit,
    /// No connection is taken, and there is none.
    Down,
}

/// How the coordinator has a worker commit, what it has prepared and what not.
const COMMITS: [&[u8]; 2] = [b"COMMIT PREPARED", b"COMMIT\0"];

/// A TCP proxy between the coordinator and a worker.
pub struct Link {
    pub port: u16,
    state: Arc<AtomicU8>,
}

impl Link {
    fn to(worker: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a free port").port();
        let state = Arc::new(AtomicU8::new(State::Up as u8));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for coordinator in listener.incoming().flatten() {
                if shared.load(Ordering::SeqCst) == State::Down as u8 {
                    continue;
                }
                let worker = TcpStream::connect(("127.0.0.1", worker)).expect("the worker is up");
                let pairs = [(&coordinator, &worker), (&worker, &coordinator)];
                for (from, to) in pairs {
                    let from = from.try_clone().expect("a socket");
                    let to = to.try_clone().expect("a socket");
                    to.set_nodelay(true).expect("a socket");
                    let state = Arc::clone(&shared);
                    thread::spawn(move || carry(from, to, &state));
                }
            }
        });
        Link { port, state }
    }

    pub fn set(&self, state: State) {
        self.state.store(state as u8, Ordering::SeqCst);
    }
}

/// Carries bytes one way until the connection ends or is cut.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let state = state.load(Ordering::SeqCst);
        let has = |text: &[u8]| {
            bytes[..count]
                .windows(text.len())
                .any(|found| found == text)
        };
        let is_commit = COMMITS.into_iter().any(has);
        let is_cut = state == State::Down as u8 || (state == State::CutAtCommit as u8 && is_commit);
        if is_cut || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    for socket in [from, to] {
        // The other thread may have done so.
        let _ = socket.shutdown(Shutdown::Both);
    }
}
