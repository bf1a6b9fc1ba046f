//! The checkpoint of a folder: how far it has been loaded, and so where the next run starts.
//!
//! The offset is a position in the order in which files changed in the folder (inode change time).
//! It is advanced in the transaction that loads the files before it, it never passes a pending file,
//! and it never passes the clock. [`plan`] decides which files a run reads, and [`Progress`] how far
//! the offset moves; both are functions of their parameters alone.

use std::time::Duration;

use crate::clock::FileTime;
use crate::source::Source;
use crate::stamp::FolderIdentity;

/// How far a folder has been loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The source.
    pub source: Source,
    /// The folder that the offset belongs to; `None` before the first run.
    pub folder: Option<FolderIdentity>,
    /// Every file that changed before this has been processed; `None` before the first run.
    pub offset: Option<FileTime>,
    /// Files that the last run left pending.
    pub pending: i64,
    /// Since when the oldest of them has been pending.
    pub pending_since: Option<FileTime>,
    /// Files that the last run found and has not read yet.
    pub remaining: i64,
}

/// How long a file may be pending. Those that are being written take `--settle`, seconds; a file that
/// is still pending after minutes keeps changing or cannot be read, and blocks the checkpoint.
pub const BLOCKED_AFTER: Duration = Duration::from_secs(300);

impl Checkpoint {
    /// That of a folder which no run has scanned.
    pub fn new(source: Source) -> Checkpoint {
        Checkpoint {
            source,
            folder: None,
            offset: None,
            pending: 0,
            pending_since: None,
            remaining: 0,
        }
    }

    /// Whether the offset certainly belongs to this folder. If not, it may still belong to it.
    pub fn is_certainly_of(&self, folder: FolderIdentity) -> bool {
        self.folder.is_some_and(|known| known.is_same(folder))
    }

    /// Whether the database lists pending files of the folder. A run that is killed after a batch has loaded
    /// one of them leaves it listed, and not counted.
    pub fn has_pending_files(&self) -> bool {
        self.pending > 0 || self.pending_since.is_some()
    }

    /// Whether a file has been pending for so long that it blocks the checkpoint.
    pub fn is_blocked(&self, now: FileTime) -> bool {
        self.pending_since
            .is_some_and(|since| since.age(now) > BLOCKED_AFTER)
    }
}

/// Where a run is asked to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the checkpoint.
    Checkpoint,
    /// At a given time (`--since`).
    Since(FileTime),
    /// At the files whose names are in no table (`--reconcile`).
    UnknownNames,
}

/// Which files of a folder a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanPlan {
    /// Files that changed at this time or later; `None` is every file.
    pub from: Option<FileTime>,
    /// Whether files that were processed recently are skipped.
    pub skips_recent: bool,
    /// Whether files whose name is in some table are skipped.
    pub skips_known_names: bool,
    /// The offset that the run goes on from; `None` if the folder's is not valid.
    pub base: Option<FileTime>,
    /// Whether the run leaves no gap after the offset, so that the offset follows it.
    pub advances: bool,
    /// Why the run reads everything although there is an offset.
    pub rescan: Option<Rescan>,
}

/// Why a run reads everything although there is an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescan {
    /// The offset belongs to another folder.
    OtherFolder,
    /// The clock was set back by more than the overlap: files that changed since have its new time,
    /// and nobody knows how far back they reach.
    ClockSetBack,
}

/// Decides which files of a folder a run reads.
///
/// `is_same_folder`: whether the folder is the one that the offset belongs to. An offset means
/// nothing in another folder.
pub fn plan(
    checkpoint: &Checkpoint,
    start: Start,
    is_same_folder: bool,
    overlap: Duration,
    now: FileTime,
) -> ScanPlan {
    let offset = checkpoint.offset.filter(|_| is_same_folder);
    let everything = ScanPlan {
        from: None,
        skips_recent: false,
        skips_known_names: false,
        base: offset,
        advances: true,
        rescan: None,
    };
    match (start, offset) {
        // A backfill reads again even what was processed recently: that is what it is asked for.
        (Start::Since(since), offset) => ScanPlan {
            from: Some(since),
            advances: offset.is_some_and(|offset| since <= offset),
            ..everything
        },
        // A file that has a known name and changed since is left to other runs, so the offset stays.
        (Start::UnknownNames, _) => ScanPlan {
            skips_known_names: true,
            advances: false,
            ..everything
        },
        (Start::Checkpoint, None) => ScanPlan {
            rescan: checkpoint.offset.map(|_| Rescan::OtherFolder),
            ..everything
        },
        (Start::Checkpoint, Some(offset)) if offset.before(overlap) > now => ScanPlan {
            skips_recent: true,
            rescan: Some(Rescan::ClockSetBack),
            ..everything
        },
        (Start::Checkpoint, Some(offset)) => ScanPlan {
            from: Some(offset.min(now).before(overlap)),
            skips_recent: true,
            ..everything
        },
    }
}

