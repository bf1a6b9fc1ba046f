//! A machine whose clock is set: runs through the library, with a clock that shows what one set at these
//! times would have shown, the times of files included. The machine's own clock stays as it is.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::thread::sleep;
use std::time::Duration;

use chrono::Utc;
use etl::clock::{Clock, FileTime};
use etl::run::options::{From, Options};
use etl::run::{Ending, run};
use etl::source::Source;
use etl::warehouse::address::Address;
use log::{LevelFilter, Log, Metadata, Record};

use crate::books;
use crate::loader::Loader;

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Hardly any, so that a run finds a file for where the offset is and not for its age.
pub const NO_OVERLAP: Duration = Duration::from_millis(5);

pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;

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
pub struct Ran {
    pub loaded: i64,
    pub log: String,
}

/// An inbox on a machine whose clock is set now and then.
pub struct Machine {
    pub loader: Loader,
    pub clock: Clock,
    pub files: u64,
}

impl Machine {
    pub fn new() -> Machine {
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
    pub fn set_clock(&mut self, ahead: i64) {
        sleep(PAUSE);
        let change = (FileTime::from(Utc::now()), ahead * NANOS_PER_SECOND);
        self.clock.changes.push(change);
        sleep(PAUSE);
    }

    /// Puts some files into the inbox, long enough ago for a run with [`NO_OVERLAP`].
    pub fn put(&mut self) {
        for _ in 0..3 {
            self.files += 1;
            self.loader.put_user(self.files);
        }
        sleep(PAUSE);
    }

    /// What an ordinary run is asked to do.
    pub fn options(&self) -> Options {
        Options {
            inbox: self.loader.inbox(),
            inbox_name: Default::default(),
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

    pub fn run(&self, change: impl FnOnce(&mut Options)) -> Ran {
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
    pub fn loads(&self) -> i64 {
        self.run(|_| {}).loaded
    }

    /// What a run with [`NO_OVERLAP`] loads.
    pub fn loads_without_overlap(&self) -> i64 {
        self.run(|options| options.overlap = NO_OVERLAP).loaded
    }

    /// Everything in the inbox is loaded, the offset is not ahead of the clock, and a file that
    /// comes now is seen.
    pub fn assert_all_loaded(&mut self) {
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
