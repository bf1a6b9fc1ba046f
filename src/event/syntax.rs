//! From bytes to one JSON value, or to the cause why they are none: what a parser calls "expected
//! value at line 1 column 1" is a gzip file, or UTF-16.

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::rejection::{Refusal, Rejection, shorten};
use super::storable::string_length;

/// The first bytes of files that are something else than JSON, and what they are.
const SIGNATURES: [(&[u8], &str); 7] = [
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xff\xfe", "UTF-16, by its byte order mark"),
    (b"\xfe\xff", "UTF-16, by its byte order mark"),
];

/// The byte order mark of UTF-8, which some programs write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Words that other languages write as numbers and JSON does not have.
const NOT_NUMBERS: [&str; 4] = ["-Infinity", "-NaN", "Infinity", "NaN"];

/// The text that the bytes are, without a byte order mark before it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    if let Some((_, what)) = SIGNATURES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature))
    {
        return Err(Rejection::NotUtf8 {
            cause: format!("it is {what}"),
        }
        .into());
    }
    if bytes.len() >= 2 && (bytes[..2] == *b"{\0" || bytes[..2] == *b"\0{") {
        return Err(Rejection::NotUtf8 {
            cause: "it is UTF-16: every other byte is NUL".to_owned(),
        }
        .into());
    }
    let unfinished = Refusal::Unfinished { size: bytes.len() };
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err(nul(bytes));
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // A character without its last bytes is an end too soon where a character beyond ASCII may
        // stand. The shortest of those takes its place, since `serde_json` counts bytes to tell an
        // escape that ends too soon from one that is wrong.
        Err(error) if error.error_len().is_none() => {
            let whole = &bytes[..error.valid_up_to()];
            // The mark itself may be cut.
            if BYTE_ORDER_MARK.starts_with(bytes) {
                return Err(unfinished);
            }
            let text = String::from_utf8_lossy(whole) + "\u{80}";
            Err(match serde_json::from_str::<&RawValue>(&text) {
                Err(error) if error.classify() != Category::Eof => invalid(&text, &error),
                _ => unfinished,
            })
        }
        Err(error) => Err(Rejection::NotUtf8 {
            cause: format!("byte {} begins no character", error.valid_up_to()),
        }
        .into()),
    }
}

/// The one JSON value that the bytes are. A byte order mark before it is skipped.
pub(super) fn json(bytes: &[u8]) -> Result<&RawValue, Refusal> {
    let text = text(bytes)?;
    serde_json::from_str(text).map_err(|error| {
        if error.classify() == Category::Eof || ends_within_number(text) {
            Refusal::Unfinished { size: bytes.len() }
        } else {
            invalid(text, &error)
        }
    })
}

/// A file that a crash or a full disk has filled with NUL bytes.
fn nul(bytes: &[u8]) -> Refusal {
    let start = bytes.iter().take_while(|byte| **byte != 0).count();
    let count = bytes[start..].iter().take_while(|byte| **byte == 0).count();
    let bytes = match count {
        1 => "a NUL byte",
        _ => "NUL bytes",
    };
    let cause = format!("it has {bytes} from byte {start} on, {count} in a row");
    Rejection::InvalidJson { cause }.into()
}

/// Why a text is not one JSON value, as exactly as can be said.
fn invalid(text: &str, error: &serde_json::Error) -> Refusal {
    let position = position(text, error);
    let rest = text.get(position..).unwrap_or_default();
    let cause = if error.to_string().starts_with("trailing characters") {
        match rest.starts_with(['{', '[']) {
            true => format!(
                "it has several documents, the second one from line {}, column {} on: one file is one event",
                error.line(),
                error.column()
            ),
            false => format!(
                "something follows the document at line {}, column {}",
                error.line(),
                error.column()
            ),
        }
    } else if let Some(word) = NOT_NUMBERS
        .iter()
        // The parser may complain within the word.
        .find(|word| {
            (0..word.len()).any(|back| {
                let start = position.checked_sub(back);
                start.is_some_and(|start| {
                    text.get(start..)
                        .is_some_and(|rest| rest.starts_with(**word))
                })
            })
        })
    {
        match field_at(text, position) {
            Some(field) => format!("{field} is {word}, which JSON does not have"),
            None => format!("{word} is not JSON"),
        }
    } else {
        match field_at(text, position) {
            Some(field) => format!("{error}, in {field}"),
            None => error.to_string(),
        }
    };
    Rejection::InvalidJson { cause }.into()
}

/// Byte at which the parser stopped.
fn position(text: &str, error: &serde_json::Error) -> usize {
    let lines_before: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    lines_before + error.column().saturating_sub(1)
}

/// The field whose value a byte of a broken document is in, with its path.
fn field_at(text: &str, position: usize) -> Option<String> {
    let mut names: Vec<Option<String>> = Vec::new();
    let mut index = 0;
    while let Some(byte) = text.as_bytes().get(index).filter(|_| index < position) {
        match byte {
            b'{' | b'[' => names.push(None),
            b'}' | b']' => {
                names.pop();
            }
            b'"' => {
                let length = string_length(&text[index..]);
                let string = &text[index..index + length];
                let after = text[index + length..].trim_start();
                if after.starts_with(':')
                    && let Some(name) = names.last_mut()
                {
                    *name = Some(shorten(string.trim_matches('"')));
                }
                index += length - 1;
            }
            _ => {}
        }
        index += 1;
    }
    let names: Vec<String> = names.into_iter().flatten().collect();
    (!names.is_empty()).then(|| names.join("."))
}

/// Whether a text that is not JSON is so only because it ends after a sign, a point or an exponent
/// mark, which `serde_json` calls an invalid number and not an end.
fn ends_within_number(text: &str) -> bool {
    text.ends_with(['-', '+', '.', 'e', 'E'])
        && match serde_json::from_str::<&RawValue>(&format!("{text}0")) {
            Ok(_) => true,
            Err(error) => error.classify() == Category::Eof,
        }
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn the_cause_is_named_and_not_the_parser() {
        for (bytes, expected) in [
            (b"\x1f\x8b\x08\0".as_slice(), "gzip"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0\0", "xz"),
            (b"PK\x03\x04\x14\0", "a zip archive"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"{\0\"\0", "UTF-16"),
            (b"\0{\0}", "UTF-16"),
            (b"{\"a\": 1}\0\0\0", "NUL bytes from byte 8 on, 3 in a row"),
            (
                b"{\"a\": 1}\n{\"a\": 2}",
                "several documents, the second one from line 2, column 1",
            ),
            (b"{\"a\": 1} x", "something follows the document"),
            (
                b"{\"payload\": {\"id\": 1, \"score\": NaN}}",
                "payload.score is NaN, which JSON does not have",
            ),
            (
                b"{\"payload\": {\"score\": -Infinity}}",
                "payload.score is -Infinity",
            ),
            (
                b"{\"payload\": {\"score\": Infinity}}",
                "payload.score is Infinity",
            ),
            (b"{\"payload\": {\"score\": tru}}", "in payload.score"),
        ] {
            let refusal = json(bytes).expect_err("it is no JSON").to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(json(b"\xef\xbb\xbf{}").map(|value| value.get()), Ok("{}"));
    }
}
