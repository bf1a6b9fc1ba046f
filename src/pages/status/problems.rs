//! What is wrong with the progress of folders, and with the nodes of a cluster.

use std::time::Duration;

use super::cluster::{ClusterStatus, NodeStatus};
use super::health::{Activity, Problem};
use super::progress::{Folder, FolderStatus, Progress};
use crate::checkpoint::BLOCKED_AFTER;

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
