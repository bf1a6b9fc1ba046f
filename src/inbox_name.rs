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

    /// What no name ends in: archives of rejected files have it behind the name of the inbox.
    pub const RESERVED: &'static str = "-rejected";

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
        if !(1..=MAX_NAME).contains(&text.len()) || !text.chars().all(allowed) {
            return Err(format!(
                "expected 1 to {MAX_NAME} letters, digits, '-', '_' or '.'"
            ));
        }
        match text.ends_with(InboxName::RESERVED) {
            true => Err(format!(
                "expected another ending than {}, which archives of rejected files have",
                InboxName::RESERVED
            )),
            false => Ok(InboxName(text.to_owned())),
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
        for name in [
            "",
            "a b",
            "\u{1b}[2J",
            "a/b",
            &"a".repeat(33),
            "main-rejected",
        ] {
            assert!(name.parse::<InboxName>().is_err(), "{name}");
        }
    }
}
