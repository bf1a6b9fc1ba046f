//! Drives `./rerun.sh --native` and `./clean.sh` in a folder of their own: what one script may do to
//! the data of another, and that services which end start again.
//!
//! Only the build is left out: the programs are those of the tests.

#[path = "../loader/services.rs"]
mod services;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a script may take to do something: it starts PostgreSQL, and every five seconds it
/// checks on the services. All tests do so at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// The first port that rerun.sh tries.
const FIRST_PORT: u16 = 54_320;

/// The scripts, and the files they read.
const SHIPPED: [&str; 7] = [
    "rerun.sh",
    "clean.sh",
    "src/package/requirements.sh",
    "Cargo.toml",
    "database.env",
    "docker-compose.yml",
    "Dockerfile",
];

#[test]
fn a_start_is_refused_while_another_runs_or_what_a_killed_one_left() {
    let folder = Folder::new();
    let mut first = folder.start(&["--native"]);
    folder.wait_for_events();
    let database = folder.process("postgres");
    for arguments in [&[][..], &["--keep"], &["--native"], &["--native", "--keep"]] {
        let second = folder.rerun(arguments);
        let expected = format!("already running, as process {}", first.id());
        assert!(second.1.contains(&expected), "{arguments:?}: {}", second.1);
        assert_eq!(second.0, 1, "{arguments:?}: {}", second.1);
    }
    assert_eq!(folder.process("postgres"), database);
    assert!(folder.has_events(), "the events of the first are there");
    for place in ["events/inbox/cards", "events/inbox/users", "logs"] {
        folder.assert_private(place);
    }

    first.kill().expect("the script is ours");
    end_of(&mut first);
    let (status, log) = folder.rerun(&["--native"]);
    let expected = format!("still runs, as process {database}");
    assert!(status == 1 && log.contains(&expected), "{log}");
    assert!(folder.has_events(), "the events of the first are there");

    let (status, log) = folder.rerun(&["--native", "--keep", "--for", "1s"]);
    assert!(status == 0 && log.contains("Going on"), "{log}");
    folder.assert_nothing_runs();
    assert!(folder.has_events(), "the events of the first are there");
}

#[test]
fn starts_and_a_clean_at_the_same_time_leave_no_process_behind() {
    let folder = Folder::new();
    assert_eq!(folder.rerun(&["--native", "--for", "1s"]).0, 0);
    // A large inbox takes its time to remove.
    for program in ["find", "rm"] {
        let slow = format!("#!/bin/bash\n[[ $1 == -f ]] || sleep 1\nexec /bin/{program} \"$@\"\n");
        folder.put_program(program, &slow);
    }
    let mut starts: Vec<Child> = (0..3).map(|_| folder.start(&["--native"])).collect();
    eventually("one start that cleans", || folder.runs("rerun"));
    let (status, log) = folder.clean();
    assert_eq!(status, 0, "{log}");
    for start in &mut starts {
        end_of(start);
    }
    assert!(!folder.path("data").exists(), "data/ is removed");
    folder.assert_nothing_runs();
}

#[test]
fn services_that_end_start_again_and_the_end_of_postgresql_is_one_line() {
    let folder = Folder::new();
    let mut script = folder.start(&["--native"]);
    folder.wait_for_events();
    let first = folder.process("cards");
    kill(first);
    eventually("another cards service", || {
        folder.runs("cards") && folder.process("cards") != first
    });

    let (inbox, away) = (
        folder.path("data/events/inbox"),
        folder.path("data/events/away"),
    );
    fs::rename(&inbox, &away).expect("the folder is ours");
    eventually("the end of the cards service", || !folder.runs("cards"));
    // Longer than the pause after which it would start again.
    sleep(Duration::from_secs(11));
    fs::rename(&away, &inbox).expect("nothing has taken the place of the inbox");
    eventually("the cards service once its folder is back", || {
        folder.runs("cards")
    });

    kill(folder.process("postgres"));
    let status = end_of(&mut script);
    let log = folder.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("PostgreSQL has ended"), "{log}");
    assert!(!log.contains("Killed"), "{log}");
    folder.assert_nothing_runs();
}

