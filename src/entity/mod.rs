//! What a user and a card are: one file for each entity says its name, its source and its
//! attributes, and everything else in the program is derived from that.
//!
//! An entity is defined with [`entity!`]; [`for_each_entity!`] lists them all. The tables follow by
//! name: of an entity `card`, the events are in `landing.card_event`, the versions in
//! `warehouse.dim_card`, with the natural key `card_id` and the surrogate key `card_key`.

mod attribute;
mod card;
mod definition;
mod user;

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

pub use attribute::{Attribute, AttributeKind, Reader, Scalar, Value};
pub use card::Card;
pub use user::User;

/// The state of an entity, as one event reports it.
///
/// Implemented by [`entity!`](definition::entity) and by nothing else.
pub trait Entity: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Which entity it is.
    const KIND: Kind;
    /// Its name, as in `metadata.type` and in the names of its tables.
    const NAME: &'static str;
    /// The source that writes its events: a folder of the inbox.
    const SOURCE: &'static str;
    /// Its attributes, in the order of their columns.
    const ATTRIBUTES: &'static [Attribute];

    /// Reads the attributes by name.
    ///
    /// # Errors
    ///
    /// What the reader fails with.
    fn read<R: Reader>(reader: &mut R) -> Result<Self, R::Error>;

    /// The value of an attribute, by its position in [`Entity::ATTRIBUTES`].
    fn value(&self, position: usize) -> Value<'_>;

    /// Whether all tracked attributes are equal: a difference opens a version.
    fn same_version(&self, other: &Self) -> bool;
}

/// Calls a macro with every entity. This list is the only one.
macro_rules! for_each_entity {
    ($macro:ident) => {
        $macro! { User, Card }
    };
}
pub(crate) use for_each_entity;

macro_rules! define_kinds {
    ($($entity:ident),+) => {
        /// Which entity something is about. Their order is the one in which a run takes them up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("[`", stringify!($entity), "`]")]
                $entity,
            )+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$entity),+];

            /// Its name, as in `metadata.type` and in the names of its tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$entity => <$entity as Entity>::NAME,)+
                }
            }

            /// The source that writes its events.
            pub(crate) fn source_name(self) -> &'static str {
                match self {
                    $(Kind::$entity => <$entity as Entity>::SOURCE,)+
                }
            }

            /// Its attributes, in the order of their columns.
            pub fn attributes(self) -> &'static [Attribute] {
                match self {
                    $(Kind::$entity => <$entity as Entity>::ATTRIBUTES,)+
                }
            }
        }
    };
}
for_each_entity!(define_kinds);

impl Kind {
    /// The entity with this name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The attributes of which a change opens a version.
    pub fn tracked(self) -> impl Iterator<Item = &'static Attribute> {
        self.attributes()
            .iter()
            .filter(|attribute| attribute.tracked)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Kind] {
        Kind::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = self.name();
        Some(PossibleValue::new(name).help(format!("A {name}, by {name}_id")))
    }
}
