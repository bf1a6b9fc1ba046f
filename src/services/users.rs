//! The users service: writes one event for each of the users, and is done.

mod address;
mod event;
mod logging;
mod name;
mod outbox;
mod pace;
mod settings;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fake::Fake;
use fake::faker::job::en::Title;
use log::info;
use rand::RngExt;
use serde::Serialize;

use event::Metadata;
use outbox::Outbox;
use pace::Pace;
use settings::Settings;

/// How many users there are. Their ids begin at 0.
const USERS: u64 = 1_000;

/// Events per second: all users within half a second.
const DEFAULT_RATE: f64 = 2_000.0;

/// Writes an event for each of 1,000 users into a folder, one JSON file per event, and exits.
///
/// Every start writes the same users, with other scores.
#[derive(Parser)]
#[command(after_help = "Example:\n  users --events-dir /tmp/users --seed 7 --events 10\n")]
struct Arguments {
    /// The folder to write into; created if missing
    #[arg(
        long,
        env = "EVENTS_DIR",
        value_name = "FOLDER",
        default_value = "data/events/inbox/users"
    )]
    events_dir: PathBuf,

    /// Stop after this many events; beyond 1000, the users come round again as after a restart
    #[arg(long, value_name = "NUMBER", default_value_t = USERS)]
    events: u64,

    #[command(flatten)]
    settings: Settings,
}

/// The state of a user. The order of the fields is that of the keys in the file.
#[derive(Serialize)]
struct User {
    id: u64,
    name: String,
    address: String,
    job: String,
    score: f64,
}

#[derive(Serialize)]
struct UserEvent<'a> {
    metadata: &'a Metadata,
    payload: &'a User,
}

fn main() -> ExitCode {
    logging::exit_code("users", run(&Arguments::parse()))
}

fn run(
    Arguments {
        events_dir,
        events,
        settings,
    }: &Arguments,
) -> Result<(), Box<dyn Error>> {
    logging::start(settings.logs_dir.as_deref(), "users")?;
    let mut outbox = Outbox::open(events_dir)?;
    info!("writing {events} events into {}", events_dir.display());

    let mut names = settings.names();
    let mut choices = settings.choices();
    let pause = settings.pause(Duration::from_secs_f64(1.0 / DEFAULT_RATE), DEFAULT_RATE);
    let mut pace = Pace::start();
    for number in 0..*events {
        let id = number % USERS;
        if id == 0 {
            names = settings.names();
        }
        let user = User {
            id,
            name: name::name(&mut names),
            address: address::address(&mut names),
            job: Title().fake_with_rng(&mut names),
            score: choices.random(),
        };
        let metadata = Metadata::new("user", outbox.tick(), &mut choices);
        outbox.write_event(
            &metadata,
            &UserEvent {
                metadata: &metadata,
                payload: &user,
            },
        )?;
        pace.pause(pause);
    }

    info!("wrote {events} events, done");
    Ok(())
}
