//! What `etl status --watch` shows on a terminal.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::loader::Loader;

/// How long a page may take to appear on a terminal.
const PAGE_LIMIT: Duration = Duration::from_secs(20);

/// `etl status --watch` on a terminal of its own.
struct Watch {
    child: Child,
    terminal: fs::File,
    shown: String,
}

impl Watch {
    fn start(loader: &Loader, lines: u16, settings: &[(&str, &str)]) -> Watch {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("a terminal");
        unlockpt(&terminal).expect("a terminal");
        let size = Winsize {
            ws_row: lines,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).expect("a terminal");
        let name = ptsname(&terminal, Vec::new()).expect("a terminal");
        let path = name.to_str().expect("a path");
        let screen = fs::File::options().read(true).write(true).open(path);
        let mut command = loader.command(&["status", "--watch", "1"]);
        let child = command
            .env("TERM", "xterm")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(screen.expect("a terminal")))
            .stderr(Stdio::null())
            .spawn()
            .expect("etl can be started");
        Watch {
            child,
            terminal: terminal.into(),
            shown: String::new(),
        }
    }

    /// Reads what is shown until these words have appeared, and forgets all up to them.
    fn wait_for(&mut self, words: &str) -> String {
        let began = Instant::now();
        let mut buffer = [0; 65_536];
        loop {
            if let Some(place) = self.shown.find(words) {
                let rest = self.shown.split_off(place + words.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            assert!(
                began.elapsed() < PAGE_LIMIT,
                "no {words:?} in:\n{}",
                self.shown
            );
            let length = self
                .terminal
                .read(&mut buffer)
                .expect("the terminal is there");
            self.shown
                .push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::INT).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()));
    }
}

#[test]
fn watching_shows_what_changes_until_it_is_interrupted() {
    let loader = Loader::new();
    let mut watch = Watch::start(&loader, 50, &[]);
    // The warehouse that is not ready yet may become so.
    watch.wait_for("no schema yet");
    loader.put_user(1);
    loader.run(&[]);
    let page = watch.wait_for("last hour: 1 file,");
    assert!(
        page.contains("\x1b[1m\x1b[32mhealthy\x1b[0m"),
        "in colour: {page:?}"
    );
    loader.put_user(2);
    loader.run(&[]);
    watch.wait_for("last hour: 2 files,");
    watch.interrupt();
    let sessions = "select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()";
    let began = Instant::now();
    while loader.value(sessions) != "0" {
        assert!(began.elapsed() < PAGE_LIMIT, "a session was left behind");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn watching_keeps_to_the_terminal_and_to_its_colours() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    let mut watch = Watch::start(&loader, 6, &[("NO_COLOR", "1")]);
    watch.wait_for("\x1b[J");
    let page = watch.wait_for("\x1b[J");
    assert_eq!(page.lines().count(), 6, "{page:?}");
    assert!(
        page.contains("healthy: ") && !page.contains("\x1b[1m"),
        "{page:?}"
    );
    watch.interrupt();
}

#[test]
fn watching_is_refused_where_it_makes_no_sense() {
    let loader = Loader::new();
    for arguments in [
        vec!["--watch"],
        vec!["--watch", "--json"],
        vec!["--watch", "--max-lag", "1m"],
        vec!["--watch", "5", "--format", "prometheus"],
        vec!["--watch", "0"],
        vec!["--json", "--format", "text"],
    ] {
        let said = loader.etl(&[&["status"], arguments.as_slice()].concat());
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!said.log.is_empty(), "{arguments:?}");
    }
}
