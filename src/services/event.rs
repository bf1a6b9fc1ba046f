//! What every event says about itself, whatever it is about.

use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

/// A time as events write it: UTC in whole seconds, without a zone.
#[derive(Clone, Copy)]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%d %H:%M:%S"))
    }
}

/// The `metadata` of an event. The order of the fields is that of the keys in the file.
#[derive(Serialize)]
pub struct Metadata {
    #[serde(rename = "type")]
    entity: &'static str,
    pub event_at: Timestamp,
    #[serde(serialize_with = "as_text")]
    pub event_id: Uuid,
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Metadata {
    /// An event about a `user` or a `card`, with a random id.
    pub fn new(entity: &'static str, event_at: DateTime<Utc>, choices: &mut StdRng) -> Self {
        Self {
            entity,
            event_at: Timestamp(event_at),
            event_id: Builder::from_random_bytes(choices.random()).into_uuid(),
        }
    }
}
