//! Names of people who do not exist.

use fake::Fake;
use fake::faker::name::en::{Name, Suffix, Title};
use rand::RngExt;
use rand::rngs::StdRng;

/// The share of names with a title before them, and of those with a suffix behind.
const ADORNED: f64 = 1.0 / 60.0;

/// A name such as `Ann Ash`, now and then `Dr. Ann Ash` or `Ann Ash DDS`.
pub fn name(names: &mut StdRng) -> String {
    let mut name: String = Name().fake_with_rng(names);
    if names.random_bool(ADORNED) {
        name = format!("{} {name}", Title().fake_with_rng::<&str, _>(names));
    }
    if names.random_bool(ADORNED) {
        name = format!("{name} {}", Suffix().fake_with_rng::<&str, _>(names));
    }
    name
}
