//! Tests of the timelines: tables of small cases, and a property against the plainest model there is.

mod contradictions;
mod property;
mod rebuild;
mod revisions;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{EffectiveEvent, Revision, StoredVersion, Version};
use crate::entity::{Attribute, AttributeKind, Entity, Reader, Scalar, Value};

/// The smallest entity: one attribute of each role.
#[derive(Clone, Debug, PartialEq)]
struct Lamp {
    /// Tracked.
    level: i64,
    /// Carried.
    seen: i64,
}

impl Entity for Lamp {
    const NAME: &'static str = "lamp";
    const SOURCE: &'static str = "lamps";
    const ATTRIBUTES: &'static [Attribute] = &[attribute("level", true), attribute("seen", false)];

    fn read<R: Reader>(reader: &mut R) -> Result<Lamp, R::Error> {
        Ok(Lamp {
            level: reader.integer("level")?,
            seen: reader.integer("seen")?,
        })
    }

    fn value(&self, position: usize) -> Value<'_> {
        [&self.level, &self.seen][position].value()
    }

    fn same_version(&self, other: &Lamp) -> bool {
        self.level == other.level
    }
}

const fn attribute(name: &'static str, tracked: bool) -> Attribute {
    Attribute {
        name,
        kind: AttributeKind::Integer,
        optional: false,
        tracked,
        meaning: "",
    }
}

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).expect("a small number")
}

fn id(number: i64) -> Uuid {
    Uuid::from_u128(number as u128)
}

/// An effective event at a minute, with that minute as its number and as the carried attribute.
fn event(minute: i64, level: i64, touched: bool) -> EffectiveEvent<Lamp> {
    EffectiveEvent {
        at: at(minute),
        event_id: id(minute),
        state: Lamp {
            level,
            seen: minute,
        },
        touched,
    }
}

/// A new event.
fn new(minute: i64, level: i64) -> EffectiveEvent<Lamp> {
    event(minute, level, true)
}

/// A loaded event next to a new one.
fn neighbour(minute: i64, level: i64) -> EffectiveEvent<Lamp> {
    event(minute, level, false)
}

/// A version, opened by the event of its first minute.
fn version(from: i64, to: Option<i64>, level: i64, seen: i64) -> Version<Lamp> {
    Version {
        valid_from: at(from),
        valid_to: to.map(at),
        state: Lamp { level, seen },
        event_id: id(from),
    }
}

fn stored(key: i64, version: Version<Lamp>) -> StoredVersion<Lamp> {
    StoredVersion { key, version }
}

/// What a case expects of a revision.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    removed: Vec<i64>,
    changed: Vec<StoredVersion<Lamp>>,
    opened: Vec<Version<Lamp>>,
    closed: i64,
    rewritten: i64,
}

impl Expected {
    fn of(revision: Revision<Lamp>) -> Expected {
        Expected {
            removed: revision.removed,
            changed: revision.changed,
            opened: revision.opened,
            closed: revision.closed,
            rewritten: revision.rewritten,
        }
    }
}

/// The example of the module's documentation, before the late-arriving event.
fn example() -> Vec<StoredVersion<Lamp>> {
    vec![
        stored(1, version(0, Some(20), 1, 9)),
        stored(2, version(20, None, 0, 20)),
    ]
}
