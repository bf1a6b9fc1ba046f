//! Text from outside, as it can be shown: what comes from files, from the server and from people
//! must not steer a terminal.

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

#[cfg(test)]
mod tests {
    use super::printable;

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
