//! What is wrong, as far as the metadata tables show, and what to do about it.
//!
//! A run that fails writes down why, if it can reach the warehouse at all. Every other cause, be it
//! cron, the disk, a right or the program, shows as a folder that was not scanned.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::cluster::ClusterStatus;
use super::progress::{Folder, PendingFile, Progress};
use crate::escape::printable;
use crate::pages::age::{Age, rounded};
use crate::pages::terminal::counted;

/// How long a folder may go without a scan before it counts as stale, unless `--max-lag` sets
/// another limit. Cron starts a run every few seconds, and a run over very many files commits a batch
/// at least every minute.
pub const STALE_AFTER: Duration = Duration::from_secs(300);

/// Fewest files that a share is computed of.
const FEWEST_FILES: i64 = 20;

/// Whether all is well.
#[derive(Debug, Serialize)]
pub struct Health {
    /// How far each folder has been loaded.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// What the runs of the last hour did.
    pub last_hour: LastHour,
    /// On what the warehouse runs; `None` if that is one machine.
    pub cluster: Option<ClusterStatus>,
}

/// What the runs of the last hour did that started at a checkpoint. Backfills, reconciling runs and
/// retries are left out, since they read files again.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LastHour {
    /// Runs that processed something.
    pub runs: i64,
    /// Files that they processed; a pending file counts when it is no longer pending.
    pub files: i64,
    /// Files whose event was loaded.
    pub loaded: i64,
    /// Files whose event was already loaded.
    pub duplicates: i64,
    /// Files rejected.
    pub rejected: i64,
}

/// What runs do while a folder is not scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// One is working on the folder.
    Here,
    /// They fail at the folder.
    Failing,
    /// They scan another folder of the inbox.
    OtherFolder,
    /// They scan another inbox.
    OtherInbox,
    /// There is no sign of any.
    Unknown,
}

/// Something wrong. Its text is the start of a sentence; [`Problem::advice`] says what to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// A node of the cluster does not answer.
    NodeSilent {
        /// Its host and port.
        node: String,
        /// What the coordinator says.
        cause: String,
    },
    /// The latest runs at a folder have failed.
    Failing {
        /// The folder.
        folder: Folder,
        /// Since when.
        since: Age,
        /// When the last one failed.
        last: Age,
        /// Why it failed.
        failure: String,
    },
    /// No run has ever scanned a folder.
    NeverScanned {
        /// The folder.
        folder: Folder,
        /// What runs do meanwhile.
        activity: Activity,
    },
    /// No run has scanned a folder for too long.
    Stale {
        /// The folder.
        folder: Folder,
        /// Since when.
        age: Age,
        /// What runs do meanwhile.
        activity: Activity,
    },
    /// A pending file blocks the checkpoint of a folder.
    Blocked {
        /// The folder.
        folder: Folder,
        /// The file that has been pending longest.
        file: PendingFile,
        /// For how long.
        age: Age,
        /// How many other files are pending.
        others: i64,
    },
    /// A folder has so many files that a scan takes too long.
    Crowded {
        /// The folder.
        folder: Folder,
        /// How many files it has.
        files: i64,
        /// How long the last scan took.
        took: Duration,
    },
    /// More than half of the last hour's files were rejected.
    Rejecting {
        /// How many were.
        rejected: i64,
        /// Of how many.
        files: i64,
    },
}

impl Health {
    /// Finds what is wrong. A folder is stale if no run has scanned it for `stale_after`.
    pub(super) fn of(
        progress: Progress,
        last_hour: LastHour,
        cluster: Option<ClusterStatus>,
        stale_after: Duration,
    ) -> Health {
        let mut problems = cluster.as_ref().map_or(Vec::new(), ClusterStatus::silent);
        problems.extend(progress.failing());
        problems.extend(progress.stale(stale_after));
        problems.extend(progress.blocked());
        problems.extend(progress.crowded());
        problems.extend(last_hour.rejecting());
        Health {
            progress,
            healthy: problems.is_empty(),
            problems,
            last_hour,
            cluster,
        }
    }

    /// All of it on one line: `healthy`, or what is wrong.
    pub fn verdict(&self) -> String {
        match self.healthy {
            true => "healthy".to_owned(),
            false => {
                let problems: Vec<String> = self
                    .problems
                    .iter()
                    .map(|problem| format!("{}: {problem}", problem.code()))
                    .collect();
                format!("not healthy: {}", problems.join("; "))
            }
        }
    }
}

impl LastHour {
    fn rejecting(self) -> Option<Problem> {
        let LastHour {
            files, rejected, ..
        } = self;
        (files >= FEWEST_FILES && rejected > files / 2)
            .then_some(Problem::Rejecting { rejected, files })
    }
}

