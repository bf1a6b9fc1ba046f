//! What a run logs of single files: a few of each kind, and how many more there were.
//!
//! Nothing is logged while a transaction is open: whoever reads the log may be slow, and must not
//! hold the locks of the database. So warnings are collected, and logged when the batch has ended.

use std::path::Path;

use log::Level;

use super::chunk::{Chunk, Outcome, Pending};
use crate::checkpoint::ScanPlan;

/// Files of a kind that are named in a run; the rest are counted.
const NAMED: usize = 10;

/// What a run has to log of single files.
#[derive(Clone, Default)]
pub(super) struct FileWarnings {
    lines: Vec<Line>,
    rejected: Kind,
    pending: Kind,
    faults: Kind,
    not_regular: Kind,
    vanished: Kind,
}

/// A line that is still to be logged.
#[derive(Clone)]
struct Line {
    level: Level,
    message: String,
    path: Option<String>,
    reason: Option<&'static str>,
}

/// How many files there were of a kind.
#[derive(Clone, Default)]
struct Kind(usize);

impl Kind {
    /// Counts a file; returns whether it is to be named.
    fn count(&mut self) -> bool {
        self.0 += 1;
        self.0 <= NAMED
    }

    /// How many were not named, if there are any.
    fn rest(&self) -> Option<usize> {
        self.0.checked_sub(NAMED).filter(|rest| *rest > 0)
    }
}

impl FileWarnings {
    /// Notes what is odd about the files of a chunk. Pending files are odd once some file has been
    /// pending for long.
    pub(super) fn note(&mut self, folder: &Path, chunk: &Chunk, plan: ScanPlan, is_blocked: bool) {
        for file in &chunk.files {
            match &file.outcome {
                Outcome::Rejected(rejection) => {
                    if self.rejected.count() {
                        self.lines.push(Line {
                            level: Level::Warn,
                            message: format!("rejected: {rejection}"),
                            path: Some(path(folder, &file.name)),
                            reason: Some(rejection.code()),
                        });
                    }
                }
                Outcome::Pending(pending @ Pending::Fault(_)) => {
                    self.fault(folder, &file.name, &pending.to_string(), plan);
                }
                Outcome::Pending(pending) => {
                    if self.pending.count() {
                        let level = match is_blocked {
                            true => Level::Warn,
                            false => Level::Debug,
                        };
                        self.push(level, folder, &file.name, format!("pending: {pending}"));
                    }
                }
                Outcome::NotRegular => self.not_regular(folder, &file.name),
                Outcome::Vanished => {
                    if self.vanished.count() {
                        let message = "vanished: it was in the folder at the scan and is gone";
                        self.push(Level::Warn, folder, &file.name, message.to_owned());
                    }
                }
                Outcome::Accepted(_) | Outcome::Loaded | Outcome::Duplicate => {}
            }
        }
    }

    /// Notes a file that the file system fails to read.
    pub(super) fn fault(&mut self, folder: &Path, name: &str, cause: &str, plan: ScanPlan) {
        if self.faults.count() {
            let next = match plan.advances {
                true => "the checkpoint waits until it can be read",
                false => "once it can be read, the same command loads it",
            };
            self.push(
                Level::Warn,
                folder,
                name,
                format!("pending: {cause}; {next}"),
            );
        }
    }

    /// Notes a link, a FIFO and the like.
    pub(super) fn not_regular(&mut self, folder: &Path, name: &str) {
        if self.not_regular.count() {
            let message = "ignored: it is a link, a folder, a FIFO, a socket or a device, and only regular files are \
                           events";
            self.push(Level::Warn, folder, name, message.to_owned());
        }
    }

    /// Notes something that is not about one file.
    pub(super) fn general(&mut self, message: String) {
        self.lines.push(Line {
            level: Level::Warn,
            message,
            path: None,
            reason: None,
        });
    }

    fn push(&mut self, level: Level, folder: &Path, name: &str, message: String) {
        self.lines.push(Line {
            level,
            message,
            path: Some(path(folder, name)),
            reason: None,
        });
    }

    /// Logs what was noted since the last time.
    pub(super) fn log(&mut self) {
        for line in self.lines.drain(..) {
            let message = line.message;
            match (line.path, line.reason) {
                (Some(file), Some(reason)) => log::log!(line.level, file, reason; "{message}"),
                (Some(file), None) => log::log!(line.level, file; "{message}"),
                (None, _) => log::log!(line.level, "{message}"),
            }
        }
    }

    /// Logs how many files were not named.
    pub(super) fn conclude(&mut self, dry_run: bool) {
        self.log();
        match self.rejected.rest() {
            // They are in no list.
            Some(more) if dry_run => log::warn!("{more} more rejected"),
            Some(more) => log::warn!(
                "{more} more rejected: `etl rejected list` lists them, and `etl status` sums them up"
            ),
            None => {}
        }
        for (kind, what) in [
            (
                &self.faults,
                "pending because the file system cannot read them",
            ),
            (&self.not_regular, "ignored"),
            (&self.vanished, "vanished"),
        ] {
            if let Some(more) = kind.rest() {
                log::warn!("{more} more {what}");
            }
        }
    }
}

fn path(folder: &Path, name: &str) -> String {
    format!("{}/{name}", folder.display())
}
