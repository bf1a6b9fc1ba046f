//! A small benchmark, so that a loader that has become much slower does not go unseen. How fast it
//! really is, `cargo bench` tells.

#[path = "../bench/floor.rs"]
mod floor;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use floor::Rows;

use crate::loader::Loader;
use crate::services;

/// Files of a load: enough that starting the program weighs little.
const FILES: usize = 10_000;

/// Rounds, of which the best counts: the machine has other things to do.
const ROUNDS: usize = 3;

/// Times the floor that a debug build may take: twice the largest ratio seen (3.9, beside the other
/// tests, on two cores).
const LIMIT: f64 = 8.0;

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

#[test]
fn a_load_takes_no_more_than_so_many_times_the_floor() {
    let mut ratios = Vec::new();
    let services = Loader::new();
    let status = Command::new(services::program("cards"))
        .args(["--seed", "7", "--rate", "inf", "--events"])
        .arg(FILES.to_string())
        .env("EVENTS_DIR", services.path("cards"))
        .env("LOGS_DIR", services.inbox())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("the service can be started").success());
    let files = floor::list(&services.path("cards"));
    let rows = Rows::of(&files);
    for _ in 0..ROUNDS {
        let loader = Loader::new();
        let mut client = loader.client();
        Rows::prepare(&mut client);
        let floor = time(|| {
            let files = floor::list(&services.path("cards"));
            floor::stat(&files);
            floor::read(&files);
            rows.copy(&mut client);
        });
        // The first run makes the schema, of an empty inbox.
        loader.run(&[]);
        let load = time(|| {
            let mut command = loader.command(&["run", "--json"]);
            let output = command.env("ETL_INBOX", services.inbox()).output();
            let said = output.expect("etl can be started").stdout;
            let loaded = format!("\"loaded\":{}", rows.count());
            assert!(String::from_utf8_lossy(&said).contains(&loaded));
        });
        ratios.push(load.as_secs_f64() / floor.as_secs_f64());
    }
    let best = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    println!("a load of {FILES} files takes {ratios:.1?} times the floor");
    assert!(best < LIMIT, "{ratios:.1?} times the floor");
}
