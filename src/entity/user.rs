//! What a user is.

use super::definition::entity;

entity! {
    /// A user.
    User: "user" from "users" {
        /// Full name.
        tracked name: String,
        /// Postal address, with line breaks.
        tracked address: String,
        /// Occupation.
        tracked job: String,
        /// Score, a finite number.
        tracked score: f64,
    }
}
