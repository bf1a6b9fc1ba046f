//! How fast the loader is, against the floor that the file system and PostgreSQL set.
//!
//! ```text
//! cargo bench --bench pace                        everything but the next ones
//! cargo bench --bench pace -- burst steady        by name
//! cargo bench --bench pace -- scale               10 million events: some minutes and 5 GB
//! cargo bench --bench pace -- folders month       3 and 4 million files: half an hour and 20 GB
//! cargo bench --bench pace -- shuffled            600,000 files twice
//! PYTHON=… cargo bench --bench pace -- dlt        beside dlt, by a Python that has dlt[postgres]
//! ```
//!
//! Every figure is the median of alternating rounds of the floor and the real `etl`, in one run on
//! one machine; what counts is their ratio. PostgreSQL is a throwaway server with its default
//! settings, on the same machine. The network share (`share`) is a file system of our own, and is skipped
//! where this user cannot mount one.

mod cold;
mod floor;
mod ground;
mod growth;
mod measure;
mod mount;
mod share;

#[path = "../loader/server.rs"]
#[expect(dead_code, reason = "the tests ask more of a server")]
mod server;
#[path = "../loader/services.rs"]
mod services;

use ground::Ground;

/// A measurement: its name on the command line, and whether it is done unasked.
type Measurement = (&'static str, bool, fn());

const MEASUREMENTS: [Measurement; 15] = [
    ("program", true, measure::program),
    ("burst", true, measure::burst),
    ("again", true, cold::again),
    ("cold", true, cold::cold),
    ("share", true, share::share),
    ("shuffled", false, cold::shuffled),
    ("archive", true, growth::archive),
    ("folders", false, growth::folders),
    ("month", false, growth::month),
    ("dlt", false, measure::dlt),
    ("steady", true, measure::steady),
    ("late", true, measure::late),
    ("size", true, measure::size),
    ("million", true, measure::million),
    ("scale", false, measure::scale),
];

fn main() {
    // cargo passes `--bench` along.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let Some(unknown) = asked
        .iter()
        .find(|name| !MEASUREMENTS.iter().any(|(known, ..)| known == name))
    {
        let known = MEASUREMENTS.map(|(name, ..)| name).join(", ");
        eprintln!("{unknown} is no measurement: {known}");
        std::process::exit(2);
    }
    println!("{}", Ground::describe());
    for (name, unasked, measure) in MEASUREMENTS {
        if asked.iter().any(|asked| asked == name) || (asked.is_empty() && unasked) {
            println!("\n{name}");
            measure();
        }
    }
}
