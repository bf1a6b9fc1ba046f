//! The state of a user.

use std::borrow::Cow;

use super::document::Fields;
use super::rejection::Rejection;

/// A user as one event tells it; every field is tracked.
#[derive(Clone, Debug, PartialEq)]
pub struct User<'a> {
    /// Full name.
    pub name: Cow<'a, str>,
    /// Postal address, with line breaks.
    pub address: Cow<'a, str>,
    /// Occupation.
    pub job: Cow<'a, str>,
    /// A finite number.
    pub score: f64,
}

impl<'a> User<'a> {
    pub(super) fn read(payload: &mut Fields<'a>) -> Result<User<'a>, Rejection> {
        Ok(User {
            name: payload.string("name")?,
            address: payload.string("address")?,
            job: payload.string("job")?,
            score: payload.finite("score")?,
        })
    }
}
