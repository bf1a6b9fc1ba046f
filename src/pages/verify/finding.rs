//! What is wrong: one sentence each, and of each check the first few.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Findings of one check that are listed; the rest are counted.
const LISTED: usize = 10;

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
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings {
    listed: BTreeMap<Check, Vec<Finding>>,
    more: i64,
}

impl Findings {
    /// How many findings of a check can still be listed.
    pub(super) fn room(&self, check: Check) -> i64 {
        let listed = self.listed.get(&check).map_or(0, Vec::len);
        LISTED.saturating_sub(listed) as i64
    }

    /// Adds a finding, or counts it if enough of its check are listed.
    pub(super) fn add(&mut self, finding: Finding) {
        match self.room(finding.check) {
            0 => self.more += 1,
            _ => self.listed.entry(finding.check).or_default().push(finding),
        }
    }

    /// Counts what is wrong and was not added: of `total` findings, `added` were.
    pub(super) fn count(&mut self, total: i64, added: usize) {
        self.more += total - added as i64;
    }

    /// The listed ones, and how many more there are.
    pub(super) fn into_listed(self) -> (Vec<Finding>, i64) {
        (self.listed.into_values().flatten().collect(), self.more)
    }
}
