//! What a user and a card are: one file for each entity says its name, its source and its
//! attributes, and everything else in the program is derived from that.
//!
//! An entity is defined with `entity!` ([`definition`]) and listed below. The tables follow by name: of
//! an entity `card`, the events are in `landing.card_event`, the versions in `warehouse.dim_card`, with
//! the natural key `card_id` and the surrogate key `card_key`.

mod attribute;
pub mod definition;

// In the order in which a run takes them up.
definition::entities! { $
    user::User,
    card::Card,
}

mod kind;

pub use attribute::{Attribute, AttributeKind, Reader, Scalar, Value};
pub use definition::Entity;
pub use kind::{Kind, Listed};
