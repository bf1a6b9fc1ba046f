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
const BURST: usize = 100_000;

/// Files of the big folder.
const MILLION: usize = 1_000_000;

/// New files of a steady run.
const NEW_FILES: usize = 20;

/// The time that something takes.
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// The program: its size, and the time until it speaks with the server.
pub fn program() {
    let binary = env!("CARGO_BIN_EXE_etl");
    let bytes = fs::metadata(binary).expect("the program is there").len();
    println!("  binary          {:.2} MB", bytes as f64 / 1e6);
    // To an address at which somebody listens and says nothing, until the first byte is there.
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
            std::io::Read::read(&mut peer, &mut [0]).expect("etl speaks");
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

/// A few new files in a folder of many old ones.
fn steady_in(files: usize) -> (Duration, Duration) {
    let ground = Ground::new();
    ground.write_cards(files);
    ground.run(&[]);
    age(&ground);
    let (mut floors, mut runs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floors.push(time(|| floor::stat(&floor::list(&ground.inbox("cards")))));
        for number in 0..NEW_FILES {
            ground.put_card(
                &format!("{round}-{number}.json"),
                &format!("2027-01-01 00:{round:02}:{number:02}"),
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

/// Lets the files of a folder grow old: what was loaded lately is loaded long ago.
fn age(ground: &Ground) {
    std::thread::sleep(Duration::from_secs(2));
    ground.run(&["--overlap", "0s"]);
    ground
        .client()
        .batch_execute("truncate etl.recent_file; vacuum analyze")
        .expect("the books");
    std::thread::sleep(Duration::from_secs(1));
}

/// A steady run in a folder of 100,000: at most 1.5 times list and `lstat`, plus 30 ms.
pub fn steady() {
    let (floor, run) = steady_in(BURST);
    let limit = floor.mul_f64(1.5) + Duration::from_millis(30);
    println!("  list and lstat  {}", millis(floor));
    println!(
        "  etl run         {}   {:.2} of 1.5 times that plus 30 ms",
        millis(run),
        ratio(run, limit)
    );
}

/// Nothing new: at most 15 ms beyond starting the process and one round trip.
pub fn idle() {}

/// A late event in the middle of a long history: at most 3 times that of a short one.
pub fn late() {}

/// What an event takes in the database.
pub fn size() {}

/// A folder of a million files.
pub fn million() {
    let (floor, run) = steady_in(MILLION);
    println!("  list and lstat  {}", millis(floor));
    println!("  etl run         {}", millis(run));
}

/// One new event among ten million.
pub fn scale() {}
