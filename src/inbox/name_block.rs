//! Names of event files in blocks, packed: a listing can have millions of them.

use std::ops::Deref;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::name::EVENT_SUFFIX;

/// The prefix of an event id. That of another name is its length, which is never zero.
const ID: u16 = 0;

/// Length of a prefix in bytes.
const PREFIX_LENGTH: usize = size_of::<u16>();

/// Length of an event id in bytes.
const ID_LENGTH: usize = size_of::<Uuid>();

/// Length of the name that the services give a file: the event id in lower case, and the ending.
const ID_NAME_LENGTH: usize = Hyphenated::LENGTH + EVENT_SUFFIX.len();

/// Names of event files, one after the other. One that is made of an event id takes 18 bytes, any other
/// two bytes more than its length.
#[derive(Debug, Default)]
pub struct NameBlock(Box<[u8]>);

/// Builds blocks.
#[derive(Debug, Default)]
pub(super) struct NameBlockBuilder(Vec<u8>);

/// The name of a file in its folder, any bytes but `/` and NUL.
#[derive(Clone, Copy, Debug)]
pub enum Name<'b> {
    /// Any name.
    Bytes(&'b [u8]),
    /// One that is made of an event id.
    Id([u8; ID_NAME_LENGTH]),
}

impl NameBlockBuilder {
    /// Adds a name; returns whether its length is one that a system allows. On a share it can be more than
    /// the 255 bytes of a local disk.
    pub(super) fn add(&mut self, name: &[u8]) -> bool {
        let length = match u16::try_from(name.len()) {
            Ok(ID) | Err(_) => return false,
            Ok(length) => length,
        };
        let mut push = |prefix: u16, rest: &[u8]| {
            self.0.extend_from_slice(&prefix.to_ne_bytes());
            self.0.extend_from_slice(rest);
        };
        match event_id(name) {
            Some(id) => push(ID, id.as_bytes()),
            None => push(length, name),
        }
        true
    }

    /// A block of the names that were added, without spare capacity. The next one is empty again.
    pub(super) fn build(&mut self) -> NameBlock {
        let block = NameBlock(self.0.as_slice().into());
        self.0.clear();
        block
    }
}

impl NameBlock {
    /// The names, each with its position.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, Name<'_>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let position = next;
            if position as usize == self.0.len() {
                return None;
            }
            let packed = self.packed(position);
            next += packed.len() as u32;
            Some((position, Name::unpack(packed)))
        })
    }

    /// The name at a position.
    pub(super) fn name(&self, position: u32) -> Name<'_> {
        Name::unpack(self.packed(position))
    }

    /// What the name at a position is packed into: the same bytes if, and only if, it is the same name.
    pub(super) fn packed(&self, position: u32) -> &[u8] {
        let rest = &self.0[position as usize..];
        let length = match prefix(rest) {
            ID => ID_LENGTH,
            length => usize::from(length),
        };
        &rest[..PREFIX_LENGTH + length]
    }
}

impl<'b> Name<'b> {
    fn unpack(packed: &'b [u8]) -> Name<'b> {
        let rest = &packed[PREFIX_LENGTH..];
        match rest.first_chunk::<ID_LENGTH>() {
            Some(id) if prefix(packed) == ID => Name::Id(id_name(Uuid::from_bytes(*id))),
            _ => Name::Bytes(rest),
        }
    }
}

impl Deref for Name<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Name::Bytes(name) => name,
            Name::Id(name) => name,
        }
    }
}

/// The prefix of a name.
fn prefix(packed: &[u8]) -> u16 {
    u16::from_ne_bytes([packed[0], packed[1]])
}

/// The event id that a name is made of, and that it can be made of again.
fn event_id(name: &[u8]) -> Option<Uuid> {
    let id = Uuid::try_parse_ascii(name.strip_suffix(EVENT_SUFFIX)?).ok()?;
    (id_name(id) == name).then_some(id)
}

/// The name that is made of an event id.
fn id_name(id: Uuid) -> [u8; ID_NAME_LENGTH] {
    let mut name = [0; ID_NAME_LENGTH];
    let (text, suffix) = name.split_at_mut(Hyphenated::LENGTH);
    id.hyphenated().encode_lower(text);
    suffix.copy_from_slice(EVENT_SUFFIX);
    name
}

#[cfg(test)]
mod tests {
    use super::NameBlockBuilder;

    #[test]
    fn every_name_can_be_had_back_and_that_of_an_event_id_takes_18_bytes() {
        let longest = [b'x'; 765];
        let ids: [&[u8]; 2] = [
            b"16ffaaa3-2094-4f07-adec-717e9149cc2f.json",
            b"00000000-0000-0000-0000-000000000000.json",
        ];
        let others: [&[u8]; 7] = [
            // Other ways to write an event id are other names.
            b"16FFAAA3-2094-4f07-adec-717e9149cc2f.json",
            b"16ffaaa320944f07adec717e9149cc2f.json",
            b"{16ffaaa3-2094-4f07-adec-717e9149cc2f}.json",
            b"16ffaaa3-2094-4f07-adec-717e9149cc2f",
            b"\x00\xff.json",
            b"x",
            &longest,
        ];
        let names = [&ids[..], &others].concat();
        let mut builder = NameBlockBuilder::default();
        assert!(names.iter().all(|name| builder.add(name)));
        assert!(!builder.add(b""));
        assert!(!builder.add(&[b'x'; 1 << 16]));
        let block = builder.build();
        let mut found = block.names();
        for name in &names {
            let (position, next) = found.next().expect("as many names as were added");
            assert_eq!(&*next, *name);
            assert_eq!(&*block.name(position), *name);
            let bytes = match ids.contains(name) {
                true => 18,
                false => name.len() + 2,
            };
            assert_eq!(block.packed(position).len(), bytes);
        }
        assert!(found.next().is_none());
        assert!(builder.build().names().next().is_none());
    }
}
