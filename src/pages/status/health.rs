//! What is wrong, as far as the books can tell, and what to do about it.
//!
//! A run that fails writes nothing, so the books do not know of it. What they know is when a run
//! last got through: every cause, be it cron, the disk, a right or the program, shows as a source
//! that was not looked at.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Hour, Progress, SourceStatus, rounded};
use crate::checkpoint::HELD_AFTER;
use crate::pages::terminal::counted;

/// How long a source may go without a look before it counts as stale, unless `--max-lag` says
/// otherwise. Cron starts a run every few seconds, and a run over very many files shows itself with
/// each batch, which takes less than a minute.
pub const STALE_AFTER: Duration = Duration::from_secs(300);

/// Fewer files than this say nothing about a share.
const FEWEST_FILES: i64 = 20;

/// What runs do while a source is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// One is at the source now.
    AtIt,
    /// They look at another source.
    Elsewhere,
    /// Nobody knows of any.
    Unseen,
}

/// Something wrong. Its text is the start of a sentence; [`Problem::advice`] says what to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// No run has ever looked at a source.
    NeverLooked {
        /// The source.
        source: String,
        /// What runs do meanwhile.
        runs: Runs,
    },
    /// No run has looked at a source for too long.
    Stale {
        /// The source.
        source: String,
        /// How long.
        age: Duration,
        /// What runs do meanwhile.
        runs: Runs,
    },
    /// Files that were left for later hold the checkpoint of a source.
    Held {
        /// The source.
        source: String,
        /// How many files.
        files: i64,
        /// How long runs have left files.
        age: Duration,
    },
    /// More than half of the last hour's files were rejected.
    Rejecting {
        /// How many were.
        rejected: i64,
        /// Of how many.
        files: i64,
    },
}

impl Problem {
    /// Its name for machines. Names never change their meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::NeverLooked { .. } => "never_looked",
            Problem::Stale { .. } => "stale",
            Problem::Held { .. } => "held",
            Problem::Rejecting { .. } => "rejecting",
        }
    }

    /// The source that it is about, if it is about one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Problem::NeverLooked { source, .. }
            | Problem::Stale { source, .. }
            | Problem::Held { source, .. } => Some(source),
            Problem::Rejecting { .. } => None,
        }
    }

    /// Whether nothing is loaded while it lasts.
    pub fn stops_loading(&self) -> bool {
        matches!(self, Problem::NeverLooked { .. } | Problem::Stale { .. })
    }

    /// What to do.
    pub fn advice(&self) -> &'static str {
        match self {
            Problem::NeverLooked {
                runs: Runs::AtIt, ..
            } => "a run is at it now, and shows itself with its first batch",
            Problem::Stale {
                runs: Runs::AtIt, ..
            } => "a run is at it now: a very long one, or one that hangs; what does it log?",
            Problem::NeverLooked {
                runs: Runs::Elsewhere,
                ..
            }
            | Problem::Stale {
                runs: Runs::Elsewhere,
                ..
            } => "runs do come through elsewhere: what do they log of this folder?",
            Problem::NeverLooked { .. } | Problem::Stale { .. } => {
                "is cron running, and what do its runs log?"
            }
            Problem::Held { .. } => {
                "they never stop changing, or cannot be read, which `etl run` logs"
            }
            Problem::Rejecting { .. } => {
                "does a service write something new? The rejections below say what"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NeverLooked { source, .. } => write!(f, "no run has looked at {source} yet"),
            Problem::Stale { source, age, .. } => {
                write!(f, "no run has looked at {source} for {}", rounded(*age))
            }
            Problem::Held { source, files, age } => {
                let files = counted(*files, "pending file");
                let age = rounded(*age);
                write!(
                    f,
                    "the checkpoint of {source} is held by {files}, for {age} now"
                )
            }
            Problem::Rejecting { rejected, files } => write!(
                f,
                "{rejected} of the last hour's {files} files were rejected"
            ),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Problem", 4)?;
        object.serialize_field("problem", self.code())?;
        object.serialize_field("source", &self.source())?;
        object.serialize_field("text", &self.to_string())?;
        object.serialize_field("advice", self.advice())?;
        object.end()
    }
}

impl Progress {
    /// The sources that no run has looked at for `stale_after`, or ever.
    pub fn stale(&self, stale_after: Duration) -> Vec<Problem> {
        let is_fresh = |status: &SourceStatus| {
            let age = status.looked_at.map(|looked_at| self.age(looked_at));
            age.is_some_and(|age| age <= stale_after)
        };
        let runs = |status: &SourceStatus| match status.running {
            true => Runs::AtIt,
            false if self.sources.iter().any(is_fresh) => Runs::Elsewhere,
            false => Runs::Unseen,
        };
        let stale = |status: &SourceStatus| {
            let (source, runs) = (status.source.clone(), runs(status));
            let Some(looked_at) = status.looked_at else {
                return Some(Problem::NeverLooked { source, runs });
            };
            let age = self.age(looked_at);
            (age > stale_after).then_some(Problem::Stale { source, age, runs })
        };
        self.sources.iter().filter_map(stale).collect()
    }

    /// The sources whose checkpoint has been held for too long.
    fn held(&self) -> Vec<Problem> {
        let held = |status: &SourceStatus| {
            let age = self.age(status.pending_since?);
            (age > HELD_AFTER).then(|| Problem::Held {
                source: status.source.clone(),
                files: status.pending,
                age,
            })
        };
        self.sources.iter().filter_map(held).collect()
    }
}

/// All that is wrong, the worst first.
pub(super) fn problems(
    progress: &Progress,
    last_hour: &Hour,
    stale_after: Duration,
) -> Vec<Problem> {
    let mut problems = progress.stale(stale_after);
    problems.extend(progress.held());
    let Hour {
        files, rejected, ..
    } = *last_hour;
    if files >= FEWEST_FILES && rejected > files / 2 {
        problems.push(Problem::Rejecting { rejected, files });
    }
    problems
}
