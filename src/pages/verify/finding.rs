//! What is wrong: one sentence each, and of each check the first few.

use std::collections::BTreeMap;
use std::fmt;

use postgres::Row;
use serde::Serialize;

/// Findings of one group that are listed; the rest are counted.
const LISTED: usize = 10;

/// Rows that a statement returns of all that is wrong.
pub(super) const LIMIT: i64 = LISTED as i64;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// A key, a run, a rejection, a checkpoint or a file.
    pub subject: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.problem, self.advice)
    }
}

/// What is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The versions are those that the events make.
    Dimensions,
    /// A surrogate key identifies one version.
    SurrogateKeys,
    /// Landing has the events that the runs loaded.
    Runs,
    /// The checkpoints agree with the clock and with the runs.
    Checkpoints,
    /// The rejections agree with themselves and with the runs.
    Rejections,
    /// Every file in the inbox is in a table.
    Inbox,
    /// Every archive is whole, and every file in it is in a table.
    Archives,
}

/// What was found so far, in groups: a check, and what was checked by its name, such as an entity or a
/// folder. No group hides another one.
#[derive(Default)]
pub(super) struct Findings {
    listed: BTreeMap<(Check, &'static str), Vec<Finding>>,
    more: i64,
}

impl Findings {
    /// Adds a finding, or counts it if enough of its group are listed.
    pub(super) fn add(&mut self, checked: &'static str, finding: Finding) {
        let listed = self.listed.entry((finding.check, checked)).or_default();
        match listed.len() < LISTED {
            true => listed.push(finding),
            false => self.more += 1,
        }
    }

    /// Adds the findings that a statement has rows for. It is given [`LIMIT`] as its parameter, and
    /// each of its rows has how many there are as `total`.
    pub(super) fn add_rows(
        &mut self,
        checked: &'static str,
        rows: &[Row],
        finding: impl Fn(&Row) -> Finding,
    ) {
        for row in rows {
            self.add(checked, finding(row));
        }
        if let Some(first) = rows.first() {
            self.more += first.get::<_, i64>("total") - rows.len() as i64;
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Those that were found before too.
    pub(super) fn confirm(mut self, before: &Findings) -> Findings {
        let was_found = |group, finding: &Finding| {
            let before = before.listed.get(group);
            before.is_some_and(|before| before.contains(finding))
        };
        // Of those that are only counted, nobody knows which they are.
        if self.more.min(before.more) > 0 {
            return self;
        }
        for (group, listed) in &mut self.listed {
            listed.retain(|finding| was_found(group, finding));
        }
        self.listed.retain(|_, listed| !listed.is_empty());
        self.more = 0;
        self
    }

    /// The listed ones, and how many more there are.
    pub(super) fn into_listed(self) -> (Vec<Finding>, i64) {
        (self.listed.into_values().flatten().collect(), self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Finding, Findings};

    fn findings(subjects: &[&str]) -> Findings {
        let mut findings = Findings::default();
        for subject in subjects {
            findings.add(
                "card",
                Finding {
                    check: Check::Dimensions,
                    subject: (*subject).to_owned(),
                    problem: String::new(),
                    advice: String::new(),
                },
            );
        }
        findings
    }

    #[test]
    fn what_was_found_once_is_not_confirmed() {
        let confirmed = |now: &[&str], before: &[&str]| {
            let (listed, more) = findings(now).confirm(&findings(before)).into_listed();
            let subjects: Vec<String> = listed.into_iter().map(|finding| finding.subject).collect();
            (subjects, more)
        };
        assert_eq!(confirmed(&["a", "b"], &["b", "c"]).0, ["b"]);
        assert_eq!(confirmed(&["a"], &["b"]), (Vec::new(), 0));
        let many: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(confirmed(&many, &["b"]).0.len(), 0);
        assert_eq!(confirmed(&many, &many).1, 2);
    }
}
