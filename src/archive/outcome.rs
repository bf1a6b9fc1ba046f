//! What `etl archive` did: counts that add up, the line in the log, the page and the JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use log::Level;
use serde::{Serialize, Serializer};

use super::error::Error;
use crate::clock::FileTime;
use crate::explanation::Explanation;
use crate::run::interruption::Signal;
use crate::source::Source;

/// Why a file stays in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// It changed less than `--older-than` ago.
    Recent,
    /// Its content is in no table: no run has read it yet.
    NotLoaded,
    /// It is a copy of a loaded event whose modification time counts: no run has read it yet.
    UnreadCopy,
    /// Its rejection does not have its content: it was too large or could not be read.
    NotStored,
    /// It was rejected because its event was in the future. Unpacked later, it would be accepted. Or it was
    /// accepted by hand, and a load of the archive would reject it.
    FromTheFuture,
    /// It was rejected because its document has not ended. Its writer may still go on.
    Unfinished,
    /// It conflicts with an event whose file is still in the inbox. Unpacked before that file, it would
    /// be accepted.
    Conflicting,
    /// It changed while it was archived.
    Changed,
    /// This user may not remove it.
    NotRemovable,
    /// The file system cannot read it, or this user may not.
    Unreadable,
    /// It is a link, a FIFO, a folder or a device.
    NotRegular,
}

/// What each code of [`Left`] means and what to do; of `from_the_future` and `unreadable`, the reasons of
/// rejections say it.
pub(crate) const LEFT: &[Explanation] = &[
    Explanation {
        code: "recent",
        meaning: "The file changed less than --older-than (1 hour) ago.",
        advice: "Nothing.",
    },
    Explanation {
        code: "not_loaded",
        meaning: "The content of the file is in no table.",
        advice: "Nothing if the next run reads it. Else `etl verify` names the file, and the command that loads it.",
    },
    Explanation {
        code: "unread_copy",
        meaning: "The file is a copy of a loaded event and has the modification time that counts, and no run has read \
                  it yet.",
        advice: "Nothing if the next run reads it; else `etl run --since`.",
    },
    Explanation {
        code: "not_stored",
        meaning: "The file was rejected unread, as too_large or unreadable, so the database does not have its content.",
        advice: "Raise --max-file-size or grant the right, and load it with `etl run --since`; or take it away.",
    },
    Explanation {
        code: "unfinished",
        meaning: "The file was rejected as truncated, and the rejection is open. A writer that still goes on would write \
                  to a file that is no longer in the inbox.",
        advice: "Nothing if its writer goes on. Else write the file again, or close the rejection with `etl rejected \
                 dismiss`: the next archive takes it then.",
    },
    Explanation {
        code: "conflicting",
        meaning: "The file was rejected as a conflicting_event, and the file that it conflicts with is still in the \
                  inbox. Unpacked before that one, it would be accepted.",
        advice: "Nothing: once that file is archived, so is this one.",
    },
    Explanation {
        code: "changed",
        meaning: "The file was replaced, written to or removed while it was archived, or has not ended.",
        advice: "Nothing: the next run reads it, and a later archive takes it.",
    },
    Explanation {
        code: "not_removable",
        meaning: "The user of etl archive may not remove the file: the folder is sticky (mode 1777) and the file belongs \
                  to another user, or it is protected (chattr +i).",
        advice: "Run `etl archive` as the owner of the files or of their folder, or take away what protects them.",
    },
    Explanation {
        code: "not_regular",
        meaning: "It is a link, a FIFO, a folder or a device, and never an event.",
        advice: "Take it out of the inbox.",
    },
];

impl Left {
    /// The code, as `etl explain` knows it.
    fn code(self) -> &'static str {
        match self {
            Left::Recent => "recent",
            Left::NotLoaded => "not_loaded",
            Left::UnreadCopy => "unread_copy",
            Left::NotStored => "not_stored",
            Left::FromTheFuture => "from_the_future",
            Left::Unfinished => "unfinished",
            Left::Conflicting => "conflicting",
            Left::Changed => "changed",
            Left::NotRemovable => "not_removable",
            Left::Unreadable => "unreadable",
            Left::NotRegular => "not_regular",
        }
    }
}

/// What was done to the files of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Event files that were found: the sum of those archived and those left.
    pub files: i64,
    /// Files that are in an archive and were removed from the inbox.
    pub archived: i64,
    /// Files that stay in the inbox, by reason.
    pub left: BTreeMap<Left, i64>,
    /// Archives that were made.
    pub archives: i64,
    /// Bytes of the files that were packed.
    pub bytes: u64,
    /// Bytes of the archives.
    pub archive_bytes: u64,
    /// Change time of the oldest file that is old enough and stays.
    #[serde(skip)]
    pub(super) kept_since: Option<FileTime>,
}

