//! What a user and a card are: one file for each entity says its name, its source and its
//! attributes, and everything else in the program is derived from that.
//!
//! An entity is defined with `entity!` ([`definition`]); `for_each_entity!` lists them all ([`kind`]).
//! The tables follow by name: of an entity `card`, the events are in `landing.card_event`, the
//! versions in `warehouse.dim_card`, with the natural key `card_id` and the surrogate key `card_key`.

mod attribute;
mod card;
pub mod definition;
pub mod kind;
mod user;

pub use attribute::{Attribute, AttributeKind, Reader, Scalar, Value};
pub use card::Card;
pub use definition::Entity;
pub(crate) use kind::for_each_entity;
pub use kind::{Kind, Listed};
pub use user::User;
