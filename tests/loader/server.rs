//! A throwaway PostgreSQL, one for all tests of the process, each test with a database of its own;
//! and others for tests that stop theirs, or need settings of their own.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

/// How long the server may take to start; it takes about two seconds on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The superuser's password, asked for over TCP alone.
pub const PASSWORD: &str = "not-a-secret";

pub struct Server {
    folder: PathBuf,
    pub port: u16,
    /// Its standard input stays open for as long as this lives.
    shell: Mutex<Child>,
}

/// A way to stop the server.
#[derive(Clone, Copy, Debug)]
pub enum Shutdown {
    /// Sessions are ended, and what they do is undone.
    Fast,
    /// As if it had crashed: it recovers from its log when it starts again.
    Immediate,
}

/// The server of this process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[], &[]))
}

impl Server {
    /// Starts a server with these files in its folder, which is above that of the data, and these
    /// settings.
    pub fn start(files: &[(&str, &str)], settings: &[&str]) -> Server {
        Server::start_from(&programs(), files, settings)
    }

    /// The same with the programs in this folder.
    pub fn start_from(programs: &Path, files: &[(&str, &str)], settings: &[&str]) -> Server {
        let folder = tempfile::Builder::new()
            .prefix("etl-test-")
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let mut written = vec![folder.clone()];
        for (name, content) in [("password", PASSWORD)].iter().chain(files) {
            let path = folder.join(name);
            // PostgreSQL takes no key that others may read.
            fs::write(&path, content)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
                .expect("the temporary folder can be written");
            written.push(path);
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        // The shell outlives this process by the moment that it takes to stop the server: it waits
        // for the end of its standard input, which comes however this process ends.
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", include_str!("server.sh"), "server"])
            .arg(programs)
            .arg(&folder)
            .arg(port.to_string())
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .current_dir("/");
        if is_root() {
            let (uid, gid) = unprivileged_user();
            for path in &written {
                chown(path, Some(uid), Some(gid)).expect("root can give files away");
            }
            shell.uid(uid).gid(gid);
        }
        let shell = shell.spawn().expect("sh can be started");
        let server = Server {
            folder,
            port,
            shell: Mutex::new(shell),
        };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&self) {
        let began = Instant::now();
        while let Err(error) = Client::connect(&self.url("postgres"), NoTls) {
            if began.elapsed() > START_LIMIT {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("PostgreSQL did not start: {error}\n{log}");
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server and starts it again.
    pub fn restart(&self, shutdown: Shutdown) {
        let mut before = Client::connect(&self.url("postgres"), NoTls).expect("the server is up");
        let signal = match shutdown {
            Shutdown::Fast => "INT",
            Shutdown::Immediate => "QUIT",
        };
        let mut shell = self.shell.lock().expect("nothing panics with the lock");
        let input = shell.stdin.as_mut().expect("the shell reads");
        writeln!(input, "{signal}").expect("the shell reads");
        // Until the old server is gone, it could be taken for the new one.
        while before.simple_query("").is_ok() {
            sleep(Duration::from_millis(1));
        }
        self.wait_until_up();
    }

    /// A file that the server was started with.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Where a database of this server is, over its socket, which asks for no password.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The same for another user than the superuser.
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!(
            "postgresql://{user}@/{database}?host={}&port={}",
            self.folder.display(),
            self.port
        )
    }

    /// Where a database of this server is, over TCP, which asks for the password and is open to
    /// every user.
    pub fn tcp_url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Makes an empty database and tells its name.
    pub fn create_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Client::connect(&self.url("postgres"), NoTls)
            .and_then(|mut client| client.batch_execute(&format!("create database {name}")))
            .expect("a database can be made");
        name
    }
}

/// The folder of the server's programs: `PG_BIN`, or that of the newest version installed.
pub fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let version = |folder: &Path| -> Option<u32> { folder.file_name()?.to_str()?.parse().ok() };
    let newest = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("bin/postgres").exists())
        .max_by_key(|folder| version(folder));
    match newest {
        Some(folder) => folder.join("bin"),
        None => {
            let output = Command::new("pg_config").arg("--bindir").output();
            let folder = output
                .ok()
                .and_then(|output| String::from_utf8(output.stdout).ok())
                .map(|folder| PathBuf::from(folder.trim()));
            folder
                .filter(|folder| folder.join("initdb").exists())
                .expect("no PostgreSQL server is installed: install the package postgresql, or set PG_BIN")
        }
    }
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self")
        .is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}

/// A user to run PostgreSQL as, since it refuses to run as root: `postgres`, or `nobody`.
pub fn unprivileged_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = users
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line
                .split(':')
                .skip(2)
                .map_while(|number| number.parse().ok());
            Some((numbers.next()?, numbers.next()?))
        })
        .expect("the user postgres or nobody")
}
