//! What is wrong with the progress of folders, and with the nodes of a cluster.

use std::time::Duration;

use super::cluster::{ClusterStatus, NodeStatus};
use super::health::{Activity, Problem};
use super::progress::{Folder, FolderStatus, Progress};
use crate::checkpoint::BLOCKED_AFTER;
use crate::explanation::Explanation;

/// What each [`Problem::code`] means and what to do.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation {
        code: "failing",
        meaning: "Every run of this folder fails; `etl status` has since when, and the last error.",
        advice: "Fix the cause: nothing is lost, and the next run catches up.",
    },
    Explanation {
        code: "never_scanned",
        meaning: "No run has scanned this folder yet.",
        advice: "Is cron or the timer running, and what do its runs log? If an inbox is gone for good, the line in \
                 `etl status` has the statements that remove it.",
    },
    Explanation {
        code: "stale",
        meaning: "No run has scanned this folder for five minutes, or for --max-lag.",
        advice: "Is cron or the timer running, and what do its runs log? If an inbox is gone for good, the line in \
                 `etl status` has the statements that remove it.",
    },
    Explanation {
        code: "blocked",
        meaning: "A file has been pending for five minutes, and the offset waits for it: every run scans all files that \
                  changed after it.",
        advice: "Fix the file, or take it out of the inbox.",
    },
    Explanation {
        code: "node_silent",
        meaning: "A node of the cluster does not answer the coordinator; no run can load.",
        advice: "Start it, or its network. What it has prepared and not committed, the next run completes.",
    },
    Explanation {
        code: "crowded",
        meaning: "A scan of this folder takes long, since it has very many files; every run scans it.",
        advice: "`etl archive` moves loaded files into archives: does cron or the timer start it every hour, and what \
                 does it log?",
    },
    Explanation {
        code: "rejecting",
        meaning: "More than half of the last hour's files, 20 at least, were rejected.",
        advice: "`etl rejected list` prints what and why: does a service write something new?",
    },
];

/// How long the scan of a folder may take: a fifth of the five seconds from one of cron's runs to the
/// next.
const CROWDED_AFTER: Duration = Duration::from_secs(1);

/// Fewest files of a folder whose scan takes long because of them, and not because of a slow disk.
const MANY_FILES: i64 = 10_000;

impl Progress {
    /// The folders that no run has scanned for `stale_after`, or ever.
    pub fn stale(&self, stale_after: Duration) -> Vec<Problem> {
        let is_fresh = |status: &FolderStatus| {
            status
                .last_sign_at()
                .is_some_and(|time| !self.age(time).is_over(stale_after))
        };
        let is_fresh_elsewhere = |folder: &Folder, in_same_inbox: bool| {
            self.sources.iter().any(|other| {
                (other.folder.inbox == folder.inbox) == in_same_inbox && is_fresh(other)
            })
        };
        let activity = |status: &FolderStatus| {
            if status.running {
                Activity::Here
            } else if status.failing_since.is_some() {
                Activity::Failing
            } else if is_fresh_elsewhere(&status.folder, true) {
                Activity::OtherFolder
            } else if is_fresh_elsewhere(&status.folder, false) {
                Activity::OtherInbox
            } else {
                Activity::Unknown
            }
        };
        let stale = |status: &FolderStatus| {
            let (folder, activity) = (status.folder.clone(), activity(status));
            match status.last_scanned_at {
                None => Problem::NeverScanned { folder, activity },
                Some(time) => Problem::Stale {
                    folder,
                    activity,
                    age: self.age(time),
                },
            }
        };
        self.sources
            .iter()
            .filter(|status| !is_fresh(status))
            .map(stale)
            .collect()
    }

    /// The folders at which runs fail.
    pub(super) fn failing(&self) -> Vec<Problem> {
        let failing = |status: &FolderStatus| {
            let since = status.failing_since?;
            Some(Problem::Failing {
                folder: status.folder.clone(),
                since: self.age(since),
                last: self.age(status.last_failed_at.unwrap_or(since)),
                failure: status.last_failure.clone().unwrap_or_default(),
            })
        };
        self.sources.iter().filter_map(failing).collect()
    }

    /// The folders whose checkpoint is blocked by a file that has been pending for too long.
    pub(super) fn blocked(&self) -> Vec<Problem> {
        let blocked = |status: &FolderStatus| {
            let file = status.oldest_pending.clone()?;
            let age = self.age(file.since);
            age.is_over(BLOCKED_AFTER).then(|| Problem::Blocked {
                folder: status.folder.clone(),
                file,
                age,
                others: status.pending - 1,
            })
        };
        self.sources.iter().filter_map(blocked).collect()
    }

    /// The folders that have so many files that a scan takes too long.
    pub(super) fn crowded(&self) -> Vec<Problem> {
        let crowded = |status: &FolderStatus| {
            let (files, took) = (status.listed?, status.scan_ms?);
            let took = Duration::from_millis(u64::try_from(took).ok()?);
            (files >= MANY_FILES && took > CROWDED_AFTER).then(|| Problem::Crowded {
                folder: status.folder.clone(),
                files,
                took,
            })
        };
        self.sources.iter().filter_map(crowded).collect()
    }
}

impl ClusterStatus {
    /// The nodes that do not answer.
    pub(super) fn silent(&self) -> Vec<Problem> {
        let silent = |node: &NodeStatus| {
            Some(Problem::NodeSilent {
                node: node.address(),
                cause: node.failure.clone()?,
            })
        };
        self.nodes.iter().filter_map(silent).collect()
    }
}
