//! Names of files: which are those of events, and how they are written as text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ending of the names of event files.
pub(super) const EVENT_SUFFIX: &[u8] = b".json";

/// The file in which the cards service keeps the number of its next card, among its events.
const COUNTER: &[u8] = b"__id_counter";

/// Whether a file of this name is an event: it is not hidden and ends in `.json`.
pub fn is_event_name(name: &[u8]) -> bool {
    !name.starts_with(b".") && name.ends_with(EVENT_SUFFIX)
}

/// Whether a file that is not an event may have been meant as one.
pub(super) fn is_other_name(name: &[u8]) -> bool {
    match (name.starts_with(b"."), name.ends_with(EVENT_SUFFIX)) {
        (true, false) => false,
        _ => name != COUNTER,
    }
}

/// A file name as text, with nothing lost: a byte that is not UTF-8 becomes `\xNN`, a backslash
/// `\\`.
pub fn name_text(name: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(name) {
        Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(name.len() + 8);
            for chunk in name.utf8_chunks() {
                text.push_str(&chunk.valid().replace('\\', "\\\\"));
                for byte in chunk.invalid() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\x{byte:02X}");
                }
            }
            Cow::Owned(text)
        }
    }
}

/// The file name that a text of [`name_text`] stands for.
pub fn name_bytes(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(escape) = rest.find('\\') {
        name.extend_from_slice(&rest.as_bytes()[..escape]);
        rest = &rest[escape + 1..];
        let byte = rest
            .strip_prefix('x')
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                name.push(byte);
                rest = &rest[3..];
            }
            None => {
                name.push(b'\\');
                rest = rest.strip_prefix('\\').unwrap_or(rest);
            }
        }
    }
    name.extend_from_slice(rest.as_bytes());
    name
}

#[cfg(test)]
mod tests {
    use super::{is_event_name, is_other_name, name_bytes, name_text};

    #[test]
    fn different_names_have_different_texts() {
        assert_eq!(name_text(b"a.json"), "a.json");
        assert_eq!(name_text(b"a\xff.json"), "a\\xFF.json");
        assert_eq!(name_text(b"a\\xFF.json"), "a\\\\xFF.json");
        assert_eq!(name_text("ä\n.json".as_bytes()), "ä\n.json");
    }

    #[test]
    fn a_name_can_be_had_back_from_its_text() {
        for name in [
            &b"a.json"[..],
            b"a\xff\xfe.json",
            b"a\\xFF.json",
            b"\\\\\\",
            b"\\\xff",
            "ä\\x\n.json".as_bytes(),
        ] {
            assert_eq!(name_bytes(&name_text(name)), name);
        }
    }

    #[test]
    fn a_name_is_that_of_an_event_or_may_have_been_meant_as_one_or_neither() {
        for (name, is_event, is_other) in [
            (&b"a.json"[..], true, false),
            (b".a.json", false, true),
            (b"a.json.gz", false, true),
            (b"a.JSON", false, true),
            (b".lock", false, false),
            (b"__id_counter", false, false),
        ] {
            let found = (
                is_event_name(name),
                !is_event_name(name) && is_other_name(name),
            );
            assert_eq!(found, (is_event, is_other), "{}", name.escape_ascii());
        }
    }
}
