//! Names of inboxes: they keep the checkpoints of several inboxes apart.

use std::fmt;
use std::str::FromStr;

/// Longest name of an inbox, in characters: it fits a column of `etl status`.
const MAX_NAME: usize = 32;

/// Name of an inbox. Inboxes that are used in parallel each have a name, and with it their own
/// checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxName(String);

impl InboxName {
    /// The name of an inbox that was given none.
    pub const DEFAULT: &'static str = "main";

    /// What archives of rejected files have behind the name of the inbox.
    pub const RESERVED: &'static str = "-rejected";

    /// Whether archives cannot be told from those of another inbox by this name.
    pub fn is_reserved(&self) -> bool {
        self.0.ends_with(InboxName::RESERVED)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InboxName {
    fn default() -> InboxName {
        InboxName(InboxName::DEFAULT.to_owned())
    }
}

impl fmt::Display for InboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InboxName {
    type Err = String;

    fn from_str(text: &str) -> Result<InboxName, String> {
        let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        match (1..=MAX_NAME).contains(&text.len()) && text.chars().all(allowed) {
            true => Ok(InboxName(text.to_owned())),
            false => Err(format!(
                "expected 1 to {MAX_NAME} letters, digits, '-', '_' or '.'"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::InboxName;

    #[test]
    fn a_name_of_an_inbox_can_be_printed_anywhere() {
        for name in ["main", "host-1", "a.b_c"] {
            assert!(name.parse::<InboxName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "\u{1b}[2J", "a/b", &"a".repeat(33)] {
            assert!(name.parse::<InboxName>().is_err(), "{name}");
        }
    }
}
