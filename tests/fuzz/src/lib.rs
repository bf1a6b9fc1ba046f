//! What must hold of every document, whatever it is made of.
//!
//! [`judge`] holds a document against it. The target `bytes` judges the fuzzer's bytes themselves,
//! the target `events` a [`document`] made of them. What is accepted goes to a [`warehouse`], if
//! there is one.

pub mod document;
mod warehouse;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Datelike, Timelike, Utc};
use etl::event::{AcceptedEvent, Refusal, accept};
use serde_json::value::RawValue;

/// Longest sentence about a rejection, in characters: a value is quoted up to its sixtieth
/// character, each of which an escape such as `\u{10ffff}` makes up to ten long.
const DETAIL_CHARS: usize = 800;

/// Beginnings of a document that are judged too.
const BEGINNINGS: usize = 8;

/// Documents between two lines about how many were accepted.
const REPORT_EVERY: u64 = 1 << 13;

/// Years that a `timestamptz` holds for certain (PostgreSQL's documentation, "Date/Time Types").
const YEARS: std::ops::RangeInclusive<i32> = -4711..=294_275;

/// Judges a document and panics if the judgement breaks a promise.
pub fn judge(document: &[u8]) {
    let verdict = accept(document);
    assert_eq!(
        format!("{verdict:?}"),
        format!("{:?}", accept(document)),
        "the same bytes, another verdict"
    );
    match &verdict {
        Ok(event) => {
            check_event(document, event);
            warehouse::offer(document);
        }
        Err(Refusal::Unfinished { size }) => assert_eq!(*size, document.len()),
        Err(Refusal::Rejected(rejection)) => check_sentence(&rejection.to_string()),
    }
    for end in beginnings(document) {
        match accept(&document[..end]) {
            Err(Refusal::Unfinished { .. }) => {}
            Err(Refusal::Rejected(rejection)) => assert!(
                matches!(verdict, Err(Refusal::Rejected(_))) || is_half_a_number(document),
                "{end} bytes are beyond hope ({rejection}), and yet with more: {verdict:?}"
            ),
            Ok(_) => {
                let rest = &document[end..];
                assert_eq!(
                    verdict.is_ok(),
                    rest.iter().all(|byte| b" \t\n\r".contains(byte)),
                    "{end} bytes are an event: {verdict:?}"
                );
            }
        }
    }
    count(verdict.is_ok());
}

/// Whether a document is a bare number that has not ended, such as `7.`: it has to, before anyone
/// says of it what `7` is told at once, that a number is no event.
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

fn check_event(document: &[u8], event: &AcceptedEvent) {
    let (times, texts, extra) = match event {
        AcceptedEvent::User(event) => {
            let state = &event.state;
            assert!(state.score.is_finite());
            (
                vec![event.event_at],
                vec![&state.name, &state.address, &state.job],
                &event.extra,
            )
        }
        AcceptedEvent::Card(event) => {
            let state = &event.state;
            (
                vec![event.event_at, state.created_at, state.updated_at],
                vec![&state.created_by_name],
                &event.extra,
            )
        }
    };
    times.iter().for_each(check_time);
    assert!(texts.iter().all(|text| !text.contains('\0')));
    let known: &[&str] = match event {
        AcceptedEvent::User(_) => &["id", "name", "address", "job", "score"],
        AcceptedEvent::Card(_) => &[
            "id",
            "user_id",
            "created_by_name",
            "active",
            "created_at",
            "updated_at",
        ],
    };
    let text = std::str::from_utf8(document).expect("an event is UTF-8");
    assert_eq!(
        unknown(text, known),
        unknown(extra.as_deref().map_or("{}", RawValue::get), &[]),
        "{extra:?} is not what is unknown"
    );
}

fn check_time(time: &DateTime<Utc>) {
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

/// Tells now and then how many of the documents are events: the fewer, the less is tried of what
/// the database takes.
fn count(accepted: bool) {
    static JUDGED: AtomicU64 = AtomicU64::new(0);
    static ACCEPTED: AtomicU64 = AtomicU64::new(0);
    let accepted = ACCEPTED.fetch_add(accepted.into(), Ordering::Relaxed) + u64::from(accepted);
    let judged = JUDGED.fetch_add(1, Ordering::Relaxed) + 1;
    if judged.is_multiple_of(REPORT_EVERY) {
        eprintln!(
            "accepted {accepted} of {judged} documents, {} of them taken by the database",
            warehouse::taken()
        );
    }
}
