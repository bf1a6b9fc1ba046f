//! A backfill from a network share, which takes its time for each file and answers many requests at once.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::floor;
use crate::ground::Ground;
use crate::measure::{median, ratio, seconds};
use crate::mount::Mount;

/// Rounds of which the median is taken.
const ROUNDS: usize = 3;

/// Files on the share: one batch, so that reading is measured and hardly anything else.
const FILES: usize = 4_096;

/// How long a share takes for a file, in milliseconds: in the same building, in the same country, and on
/// another continent.
const DELAYS: [u64; 3] = [1, 10, 80];

/// Threads that each open one file after the other: what a loader with a thread for each of two cores does.
const THREADS: usize = 2;

/// The largest delay, in milliseconds, with which those threads are measured. With a larger one they would
/// take minutes, so their time is computed: what they wait, and nothing else.
const MEASURED: u64 = 10;

/// How many times as fast as those threads the loader is to be with the largest delay.
const GOAL: f64 = 15.0;

/// How often the server is asked for its transactions: often enough to notice one that waits for the reader,
/// and too seldom to take a core from it.
const SAMPLED_EVERY: Duration = Duration::from_millis(20);

/// How long a transaction may stand idle. By design it waits for files for a quarter of a second, and then it
/// is committed without them.
const LONGEST_IDLE: Duration = Duration::from_secs(1);

/// The transactions of the loader while it runs, as far as samples show them.
#[derive(Clone, Copy, Default)]
struct Transactions {
    /// How long one was open, at most.
    open: Duration,
    /// How long one stood idle without a break, at most.
    idle: Duration,
}

impl Transactions {
    /// Samples them for as long as something takes, over a connection of its own; returns what it came
    /// to as well.
    fn during<T>(ground: &Ground, work: impl FnOnce() -> T) -> (T, Transactions) {
        let mut client = ground.client();
        let (end, ended) = channel::<()>();
        thread::scope(|scope| {
            let sampling = scope.spawn(move || {
                let mut longest = Transactions::default();
                while ended.recv_timeout(SAMPLED_EVERY) == Err(RecvTimeoutError::Timeout) {
                    longest = longest.or(Transactions::now(&mut client));
                }
                longest
            });
            let result = work();
            drop(end);
            (result, sampling.join().expect("the server answers"))
        })
    }

    /// Those of this moment.
    fn now(client: &mut Client) -> Transactions {
        let row = client
            .query_one(
                "select
                   coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8,
                   coalesce(max(extract(epoch from clock_timestamp() - state_change))
                     filter (where state = 'idle in transaction'), 0)::float8
                 from pg_stat_activity
                 where datname = current_database() and application_name = 'etl'",
                &[],
            )
            .expect("the superuser may");
        let time = |column| Duration::from_secs_f64(row.get::<_, f64>(column).max(0.0));
        Transactions {
            open: time(0),
            idle: time(1),
        }
    }

    /// The longer ones of two samples.
    fn or(self, other: Transactions) -> Transactions {
        Transactions {
            open: self.open.max(other.open),
            idle: self.idle.max(other.idle),
        }
    }
}

/// Files of a share that takes 1, 10 and 80 ms for each, into an empty warehouse: with 80 ms at least 15
/// times as fast as two threads that open one file after the other, and without a transaction that waits
/// for them.
pub fn share() {
    let mut ground = Ground::new();
    ground.write_cards(FILES);
    if let Err(cause) = Mount::over(&ground.inbox("cards"), Duration::ZERO) {
        let cause = cause.to_string();
        println!(
            "  skipped: needs /dev/fuse and the right to mount: {}",
            cause.trim()
        );
        return;
    }
    println!(
        "  a file   {THREADS} threads              etl run   as fast   transaction   idle in it   memory"
    );
    for delay in DELAYS {
        let time = Duration::from_millis(delay);
        let (floor, source) = match delay <= MEASURED {
            true => (one_after_the_other(&ground, time), "measured"),
            false => (time * (FILES / THREADS) as u32, "computed"),
        };
        let (mut runs, mut peaks) = (Vec::new(), Vec::new());
        let mut transactions = Transactions::default();
        for _ in 0..ROUNDS {
            ground.empty_warehouse();
            let _mount = mounted(&ground, time);
            let ((run, peak, summary), sampled) =
                Transactions::during(&ground, || ground.run_and_watch());
            let done: u64 = ["loaded", "duplicates", "rejected"]
                .iter()
                .filter_map(|outcome| summary[outcome].as_u64())
                .sum();
            assert_eq!(
                (&summary["files"], done),
                (&FILES.into(), FILES as u64),
                "{summary}"
            );
            assert!(sampled.idle < LONGEST_IDLE, "{:?}", sampled.idle);
            transactions = transactions.or(sampled);
            runs.push(run);
            peaks.push(peak);
        }
        let run = median(runs);
        println!(
            "  {delay:>2} ms   {:>9}, {source}   {:>8}   {:>5.1} ×   {:>8} ms   {:>7} ms   {:>3} MB",
            seconds(floor),
            seconds(run),
            ratio(floor, run),
            transactions.open.as_millis(),
            transactions.idle.as_millis(),
            peaks.into_iter().max().unwrap_or_default() / 1_000_000
        );
    }
    println!("  goal: {GOAL} times as fast at {} ms", DELAYS[2]);
}

/// The share, without anything of it in the system's memory.
fn mounted(ground: &Ground, delay: Duration) -> Mount {
    Mount::over(&ground.inbox("cards"), delay).expect("it could be mounted before")
}

/// How long threads take that open one file after the other.
fn one_after_the_other(ground: &Ground, delay: Duration) -> Duration {
    let _mount = mounted(ground, delay);
    let began = Instant::now();
    let files: Vec<PathBuf> = floor::list(&ground.inbox("cards"));
    thread::scope(|scope| {
        for files in files.chunks(FILES / THREADS) {
            scope.spawn(move || floor::read(files));
        }
    });
    began.elapsed()
}