/// How far a run has come in a folder, by the change times that its files had at the scan: a file
/// that has changed since is later in the order than files that nobody has seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    plan: ScanPlan,
    /// The clock before the scan: a file that changes later may not have been seen.
    scanned_at: FileTime,
    /// Change time of the latest file that was processed.
    processed: Option<FileTime>,
    /// Change time of the first file that was left pending.
    first_pending: Option<FileTime>,
    /// Files left pending.
    pub pending: i64,
    /// Files found and not read yet.
    pub remaining: i64,
}

impl Progress {
    /// A run that has found so many files to read.
    pub fn new(plan: ScanPlan, scanned_at: FileTime, files: usize) -> Progress {
        Progress {
            plan,
            scanned_at,
            processed: None,
            first_pending: None,
            pending: 0,
            remaining: files as i64,
        }
    }

    /// A file that the run is done with.
    pub fn process(&mut self, changed: FileTime) {
        self.remaining -= 1;
        self.processed = self.processed.max(Some(changed));
    }

    /// A file that is left to a later run. Without a change time it may be anywhere, and the offset
    /// stays where it is.
    pub fn leave_pending(&mut self, changed: Option<FileTime>) {
        self.remaining -= 1;
        self.pending += 1;
        let changed = changed
            .or(self.base())
            .unwrap_or(FileTime::from_nanos(i64::MIN));
        self.first_pending = Some(
            self.first_pending
                .map_or(changed, |first| first.min(changed)),
        );
    }

    /// The plan that the run follows.
    pub fn plan(&self) -> ScanPlan {
        self.plan
    }

    /// When the scan began.
    pub fn scanned_at(&self) -> FileTime {
        self.scanned_at
    }

    /// The offset that the run goes on from. One of a clock that was set back since is ahead of files that
    /// nobody has read, so it counts for nothing until all files are processed.
    fn base(&self) -> Option<FileTime> {
        let is_done = self.remaining == 0 && self.pending == 0;
        self.plan
            .base
            .filter(|_| is_done || self.plan.rescan != Some(Rescan::ClockSetBack))
    }

