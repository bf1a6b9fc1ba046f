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

    /// The listed ones, and how many more there are.
    pub(super) fn into_listed(self) -> (Vec<Finding>, i64) {
        (self.listed.into_values().flatten().collect(), self.more)
    }
}
