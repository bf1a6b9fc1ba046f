//! Text from outside, as it can be shown: what comes from files, from the server and from people
//! must not steer a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// A text that does nothing to a terminal but show: what would move the cursor, change colours or
/// turn the direction of writing is escaped. `kept` are harmless where the text is shown.
pub fn printable(text: &str, kept: &[char]) -> String {
    let stays = |character| matches!(character, '"' | '\'' | '\\') || kept.contains(&character);
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(stays) {
        let plain = piece.trim_end_matches(stays);
        // As a whole: an accent that is a character of its own stays as it is behind a letter.
        shown.extend(plain.escape_debug());
        shown.push_str(&piece[plain.len()..]);
    }
    shown
}

/// A JSON document on a line of its own. What would steer a terminal is escaped as JSON escapes, so
/// that a program reads the text as it is.
///
/// # Errors
///
/// When the value cannot be a JSON document: a key of a map is not a string.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, Harmless))?;
    line.push(b'\n');
    Ok(line)
}

/// Writes compact JSON, in which every character does nothing to a terminal but show.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Quotes and backslashes are escaped already.
        let is_shown = |char: char| matches!(char, '\'') || char.escape_debug().len() == 1;
        for piece in fragment.split_inclusive(|char| !is_shown(char)) {
            let shown = piece.trim_end_matches(|char| !is_shown(char));
            writer.write_all(shown.as_bytes())?;
            for unit in piece[shown.len()..].encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{json_line, printable};

    #[test]
    fn a_json_document_cannot_steer_a_terminal_and_says_the_same() {
        let texts = json!([
            "Jörg 😀 'a' \"b\\",
            "\n\u{1b}[2J\u{202e}\u{9b}\u{7f}\u{e0001}\0"
        ]);
        let line = json_line(&texts).expect("JSON");
        let text = str::from_utf8(&line).expect("UTF-8");
        assert_eq!(
            text,
            concat!(
                r#"["Jörg 😀 'a' \"b\\","#,
                r#""\n\u001b[2J\u202e\u009b\u007f\udb40\udc01\u0000"]"#,
                "\n"
            )
        );
        assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), texts);
    }

    #[test]
    fn what_is_printed_cannot_steer_a_terminal() {
        assert_eq!(
            printable(
                "Jörg 😀 \"a\\b\"\n\t\r\u{1b}[2J\u{202e}\u{9b}\0",
                &['\n', '\t']
            ),
            "Jörg 😀 \"a\\b\"\n\t\\r\\u{1b}[2J\\u{202e}\\u{9b}\\0"
        );
        assert_eq!(printable("a\nb", &[]), "a\\nb");
        assert_eq!(printable("Jo\u{308}rg", &[]), "Jo\u{308}rg");
    }
}
