//! Attributes: their types, and how their values come in and go out.

use chrono::{DateTime, Utc};

/// An attribute of an entity.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name, as in the payload and as the column's.
    pub name: &'static str,
    /// Its type.
    pub kind: AttributeKind,
    /// Whether an event without it is accepted; missing and null are the same then.
    pub optional: bool,
    /// Whether a change of it opens a version; else it is carried: a version has the value of its
    /// latest event.
    pub tracked: bool,
    /// What it means, in one line.
    pub meaning: &'static str,
}

/// The types that an attribute can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// A JSON integer that fits a `bigint`.
    Integer,
    /// A finite JSON number, a `double precision`.
    Number,
    /// A JSON boolean.
    Boolean,
    /// A JSON string without NUL, a `text`.
    Text,
    /// A time, a `timestamptz` in UTC, whole microseconds.
    Time,
}

/// The value of an attribute; `None` is null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Of [`AttributeKind::Integer`].
    Integer(Option<i64>),
    /// Of [`AttributeKind::Number`].
    Number(Option<f64>),
    /// Of [`AttributeKind::Boolean`].
    Boolean(Option<bool>),
    /// Of [`AttributeKind::Text`].
    Text(Option<&'a str>),
    /// Of [`AttributeKind::Time`].
    Time(Option<DateTime<Utc>>),
}

/// Where the attributes of an entity are read from by name: the payload of an event, or a row of the
/// database.
pub trait Reader {
    /// Why a value cannot be read.
    type Error;

    /// Whether the attribute has a value: it is neither missing nor null.
    fn has(&mut self, name: &'static str) -> bool;
    /// Reads a value of [`AttributeKind::Integer`].
    ///
    /// # Errors
    ///
    /// When it is missing or something else.
    fn integer(&mut self, name: &'static str) -> Result<i64, Self::Error>;
    /// Reads a value of [`AttributeKind::Number`].
    ///
    /// # Errors
    ///
    /// When it is missing or something else.
    fn number(&mut self, name: &'static str) -> Result<f64, Self::Error>;
    /// Reads a value of [`AttributeKind::Boolean`].
    ///
    /// # Errors
    ///
    /// When it is missing or something else.
    fn boolean(&mut self, name: &'static str) -> Result<bool, Self::Error>;
    /// Reads a value of [`AttributeKind::Text`].
    ///
    /// # Errors
    ///
    /// When it is missing or something else.
    fn text(&mut self, name: &'static str) -> Result<String, Self::Error>;
    /// Reads a value of [`AttributeKind::Time`].
    ///
    /// # Errors
    ///
    /// When it is missing or something else.
    fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>, Self::Error>;
}

/// A Rust type that an attribute can have. `Option` makes the attribute optional.
pub trait Scalar: Sized {
    /// The attribute's type.
    const KIND: AttributeKind;
    /// Whether the attribute is optional.
    const OPTIONAL: bool = false;

    /// Reads the value of an attribute.
    ///
    /// # Errors
    ///
    /// What the reader fails with.
    fn read<R: Reader>(reader: &mut R, name: &'static str) -> Result<Self, R::Error>;

    /// The value.
    fn value(&self) -> Value<'_>;

    /// Null in the place of the value.
    fn null<'a>() -> Value<'a>;
}

/// Implements [`Scalar`] for the Rust type of one kind of attribute.
macro_rules! scalar {
    ($type:ty, $kind:ident, $read:ident, $self:ident => $value:expr) => {
        impl Scalar for $type {
            const KIND: AttributeKind = AttributeKind::$kind;

            fn read<R: Reader>(reader: &mut R, name: &'static str) -> Result<Self, R::Error> {
                reader.$read(name)
            }

            fn value(&$self) -> Value<'_> {
                Value::$kind(Some($value))
            }

            fn null<'a>() -> Value<'a> {
                Value::$kind(None)
            }
        }
    };
}

scalar!(i64, Integer, integer, self => *self);
scalar!(f64, Number, number, self => *self);
scalar!(bool, Boolean, boolean, self => *self);
scalar!(String, Text, text, self => self.as_str());
scalar!(DateTime<Utc>, Time, time, self => *self);

impl<T: Scalar> Scalar for Option<T> {
    const KIND: AttributeKind = T::KIND;
    const OPTIONAL: bool = true;

    fn read<R: Reader>(reader: &mut R, name: &'static str) -> Result<Self, R::Error> {
        match reader.has(name) {
            true => T::read(reader, name).map(Some),
            false => Ok(None),
        }
    }

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(T::null(), T::value)
    }

    fn null<'a>() -> Value<'a> {
        T::null()
    }
}
