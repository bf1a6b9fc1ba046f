//! The state of a card.

use chrono::{DateTime, Utc};

use super::document::Fields;
use super::rejection::Rejection;

/// A card as one event tells it; every field but `updated_at` is tracked.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The user who owns the card, who may come later or never.
    pub user_id: i64,
    /// Name of the person who made the card.
    pub created_by_name: String,
    /// Whether the card is active.
    pub active: bool,
    /// When the card was made, UTC.
    pub created_at: DateTime<Utc>,
    /// When the card was last written, UTC; carried along, not tracked.
    pub updated_at: DateTime<Utc>,
}

impl Card {
    pub(super) fn read(payload: &mut Fields<'_>) -> Result<Card, Rejection> {
        Ok(Card {
            user_id: payload.integer("user_id")?,
            created_by_name: payload.string("created_by_name")?.into_owned(),
            active: payload.boolean("active")?,
            created_at: payload.time("created_at")?,
            updated_at: payload.time("updated_at")?,
        })
    }
}
