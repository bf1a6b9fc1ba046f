//! The state of a user.

use super::document::Fields;
use super::rejection::Rejection;

/// A user as one event tells it; every field is tracked.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Full name.
    pub name: String,
    /// Postal address, with line breaks.
    pub address: String,
    /// Occupation.
    pub job: String,
    /// A finite number.
    pub score: f64,
}

impl User {
    pub(super) fn read(payload: &mut Fields<'_>) -> Result<User, Rejection> {
        Ok(User {
            name: payload.string("name")?.into_owned(),
            address: payload.string("address")?.into_owned(),
            job: payload.string("job")?.into_owned(),
            score: payload.finite("score")?,
        })
    }
}
