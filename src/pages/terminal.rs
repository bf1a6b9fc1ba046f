//! Text for people: lines at most as wide as the terminal, and whole where the output is none; numbers
//! with the word for what they count.

use std::{fmt, io};

use chrono::{DateTime, Utc};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a terminal that does not report how many it has.
const USUAL_WIDTH: usize = 80;

/// Most columns of a line on stdout. There is no limit where that is not a terminal: whoever reads a
/// file or sends a page on wants whole sentences.
pub(crate) fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        Ok(_) => USUAL_WIDTH,
        Err(_) => usize::MAX,
    }
}

/// A line cut to so many columns.
pub(crate) fn fitted(line: &str, limit: usize) -> String {
    if line.width() <= limit {
        return line.to_owned();
    }
    let mut cut = String::from_iter(fitting(line.chars(), limit.saturating_sub("…".width())));
    cut.push('…');
    cut
}

/// As many characters as fit into so many columns.
pub(crate) fn fitting(chars: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut width = 0;
    chars
        .take_while(|char| {
            width += char.width().unwrap_or_default();
            width <= columns
        })
        .collect()
}

/// A sentence as lines of at most so many columns, broken between words. A word that is wider is cut.
pub(crate) fn wrapped(sentence: &str, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, limit)),
        }
    }
    lines
}

/// A number of things, in words: "1 file", "2 files".
pub(crate) fn counted<T: fmt::Display + PartialEq + From<u8>>(number: T, thing: &str) -> String {
    let plural = if number == T::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A time in UTC, with as many digits of its second as it has.
pub(crate) fn with_fraction(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// A time in UTC, in whole seconds.
pub(crate) fn whole_seconds(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::{fitted, wrapped};

    #[test]
    fn a_long_line_is_cut_by_its_width() {
        assert_eq!(fitted(&"a".repeat(80), 80), "a".repeat(80));
        assert_eq!(fitted(&"a".repeat(81), 80), format!("{}…", "a".repeat(79)));
        assert_eq!(
            fitted(&"漢".repeat(41), 80),
            format!("{}…", "漢".repeat(39))
        );
        assert_eq!(fitted("123456", usize::MAX), "123456");
    }

    #[test]
    fn a_sentence_is_broken_between_words() {
        let sentence = "is cron running, and what do its runs log?";
        assert_eq!(wrapped(sentence, usize::MAX), [sentence]);
        assert_eq!(
            wrapped(sentence, 16),
            ["is cron running,", "and what do its", "runs log?"]
        );
        assert_eq!(wrapped("a 123456", 5), ["a", "1234…"]);
    }
}
