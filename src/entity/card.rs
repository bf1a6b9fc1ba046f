//! What a card is.

use chrono::{DateTime, Utc};

use super::definition::entity;

entity! {
    /// A card.
    Card: "card" from "cards" {
        /// The user who owns the card; that user may arrive later or never.
        tracked user_id: i64,
        /// Name of the person who created the card.
        tracked created_by_name: String,
        /// Whether the card is active.
        tracked active: bool,
        /// When the card was created.
        tracked created_at: DateTime<Utc>,
        /// When the card was last written, as the service reports it.
        carried updated_at: DateTime<Utc>,
    }
}