#[test]
fn two_clones_that_start_at_once_take_a_port_each() {
    // A port that is taken and answers nobody, unless another test has it for now.
    let taken = TcpListener::bind(("127.0.0.1", FIRST_PORT));
    let folders = [Folder::new(), Folder::new()];
    let mut scripts = folders.each_ref().map(|folder| folder.start(&["--native"]));
    let ports = folders.each_ref().map(|folder| {
        folder.wait_for_events();
        let content = fs::read_to_string(folder.path("data/postgres/postmaster.pid"));
        let lines = content.expect("the server runs");
        let port = lines
            .lines()
            .nth(3)
            .and_then(|port| port.parse::<u16>().ok());
        port.expect("the server has a port")
    });
    assert_ne!(ports[0], ports[1]);
    assert!(taken.is_err() || !ports.contains(&FIRST_PORT), "{ports:?}");
    for (folder, script) in folders.iter().zip(&mut scripts) {
        assert_eq!(folder.clean().0, 0, "{}", folder.log());
        end_of(script);
        folder.assert_nothing_runs();
    }
}

#[test]
fn without_rust_nothing_is_installed_that_nobody_agreed_to() {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    if path
        .split(':')
        .any(|folder| Path::new(folder).join("cargo").exists())
    {
        println!("skipped: cargo is among the programs of the system");
        return;
    }
    let folder = Folder::new();
    let mut script = folder.script("rerun.sh", &["--native"]);
    script
        .env("PATH", path)
        .env("CARGO_HOME", folder.path("none"));
    let (status, log) = finish(script);
    assert_eq!(status, 1, "{log}");
    if Path::new("/etc/debian_version").exists() && rustix::process::geteuid().is_root() {
        assert!(log.contains("Rust, by rustup's installer"), "{log}");
        assert!(
            log.contains("nothing is installed: agree with --yes"),
            "{log}"
        );
    } else {
        assert!(log.contains("is missing"), "{log}");
    }
    assert!(
        !folder.path("data").exists() && !folder.path("none").exists(),
        "{log}"
    );
}

#[test]
fn the_programs_are_built_where_they_are_started_from() {
    let folder = Folder::new();
    let build = "[ $1 != build ] || { echo \"into $CARGO_TARGET_DIR\"; exit 1; }";
    let cargo = format!("#!/bin/sh\n{build}\necho cargo 1.100.0\n");
    folder.put_program("cargo", &cargo);
    let mut script = folder.script("rerun.sh", &["--native"]);
    script
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_BUILD_TARGET_DIR", folder.path("elsewhere"));
    let (status, log) = finish(script);
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("into target\n"), "{log}");
}

#[test]
fn a_clean_ends_what_runs_and_removes_data_but_follows_no_link() {
    let folder = Folder::new();
    let mut script = folder.start(&["--native"]);
    folder.wait_for_events();
    let (status, log) = folder.clean();
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("Removed data/"), "{log}");
    assert!(!end_of(&mut script).success());
    assert!(!folder.path("data").exists(), "data/ is removed");
    folder.assert_nothing_runs();

    let elsewhere = folder.path("elsewhere");
    fs::create_dir_all(elsewhere.join("events")).expect("the folder is ours");
    for (link, target) in [
        ("data", "elsewhere"),
        ("data/events", "../elsewhere/events"),
    ] {
        if link != "data" {
            fs::remove_file(folder.path("data")).expect("it is the link");
            fs::create_dir(folder.path("data")).expect("the folder is ours");
        }
        symlink(target, folder.path(link)).expect("the folder is ours");
        for (status, log) in [folder.clean(), folder.rerun(&["--native"])] {
            let expected = format!("{link} is a link, to {target}");
            assert!(status == 1 && log.contains(&expected), "{log}");
            assert!(!log.contains("Removed"), "{log}");
        }
        assert!(elsewhere.join("events").exists(), "nothing is removed");
    }
    fs::remove_file(folder.path("data/events")).expect("it is the link");
}

