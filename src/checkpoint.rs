//! The checkpoint of a source: how far its folder has been loaded, and which files near that point
//! have been seen.
//!
//! The offset is a position in the order in which files changed in the folder (inode change time).
//! It is saved in the transaction that loads the files before it, it never passes a file that was
//! left for later, and it never passes the clock.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use postgres::{GenericClient, Transaction};

use crate::clock::FileTime;
use crate::error::{Doing, Error};
use crate::inbox::FolderStamp;
use crate::patrol::Round;
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::rows;

/// How long files may be left for later. Those that are being written take `--settle`, seconds; a
/// file that still is not done after minutes keeps changing or cannot be read.
pub const HELD_AFTER: Duration = Duration::from_secs(300);

/// How far a source has been loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The source.
    pub source: Source,
    /// Every file that changed before this has been dealt with; `None` before the first run.
    pub offset: Option<FileTime>,
    /// Files that the last run left for a later one.
    pub pending: i64,
    /// Files that the last run has found and not come to: it is at work, or was cut off.
    pub waiting: i64,
    /// The folder when it was last at rest.
    pub rest: Option<Rest>,
    /// How far the patrol of a big folder has come.
    pub round: Option<Round>,
}

/// A folder at rest: it was listed, it had not changed for an overlap, and nothing in it was left to
/// be dealt with. For as long as it has not changed since, there is nothing new in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The folder as it was before the listing.
    pub folder: FolderStamp,
    /// When the listing began.
    pub listed_at: FileTime,
}

impl Rest {
    /// The rest of a folder that is listed now, if it has not changed for an overlap: before that, a
    /// change may bear the same time as one that the listing has seen, and a file that came lately
    /// may still be written to.
    pub fn of(folder: FolderStamp, overlap: Duration, now: FileTime) -> Option<Rest> {
        (folder.changed.age(now) > overlap).then_some(Rest {
            folder,
            listed_at: now,
        })
    }

    /// Whether the folder need not be listed. A file that is changed in place does not change its
    /// folder, so this holds for an overlap and no longer.
    fn lasts(&self, folder: FolderStamp, overlap: Duration, now: FileTime) -> bool {
        self.folder == folder && self.listed_at <= now && self.listed_at.age(now) < overlap
    }
}

/// What a run has come past in one source, by the change times that its files had at the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Change time of the last file that was dealt with, in the order of change.
    pub dealt_with: Option<FileTime>,
    /// Change time of the first file that was left for later.
    pub left: Option<FileTime>,
}

impl Reach {
    /// Notes a file that was dealt with.
    pub fn deal_with(&mut self, changed: FileTime) {
        self.dealt_with = self.dealt_with.max(Some(changed));
    }

    /// Notes a file that was left for later.
    pub fn leave(&mut self, changed: FileTime) {
        self.left = Some(self.left.map_or(changed, |left| left.min(changed)));
    }
}

impl Checkpoint {
    /// From where a run looks at files: the offset less the overlap, or the start it was given;
    /// `None` is everything. In a big folder it looks further back, to the last time that every file
    /// has been asked.
    ///
    /// An offset ahead of the clock is a clock that was set back; files that have changed since
    /// bear its new time. If that was more than the overlap, nobody knows how far back they reach.
    pub fn start(
        &self,
        since: Option<FileTime>,
        overlap: Duration,
        now: FileTime,
    ) -> Option<FileTime> {
        if since.is_some() {
            return since;
        }
        let start = self.offset?.before(overlap);
        if start <= now {
            let verified = self.round.map_or(now, |round| round.verified_at);
            return Some(start.min(now.before(overlap)).min(verified.before(overlap)));
        }
        log::warn!(
            "the clock stands before the checkpoint of {}, so it was set back: looking at everything in the folder",
            self.source
        );
        None
    }

    /// Whether nothing can be new in the folder, so that a run need not list it.
    pub fn rests(&self, folder: FolderStamp, overlap: Duration, now: FileTime) -> bool {
        self.pending == 0
            && self
                .rest
                .is_some_and(|rest| rest.lasts(folder, overlap, now))
    }

    /// Notes that the folder is at rest.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the statement fails.
    pub fn note_rest(&self, client: &mut impl GenericClient, rest: Rest) -> Result<(), Error> {
        client
            .execute_typed(
                include_str!("../sql/checkpoint/rest.sql"),
                &[
                    (&self.source.name(), Type::TEXT),
                    (&rest.folder.inode, Type::INT8),
                    (&rest.folder.changed.nanos(), Type::INT8),
                    (&rest.listed_at.to_utc(), Type::TIMESTAMPTZ),
                ],
            )
            .doing("noting that a folder is at rest")?;
        Ok(())
    }