    /// The offset after this much of the run.
    pub fn offset(&self) -> Option<FileTime> {
        if !self.plan.advances {
            return self.plan.base;
        }
        let base = self.base();
        let now = self.scanned_at;
        let limit = self.first_pending.map_or(now, |pending| pending.min(now));
        // A file that is pending may have no known time; then nothing counts as processed.
        let reached = self
            .processed
            .map(|changed| changed.min(limit))
            .filter(|reached| reached.nanos() > i64::MIN);
        base.max(reached).map(|offset| offset.min(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Checkpoint, Progress, Rescan, ScanPlan, Start, plan};
    use crate::clock::FileTime;
    use crate::entity::Kind;
    use crate::source::Source;

    const OVERLAP: Duration = Duration::from_nanos(60);

    fn checkpoint(offset: Option<i64>) -> Checkpoint {
        Checkpoint {
            source: Source::of(Kind::User),
            folder: None,
            offset: offset.map(FileTime::from_nanos),
            pending: 0,
            pending_since: None,
            remaining: 0,
        }
    }

    /// From, skips recent, base, advances, rescan.
    type Expected = (Option<i64>, bool, Option<i64>, bool, Option<Rescan>);

    /// Name, offset, start, whether the folder is the same, clock, and what is expected.
    type Case = (&'static str, Option<i64>, Start, bool, i64, Expected);

    #[test]
    fn the_plan_follows_from_checkpoint_options_folder_and_clock() {
        let since = |nanos| Start::Since(FileTime::from_nanos(nanos));
        let at = Start::Checkpoint;
        let cases: [Case; 11] = [
            (
                "first run",
                None,
                at,
                false,
                1_000,
                (None, false, None, true, None),
            ),
            (
                "usual run",
                Some(500),
                at,
                true,
                1_000,
                (Some(440), true, Some(500), true, None),
            ),
            (
                "clock set back within the overlap",
                Some(500),
                at,
                true,
                480,
                (Some(420), true, Some(500), true, None),
            ),
            (
                "clock set back by more",
                Some(500),
                at,
                true,
                439,
                (None, true, Some(500), true, Some(Rescan::ClockSetBack)),
            ),
            (
                "another folder",
                Some(500),
                at,
                false,
                1_000,
                (None, false, None, true, Some(Rescan::OtherFolder)),
            ),
            (
                "backfill",
                Some(500),
                since(7),
                true,
                1_000,
                (Some(7), false, Some(500), true, None),
            ),
            (
                "backfill from the offset",
                Some(500),
                since(500),
                true,
                1_000,
                (Some(500), false, Some(500), true, None),
            ),
            (
                "backfill that leaves a gap",
                Some(500),
                since(501),
                true,
                1_000,
                (Some(501), false, Some(500), false, None),
            ),
            (
                "backfill before the first run",
                None,
                since(7),
                false,
                1_000,
                (Some(7), false, None, false, None),
            ),
            (
                "backfill of another folder",
                Some(500),
                since(7),
                false,
                1_000,
                (Some(7), false, None, false, None),
            ),
            (
                "by names",
                Some(500),
                Start::UnknownNames,
                true,
                1_000,
                (None, false, Some(500), false, None),
            ),
        ];
        for (name, offset, start, is_same_folder, now, expected) in cases {
            let now = FileTime::from_nanos(now);
            let planned = plan(&checkpoint(offset), start, is_same_folder, OVERLAP, now);
            let (from, skips_recent, base, advances, rescan) = expected;
            let expected = ScanPlan {
                from: from.map(FileTime::from_nanos),
                skips_recent,
                skips_known_names: start == Start::UnknownNames,
                base: base.map(FileTime::from_nanos),
                advances,
                rescan,
            };
            assert_eq!(planned, expected, "{name}");
        }
    }

    #[test]
    fn the_offset_follows_what_is_processed_and_passes_neither_what_is_pending_nor_the_clock() {
        let offset = |base: Option<i64>,
                      processed: Option<i64>,
                      pending: Option<i64>,
                      unread: usize,
                      now: i64| {
            let now = FileTime::from_nanos(now);
            let found = processed.iter().chain(&pending).count() + unread;
            let mut progress = Progress::new(
                plan(&checkpoint(base), Start::Checkpoint, true, OVERLAP, now),
                now,
                found,
            );
            if let Some(changed) = processed {
                progress.process(FileTime::from_nanos(changed));
            }
            if let Some(changed) = pending {
                progress.leave_pending(Some(FileTime::from_nanos(changed)));
            }
            progress.offset().map(FileTime::nanos)
        };
        assert_eq!(offset(None, None, None, 2, 1_000), None);
        assert_eq!(offset(None, None, Some(500), 1, 1_000), None);
        assert_eq!(offset(None, Some(700), None, 1, 1_000), Some(700));
        assert_eq!(offset(Some(600), Some(700), None, 1, 1_000), Some(700));
        assert_eq!(offset(Some(600), Some(500), None, 1, 1_000), Some(600));
        assert_eq!(offset(Some(600), Some(700), Some(650), 0, 1_000), Some(650));
        assert_eq!(offset(Some(600), Some(700), Some(550), 0, 1_000), Some(600));
        // A file stamped in the future.
        assert_eq!(offset(Some(600), Some(9_000), None, 1, 1_000), Some(1_000));
        // A clock that was set back, within the overlap and by more: then everything is read first.
        assert_eq!(offset(Some(430), None, None, 2, 400), Some(400));
        assert_eq!(offset(Some(600), None, None, 2, 400), None);
        assert_eq!(offset(Some(600), Some(100), None, 1, 400), Some(100));
        assert_eq!(offset(Some(600), Some(300), Some(200), 0, 400), Some(200));
        assert_eq!(offset(Some(600), Some(300), None, 0, 400), Some(400));
        assert_eq!(offset(Some(600), None, None, 0, 400), Some(400));
    }

    #[test]
    fn a_pending_file_without_a_time_blocks_the_offset() {
        let now = FileTime::from_nanos(1_000);
        // The last one is of a clock that was set back.
        for (base, expected) in [(None, None), (Some(600), Some(600)), (Some(9_000), None)] {
            let planned = plan(&checkpoint(base), Start::Checkpoint, true, OVERLAP, now);
            let mut progress = Progress::new(planned, now, 2);
            progress.process(FileTime::from_nanos(700));
            progress.leave_pending(None);
            assert_eq!(progress.offset().map(FileTime::nanos), expected);
            assert_eq!((progress.pending, progress.remaining), (1, 0));
        }
    }
}
