//! A connection that can be cut anywhere: a TCP proxy between the loader and the server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::server::{PASSWORD, server};

/// Where the next connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Nowhere,
    /// After so many bytes to the server.
    Sent(usize),
    /// After so many bytes from the server.
    Received(usize),
    /// The commit of a batch does not reach the server.
    BeforeCommit,
    /// The commit of a batch reaches the server, and its answer does not come back.
    InCommit,
    /// Nowhere, but the server hears of the end late.
    LateEnd,
    /// Nowhere, but from the end of the login on the server is not heard.
    Silence,
}

/// How a server says that the login is over and it is ready: the message ReadyForQuery.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// How a client takes its leave: the message Terminate.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// How the client commits. It also says READ COMMITTED, at the beginning of a transaction.
const COMMIT: &[u8] = b"COMMIT\0";

/// The last statements of a batch before its commit. Other transactions have none of them.
const RUN_STATEMENTS: [&[u8]; 2] = [b"\ninsert into etl.run (", b"\nupdate etl.run\n"];

/// How late the server hears of the end of a [`Cut::LateEnd`].
const LATE: Duration = Duration::from_secs(2);

pub struct Proxy {
    port: u16,
    link: Arc<Link>,
}

/// What the threads of a connection share.
struct Link {
    cut: Mutex<Cut>,
    sent: AtomicUsize,
    received: AtomicUsize,
    /// Everything of a batch was let through but its commit.
    is_at_commit: AtomicBool,
    /// A commit was let through whose answer is not to come back.
    is_committing: AtomicBool,
    /// The server has said that it is ready, in the latest connection.
    is_ready: AtomicBool,
}

impl Proxy {
    /// Starts one to the server of this process; it lasts as long as that.
    pub fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a free port").port();
        let link = Arc::new(Link {
            cut: Mutex::new(Cut::Nowhere),
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            is_at_commit: AtomicBool::new(false),
            is_committing: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
        });
        let shared = Arc::clone(&link);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.sent.store(0, Ordering::SeqCst);
                shared.received.store(0, Ordering::SeqCst);
                shared.is_at_commit.store(false, Ordering::SeqCst);
                shared.is_committing.store(false, Ordering::SeqCst);
                shared.is_ready.store(false, Ordering::SeqCst);
                let server =
                    TcpStream::connect(("127.0.0.1", server().port)).expect("the server is up");
                let pairs = [
                    (client.try_clone(), server.try_clone(), true),
                    (server.try_clone(), client.try_clone(), false),
                ];
                for (from, to, is_to_server) in pairs {
                    let (from, to) = (from.expect("a socket"), to.expect("a socket"));
                    let link = Arc::clone(&shared);
                    thread::spawn(move || link.carry(from, to, is_to_server));
                }
            }
        });
        Proxy { port, link }
    }

    /// The address of a database through this proxy.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Says where the connections to come are cut.
    pub fn cut(&self, cut: Cut) {
        *self.link.cut.lock().expect("nothing panics with the lock") = cut;
    }

    /// Bytes to and from the server in the latest connection.
    pub fn carried(&self) -> (usize, usize) {
        (
            self.link.sent.load(Ordering::SeqCst),
            self.link.received.load(Ordering::SeqCst),
        )
    }
}

impl Link {
    /// Carries bytes one way until the connection ends or is cut.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, is_to_server: bool) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !is_to_server && self.is_silent(&bytes[..count]) {
                continue;
            }
            let room = self.room(&bytes[..count], is_to_server);
            if to.write_all(&bytes[..count.min(room)]).is_err() || room < count {
                break;
            }
        }
        for socket in [from, to] {
            // The other thread may have done so.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Whether these bytes from the server are not to be heard.
    fn is_silent(&self, bytes: &[u8]) -> bool {
        let was_ready = self.is_ready.load(Ordering::SeqCst);
        if bytes.windows(READY.len()).any(|words| words == READY) {
            self.is_ready.store(true, Ordering::SeqCst);
        }
        was_ready && *self.cut.lock().expect("nothing panics with the lock") == Cut::Silence
    }

    /// How many of these bytes may pass.
    fn room(&self, bytes: &[u8], is_to_server: bool) -> usize {
        let carried = if is_to_server {
            &self.sent
        } else {
            &self.received
        };
        let before = carried.fetch_add(bytes.len(), Ordering::SeqCst);
        let cut = *self.cut.lock().expect("nothing panics with the lock");
        if cut == Cut::LateEnd && is_to_server && bytes == TERMINATE {
            sleep(LATE);
        }
        let has =
            |text: &[u8]| is_to_server && bytes.windows(text.len()).any(|found| found == text);
        if RUN_STATEMENTS.into_iter().any(has) {
            self.is_at_commit.store(true, Ordering::SeqCst);
        }
        let is_commit = has(COMMIT) && self.is_at_commit.load(Ordering::SeqCst);
        match cut {
            Cut::Sent(limit) if is_to_server => limit.saturating_sub(before),
            Cut::Received(limit) if !is_to_server => limit.saturating_sub(before),
            Cut::BeforeCommit if is_commit => 0,
            Cut::InCommit => {
                if is_commit {
                    self.is_committing.store(true, Ordering::SeqCst);
                }
                match !is_to_server && self.is_committing.load(Ordering::SeqCst) {
                    true => 0,
                    false => usize::MAX,
                }
            }
            _ => usize::MAX,
        }
    }
}
