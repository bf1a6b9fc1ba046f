//! A terminal with a command on it.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::loader::send;

/// Lines and columns of a usual terminal.
const LINES: u16 = 50;
const COLUMNS: u16 = 80;

/// How long something may take to appear on a terminal.
pub const PAGE_LIMIT: Duration = Duration::from_secs(20);

pub struct Terminal {
    child: Child,
    terminal: fs::File,
    shown: String,
}

impl Terminal {
    /// Starts a command, which is given a terminal of so many lines and of the usual width.
    pub fn start(lines: u16, command: impl FnOnce(Stdio) -> Command) -> Terminal {
        Terminal::start_in(lines, COLUMNS, command)
    }

    fn start_in(lines: u16, columns: u16, command: impl FnOnce(Stdio) -> Command) -> Terminal {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("a terminal");
        unlockpt(&terminal).expect("a terminal");
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).expect("a terminal");
        let name = ptsname(&terminal, Vec::new()).expect("a terminal");
        let path = name.to_str().expect("a path");
        let screen = fs::File::options().read(true).write(true).open(path);
        let screen = OwnedFd::from(screen.expect("a terminal"));
        let child = command(screen.into())
            .stdin(Stdio::null())
            .spawn()
            .expect("etl can be started");
        Terminal {
            child,
            terminal: terminal.into(),
            shown: String::new(),
        }
    }

    /// What a command that ends well shows on a usual terminal.
    pub fn show(command: Command) -> String {
        Terminal::show_in(COLUMNS, command)
    }

    /// What a command that ends well shows on a terminal of so many columns.
    pub fn show_in(columns: u16, mut command: Command) -> String {
        let (status, shown) = Terminal::start_in(LINES, columns, |screen| {
            command.stdout(screen).stderr(Stdio::null());
            command
        })
        .wait_for_end();
        assert!(status.success(), "{shown}");
        shown.replace('\r', "")
    }

    /// Reads what is shown until these words have appeared, and forgets all up to them.
    pub fn wait_for(&mut self, words: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(place) = self.shown.find(words) {
                let rest = self.shown.split_off(place + words.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            assert!(
                began.elapsed() < PAGE_LIMIT && self.read(),
                "no {words:?} in:\n{}",
                self.shown
            );
        }
    }

    /// Reads what is shown until the command ends.
    pub fn wait_for_end(mut self) -> (ExitStatus, String) {
        while self.read() {}
        (self.child.wait().expect("it ends"), self.shown)
    }

    /// Ends it as Ctrl-C does.
    pub fn interrupt(mut self) {
        send(&self.child, Signal::INT);
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            if began.elapsed() > PAGE_LIMIT {
                self.child.kill().expect("it is ours");
                panic!(
                    "it does not end; is SIGINT ignored where the tests run (`… &` in a script)?"
                );
            }
            sleep(Duration::from_millis(5));
        };
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()));
    }

    /// Reads what there is; returns whether the command is still on the terminal.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        // Once the last one has closed it, the terminal is an error to read.
        let length = self.terminal.read(&mut buffer).unwrap_or(0);
        self.shown
            .push_str(&String::from_utf8_lossy(&buffer[..length]));
        length > 0
    }
}
