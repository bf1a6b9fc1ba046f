//! What must hold of every document, whatever it is made of.
//!
//! [`check`] holds a document to it. The target `bytes` checks the fuzzer's bytes themselves, the
//! target `events` a [`document`] made of them. What is accepted goes to a [`warehouse`], if there is
//! one.

pub mod document;
mod warehouse;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};
use etl::entity::Value;
use etl::event::{Ahead, AnyEvent, Event, Recorded, Refusal};
use serde_json::value::RawValue;

/// Longest sentence about a rejection, in characters: a value is quoted up to its sixtieth
/// character, each of which an escape such as `\u{10ffff}` makes up to ten long.
const DETAIL_CHARS: usize = 800;

/// Beginnings of a document that are validated too.
const BEGINNINGS: usize = 8;

/// Documents between two lines about how many were accepted.
const REPORT_EVERY: u64 = 1 << 13;

/// Years that the times of an event can have.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// The byte order mark of UTF-8, which may stand before an event.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Does the same with an event of any entity.
macro_rules! with_event {
    ($any:expr, $event:ident => $result:expr) => {
        match $any {
            etl::event::AnyEvent::User($event) => $result,
            etl::event::AnyEvent::Card($event) => $result,
        }
    };
}
pub(crate) use with_event;

/// Validates a document without a limit on the time of its event.
fn accept(document: &[u8]) -> Result<AnyEvent, Refusal> {
    let ahead = Ahead {
        changed_at: DateTime::UNIX_EPOCH,
        max_ahead: Duration::MAX,
    };
    etl::event::accept(document, ahead)
}

/// An event without the mark that may stand before it.
fn text(document: &[u8]) -> &str {
    let text = std::str::from_utf8(document).expect("an event is UTF-8");
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Validates a document and panics if the outcome breaks a promise.
pub fn check(document: &[u8]) {
    let outcome = accept(document);
    assert_eq!(
        format!("{outcome:?}"),
        format!("{:?}", accept(document)),
        "the same bytes, another outcome"
    );
    match &outcome {
        Ok(event) => {
            with_event!(event, event => check_event(document, event));
            warehouse::offer(document);
        }
        Err(Refusal::Unfinished { size }) => assert_eq!(*size, document.len()),
        Err(Refusal::Rejected(rejection)) => check_sentence(&rejection.to_string()),
    }
    for end in beginnings(document) {
        match accept(&document[..end]) {
            Err(Refusal::Unfinished { .. }) => {}
            Err(Refusal::Rejected(rejection)) => assert!(
                matches!(outcome, Err(Refusal::Rejected(_))) || is_half_a_number(document),
                "{end} bytes are rejected ({rejection}), and yet with more: {outcome:?}"
            ),
            Ok(_) => {
                let rest = &document[end..];
                assert_eq!(
                    outcome.is_ok(),
                    rest.iter().all(|byte| b" \t\n\r".contains(byte)),
                    "{end} bytes are an event: {outcome:?}"
                );
            }
        }
    }
    count(outcome.is_ok());
}

/// Whether a document is a bare number that has not ended, such as `7.`: only once it has is it
/// rejected as `7` is at once, since a number is no event.
fn is_half_a_number(document: &[u8]) -> bool {
    let text = document.trim_ascii_start();
    let is_of_a_number = |byte: &u8| b"+-.eE0123456789".contains(byte);
    text.iter().all(is_of_a_number) && matches!(accept(text), Err(Refusal::Unfinished { .. }))
}

/// Where to cut a document: its last bytes, and places that its length decides.
fn beginnings(document: &[u8]) -> impl Iterator<Item = usize> {
    let length = document.len();
    let step = length / BEGINNINGS + 1;
    let spread = (length % step..length).step_by(step);
    let last = length.saturating_sub(BEGINNINGS)..length;
    spread.chain(last)
}

fn check_event<E: Recorded>(document: &[u8], event: &Event<E>) {
    check_time(event.event_at);
    let mut known = vec!["id"];
    for (position, attribute) in E::ATTRIBUTES.iter().enumerate() {
        known.push(attribute.name);
        match event.state.value(position) {
            Value::Time(Some(time)) => check_time(time),
            Value::Text(Some(text)) => assert!(!text.contains('\0')),
            Value::Number(Some(number)) => assert!(number.is_finite()),
            _ => {}
        }
    }
    let extra = &event.extra;
    assert_eq!(
        unknown(text(document), &known),
        unknown(extra.as_deref().map_or("{}", RawValue::get), &[]),
        "{extra:?} is not what is unknown"
    );
}

fn check_time(time: DateTime<Utc>) {
    assert!(YEARS.contains(&time.year()), "{time}");
    assert_eq!(time.nanosecond() % 1_000, 0, "{time}");
}

fn check_sentence(detail: &str) {
    assert!(!detail.is_empty());
    assert!(detail.chars().count() <= DETAIL_CHARS, "{detail}");
    assert!(!detail.contains(char::is_control), "{detail:?}");
}

/// The members of an object, each value as it is spelled.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The fields of an event that the loader does not know, by their path, each as it is spelled.
fn unknown<'a>(text: &'a str, known: &[&str]) -> BTreeMap<(&'static str, String), &'a str> {
    let members = |text: &'a str| -> Members<'a> {
        serde_json::from_str(text).expect("an event is an object of objects")
    };
    let mut document = members(text);
    let mut found = BTreeMap::new();
    for (part, known) in [
        ("metadata", ["type", "event_at", "event_id"].as_slice()),
        ("payload", known),
    ] {
        let fields = document.remove(part).map(|part| members(part.get()));
        for (name, value) in fields.into_iter().flatten() {
            if !known.contains(&name.as_str()) {
                found.insert((part, name), value.get());
            }
        }
    }
    found.extend(
        document
            .into_iter()
            .map(|(name, value)| (("", name), value.get())),
    );
    found
}

/// Prints now and then how many of the documents are events: the fewer, the less is tried of what the
/// database takes.
fn count(accepted: bool) {
    static VALIDATED: AtomicU64 = AtomicU64::new(0);
    static ACCEPTED: AtomicU64 = AtomicU64::new(0);
    let accepted = ACCEPTED.fetch_add(accepted.into(), Ordering::Relaxed) + u64::from(accepted);
    let validated = VALIDATED.fetch_add(1, Ordering::Relaxed) + 1;
    if validated.is_multiple_of(REPORT_EVERY) {
        eprintln!(
            "accepted {accepted} of {validated} documents, {} of them taken by the database",
            warehouse::taken()
        );
    }
}
