//! The measurements, each with the goal that it is held against.

use std::fs;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::floor::{self, Rows};
use crate::ground::Ground;

/// Rounds of which the median is taken.
const ROUNDS: usize = 7;

/// Files of a burst, and of the folder in which a steady run finds a few new ones.
pub const BURST: usize = 100_000;

/// Files of the big folder.
const MILLION: usize = 1_000_000;

/// Files that dlt lands, and how often: it takes its time.
const DLT_FILES: usize = 100_000;
const DLT_ROUNDS: usize = 3;

/// New files of a steady run.
pub const NEW_FILES: usize = 20;

/// The time that something takes.
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// The program: its size, and the time until it talks to the server.
pub fn program() {
    let binary = env!("CARGO_BIN_EXE_etl");
    let bytes = fs::metadata(binary).expect("the program is there").len();
    println!("  binary          {:.2} MB", bytes as f64 / 1e6);
    // To an address at which somebody listens and does not answer, until the first byte is there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let url = format!("postgresql://postgres@127.0.0.1:{port}/x?sslmode=disable");
    let times = (0..ROUNDS * 5)
        .map(|_| {
            let began = Instant::now();
            let mut child = Command::new(binary)
                .args(["run", "--database-url", &url])
                .stderr(Stdio::null())
                .spawn()
                .expect("etl can be started");
            let (mut peer, _) = listener.accept().expect("etl connects");
            std::io::Read::read(&mut peer, &mut [0]).expect("etl talks");
            let elapsed = began.elapsed();
            child.kill().expect("etl is ours");
            child.wait().expect("etl is ours");
            elapsed
        })
        .collect();
    println!("  start to first byte of SQL   {}", millis(median(times)));
}

/// A burst into an empty warehouse: at most 1.5 times the floor.
pub fn burst() {
    let mut ground = Ground::new();
    ground.write_cards(BURST);
    let rows = Rows::of(&floor::list(&ground.inbox("cards")));
    let (mut floors, mut loads, mut parts) = (Vec::new(), Vec::new(), [const { Vec::new() }; 4]);
    for _ in 0..ROUNDS {
        let mut client = ground.client();
        Rows::prepare(&mut client);
        let mut files = Vec::new();
        let part = [
            time(|| files = floor::list(&ground.inbox("cards"))),
            time(|| floor::stat(&files)),
            time(|| floor::read(&files)),
            time(|| rows.copy(&mut client)),
        ];
        floors.push(part.iter().sum());
        parts
            .iter_mut()
            .zip(part)
            .for_each(|(all, one)| all.push(one));
        drop(client);
        ground.empty_warehouse();
        let (elapsed, summary) = ground.run(&[]);
        assert_eq!(summary["files"], BURST);
        assert_eq!(summary["loaded"], rows.count());
        loads.push(elapsed);
    }
    let [list, stat, read, copy] = parts.map(|times| seconds(median(times)));
    let (floor, load) = (median(floors), median(loads));
    println!(
        "  floor           {}   (list {list}, lstat {stat}, read {read}, copy {copy})",
        seconds(floor)
    );
    println!(
        "  etl run         {}   {:.2} times the floor, {:.0} files a second",
        seconds(load),
        ratio(load, floor),
        BURST as f64 / load.as_secs_f64()
    );
}