/// A copy of what the scripts need, in a folder of its own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        // PostgreSQL's own user has to reach its data.
        fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o755))
            .expect("the folder is ours");
        for place in ["programs", "target/release", "src/package"] {
            fs::create_dir_all(folder.path(place)).expect("the folder is ours");
        }
        for file in SHIPPED {
            fs::copy(root.join(file), folder.path(file)).expect("the folder is ours");
        }
        let programs = [
            ("etl", PathBuf::from(env!("CARGO_BIN_EXE_etl"))),
            ("users", services::program("users")),
            ("cards", services::program("cards")),
        ];
        for (name, program) in programs {
            symlink(program, folder.path("target/release").join(name)).expect("the folder is ours");
        }
        folder.put_program("cargo", "#!/bin/sh\necho cargo 1.100.0\n");
        folder
    }

    fn path(&self, place: &str) -> PathBuf {
        self.0.path().join(place)
    }

    /// A program that the scripts find before others of its name.
    fn put_program(&self, name: &str, content: &str) {
        let path = self.path("programs").join(name);
        fs::write(&path, content).expect("the folder is ours");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    }

    /// A script, in an environment that is full of settings for other servers and projects.
    fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").expect("the tests have a PATH");
        let mut command = Command::new(self.path(name));
        command
            .args(arguments)
            .env(
                "PATH",
                format!("{}:{path}", self.path("programs").display()),
            )
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env("PGSSLMODE", "verify-full")
            .env("PGCLIENTENCODING", "LATIN1")
            .env("COMPOSE_FILE", "/nowhere.yml");
        command
    }

    /// Starts ./rerun.sh; what it prints comes to the file `log`.
    fn start(&self, arguments: &[&str]) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        start(
            self.script("rerun.sh", arguments),
            &log.expect("the folder is ours"),
        )
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("the log can be read")
    }

    /// Runs ./rerun.sh to its end, and returns its exit status and what it printed.
    fn rerun(&self, arguments: &[&str]) -> (i32, String) {
        finish(self.script("rerun.sh", arguments))
    }

    /// Runs ./clean.sh, likewise.
    fn clean(&self) -> (i32, String) {
        finish(self.script("clean.sh", &[]))
    }

    /// The process that the scripts remember under a name.
    fn process(&self, name: &str) -> i32 {
        let content = fs::read_to_string(self.path("data/run").join(name).with_extension("pid"));
        let content = content.unwrap_or_default();
        let number = content.split(' ').next().unwrap_or_default();
        number.parse().unwrap_or_default()
    }

    /// Whether that process runs.
    fn runs(&self, name: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process(name)));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    }

    fn has_events(&self) -> bool {
        fs::read_dir(self.path("data/events/inbox/cards"))
            .is_ok_and(|mut entries| entries.any(|entry| is_event(&entry)))
    }

    fn wait_for_events(&self) {
        let began = Instant::now();
        while !(self.has_events() && self.log().contains("Running:")) {
            let log = self.log();
            assert!(began.elapsed() < PATIENCE, "no events: {log}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Fails if another user may read one of the files in a folder of data/, or list it.
    fn assert_private(&self, place: &str) {
        let folder = self.path("data").join(place);
        let files = fs::read_dir(&folder).expect("the folder can be listed");
        let files = files.filter_map(|entry| Some(entry.ok()?.path()));
        for path in files.chain([folder.clone()]) {
            // A service may have renamed it since.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let mode = metadata.permissions().mode();
            assert_eq!(mode & 0o007, 0, "{}: {mode:o}", path.display());
        }
    }

    /// Fails if a process that the scripts started in this folder still runs.
    fn assert_nothing_runs(&self) {
        let folder = self.0.path().display().to_string();
        let running: Vec<String> = fs::read_dir("/proc")
            .expect("/proc can be listed")
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("cmdline")).ok())
            .filter(|line| line.contains(&folder))
            .collect();
        assert_eq!(running, [""; 0], "processes of {folder}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // After a failed test, its script may still run.
        self.clean();
    }
}

fn is_event(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry
        .as_ref()
        .is_ok_and(|entry| entry.path().extension().is_some_and(|name| name == "json"))
}

fn start(mut script: Command, output: &File) -> Child {
    let copy = || output.try_clone().expect("a file has many descriptors");
    let started = script.stdout(copy()).stderr(copy()).spawn();
    started.expect("the script can be started")
}

/// Runs a script to its end, and returns its exit status and what it printed.
fn finish(script: Command) -> (i32, String) {
    let mut output = tempfile::tempfile().expect("a temporary file");
    let status = end_of(&mut start(script, &output));
    let mut printed = String::new();
    output
        .rewind()
        .and_then(|()| output.read_to_string(&mut printed))
        .expect("the scripts print UTF-8");
    (status.code().unwrap_or_default(), printed)
}

/// Waits for the end of a script.
fn end_of(script: &mut Child) -> ExitStatus {
    let mut status = None;
    eventually("end of the script", || {
        status = script.try_wait().expect("the script is ours");
        status.is_some()
    });
    status.expect("the script has ended")
}

fn kill(process: i32) {
    let process = Pid::from_raw(process).expect("a process is remembered");
    kill_process(process, Signal::KILL).expect("the process is ours");
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        sleep(Duration::from_millis(100));
    }
}