    /// Whether a run from `since` leaves no gap after the offset, so that the offset may follow it.
    pub fn is_reached_by(&self, since: Option<FileTime>) -> bool {
        match (since, self.offset) {
            (None, _) => true,
            (Some(since), Some(offset)) => since <= offset,
            (Some(_), None) => false,
        }
    }

    /// The offset after a run that left no gap has come this far, having scanned the folder at
    /// `now`.
    pub fn advanced(&self, reach: Reach, now: FileTime) -> Option<FileTime> {
        let limit = reach.left.map_or(now, |left| left.min(now));
        let reached = reach.dealt_with.map(|changed| changed.min(limit));
        self.offset.max(reached).map(|offset| offset.min(now))
    }

    /// Saves the offset, what was counted and the time of the newest event, in the transaction that
    /// loads the data.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn save(
        &self,
        transaction: &mut Transaction<'_>,
        counts: Counts,
        newest_event_at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let offset: Option<DateTime<Utc>> = self.offset.map(FileTime::to_utc);
        transaction
            .execute_typed(
                include_str!("../sql/checkpoint/advance.sql"),
                &[
                    (&self.source.name(), Type::TEXT),
                    (&offset, Type::TIMESTAMPTZ),
                    (&newest_event_at, Type::TIMESTAMPTZ),
                    (&counts.loaded, Type::INT8),
                    (&counts.duplicates, Type::INT8),
                    (&counts.rejected, Type::INT8),
                    (&self.pending, Type::INT8),
                    (&self.waiting, Type::INT8),
                ],
            )
            .doing("saving the checkpoint")?;
        Ok(())
    }

    /// Whether runs have left files for later for longer than [`HELD_AFTER`].
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the statement fails.
    pub fn is_held(&self, client: &mut impl GenericClient, now: FileTime) -> Result<bool, Error> {
        let row = client
            .query_typed_one(
                include_str!("../sql/checkpoint/pending_since.sql"),
                &[(&self.source.name(), Type::TEXT)],
            )
            .doing("asking since when files are pending")?;
        Ok(row
            .get::<_, Option<DateTime<Utc>>>(0)
            .is_some_and(|since| FileTime::from(since).age(now) > HELD_AFTER))
    }

    /// Remembers files that were dealt with and will be met again, and forgets those that will not.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn remember(
        &self,
        transaction: &mut Transaction<'_>,
        overlap: Duration,
        files: &[(String, FileTime)],
    ) -> Result<(), Error> {
        let Some(offset) = self.offset else {
            return Ok(());
        };
        let horizon = match self.round {
            Some(round) => offset.min(round.verified_at).before(overlap),
            None => offset.before(overlap),
        };
        let source = self.source.name();
        transaction
            .execute_typed(
                include_str!("../sql/checkpoint/forget.sql"),
                &[(&source, Type::TEXT), (&horizon.nanos(), Type::INT8)],
            )
            .doing("forgetting files seen long ago")?;
        let recent: Vec<(&str, i64)> = files
            .iter()
            .filter(|(_, changed)| *changed >= horizon)
            .map(|(name, changed)| (name.as_str(), changed.nanos()))
            .collect();
        rows::copy(
            transaction,
            include_str!("../sql/checkpoint/remember.sql"),
            &[Type::TEXT, Type::TEXT, Type::INT8],
            &recent,
            |(name, changed), row| {
                row.push(&source);
                row.push(name);
                row.push(changed);
            },
            "remembering the files seen",
        )
    }
}

/// Files of a source that were dealt with and that a run from its offset meets again.
///
/// After a burst there are a million, so each is kept as a fingerprint of its name and change time.
/// 128 bits of keyed hashes: that a new file is taken for one of a million known ones has a chance
/// of one in 10^32.
#[derive(Default)]
pub struct RecentFiles {
    hashers: [RandomState; 2],
    files: HashSet<[u64; 2]>,
}

impl RecentFiles {
    fn fingerprint(&self, name: &str, changed: FileTime) -> [u64; 2] {
        self.hashers
            .each_ref()
            .map(|hasher| hasher.hash_one((name, changed)))
    }

    /// Whether a file of this name was dealt with as it was when it changed at this time.
    pub fn contains(&self, name: &str, changed: FileTime) -> bool {
        self.files.contains(&self.fingerprint(name, changed))
    }
}

