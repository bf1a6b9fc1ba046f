//! What an entity is, and the macro that makes one of its definition.

use std::fmt;

use super::attribute::{Attribute, Reader, Value};

/// The state of an entity, as one event reports it.
///
/// Implemented by [`entity!`] and by nothing else.
pub trait Entity: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
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

/// Defines an entity: a struct with one field for each attribute, and its [`Entity`].
///
/// Each attribute is a line: its meaning as a doc comment, `tracked` or `carried`, its name and its
/// type. An `Option` makes it optional. The order is that of the columns.
macro_rules! entity {
    (
        $(#[doc = $entity_doc:literal])+
        $entity:ident: $name:literal from $source:literal {
            $(
                #[doc = $meaning:literal]
                $role:ident $attribute:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $entity_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $entity {
            $(
                #[doc = $meaning]
                pub $attribute: $type,
            )+
        }

        impl $crate::entity::definition::Entity for $entity {
            const NAME: &'static str = $name;
            const SOURCE: &'static str = $source;
            const ATTRIBUTES: &'static [$crate::entity::attribute::Attribute] = &[
                $(
                    $crate::entity::attribute::Attribute {
                        name: stringify!($attribute),
                        kind: <$type as $crate::entity::attribute::Scalar>::KIND,
                        optional: <$type as $crate::entity::attribute::Scalar>::OPTIONAL,
                        tracked: $crate::entity::definition::is_tracked!($role),
                        meaning: $meaning.trim_ascii(),
                    },
                )+
            ];

            fn read<R: $crate::entity::attribute::Reader>(reader: &mut R) -> Result<Self, R::Error> {
                Ok($entity {
                    $($attribute: $crate::entity::attribute::Scalar::read(reader, stringify!($attribute))?,)+
                })
            }

            fn value(&self, position: usize) -> $crate::entity::attribute::Value<'_> {
                let values: [fn(&Self) -> $crate::entity::attribute::Value<'_>; Self::ATTRIBUTES.len()] =
                    [$(|state| $crate::entity::attribute::Scalar::value(&state.$attribute)),+];
                values[position](self)
            }

            fn same_version(&self, other: &Self) -> bool {
                $((!$crate::entity::definition::is_tracked!($role) || self.$attribute == other.$attribute))&&+
            }
        }
    };
}

/// Whether an attribute of this role is tracked.
macro_rules! is_tracked {
    (tracked) => {
        true
    };
    (carried) => {
        false
    };
}

/// Lists the entities, each by its module: declares the modules, and defines `for_each_entity!`, which
/// calls a macro with this list. The `$` before the list is what a macro that defines a macro needs.
macro_rules! entities {
    ($dollar:tt $($module:ident::$entity:ident,)+) => {
        $(
            mod $module;
            pub use $module::$entity;
        )+

        /// Calls a macro with every entity.
        macro_rules! for_each_entity {
            ($dollar macro:ident) => {
                $dollar macro! { $($module::$entity),+ }
            };
        }
        pub(crate) use for_each_entity;
    };
}

pub(super) use {entities, entity, is_tracked};
