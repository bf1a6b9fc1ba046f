//! The cards service: writes the births and changes of cards in bursts, until it is stopped.

mod counter;
mod event;
mod logging;
mod name;
mod outbox;
mod pace;
mod settings;

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Parser;
use log::info;
use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;

use counter::Counter;
use event::{Metadata, Timestamp};
use outbox::Outbox;
use pace::Pace;
use settings::Settings;

/// Events in a burst.
const BURST: RangeInclusive<u64> = 5..=9;

/// Whole seconds between bursts.
const PAUSE: RangeInclusive<u64> = 1..=2;

/// Events per second: a burst of 7 every 1.5 seconds, on average.
const DEFAULT_RATE: f64 = 7.0 / 1.5;

/// Changes out of so many events; the others are births.
const CHANGES: (u32, u32) = (6, 11);

/// The share of cards born without a user, which never get one.
const WITHOUT_USER: f64 = 0.1;

/// The users that cards are drawn for. There is no user 1000, and its cards belong to nobody.
const USER_IDS: RangeInclusive<u64> = 0..=1_000;

/// How far the counter's file is ahead. At the default pace that is less than a burst; replacing
/// the file for every burst takes longer than writing the burst when there is no pause.
const AHEAD: Duration = Duration::from_millis(100);

/// The most numbers that a killed service leaves unused.
const MAX_AHEAD: f64 = 1_000.0;

/// How often the log has a line of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

/// Writes the births and changes of cards into a folder in bursts, one JSON file per event, until
/// it is stopped.
///
/// A restart goes on with new cards: the next card's id is kept in the folder, in the file
/// __id_counter.
#[derive(Parser)]
#[command(
    after_help = "Example, 100,000 events as fast as the disk takes them:\n  \
    cards --events-dir /tmp/cards --seed 7 --events 100000 --rate inf\n"
)]
struct Arguments {
    /// The folder to write into; created if missing
    #[arg(
        long,
        env = "EVENTS_DIR",
        value_name = "FOLDER",
        default_value = "data/events/inbox/cards"
    )]
    events_dir: PathBuf,

    /// Stop after this many events [default: never]
    #[arg(long, value_name = "NUMBER")]
    events: Option<u64>,

    #[command(flatten)]
    settings: Settings,
}

/// The state of a card. The order of the fields is that of the keys in the file.
#[derive(Serialize)]
struct Card {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<u64>,
    created_by_name: String,
    updated_at: Timestamp,
    created_at: Timestamp,
    active: bool,
}

#[derive(Serialize)]
struct CardEvent<'a> {
    payload: &'a Card,
    metadata: &'a Metadata,
}

/// The cards that may change: those born since this service started.
struct Cards {
    born: Vec<Card>,
    names: StdRng,
    choices: StdRng,
}

impl Cards {
    /// Changes one of the cards, or has a new one born with this id.
    fn next(&mut self, id: u64, now: DateTime<Utc>) -> (Metadata, &Card) {
        let metadata = Metadata::new("card", now, &mut self.choices);
        let (changes, events) = CHANGES;
        let place = if !self.born.is_empty() && self.choices.random_ratio(changes, events) {
            let place = self.choices.random_range(0..self.born.len());
            let card = &mut self.born[place];
            card.updated_at = metadata.event_at;
            card.active = self.choices.random();
            place
        } else {
            let without_user = self.choices.random_bool(WITHOUT_USER);
            self.born.push(Card {
                id,
                user_id: (!without_user).then(|| self.choices.random_range(USER_IDS)),
                created_by_name: name::name(&mut self.names),
                updated_at: metadata.event_at,
                created_at: metadata.event_at,
                active: self.choices.random(),
            });
            self.born.len() - 1
        };
        (metadata, &self.born[place])
    }
}

fn main() -> ExitCode {
    logging::exit_code("cards", run(&Arguments::parse()))
}

fn run(
    Arguments {
        events_dir,
        events,
        settings,
    }: &Arguments,
) -> Result<(), Box<dyn Error>> {
    logging::start(settings.logs_dir.as_deref(), "cards")?;
    let mut outbox = Outbox::open(events_dir)?;
    let ahead = (settings.rate.unwrap_or(DEFAULT_RATE) * AHEAD.as_secs_f64()).min(MAX_AHEAD);
    let mut counter = Counter::open(events_dir, ahead as u64)?;
    info!(
        "writing into {}, next card id {}",
        events_dir.display(),
        counter.next()
    );

    let mut cards = Cards {
        born: Vec::new(),
        names: settings.names(),
        choices: settings.choices(),
    };
    let mut pace = Pace::start();
    let mut told_at = Instant::now();
    let mut left = events.unwrap_or(u64::MAX);
    while left > 0 {
        let burst = cards.choices.random_range(BURST).min(left);
        let first = counter.take(burst, &mut outbox)?;
        for id in first..first + burst {
            let (metadata, card) = cards.next(id, outbox.tick());
            outbox.write_event(
                &metadata,
                &CardEvent {
                    payload: card,
                    metadata: &metadata,
                },
            )?;
        }
        left -= burst;
        if left == 0 || told_at.elapsed() >= PROGRESS_EVERY {
            info!(
                "{} events so far, {} cards since the start",
                counter.next(),
                cards.born.len()
            );
            told_at = Instant::now();
        }
        if left > 0 {
            let pause = Duration::from_secs(cards.choices.random_range(PAUSE));
            pace.pause(settings.pause(pause, DEFAULT_RATE));
        }
    }
    counter.close(&mut outbox)?;
    Ok(())
}