/// The same files landed raw with dlt, and with `etl run` as dimensions: at least 10 times the
/// events a second.
pub fn dlt() {
    let mut ground = Ground::new();
    ground.write_cards(DLT_FILES);
    let (mut others, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..DLT_ROUNDS {
        ground.empty_warehouse();
        others.push(ground.land_with_dlt());
        loads.push(ground.run(&[]).0);
    }
    let (other, load) = (median(others), median(loads));
    let rate = |time: Duration| DLT_FILES as f64 / time.as_secs_f64();
    println!(
        "  dlt             {}   {:.0} files a second",
        seconds(other),
        rate(other)
    );
    println!(
        "  etl run         {}   {:.0} files a second, {:.1} times as many",
        seconds(load),
        rate(load),
        ratio(other, load)
    );
}

/// The time of an event after all those of the services, and less than `--max-ahead` from now.
fn later(round: usize, number: usize) -> String {
    let seconds = round * NEW_FILES + number;
    let at = chrono::Utc::now()
        + chrono::TimeDelta::hours(1)
        + chrono::TimeDelta::seconds(seconds as i64);
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A few new files in a folder of many old ones: the floor, which is list and `lstat`, and a run.
fn steady_in(ground: &Ground) -> (Duration, Duration) {
    let (mut floors, mut runs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floors.push(time(|| floor::stat(&floor::list(&ground.inbox("cards")))));
        for number in 0..NEW_FILES {
            ground.put_card(
                &format!("{round}-{number}.json"),
                &later(round, number),
                number as i64,
                round % 2 == 0,
            );
        }
        let (elapsed, summary) = ground.run(&[]);
        assert_eq!(summary["loaded"], NEW_FILES, "{summary}");
        runs.push(elapsed);
    }
    (median(floors), median(runs))
}

/// Waits until the processed files are no recent ones: the default overlap, and slack.
fn wait_for_overlap() {
    std::thread::sleep(Duration::from_secs(65));
}

/// A steady run in a folder of 100,000: at most 1.5 times list and `lstat`, plus 30 ms; and idle
/// ones.
pub fn steady() {
    let ground = Ground::new();
    ground.write_cards(BURST);
    ground.run(&[]);
    wait_for_overlap();
    let (floor, run) = steady_in(&ground);
    let limit = floor.mul_f64(1.5) + Duration::from_millis(30);
    println!("  list and lstat  {}", millis(floor));
    println!(
        "  etl run         {}   {:.2} of 1.5 times that plus 30 ms",
        millis(run),
        ratio(run, limit)
    );
    idle_in(&ground);
}

/// Runs that find nothing: at most 15 ms beyond list and `lstat`.
fn idle_in(ground: &Ground) {
    wait_for_overlap();
    let (mut floors, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(time(|| floor::stat(&floor::list(&ground.inbox("cards")))));
        let (elapsed, summary) = ground.run(&[]);
        assert_eq!(summary["files"], 0, "{summary}");
        runs.push(elapsed);
    }
    let (floor, run) = (median(floors), median(runs));
    println!(
        "  nothing new     {}   list and lstat {}",
        millis(run),
        millis(floor)
    );
}

/// A late-arriving event in the middle of a key's history: with 100,000 versions at most 3 times what
/// it takes with 10.
pub fn late() {
    let mut ground = Ground::new();
    ground.empty_warehouse();
    let (short, long) = ((1, 10), (2, 100_000));
    for (card_id, versions) in [short, long] {
        ground.write_history(card_id, versions);
    }
    let (mut shorts, mut longs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS * 3 {
        for ((card_id, versions), times) in [(short, &mut shorts), (long, &mut longs)] {
            // Between two times of the history, so that a version is split.
            let second = versions / 2;
            let at = chrono::DateTime::from_timestamp(1_700_000_000 + second * 10 + 5, 0)
                .expect("a time")
                + chrono::TimeDelta::milliseconds(round as i64);
            ground.put_card(
                &format!("late-{card_id}-{round}.json"),
                &at.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
                card_id,
                round % 2 == 0,
            );
            let (elapsed, summary) = ground.run(&[]);
            assert_eq!(summary["loaded"], 1, "{summary}");
            times.push(elapsed);
        }
    }
    let (short, long) = (median(shorts), median(longs));
    println!("  10 versions       {}", millis(short));
    println!(
        "  100,000 versions  {}   {:.2} times",
        millis(long),
        ratio(long, short)
    );
}

/// What an accepted event takes in the database, indexes included.
pub fn size() {
    let mut ground = Ground::new();
    ground.write_cards(BURST);
    ground.empty_warehouse();
    let (_, summary) = ground.run(&[]);
    let events = summary["loaded"].as_f64().expect("a number");
    let mut client = ground.client();
    let rows = client
        .query(
            "select relation.oid::regclass::text, pg_relation_size(relation.oid)
             from pg_class as relation
             left join pg_index on pg_index.indexrelid = relation.oid
             where coalesce(pg_index.indrelid, relation.oid) in
               ('landing.card_event'::regclass, 'warehouse.dim_card'::regclass)
             order by coalesce(pg_index.indrelid, relation.oid)::regclass::text, relation.relkind desc, 1",
            &[],
        )
        .expect("the catalogue answers");
    let mut sum = 0;
    for row in &rows {
        let (name, bytes): (String, i64) = (row.get(0), row.get(1));
        sum += bytes;
        println!("  {name:<32} {:6.1} bytes an event", bytes as f64 / events);
    }
    println!("  {:<32} {:6.1}", "together", sum as f64 / events);
}

/// A folder of a million files: peak memory of the backfill, then steady and idle runs.
pub fn million() {
    let mut ground = Ground::new();
    ground.write_cards(MILLION);
    ground.empty_warehouse();
    let (elapsed, peak) = ground.run_and_watch_memory();
    println!(
        "  backfill        {}   {:.0} files a second, {:.0} MB at its peak",
        seconds(elapsed),
        MILLION as f64 / elapsed.as_secs_f64(),
        peak as f64 / 1e6
    );
    wait_for_overlap();
    let (floor, run) = steady_in(&ground);
    println!("  list and lstat  {}", millis(floor));
    println!("  etl run         {}   {NEW_FILES} new files", millis(run));
    idle_in(&ground);
}

/// One new event in a warehouse of 10 million: at most twice what it takes in one of 10 thousand.
pub fn scale() {
    let mut times = [Vec::new(), Vec::new()];
    let mut grounds = [10_000, 10_000_000].map(|events| {
        let mut ground = Ground::new();
        ground.empty_warehouse();
        ground.write_warehouse(events);
        ground
    });
    for round in 0..ROUNDS * 3 {
        for (ground, times) in grounds.iter_mut().zip(&mut times) {
            ground.put_card(
                &format!("{round}.json"),
                &later(round, 0),
                round as i64 * 7,
                round % 2 == 0,
            );
            let (elapsed, summary) = ground.run(&[]);
            assert_eq!(summary["loaded"], 1, "{summary}");
            times.push(elapsed);
        }
    }
    let [small, large] = times.map(median);
    println!("  10,000 events      {}", millis(small));
    println!(
        "  10,000,000 events  {}   {:.2} times",
        millis(large),
        ratio(large, small)
    );
}
