//! The kinds of entities in the warehouse, and the colours in which the page shows them.

use super::hue::Hue;

/// A kind of entity. Its name is part of the names of its tables: `landing.user_event`,
/// `warehouse.dim_user`, and of its key: `user_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in the database.
    pub name: &'static str,
    /// What one of them is called.
    pub singular: &'static str,
    /// What several of them are called.
    pub plural: &'static str,
    /// Its colour in all charts.
    pub hue: Hue,
}

/// The kinds that the page shows, in this order.
pub const KINDS: [Kind; 2] = [
    Kind {
        name: "user",
        singular: "User",
        plural: "Users",
        hue: Hue {
            class: "users",
            light: "#2a8a6e",
            dark: "#5bc3a2",
        },
    },
    CARD,
];

/// Cards; only they have charts of their own, about active cards.
pub const CARD: Kind = Kind {
    name: "card",
    singular: "Card",
    plural: "Cards",
    hue: Hue {
        class: "cards",
        light: "#2f6fb3",
        dark: "#6aa7e8",
    },
};

/// One statement for all kinds: the union of a statement in which `{kind}` is the name of a kind.
pub fn of_every_kind(statement: &str) -> String {
    KINDS
        .map(|kind| format!("(\n{}\n)", statement.replace("{kind}", kind.name)))
        .join("\nunion all\n")
}

/// A statement in which `{events}` is the query of the events of all kinds.
pub fn with_events(statement: &str) -> String {
    let events = of_every_kind(include_str!("../../sql/report/events.sql"));
    statement.replace("{events}", &events)
}
