//! Which entities there are.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::attribute::Attribute;
use super::definition::Entity;

/// An entity that is in the list.
pub trait Listed: Entity {
    /// Which one it is.
    const KIND: Kind;
}

macro_rules! define_kinds {
    ($($module:ident::$entity:ident),+) => {
        /// Which entity something is about. Their order is the one in which a run takes them up.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("[`", stringify!($entity), "`](super::", stringify!($entity), ")")]
                $entity,
            )+
        }

        $(
            impl Listed for super::$module::$entity {
                const KIND: Kind = Kind::$entity;
            }
        )+

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$entity),+];

            /// Its name, as in `metadata.type` and in the names of its tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$entity => <super::$module::$entity as Entity>::NAME,)+
                }
            }

            /// The source that writes its events.
            pub(crate) fn source_name(self) -> &'static str {
                match self {
                    $(Kind::$entity => <super::$module::$entity as Entity>::SOURCE,)+
                }
            }

            /// Its attributes, in the order of their columns.
            pub fn attributes(self) -> &'static [Attribute] {
                match self {
                    $(Kind::$entity => <super::$module::$entity as Entity>::ATTRIBUTES,)+
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
