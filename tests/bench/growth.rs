//! What an inbox costs as it grows, and what archiving changes about it.

use std::fs;
use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::measure::{BURST, NEW_FILES, median, millis, ratio, seconds};

/// Rounds of which the median is taken.
const ROUNDS: usize = 5;

/// Files of the folders that are compared.
const FOLDERS: [usize; 3] = [100_000, 1_000_000, 3_000_000];

/// Files that the services write in an hour, and hours that are simulated: five days, in which
/// two million files pass through.
const FILES_AN_HOUR: usize = 16_200;
const HOURS: usize = 120;

/// Hours after which a line is printed.
const PRINTED: usize = 24;

/// The archive of a folder, against its load: at least half as many files a second.
pub fn archive() {
    let (mut loads, mut archives) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut ground = Ground::new();
        ground.write_cards(BURST);
        ground.empty_warehouse();
        let (load, summary) = ground.run(&[]);
        assert_eq!(summary["files"], BURST);
        loads.push(load);
        let (archive, summary) = ground.archive(&["--older-than", "0s"]);
        assert_eq!(summary["archived"], BURST, "{summary}");
        archives.push(archive);
    }
    let (load, archive) = (median(loads), median(archives));
    println!("  etl run         {}", seconds(load));
    println!(
        "  etl archive     {}   {:.2} times as many files a second",
        seconds(archive),
        ratio(load, archive)
    );
}

/// Runs in folders of more and more files, and in the same folder once it is archived.
pub fn folders() {
    println!(
        "  files      first load          20 new             memory   archived: 20 new   archive            memory"
    );
    for files in FOLDERS {
        let mut ground = Ground::new();
        put_hours(&ground, 0, files);
        ground.empty_warehouse();
        let (load, load_peak) = ground.run_and_watch_memory();
        let run = |round: usize| {
            put_new(&ground, round);
            ground.watch_memory(&["run"])
        };
        let (run_time, run_peak) = run(0);
        let to = ground.archives();
        let to = to.to_str().expect("UTF-8");
        let (archive, archive_peak) =
            ground.watch_memory(&["archive", "--older-than", "0s", "--to", to]);
        let (archived, _) = run(1);
        println!(
            "  {files:<9}  {:>8}, {:>3} MB   {:>10}   {:>6} MB   {:>16}   {:>8}   {:>6} MB",
            seconds(load),
            load_peak / 1_000_000,
            millis(run_time),
            run_peak / 1_000_000,
            millis(archived),
            seconds(archive),
            archive_peak / 1_000_000
        );
    }
}

/// Hour after hour of files, each hour loaded and the one before it archived.
pub fn month() {
    let mut ground = Ground::new();
    ground.empty_warehouse();
    let mut hours: Vec<Instant> = Vec::new();
    let (mut loads, mut runs, mut archives) = (Vec::new(), Vec::new(), Vec::new());
    for hour in 1..=HOURS {
        put_hours(&ground, hour, FILES_AN_HOUR);
        hours.push(Instant::now());
        loads.push(ground.run(&[]).0);
        put_new(&ground, hour);
        runs.push(ground.run(&[]).0);
        // What was there before this hour.
        if let [.., before, _] = hours[..] {
            let age = format!("{}ms", before.elapsed().as_millis());
            let (took, summary) = ground.archive(&["--older-than", &age]);
            assert_eq!(
                summary["left"]["not_loaded"],
                serde_json::Value::Null,
                "{summary}"
            );
            archives.push(took);
        }
        if hour % PRINTED == 0 {
            let last =
                |times: &[Duration]| millis(median(times[times.len() - PRINTED / 2..].to_vec()));
            let listed = fs::read_dir(ground.inbox("cards"))
                .expect("the inbox")
                .count();
            println!(
                "  hour {hour:>3}, {:>4.1} million files: load of {FILES_AN_HOUR} {}, run with {NEW_FILES} new {}, archive {}; {listed} files in the inbox",
                (hour * FILES_AN_HOUR) as f64 / 1e6,
                last(&loads),
                last(&runs),
                last(&archives)
            );
        }
    }
    let (_, summary) = ground.archive(&["--older-than", "0s"]);
    println!("  at the end: {summary}");
}

/// Puts so many files, from an hour on: changes of a million cards.
fn put_hours(ground: &Ground, hour: usize, files: usize) {
    for number in 0..files {
        let second = hour * 3600 + number * 3600 / FILES_AN_HOUR;
        let at = chrono::DateTime::from_timestamp(1_700_000_000 + second as i64, 0);
        let at = at.expect("a time").format("%Y-%m-%d %H:%M:%S").to_string();
        let card = (number * 7919 + hour * 104_729) % 1_000_000;
        ground.put_card(
            &format!("{hour}-{number}.json"),
            &at,
            card as i64,
            number.is_multiple_of(2),
        );
    }
}

fn put_new(ground: &Ground, round: usize) {
    for number in 0..NEW_FILES {
        let at = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string();
        ground.put_card(
            &format!("new-{round}-{number}.json"),
            &at,
            number as i64,
            round.is_multiple_of(2),
        );
    }
}
