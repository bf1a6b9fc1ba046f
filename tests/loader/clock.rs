//! A machine whose clock is set: files before, during and after all get loaded by ordinary runs.
//!
//! The machine's own clock stays as it is. A debug build of the loader, which is what tests drive,
//! sees the times that a clock set at these moments would have shown, those of files included.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::books;
use crate::loader::{Loader, Said, event_id, said, user_event};

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
const PAUSE: Duration = Duration::from_millis(20);

/// Hardly any, so that a run finds a file for where the offset is and not for its age.
const NO_OVERLAP: &str = "5ms";

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// An inbox on a machine whose clock is set now and then.
struct Machine {
    loader: Loader,
    changes: String,
    files: u64,
}

impl Machine {
    fn new() -> Machine {
        Machine {
            loader: Loader::new(),
            changes: String::new(),
            files: 0,
        }
    }

    /// Sets the clock to be so many seconds ahead of what is right.
    fn set_clock(&mut self, ahead: i64) {
        sleep(PAUSE);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        write!(self.changes, " {}={ahead}", now.as_secs_f64()).expect("a string has room");
        sleep(PAUSE);
    }

    /// Puts some files into the inbox, long enough ago for a run with [`NO_OVERLAP`].
    fn put(&mut self) {
        for _ in 0..3 {
            self.files += 1;
            self.loader.put_user(self.files);
        }
        sleep(PAUSE);
    }

    fn etl(&self, arguments: &[&str]) -> Said {
        let mut command = self
            .loader
            .command(&[&["run", "--json"], arguments].concat());
        command.env("ETL_CLOCK_CHANGES", &self.changes);
        let said = said(command.output().expect("etl can be started"));
        assert_eq!(said.status, 0, "{}", said.log);
        said
    }

    /// An ordinary run, and what it has loaded.
    fn loads(&self, arguments: &[&str]) -> i64 {
        let summary: Value =
            serde_json::from_str(&self.etl(arguments).out).expect("the summary is JSON");
        summary["loaded"].as_i64().expect("a number")
    }

    /// Everything in the inbox is loaded, the offset is not ahead of the clock, and a file that
    /// comes now is seen.
    fn assert_all_loaded(&mut self) {
        self.put();
        assert_eq!(self.loads(&[]), 3);
        assert_eq!(self.loads(&[]), 0);
        books::check(&self.loader);
        assert_eq!(
            self.loader
                .value("select max(offset_at) <= now() from etl.checkpoint"),
            "true"
        );
    }
}

#[test]
fn a_clock_an_hour_ahead_that_is_set_right_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    machine.set_clock(HOUR);
    machine.put();
    assert_eq!(machine.loads(&[]), 6);
    machine.put();
    // Half a file, finished when the clock is right again.
    let half = machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(&[]), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    std::fs::remove_file(half).expect("the inbox can be changed");
    let said = machine.etl(&[]);
    assert!(said.log.contains("it was set back"), "{}", said.log);
    assert!(said.out.contains("\"loaded\":6"), "{}", said.out);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_an_hour_and_right_again_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    machine.put();
    machine.set_clock(-HOUR);
    machine.put();
    assert_eq!(machine.loads(&[]), 6);
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads(&[]), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_a_day_ahead_and_back_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    machine.set_clock(DAY);
    machine.put();
    assert_eq!(machine.loads(&["--overlap", NO_OVERLAP]), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    // Nothing is known of what comes next, and there is no run until then.
    assert_eq!(machine.loads(&["--overlap", NO_OVERLAP]), 6);
    machine.set_clock(DAY);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads(&["--overlap", NO_OVERLAP]), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_less_than_the_overlap_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    for ahead in [-20, -50] {
        machine.set_clock(ahead);
        machine.put();
        let said = machine.etl(&[]);
        assert!(said.out.contains("\"loaded\":3"), "{}", said.out);
        assert!(!said.log.contains("set back"), "{}", said.log);
    }
    machine.set_clock(0);
    machine.assert_all_loaded();
}

#[test]
fn a_half_written_file_of_a_clock_that_was_ahead_holds_nothing_up() {
    let mut machine = Machine::new();
    machine.set_clock(HOUR);
    machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(&[]), 0);
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads(&["--settle", "0s"]), 3);
    // By the clock as it is now it has not settled before an hour has passed.
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    machine.set_clock(2 * HOUR);
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    assert_eq!(
        machine
            .loader
            .query("select reason from landing.rejected_event"),
        ["truncated"]
    );
}

/// A run does not ask every file of a big folder for its times, and remembers since when all have been
/// asked. A debug build calls 200 files big, and a round through these takes it nine runs.
#[test]
fn a_clock_that_was_ahead_hides_no_change_in_a_big_folder() {
    let mut machine = Machine::new();
    let run = ["--overlap", NO_OVERLAP];
    for number in 1..=210 {
        machine.loader.put_user(number);
    }
    machine.files = 210;
    assert_eq!(machine.loads(&[]), 210);
    machine.put();
    assert_eq!(machine.loads(&run), 3);
    machine.set_clock(HOUR);
    // Nothing comes, and two rounds end.
    for _ in 0..20 {
        assert_eq!(machine.loads(&run), 0);
    }
    machine.set_clock(0);
    for number in 1..=20_i64 {
        let event = user_event(
            &event_id(number.unsigned_abs() + 1_000),
            "2026-11-23 20:10:21",
            number,
            "Changed",
            1.0,
        );
        let path = machine.loader.path(&format!("users/{number}.json"));
        std::fs::write(path, event.to_string()).expect("the inbox can be changed");
    }
    sleep(PAUSE);
    machine.put();
    let loaded: i64 = (0..20).map(|_| machine.loads(&run)).sum();
    assert_eq!(loaded, 23);
}

/// The case that no offset can tell from an ordinary one, and for which there are backfills: the
/// clock was ahead, was set right, files came, and no run looked before the clock had caught up
/// with the offset.
#[test]
fn files_of_a_clock_that_has_caught_up_with_the_offset_unseen_need_a_backfill() {
    let mut machine = Machine::new();
    machine.set_clock(HOUR);
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    machine.set_clock(0);
    machine.put();
    // More than an hour without a run.
    machine.set_clock(HOUR + 600);
    machine.put();
    assert_eq!(machine.loads(&[]), 3);
    assert_eq!(machine.loads(&[]), 0);
    assert_eq!(machine.loads(&["--since", "1d"]), 3);
    books::check(&machine.loader);
}
