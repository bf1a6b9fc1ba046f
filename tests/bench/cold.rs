//! Backfills of files that the system does not have in memory, and of files that are loaded already.

use std::thread;
use std::time::{Duration, Instant};

use crate::floor;
use crate::ground::Ground;
use crate::measure::{BURST, median, ratio, seconds};

/// Rounds of which the median is taken.
const ROUNDS: usize = 5;

/// Threads that read for the floor: what a local disk is busy with.
const THREADS: usize = 16;

/// A burst from the disk: at most 1.3 times the larger of reading the files with 16 threads and loading
/// them from memory.
pub fn cold() {
    if !Ground::forget_files() {
        println!("  skipped: only root can make the system forget files");
        return;
    }
    let mut ground = Ground::new();
    ground.write_cards(BURST);
    let (mut floors, mut cached, mut colds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ground.empty_warehouse();
        Ground::forget_files();
        let began = Instant::now();
        read_all(&ground);
        floors.push(began.elapsed());
        cached.push(ground.run(&[]).0);
        ground.empty_warehouse();
        Ground::forget_files();
        colds.push(ground.run(&[]).0);
    }
    let (floor, cached, cold) = (median(floors), median(cached), median(colds));
    println!(
        "  list, lstat and read cold, {THREADS} threads   {}",
        seconds(floor)
    );
    println!(
        "  etl run, cached                         {}",
        seconds(cached)
    );
    println!(
        "  etl run, cold                           {}   {:.2} times the larger one",
        seconds(cold),
        ratio(cold, floor.max(cached))
    );
}

fn read_all(ground: &Ground) {
    let files = floor::list(&ground.inbox("cards"));
    let share = files.len().div_ceil(THREADS);
    for work in [floor::stat, floor::read] {
        thread::scope(|scope| {
            for files in files.chunks(share) {
                scope.spawn(move || work(files));
            }
        });
    }
}

/// A backfill over everything that is loaded: at most the time of the first load.
pub fn again() {
    let mut ground = Ground::new();
    ground.write_cards(BURST);
    let (mut loads, mut again): (Vec<Duration>, Vec<Duration>) = Default::default();
    for _ in 0..ROUNDS {
        ground.empty_warehouse();
        loads.push(ground.run(&[]).0);
        let (elapsed, summary) = ground.run(&["--since", "1d"]);
        assert_eq!(summary["loaded"], 0, "{summary}");
        again.push(elapsed);
    }
    let (load, again) = (median(loads), median(again));
    println!("  first load      {}", seconds(load));
    println!(
        "  --since 1d      {}   {:.2} times",
        seconds(again),
        ratio(again, load)
    );
}