/// Reads the files of a source that were dealt with lately.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn recent_files(client: &mut impl GenericClient, source: Source) -> Result<RecentFiles, Error> {
    let doing = "reading the files seen lately";
    let mut rows = client
        .query_typed_raw(
            include_str!("../sql/checkpoint/recent_files.sql"),
            [(source.name(), Type::TEXT)],
        )
        .doing(doing)?;
    let mut recent = RecentFiles::default();
    while let Some(row) = rows.next().doing(doing)? {
        let fingerprint = recent.fingerprint(row.get(0), FileTime::from_nanos(row.get(1)));
        recent.files.insert(fingerprint);
    }
    Ok(recent)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Checkpoint, Reach, Rest};
    use crate::clock::FileTime;
    use crate::inbox::FolderStamp;
    use crate::source::Source;

    const OVERLAP: Duration = Duration::from_nanos(60);

    fn at(offset: Option<i64>) -> Checkpoint {
        Checkpoint {
            source: Source::Users,
            offset: offset.map(FileTime::from_nanos),
            pending: 0,
            waiting: 0,
            rest: None,
            round: None,
        }
    }

    #[test]
    fn a_run_starts_an_overlap_before_the_offset() {
        let start = |offset: Option<i64>, since: Option<i64>, now: i64| {
            at(offset)
                .start(
                    since.map(FileTime::from_nanos),
                    OVERLAP,
                    FileTime::from_nanos(now),
                )
                .map(FileTime::nanos)
        };
        assert_eq!(start(None, None, 1_000), None);
        assert_eq!(start(Some(500), None, 1_000), Some(440));
        // A clock that was set back by a little, and by more than the overlap.
        assert_eq!(start(Some(500), None, 480), Some(420));
        assert_eq!(start(Some(500), None, 439), None);
        assert_eq!(start(Some(500), Some(7), 1_000), Some(7));
        assert_eq!(start(None, Some(7), 1_000), Some(7));
    }

    #[test]
    fn the_offset_follows_what_was_dealt_with_and_passes_neither_what_was_left_nor_the_clock() {
        let advanced =
            |offset: Option<i64>, dealt_with: Option<i64>, left: Option<i64>, now: i64| {
                let reach = Reach {
                    dealt_with: dealt_with.map(FileTime::from_nanos),
                    left: left.map(FileTime::from_nanos),
                };
                at(offset)
                    .advanced(reach, FileTime::from_nanos(now))
                    .map(FileTime::nanos)
            };
        assert_eq!(advanced(None, None, None, 1_000), None);
        assert_eq!(advanced(None, None, Some(500), 1_000), None);
        assert_eq!(advanced(None, Some(700), None, 1_000), Some(700));
        assert_eq!(advanced(Some(600), Some(700), None, 1_000), Some(700));
        assert_eq!(advanced(Some(600), Some(500), None, 1_000), Some(600));
        assert_eq!(advanced(Some(600), Some(700), Some(650), 1_000), Some(650));
        assert_eq!(advanced(Some(600), Some(700), Some(550), 1_000), Some(600));
        // A file stamped in the future, and a clock that was set back.
        assert_eq!(advanced(Some(600), Some(9_000), None, 1_000), Some(1_000));
        assert_eq!(advanced(Some(600), None, None, 400), Some(400));
    }

    #[test]
    fn a_folder_at_rest_is_listed_again_when_it_changes_and_after_an_overlap() {
        let folder = |changed: i64| FolderStamp {
            inode: 7,
            changed: FileTime::from_nanos(changed),
        };
        let rest =
            |changed: i64, now: i64| Rest::of(folder(changed), OVERLAP, FileTime::from_nanos(now));
        assert_eq!(rest(940, 1_000), None);
        assert!(rest(939, 1_000).is_some());
        let rests = |pending: i64, changed: i64, now: i64| {
            Checkpoint {
                pending,
                rest: rest(900, 1_000),
                ..at(None)
            }
            .rests(folder(changed), OVERLAP, FileTime::from_nanos(now))
        };
        assert!(rests(0, 900, 1_000) && rests(0, 900, 1_059));
        assert!(!rests(0, 900, 1_060) && !rests(0, 901, 1_001) && !rests(1, 900, 1_001));
        // A clock that was set back.
        assert!(!rests(0, 900, 999));
    }

    #[test]
    fn a_backfill_that_leaves_a_gap_does_not_reach_the_offset() {
        let reached = |offset: Option<i64>, since: Option<i64>| {
            at(offset).is_reached_by(since.map(FileTime::from_nanos))
        };
        assert!(reached(None, None) && reached(Some(5), None));
        assert!(reached(Some(5), Some(5)) && reached(Some(5), Some(1)));
        assert!(!reached(Some(5), Some(6)) && !reached(None, Some(1)));
    }
}
