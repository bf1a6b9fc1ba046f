//! The macro that makes an entity of its definition.

/// Defines an entity: a struct with one field for each attribute, and its [`Entity`](super::Entity).
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

        impl $crate::entity::Entity for $entity {
            const KIND: $crate::entity::Kind = $crate::entity::Kind::$entity;
            const NAME: &'static str = $name;
            const SOURCE: &'static str = $source;
            const ATTRIBUTES: &'static [$crate::entity::Attribute] = &[
                $(
                    $crate::entity::Attribute {
                        name: stringify!($attribute),
                        kind: <$type as $crate::entity::Scalar>::KIND,
                        optional: <$type as $crate::entity::Scalar>::OPTIONAL,
                        tracked: $crate::entity::definition::is_tracked!($role),
                        meaning: $meaning.trim_ascii(),
                    },
                )+
            ];

            fn read<R: $crate::entity::Reader>(reader: &mut R) -> Result<Self, R::Error> {
                Ok($entity {
                    $($attribute: $crate::entity::Scalar::read(reader, stringify!($attribute))?,)+
                })
            }

            fn value(&self, position: usize) -> $crate::entity::Value<'_> {
                let values: [fn(&Self) -> $crate::entity::Value<'_>; Self::ATTRIBUTES.len()] =
                    [$(|state| $crate::entity::Scalar::value(&state.$attribute)),+];
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

pub(super) use {entity, is_tracked};