impl Problem {
    /// Its name for machines. Names never change their meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::NodeSilent { .. } => "node_silent",
            Problem::Failing { .. } => "failing",
            Problem::NeverScanned { .. } => "never_scanned",
            Problem::Stale { .. } => "stale",
            Problem::Blocked { .. } => "blocked",
            Problem::Crowded { .. } => "crowded",
            Problem::Rejecting { .. } => "rejecting",
        }
    }

    /// The folder that it is about, if it is about one.
    pub fn folder(&self) -> Option<&Folder> {
        match self {
            Problem::Failing { folder, .. }
            | Problem::NeverScanned { folder, .. }
            | Problem::Stale { folder, .. }
            | Problem::Blocked { folder, .. }
            | Problem::Crowded { folder, .. } => Some(folder),
            Problem::NodeSilent { .. } | Problem::Rejecting { .. } => None,
        }
    }

    /// Whether nothing is loaded while it lasts.
    pub fn stops_loading(&self) -> bool {
        match self {
            Problem::NodeSilent { .. }
            | Problem::Failing { .. }
            | Problem::NeverScanned { .. }
            | Problem::Stale { .. } => true,
            Problem::Blocked { .. } | Problem::Crowded { .. } | Problem::Rejecting { .. } => false,
        }
    }

    /// What to do.
    pub fn advice(&self) -> String {
        match self {
            Problem::NodeSilent { .. } => {
                "start it, or correct its address at the coordinator (citus_update_node); nothing is lost: runs fail \
                 meanwhile, and the next one after that catches up"
                    .to_owned()
            }
            Problem::Failing { .. } => {
                "nothing is lost: once the cause is gone, the next run loads what has arrived since"
                    .to_owned()
            }
            Problem::NeverScanned { folder, activity } => activity.advice(
                folder,
                "a run is working on it now, and its first batch is not committed yet",
            ),
            Problem::Stale {
                folder, activity, ..
            } => activity.advice(
                folder,
                "a run is working on it now: a very long one, or one that hangs; what does it log?",
            ),
            Problem::Blocked { others, .. } => {
                let advice = "it keeps changing or cannot be read; until it is fixed or removed, every run \
                              scans all files that changed after it";
                match others {
                    ..=0 => advice.to_owned(),
                    others => format!("{advice}; pending too: {}", counted(*others, "file")),
                }
            }
            Problem::Crowded { .. } => {
                "`etl archive` moves loaded files into archives: does cron start it every hour, and what does it log?"
                    .to_owned()
            }
            Problem::Rejecting { .. } => {
                "does a service write something new? `etl rejected list` shows what and why"
                    .to_owned()
            }
        }
    }
}

impl Activity {
    fn advice(self, folder: &Folder, while_running: &str) -> String {
        match self {
            Activity::Here => while_running.to_owned(),
            Activity::Failing => "its runs fail: `etl status` shows why".to_owned(),
            Activity::OtherFolder => {
                "runs scan other folders of this inbox: what do they log about this one?".to_owned()
            }
            Activity::OtherInbox => format!(
                "runs scan other inboxes: is cron running where this one is, and what do its runs log? If the inbox \
                 is gone for good, remove it: {}",
                removal(&folder.inbox)
            ),
            Activity::Unknown => "is cron running, and what do its runs log?".to_owned(),
        }
    }
}

/// The statements that remove an inbox from the metadata tables.
fn removal(inbox: &str) -> String {
    let inbox = printable(&inbox.replace('\'', "''"), &[]);
    [
        "etl.checkpoint",
        "etl.recent_file",
        "etl.pending_file",
        "etl.archiving",
    ]
    .map(|table| format!("delete from {table} where inbox = '{inbox}';"))
    .join(" ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NodeSilent { node, cause } => write!(
                f,
                "the node {node} of the cluster does not answer: {}",
                printable(cause.trim_start_matches("ERROR:").trim(), &[])
            ),
            Problem::Failing {
                folder,
                since,
                last,
                failure,
            } => write!(
                f,
                "every run of {folder} has failed for {}, the last one {last}: {}",
                rounded(since.length()),
                printable(failure, &[])
            ),
            Problem::NeverScanned { folder, .. } => write!(f, "no run has scanned {folder} yet"),
            Problem::Stale { folder, age, .. } => {
                write!(
                    f,
                    "no run has scanned {folder} for {}",
                    rounded(age.length())
                )
            }
            Problem::Blocked {
                folder, file, age, ..
            } => write!(
                f,
                "{}/{}{} has been pending for {}: {}",
                printable(&folder.source, &[]),
                printable(&file.name, &[]),
                folder.of_inbox(),
                rounded(age.length()),
                printable(&file.reason, &[])
            ),
            Problem::Crowded {
                folder,
                files,
                took,
            } => write!(
                f,
                "a scan of {folder} takes {:.1} s, since the folder has {}",
                took.as_secs_f64(),
                counted(*files, "file")
            ),
            Problem::Rejecting { rejected, files } => write!(
                f,
                "{rejected} of the last hour's {files} files were rejected"
            ),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let folder = self.folder();
        let mut object = serializer.serialize_struct("Problem", 5)?;
        object.serialize_field("problem", self.code())?;
        object.serialize_field("source", &folder.map(|folder| &folder.source))?;
        object.serialize_field("inbox", &folder.map(|folder| &folder.inbox))?;
        object.serialize_field("text", &self.to_string())?;
        object.serialize_field("advice", &self.advice())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::removal;

    #[test]
    fn the_statements_that_remove_an_inbox_are_as_safe_as_its_name() {
        assert_eq!(
            removal("it's\u{1b}"),
            "delete from etl.checkpoint where inbox = 'it''s\\u{1b}'; \
             delete from etl.recent_file where inbox = 'it''s\\u{1b}'; \
             delete from etl.pending_file where inbox = 'it''s\\u{1b}'; \
             delete from etl.archiving where inbox = 'it''s\\u{1b}';"
        );
    }
}