impl Counts {
    /// Counts files that stay.
    pub(super) fn leave(&mut self, why: Left, files: i64) {
        if files > 0 {
            *self.left.entry(why).or_default() += files;
            self.files += files;
        }
    }

    /// Counts a file that stays although it is old enough.
    pub(super) fn keep(&mut self, why: Left, changed: Option<FileTime>) {
        self.leave(why, 1);
        self.kept_since = [self.kept_since, changed].into_iter().flatten().min();
    }

    /// Files that are old enough to be archived and stay.
    pub fn kept(&self) -> i64 {
        self.left.values().sum::<i64>() - self.left(Left::Recent)
    }

    /// Files that stay for this reason.
    pub(super) fn left(&self, why: Left) -> i64 {
        self.left.get(&why).copied().unwrap_or(0)
    }

    /// How many files stay for which reason, as one field of the log.
    fn reasons(&self) -> Option<String> {
        let reasons: Vec<String> = self
            .left
            .iter()
            .map(|(why, files)| format!("{}: {files}", why.code()))
            .collect();
        (!reasons.is_empty()).then(|| reasons.join(", "))
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.files += other.files;
        self.archived += other.archived;
        for (why, files) in &other.left {
            *self.left.entry(*why).or_default() += files;
        }
        self.archives += other.archives;
        self.bytes += other.bytes;
        self.archive_bytes += other.archive_bytes;
        self.kept_since = [self.kept_since, other.kept_since]
            .into_iter()
            .flatten()
            .min();
    }
}

/// How it ended.
#[derive(Debug)]
pub enum Ending {
    /// Every file was archived or left for a reason.
    Done,
    /// The folders were left to another `etl archive`.
    Busy,
    /// It was asked to end before it was done.
    Interrupted(Signal),
    /// Something went wrong.
    Failed(Error),
}

/// The outcome of `etl archive`.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// All sources together.
    #[serde(flatten)]
    pub total: Counts,
    /// By source.
    pub sources: BTreeMap<Source, Counts>,
    /// Whether nothing was written or removed, as asked.
    pub dry_run: bool,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Folders that could not be archived; the others are done.
    #[serde(skip)]
    pub failures: Vec<Error>,
    /// How it ended.
    #[serde(skip)]
    pub ending: Ending,
}

impl Outcome {
    pub(super) fn new(
        sources: BTreeMap<Source, Counts>,
        failures: Vec<Error>,
        ending: Ending,
        dry_run: bool,
        elapsed: Duration,
    ) -> Outcome {
        let mut total = Counts::default();
        sources.values().for_each(|counts| total += counts);
        Outcome {
            total,
            sources,
            dry_run,
            elapsed_ms: elapsed.as_millis() as u64,
            failures,
            ending,
        }
    }

    /// Logs what was done, in one line.
    pub fn log(&self) {
        for failure in &self.failures {
            log::error!("{failure}");
        }
        let (level, outcome, message) = match &self.ending {
            Ending::Done if self.failures.is_empty() && self.dry_run => (
                Level::Info,
                "dry_run",
                "dry run: nothing was written or removed".to_owned(),
            ),
            Ending::Done if self.failures.is_empty() => {
                (Level::Info, "done", "archived".to_owned())
            }
            Ending::Done => (
                Level::Warn,
                "partial",
                format!(
                    "folders that could not be archived as a whole: {}",
                    self.failures.len()
                ),
            ),
            Ending::Busy => (
                Level::Info,
                "busy",
                "left to another `etl archive`, which is at work".to_owned(),
            ),
            Ending::Interrupted(signal) => (
                Level::Warn,
                "interrupted",
                format!(
                    "ended by {signal}: what was archived is counted here, and the next call goes on"
                ),
            ),
            Ending::Failed(error) => (Level::Error, "failed", error.to_string()),
        };
        let sources: Vec<&str> = self.sources.keys().map(|source| source.name()).collect();
        let total = &self.total;
        log::log!(
            level,
            outcome,
            sources = (!sources.is_empty()).then(|| sources.join(",")),
            files = total.files,
            archived = total.archived,
            left = total.files - total.archived,
            reasons = total.reasons(),
            archives = total.archives,
            bytes = total.bytes,
            archive_bytes = total.archive_bytes,
            elapsed_ms = self.elapsed_ms;
            "{message}"
        );
    }

    /// Whether every folder was archived, or left to another program.
    pub fn succeeded(&self) -> bool {
        self.failures.is_empty() && matches!(self.ending, Ending::Done | Ending::Busy)
    }
}

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
