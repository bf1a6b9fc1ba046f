//! What the tables ought to hold, worked out from the files in the inbox by the plain words of the
//! contract, and nothing shared with the loader: no code, no SQL, no cleverness.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::tables::Tables;

/// An accepted event, as far as timelines are concerned.
#[derive(Clone, Debug)]
struct Event {
    key: i64,
    at: String,
    modified_micros: u128,
    event_id: String,
    tracked: Vec<String>,
    carried: Vec<String>,
}

/// The dimensions, as rows of texts without surrogate keys, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// user_id|name|address|job|score|valid_from|valid_to|is_current|event_id
    pub users: Vec<String>,
    /// card_id|user_id|created_by_name|active|created_at|updated_at|valid_from|valid_to|is_current|event_id
    pub cards: Vec<String>,
    /// Accepted events.
    pub events: usize,
}

/// The query whose rows have the shape of [`Dimensions::users`].
pub const USERS: &str = "select user_id, name, address, job, encode(float8send(score), 'hex') as score, valid_from::text, valid_to::text, is_current, \
                         event_id from warehouse.dim_user order by user_id, valid_from";

/// The query whose rows have the shape of [`Dimensions::cards`].
pub const CARDS: &str = "select card_id, user_id, created_by_name, active, created_at::text, updated_at::text, \
                         valid_from::text, valid_to::text, is_current, event_id \
                         from warehouse.dim_card order by card_id, valid_from";

/// The query that counts what was accepted.
pub const EVENTS: &str =
    "select (select count(*) from landing.user_event) + (select count(*) from landing.card_event)";

impl Dimensions {
    /// What the tables do hold.
    pub fn of(tables: &Tables) -> Dimensions {
        Dimensions {
            users: tables.query(USERS),
            cards: tables.query(CARDS),
            events: tables.value(EVENTS).parse().expect("a number"),
        }
    }

    /// The first row that differs, for a message that can be read.
    pub fn difference(&self, expected: &Dimensions) -> Option<String> {
        if self.events != expected.events {
            return Some(format!(
                "{} events and not {}",
                self.events, expected.events
            ));
        }
        for (found, expected) in [
            (&self.users, &expected.users),
            (&self.cards, &expected.cards),
        ] {
            for row in 0..found.len().max(expected.len()) {
                if found.get(row) != expected.get(row) {
                    return Some(format!(
                        "{:?} and not {:?}",
                        found.get(row),
                        expected.get(row)
                    ));
                }
            }
        }
        None
    }
}

/// Works out the dimensions from all files of an inbox.
pub fn dimensions(inbox: &Path) -> Dimensions {
    dimensions_of(&[inbox.to_owned()])
}

/// The modification time of a file, in microseconds since 1970.
pub fn modified_micros(path: &Path) -> u128 {
    fs::metadata(path)
        .and_then(|file| file.modified())
        .expect("the file has a time")
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_micros()
}

/// Works out the dimensions from all files of several inboxes.
pub fn dimensions_of(inboxes: &[PathBuf]) -> Dimensions {
    // One event can be in several files: it counts once.
    let mut users: BTreeMap<(i64, String), Event> = BTreeMap::new();
    let mut cards: BTreeMap<(i64, String), Event> = BTreeMap::new();
    for path in inboxes.iter().flat_map(|inbox| files(inbox)) {
        let bytes = fs::read(&path).expect("the file can be read");
        let micros = modified_micros(&path);
        let Some((kind, event)) = event(&bytes, micros) else {
            continue;
        };
        let events = if kind == "user" {
            &mut users
        } else {
            &mut cards
        };
        events
            .entry((event.key, event.event_id.clone()))
            .and_modify(|known| known.modified_micros = counting(known.modified_micros, micros))
            .or_insert(event);
    }
    Dimensions {
        events: users.len() + cards.len(),
        users: versions(users.into_values().collect()),
        cards: versions(cards.into_values().collect()),
    }
}

/// The event files of an inbox; it may lack a folder.
fn files(inbox: &Path) -> Vec<PathBuf> {
    let folders = ["users", "cards"].map(|folder| inbox.join(folder));
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten();
    entries
        .map(|entry| entry.expect("the inbox can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect()
}

/// "If an event has several copies, the earliest modification time with a fractional second counts;
/// the earliest of all counts only if none has a fraction."
fn counting(one: u128, other: u128) -> u128 {
    let has_fraction = |micros: u128| !micros.is_multiple_of(1_000_000);
    match (has_fraction(one), has_fraction(other)) {
        (true, false) => one,
        (false, true) => other,
        _ => one.min(other),
    }
}

/// The event in a document, if it is one; the tests that use the model leave out what only the
/// loader's own tests of acceptance tell apart.
fn event(bytes: &[u8], modified_micros: u128) -> Option<(String, Event)> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let (metadata, payload) = (&document["metadata"], &document["payload"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let time = |value: &Value| value.as_str().map(|time| format!("{time}+00"));
    let kind = text(&metadata["type"])?;
    let (tracked, carried) = match kind.as_str() {
        "user" => (
            vec![
                text(&payload["name"])?,
                text(&payload["address"])?,
                text(&payload["job"])?,
                format!("{:016x}", score(bytes)?.to_bits()),
            ],
            vec![],
        ),
        "card" => (
            vec![
                payload["user_id"].as_i64()?.to_string(),
                text(&payload["created_by_name"])?,
                payload["active"].as_bool()?.to_string(),
                time(&payload["created_at"])?,
            ],
            vec![time(&payload["updated_at"])?],
        ),
        _ => return None,
    };
    let event = Event {
        key: payload["id"].as_i64()?,
        at: time(&metadata["event_at"])?,
        modified_micros,
        event_id: text(&metadata["event_id"])?,
        tracked,
        carried,
    };
    Some((kind, event))
}

/// The score, read from its own digits: `serde_json` may be off by one in the last place.
fn score(document: &[u8]) -> Option<f64> {
    let (_, rest) = str::from_utf8(document).ok()?.split_once("\"score\":")?;
    let digits = rest.trim_start();
    let end = digits.find([',', '}', ' ', '\n']).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// Section 4, word by word.
fn versions(mut events: Vec<Event>) -> Vec<String> {
    // "For each key: order its events by (event_at, file modification time to the microsecond,
    // event_id)."
    events.sort_by_key(|event| {
        (
            event.key,
            event.at.clone(),
            event.modified_micros,
            event.event_id.clone(),
        )
    });
    // "Of events with equal event_at the last counts."
    let counting: Vec<Event> = events
        .iter()
        .enumerate()
        .filter(|(index, event)| {
            events
                .get(index + 1)
                .is_none_or(|next| (next.key, &next.at) != (event.key, &event.at))
        })
        .map(|(_, event)| event.clone())
        .collect();
    // "A version begins where a tracked attribute differs from the version before, and ends where
    // the next begins."
    let mut versions: Vec<(Event, Option<String>)> = Vec::new();
    for event in counting {
        match versions.last_mut() {
            Some((version, _)) if version.key == event.key && version.tracked == event.tracked => {
                version.carried = event.carried;
            }
            last => {
                if let Some((version, end)) = last
                    && version.key == event.key
                {
                    *end = Some(event.at.clone());
                }
                versions.push((event, None));
            }
        }
    }
    versions
        .into_iter()
        .map(|(version, end)| {
            let current = end.is_none().to_string();
            let mut row = vec![version.key.to_string()];
            row.extend(version.tracked);
            row.extend(version.carried);
            row.extend([
                version.at,
                end.unwrap_or_default(),
                current,
                version.event_id,
            ]);
            row.join("|")
        })
        .collect()
}
