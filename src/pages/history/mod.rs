//! What happened to one user or card: its versions, the events behind each, and what was rejected
//! about it.

mod owner;
mod reading;
mod rendering;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::entity::Kind;
use crate::pages::rejected::RejectionEntry;

pub use reading::read;

/// Everything known of one entity at one time.
#[derive(Debug, Serialize)]
pub struct History {
    /// Which entity it is.
    pub entity: Kind,
    /// Its natural key.
    pub id: i64,
    /// Its versions, in order.
    pub versions: Vec<VersionEntry>,
    /// Accepted events that no version covers, in their order: there are some only where the versions
    /// contradict the events.
    pub events_without_version: Vec<EventEntry>,
    /// Rejected files about it, in the order of their modification times.
    pub rejected: Vec<RejectionEntry>,
    /// When the history was read.
    #[serde(skip)]
    pub read_at: DateTime<Utc>,
}

/// A period in which no tracked attribute changed.
#[derive(Debug, Serialize)]
pub struct VersionEntry {
    /// Surrogate key.
    pub version_key: i64,
    /// Start of the effective period, inclusive.
    pub valid_from: DateTime<Utc>,
    /// Its end, exclusive; `None` for the latest version.
    pub valid_to: Option<DateTime<Utc>>,
    /// The event that opened it.
    pub event_id: Uuid,
    /// Every attribute; where one refers to a user, also the name that this user had at
    /// `valid_from`.
    pub state: Map<String, Value>,
    /// What is different from the version before; nothing for the first one.
    pub changes: Vec<Change>,
    /// The events within its period, in their order.
    pub events: Vec<EventEntry>,
}

/// A tracked attribute that a version changed.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Its name.
    pub field: &'static str,
    /// Its value before.
    pub old: Value,
    /// Its value from then on.
    pub new: Value,
}

/// An accepted event.
#[derive(Debug, Serialize)]
pub struct EventEntry {
    /// Its identity.
    pub event_id: Uuid,
    /// When the entity changed to this state.
    pub event_at: DateTime<Utc>,
    /// The file it came in.
    pub file_name: String,
    /// That file's modification time.
    pub file_modified_at: DateTime<Utc>,
    /// The run that loaded it.
    pub run_id: i64,
    /// When that run ended; `None` if its row is gone.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Whether it is late-arriving: an earlier run had loaded an event that comes after it.
    pub late: bool,
    /// What it did to the timeline.
    pub effect: Effect,
}

/// What an event did to the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It opened a version.
    Opened,
    /// It changed no tracked attribute.
    NoChange,
    /// A later file has an event with the same time, which counts instead.
    Overruled,
}
