//! What a run says of single files: a few of each kind, and how many more there were.

use std::io::{self, ErrorKind};
use std::path::Path;

use log::Level;

use super::portion::{File, Portion};
use crate::inbox::Reading;
use crate::warehouse::rejected::RejectedFile;

/// Files of a kind that are named in a run; the rest are counted.
const NAMED: usize = 10;

/// What a run has said of single files.
#[derive(Default)]
pub(super) struct Remarks {
    rejected: Kind,
    pending: Kind,
    faulty: Kind,
    left_alone: Kind,
    vanished: Kind,
}

/// How many files there were of a kind.
#[derive(Default)]
struct Kind(usize);

impl Kind {
    /// Counts a file, and says whether it is to be named.
    fn count(&mut self) -> bool {
        self.0 += 1;
        self.0 <= NAMED
    }

    /// How many were not named, if there are any.
    fn rest(&self) -> Option<usize> {
        self.0.checked_sub(NAMED).filter(|rest| *rest > 0)
    }
}

impl Remarks {
    /// Names a rejected file.
    pub(super) fn reject(&mut self, folder: &Path, file: &RejectedFile<'_>) {
        if self.rejected.count() {
            log::warn!(
                file = path(folder, file.file_name),
                reason = file.rejection.code();
                "rejected: {}", file.rejection
            );
        }
    }

    /// Names what is odd about a portion's files, whether or not they are dealt with. Those that
    /// are pending are odd once they have `held` the checkpoint for long.
    pub(super) fn look_at(&mut self, folder: &Path, portion: &Portion, held: bool) {
        let level = match held {
            true => Level::Warn,
            false => Level::Debug,
        };
        for file in portion.pending_files() {
            let why = match &file.reading {
                Reading::Unreadable(_, error) if error.kind() != ErrorKind::PermissionDenied => {
                    self.fault(folder, file, error);
                    continue;
                }
                Reading::Unreadable(..) => "this user may not read it, and it changed a moment ago",
                Reading::Changing => "it was written to while it was read",
                _ => "its document has not ended, and it changed a moment ago",
            };
            if self.pending.count() {
                log::log!(level, file = path(folder, &file.name); "left for later: {why}");
            }
        }
        for file in portion.left_alone_files() {
            if self.left_alone.count() {
                log::warn!(
                    file = path(folder, &file.name);
                    "left alone: it is a link, a folder, a FIFO, a socket or a device, and only regular files are \
                     events"
                );
            }
        }
        for file in portion.vanished_files() {
            if self.vanished.count() {
                log::warn!(
                    file = path(folder, &file.name);
                    "vanished: it was in the folder, and was gone when it was to be read"
                );
            }
        }
    }

    /// Names a file that the file system fails to read.
    fn fault(&mut self, folder: &Path, file: &File, error: &io::Error) {
        if self.faulty.count() {
            log::warn!(
                file = path(folder, &file.name);
                "cannot be read: {error}; it waits, and holds the checkpoint, until it can be"
            );
        }
    }

    /// Says how many files were not named.
    pub(super) fn conclude(&self, dry_run: bool) {
        match self.rejected.rest() {
            // They are in no list.
            Some(more) if dry_run => log::warn!("{more} more rejected"),
            Some(more) => log::warn!(
                "{more} more rejected: `etl rejected list` lists them, and `etl status` sums them up"
            ),
            None => {}
        }
        for (kind, what) in [
            (&self.faulty, "cannot be read"),
            (&self.left_alone, "left alone"),
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
