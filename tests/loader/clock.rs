//! A machine whose clock is set: files before, during and after all get loaded by ordinary runs.
//!
//! The machine's own clock stays as it is. These runs go through the library, with a clock that shows
//! what one set at these times would have shown, the times of files included.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::thread::sleep;
use std::time::Duration;

use chrono::Utc;
use etl::checkpoint::InboxName;
use etl::clock::{Clock, FileTime};
use etl::run::options::{From, Options};
use etl::run::{Ending, run};
use etl::source::Source;
use etl::warehouse::address::Address;
use log::{LevelFilter, Log, Metadata, Record};

use crate::books;
use crate::loader::{Loader, event_id, user_event};

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
const PAUSE: Duration = Duration::from_millis(20);

/// Hardly any, so that a run finds a file for where the offset is and not for its age.
const NO_OVERLAP: Duration = Duration::from_millis(5);

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

thread_local! {
    /// What the runs of this thread have logged.
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what is logged, each thread's by itself.
struct ThreadLog;

impl Log for ThreadLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LOG.with_borrow_mut(|log| log.push_str(&format!("{}\n", record.args())));
    }

    fn flush(&self) {}
}

/// What a run has done, and logged.
#[derive(Debug)]
struct Ran {
    loaded: i64,
    log: String,
}

/// An inbox on a machine whose clock is set now and then.
struct Machine {
    loader: Loader,
    clock: Clock,
    files: u64,
}

impl Machine {
    fn new() -> Machine {
        // Another test may have done it.
        let _ = log::set_logger(&ThreadLog);
        log::set_max_level(LevelFilter::Warn);
        Machine {
            loader: Loader::new(),
            clock: Clock::default(),
            files: 0,
        }
    }

    /// Sets the clock to be so many seconds ahead of what is right.
    fn set_clock(&mut self, ahead: i64) {
        sleep(PAUSE);
        let change = (FileTime::from(Utc::now()), ahead * NANOS_PER_SECOND);
        self.clock.changes.push(change);
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

    /// What an ordinary run is asked to do.
    fn options(&self) -> Options {
        Options {
            inbox: self.loader.inbox(),
            inbox_name: InboxName::default(),
            sources: Source::ALL.to_vec(),
            from: From::Checkpoint,
            dry_run: false,
            settle: Duration::from_secs(10),
            overlap: Duration::from_secs(60),
            batch_size: NonZeroUsize::new(100_000).expect("it is not zero"),
            max_file_size: 1 << 20,
            max_ahead: Duration::from_secs(DAY as u64),
            clock: self.clock.clone(),
        }
    }

    fn run(&self, change: impl FnOnce(&mut Options)) -> Ran {
        let mut options = self.options();
        change(&mut options);
        let address = Address::find(Some(&self.loader.url)).expect("a good URL");
        LOG.set(String::new());
        let outcome = run(&address, &options);
        let log = LOG.take();
        assert!(matches!(outcome.ending, Ending::Done), "{outcome:?}");
        assert!(outcome.failures.is_empty(), "{outcome:?}");
        Ran {
            loaded: outcome.summary.total.counts.loaded,
            log,
        }
    }

    /// What an ordinary run loads.
    fn loads(&self) -> i64 {
        self.run(|_| {}).loaded
    }

    /// What a run with [`NO_OVERLAP`] loads.
    fn loads_without_overlap(&self) -> i64 {
        self.run(|options| options.overlap = NO_OVERLAP).loaded
    }

    /// Everything in the inbox is loaded, the offset is not ahead of the clock, and a file that
    /// comes now is seen.
    fn assert_all_loaded(&mut self) {
        self.put();
        assert_eq!(self.loads(), 3);
        assert_eq!(self.loads(), 0);
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
    assert_eq!(machine.loads(), 6);
    machine.put();
    // Half a file, finished when the clock is right again.
    let half = machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    std::fs::remove_file(half).expect("the inbox can be changed");
    let ran = machine.run(|_| {});
    assert!(ran.log.contains("so it was set back"), "{}", ran.log);
    assert_eq!(ran.loaded, 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_an_hour_and_right_again_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(-HOUR);
    machine.put();
    assert_eq!(machine.loads(), 6);
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads(), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_a_day_ahead_and_back_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.set_clock(DAY);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    // Nothing is known of what comes next, and there is no run until then.
    assert_eq!(machine.loads_without_overlap(), 6);
    machine.set_clock(DAY);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_less_than_the_overlap_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    for ahead in [-20, -50] {
        machine.set_clock(ahead);
        machine.put();
        let ran = machine.run(|_| {});
        assert_eq!((ran.loaded, ran.log.as_str()), (3, ""));
    }
    machine.set_clock(0);
    machine.assert_all_loaded();
}

#[test]
fn a_half_written_file_of_a_clock_that_was_ahead_holds_nothing_up() {
    let mut machine = Machine::new();
    machine.set_clock(HOUR);
    machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(), 0);
    machine.set_clock(0);
    machine.put();
    assert_eq!(
        machine
            .run(|options| options.settle = Duration::ZERO)
            .loaded,
        3
    );
    // By the clock as it is now it has not settled before an hour has passed.
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.set_clock(2 * HOUR);
    machine.put();
    assert_eq!(machine.loads(), 3);
    assert_eq!(
        machine
            .loader
            .query("select reason from landing.rejected_event"),
        ["truncated"]
    );
}

/// No file is ever skipped for being old: in place, the old files of a folder are as good as new ones.
#[test]
fn a_clock_that_was_ahead_hides_no_change_in_place() {
    let mut machine = Machine::new();
    for _ in 0..7 {
        machine.put();
    }
    assert_eq!(machine.loads_without_overlap(), 21);
    machine.set_clock(HOUR);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 3);
    machine.set_clock(0);
    for number in 1..=20_u64 {
        let id = event_id(number + 1_000);
        let event = user_event(&id, "2026-11-23 20:10:21", number as i64, "Changed", 1.0);
        let path = machine.loader.path(&format!("users/{number}.json"));
        std::fs::write(path, event.to_string()).expect("the inbox can be changed");
    }
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 23);
}

/// The case that no offset can tell from an ordinary one, and for which there are runs by name, every
/// night, and backfills: the clock was ahead, was set right, files came, and no run scanned the folder
/// before the clock had caught up with the offset.
#[test]
fn files_of_a_clock_that_has_caught_up_with_the_offset_unseen_are_found_by_name_or_by_a_backfill() {
    let a_day_ago = Utc::now() - chrono::TimeDelta::days(1);
    for from in [From::UnknownNames, From::Time(a_day_ago)] {
        let mut machine = Machine::new();
        machine.set_clock(HOUR);
        machine.put();
        assert_eq!(machine.loads(), 3);
        machine.set_clock(0);
        machine.put();
        // More than an hour without a run.
        machine.set_clock(HOUR + 600);
        machine.put();
        assert_eq!(machine.loads(), 3);
        assert_eq!(machine.loads(), 0);
        assert_eq!(machine.run(|options| options.from = from).loaded, 3);
        assert_eq!(machine.run(|options| options.from = from).loaded, 0);
        books::check(&machine.loader);
    }
}
