//! Timelines: the versions that the events of one key make, and how they change when events are
//! added.
//!
//! The rule (section 4 of the contract): of the events with equal `event_at` the last one is
//! effective. Walking the effective events in order, a version begins where a tracked attribute
//! differs from the version before, and ends where the next version begins. Its state is that of its
//! latest effective event.
//!
//! For example, a card whose `active` is tracked and whose `updated_at` is carried:
//!
//! | event | `event_at` | `active` | `updated_at` | |
//! |---|---|---|---|---|
//! | a | 10:00 | true | 10:00 | opens the first version |
//! | b | 10:05 | true | 10:05 | changes nothing that is tracked |
//! | c | 10:09 | false | 10:09 | overruled by d, which has the same time |
//! | d | 10:09 | true | 10:09 | changes nothing that is tracked |
//! | e | 10:20 | false | 10:20 | opens the second version |
//!
//! The versions are `[10:00, 10:20) true, updated_at 10:09` and `[10:20, ) false, updated_at 10:20`.
//! A late-arriving event `f` at 10:07 with `active = false` changes the events at 10:07 and at the
//! next time, 10:09: two versions more begin there. Nothing before 10:00 or after 10:20 is needed.
//!
//! Whether a version begins at an event depends on that event and the one before it alone. So adding
//! events can change where versions begin at those events and at the ones right after them, and
//! nowhere else: [`revise`] needs the touched events, their neighbours, and the versions between
//! those. The cost of a late-arriving event does not depend on the length of the history. Nothing
//! here knows of the database.

mod rebuild;

use std::iter::Peekable;

use chrono::{DateTime, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::entity::Entity;
pub use rebuild::{FoundVersion, rebuild};

/// A version: a period in which the tracked attributes of one key stayed the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<E> {
    /// Start of the effective period, inclusive.
    pub valid_from: DateTime<Utc>,
    /// End of the effective period, exclusive; `None` while current.
    pub valid_to: Option<DateTime<Utc>>,
    /// The state of the version's latest event.
    pub state: E,
    /// The event that opened the version.
    pub event_id: Uuid,
}

/// A version in the dimension table.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVersion<E> {
    /// Its surrogate key.
    pub key: i64,
    /// What is stored.
    pub version: Version<E>,
}

/// The effective event of a time: the last of those with equal `event_at`.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveEvent<E> {
    /// Its `event_at`.
    pub at: DateTime<Utc>,
    /// Its identity.
    pub event_id: Uuid,
    /// The state it reports.
    pub state: E,
    /// Whether an event was added or moved at this time; a neighbour is not touched.
    pub touched: bool,
}

/// What has to be done to the stored versions of one key, in the order of the fields. In this order
/// no two versions of the key ever have the same start or the same end.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision<E> {
    /// Surrogate keys of versions to delete.
    pub removed: Vec<i64>,
    /// Versions that keep their surrogate key and get other content.
    pub changed: Vec<StoredVersion<E>>,
    /// New versions.
    pub opened: Vec<Version<E>>,
    /// How many versions got an end: new or current before, and ended now.
    pub closed: i64,
    /// How many stored versions were removed, or got more than an end and the state of a later event.
    pub rewritten: i64,
}

/// How the stored versions of a key contradict its events.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// A version begins where there is no event.
    #[error(
        "the version from {valid_from} is opened by the event {event_id}, which is not among the events in landing"
    )]
    NoEvent {
        /// Start of the version.
        valid_from: DateTime<Utc>,
        /// The event that is said to have opened it.
        event_id: Uuid,
    },
    /// An event is in no version, or in one with another state.
    #[error("the event {event_id} of {at} is in landing, and no version agrees with it")]
    NoVersion {
        /// Time of the event.
        at: DateTime<Utc>,
        /// The event.
        event_id: Uuid,
    },
    /// The current version has another state than the latest event.
    #[error(
        "the current version, from {valid_from}, does not agree with the latest event in landing"
    )]
    Current {
        /// Start of the version.
        valid_from: DateTime<Utc>,
    },
    /// There are events and no version at all.
    #[error("landing has events of it, and the dimension has no current version")]
    NoCurrentVersion,
}

