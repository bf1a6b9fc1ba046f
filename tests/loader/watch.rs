//! What `etl status --watch` shows on a terminal.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::loader::Loader;
use crate::terminal::{PAGE_LIMIT, Terminal};

fn watch(loader: &Loader, lines: u16, settings: &[(&str, &str)]) -> Terminal {
    Terminal::start(lines, |screen| {
        let mut command = loader.command(&["status", "--watch", "1"]);
        command
            .env("TERM", "xterm")
            .envs(settings.iter().copied())
            .stdout(screen)
            .stderr(Stdio::null());
        command
    })
}

#[test]
fn watching_shows_what_changes_until_it_is_interrupted() {
    let loader = Loader::new();
    let mut terminal = watch(&loader, 50, &[]);
    // A warehouse that is not ready yet may become so.
    terminal.wait_for("no schema yet");
    loader.put_user(1);
    loader.run(&[]);
    let page = terminal.wait_for("last hour: 1 file,");
    assert!(
        page.contains("\x1b[1m\x1b[32mhealthy\x1b[0m"),
        "in colour: {page:?}"
    );
    loader.put_user(2);
    loader.run(&[]);
    terminal.wait_for("last hour: 2 files,");
    terminal.interrupt();
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
    let mut terminal = watch(&loader, 6, &[("NO_COLOR", "1")]);
    terminal.wait_for("\x1b[J");
    let page = terminal.wait_for("\x1b[J");
    assert_eq!(page.lines().count(), 6, "{page:?}");
    assert!(
        page.contains("healthy: ") && !page.contains("\x1b[1m"),
        "{page:?}"
    );
    terminal.interrupt();
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
        vec!["--watch", "--check"],
        vec!["--check", "--json"],
        vec!["--check", "--max-lag", "1m"],
        vec!["--json", "--format", "text"],
    ] {
        let said = loader.etl(&[&["status"], arguments.as_slice()].concat());
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!said.log.is_empty(), "{arguments:?}");
    }
}
