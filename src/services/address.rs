//! Addresses in the United States, of two lines, that do not exist.

use fake::Fake;
use fake::faker::address::en::{BuildingNumber, CityName, StateAbbr, StreetName};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The share of military addresses, which have a box and no street.
const MILITARY: f64 = 0.1;

/// An address such as `4574 Michael Parkway Suite 973`, a new line, `Tinaland, NC 77827`.
pub fn address(names: &mut StdRng) -> String {
    let (first_line, city, state) = if names.random_bool(MILITARY) {
        let (unit, number) = (names.random_range(1..10_000), names.random_range(1..10_000));
        let state = one_of(&["AA", "AE", "AP"], names);
        (
            format!("PSC {unit:04}, Box {number:04}"),
            "APO".to_owned(),
            state,
        )
    } else {
        let number: String = BuildingNumber().fake_with_rng(names);
        let street: String = StreetName().fake_with_rng(names);
        let room = match one_of(&["", "", " Apt.", " Suite"], names) {
            "" => String::new(),
            kind => format!("{kind} {}", names.random_range(100..1_000)),
        };
        let city = format!("{},", CityName().fake_with_rng::<String, _>(names));
        (
            format!("{number} {street}{room}"),
            city,
            StateAbbr().fake_with_rng(names),
        )
    };
    format!(
        "{first_line}\n{city} {state} {:05}",
        names.random_range(501..=99_950)
    )
}

fn one_of(choices: &[&'static str], names: &mut StdRng) -> &'static str {
    choices.choose(names).copied().unwrap_or_default()
}