impl<E: Entity> Revision<E> {
    fn none() -> Revision<E> {
        Revision {
            removed: Vec::new(),
            changed: Vec::new(),
            opened: Vec::new(),
            closed: 0,
            rewritten: 0,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.changed.is_empty() && self.opened.is_empty()
    }

    /// Replaces a chain of versions by others over the same period or a longer one.
    ///
    /// A version keeps the surrogate key of the first stored one that begins within it.
    fn replace(&mut self, chain: Vec<StoredVersion<E>>, versions: Vec<Version<E>>) {
        let mut chain = chain.into_iter().peekable();
        for version in versions {
            let begins_within = |stored: &StoredVersion<E>| {
                version
                    .valid_to
                    .is_none_or(|end| stored.version.valid_from < end)
            };
            let first = chain.next_if(begins_within);
            while let Some(merged) = chain.next_if(begins_within) {
                self.remove(merged.key);
            }
            self.keep(first, version);
        }
        for left in chain {
            self.remove(left.key);
        }
    }

    fn remove(&mut self, key: i64) {
        self.removed.push(key);
        self.rewritten += 1;
    }

    /// Keeps a stored version with other content, or opens a new one.
    fn keep(&mut self, stored: Option<StoredVersion<E>>, version: Version<E>) {
        let ended = version.valid_to.is_some();
        match stored {
            None => {
                self.closed += i64::from(ended);
                self.opened.push(version);
            }
            Some(StoredVersion {
                key,
                version: before,
            }) if before != version => {
                let gets_its_end = ended && before.valid_to.is_none();
                let only_goes_on = before.valid_from == version.valid_from
                    && before.event_id == version.event_id
                    && before.state.same_version(&version.state)
                    && (gets_its_end || before.valid_to == version.valid_to);
                self.closed += i64::from(gets_its_end);
                self.rewritten += i64::from(!only_goes_on);
                self.changed.push(StoredVersion { key, version });
            }
            Some(_) => {}
        }
    }
}

/// Adds events that are all later than every loaded event of the key.
///
/// `current` is its current version, if it has one, and agrees with its latest loaded event.
pub fn append<E: Entity>(
    current: Option<StoredVersion<E>>,
    events: Vec<EffectiveEvent<E>>,
) -> Revision<E> {
    let mut revision = Revision::none();
    let chain: Vec<StoredVersion<E>> = current.into_iter().collect();
    let versions = fold(&chain, events);
    revision.replace(chain, versions);
    revision
}

/// Works out how the versions of one key change when events are added anywhere.
///
/// `events` are in order and contain every touched event of the key together with the ones right
/// before and right after it. `stored` are in order and contain every version that overlaps the
/// range from the event before a touched one to the event after it.
///
/// # Errors
///
/// [`Contradiction`] when the stored versions are not those of the events: a new event must not make
/// history of what landing does not confirm.
pub fn revise<E: Entity>(
    stored: Vec<StoredVersion<E>>,
    events: Vec<EffectiveEvent<E>>,
) -> Result<Revision<E>, Contradiction> {
    check(&stored, &events)?;
    let mut revision = Revision::none();
    let mut events = events.into_iter().peekable();
    let mut stored = stored.into_iter().peekable();
    loop {
        let chain = next_chain(&mut stored);
        let ends = chain.last().and_then(|last| last.version.valid_to);
        let mut within = Vec::new();
        while let Some(event) = events.next_if(|event| ends.is_none_or(|ends| event.at < ends)) {
            within.push(event);
        }
        let versions = fold(&chain, within);
        revision.replace(chain, versions);
        if stored.peek().is_none() && events.peek().is_none() {
            return Ok(revision);
        }
    }
}

/// Adds the next effective event of a key to the versions that the ones before it make.
pub fn extend<E: Entity>(versions: &mut Vec<Version<E>>, event: EffectiveEvent<E>) {
    push(versions, event.at, event.event_id, event.state);
}

/// Checks that versions and events do not contradict each other where both are known.
fn check<E: Entity>(
    stored: &[StoredVersion<E>],
    events: &[EffectiveEvent<E>],
) -> Result<(), Contradiction> {
    for StoredVersion { version, .. } in stored {
        let Err(next) = events.binary_search_by_key(&version.valid_from, |event| event.at) else {
            continue;
        };
        // The events are gapless around a touched one: between it and its neighbours there is none.
        let is_known = |event: Option<&EffectiveEvent<E>>| event.is_some_and(|event| event.touched);
        let before = next.checked_sub(1).and_then(|before| events.get(before));
        if is_known(before) || is_known(events.get(next)) {
            return Err(Contradiction::NoEvent {
                valid_from: version.valid_from,
                event_id: version.event_id,
            });
        }
    }
    for event in events.iter().filter(|event| !event.touched) {
        let started = stored.partition_point(|stored| stored.version.valid_from <= event.at);
        let agrees = started.checked_sub(1).is_some_and(|index| {
            let version = &stored[index].version;
            version.valid_to.is_none_or(|end| event.at < end)
                && version.state.same_version(&event.state)
                && (version.valid_from != event.at || version.event_id == event.event_id)
        });
        if !agrees {
            return Err(Contradiction::NoVersion {
                at: event.at,
                event_id: event.event_id,
            });
        }
    }
    Ok(())
}

/// Takes the next versions that follow each other without a gap.
fn next_chain<E>(
    stored: &mut Peekable<impl Iterator<Item = StoredVersion<E>>>,
) -> Vec<StoredVersion<E>> {
    let mut chain: Vec<StoredVersion<E>> = Vec::new();
    while let Some(next) = stored.next_if(|next| {
        chain
            .last()
            .is_none_or(|last| last.version.valid_to == Some(next.version.valid_from))
    }) {
        chain.push(next);
    }
    chain
}

/// The versions over the period of a chain, given the effective events in it.
///
/// Events that are not given are inside a version of the chain and away from any touched event, so
/// nothing begins or ends there: a stored version's own start and state stand for them.
fn fold<E: Entity>(chain: &[StoredVersion<E>], events: Vec<EffectiveEvent<E>>) -> Vec<Version<E>> {
    let mut openings = chain.iter().map(|stored| &stored.version).peekable();
    let mut events = events.into_iter().peekable();
    let mut versions: Vec<Version<E>> = Vec::new();
    // The stored version that the walk is in.
    let mut inside: Option<&Version<E>> = None;
    loop {
        let opening = match (openings.peek(), events.peek()) {
            (Some(opening), Some(event)) => opening.valid_from <= event.at,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        if opening {
            // What the version carries on to its end is its latest event's, unless a touched event
            // comes after that one.
            inside = openings.next();
            let Some(opening) = inside else { break };
            let is_given = events
                .peek()
                .is_some_and(|event| event.at == opening.valid_from);
            if !is_given {
                push(
                    &mut versions,
                    opening.valid_from,
                    opening.event_id,
                    opening.state.clone(),
                );
            }
        } else if let Some(event) = events.next() {
            // An untouched event that is the last one given in its version is not the last one
            // there is: the version knows that one's state.
            let is_last = events.peek().is_none_or(|next| {
                inside.is_some_and(|version| version.valid_to.is_some_and(|end| next.at >= end))
            });
            let state = match inside {
                Some(version) if is_last && !event.touched => version.state.clone(),
                _ => event.state,
            };
            push(&mut versions, event.at, event.event_id, state);
        }
    }
    if let Some(last) = versions.last_mut() {
        last.valid_to = chain.last().and_then(|last| last.version.valid_to);
    }
    versions
}

/// Adds a state: it goes on with the last version, or ends it and opens the next.
fn push<E: Entity>(versions: &mut Vec<Version<E>>, at: DateTime<Utc>, event_id: Uuid, state: E) {
    match versions.last_mut() {
        Some(last) if last.state.same_version(&state) => last.state = state,
        last => {
            if let Some(last) = last {
                last.valid_to = Some(at);
            }
            versions.push(Version {
                valid_from: at,
                valid_to: None,
                state,
                event_id,
            });
        }
    }
}

#[cfg(test)]
mod tests;
