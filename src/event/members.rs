//! The members of a JSON object: in the order of the file, repeated names included.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Fields that an object of the services does not exceed: room is reserved for them, and their names
/// are compared pair by pair.
const FEW: usize = 8;

/// A name that stands more than once among these.
pub(super) fn repeated<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let count = names.clone().count();
    if count <= FEW {
        let is_repeated =
            |(index, name): &(usize, &str)| names.clone().take(*index).any(|other| other == *name);
        return names
            .clone()
            .enumerate()
            .find(is_repeated)
            .map(|(_, name)| name);
    }
    // Sorted, not compared pair by pair: a hostile document has a hundred thousand names.
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let repeated = names.windows(2).find(|pair| pair[0] == pair[1]);
    repeated.map(|pair| pair[0])
}

/// A JSON string, borrowed from the document where it holds no escape.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The members of a JSON object in the order of the file, repeated ones included.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(FEW);
                while let Some((Text(name), value)) = map.next_entry()? {
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
