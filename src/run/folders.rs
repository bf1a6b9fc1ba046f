//! The folders of a run: what a batch does to each of them beside the dimensions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Transaction;

use super::chunk::{Chunk, Outcome};
use super::options::Options;
use super::scan::{FORGET_AFTER, FolderScan, FolderState};
use crate::checkpoint::Checkpoint;
use crate::clock::FileTime;
use crate::summary::Counts;
use crate::warehouse::checkpoints::{self, Advance};
use crate::warehouse::error::Error;
use crate::warehouse::processed_files::{PendingFile, RecentFile, forget_files, remember_files};
use crate::warehouse::rejected_names::RejectedNames;
use crate::warehouse::rejections::{FolderRejections, RejectedFile};

/// One folder in one batch.
pub(super) struct FolderBatch {
    rejections: FolderRejections,
    newest_event_at: Option<DateTime<Utc>>,
    /// What the batch has done to the folder's files.
    pub(super) counts: Counts,
    /// How long it took.
    pub(super) elapsed: Duration,
}

impl FolderBatch {
    /// A folder in a batch. `rejected` is what the run knows of its rejected files so far.
    pub(super) fn new(
        run_id: i64,
        scan: &FolderScan,
        options: &Options,
        rejected: RejectedNames,
    ) -> FolderBatch {
        let source = scan.checkpoint.source;
        FolderBatch {
            rejections: FolderRejections::new(run_id, source, &options.inbox_name, rejected),
            newest_event_at: None,
            counts: Counts::default(),
            elapsed: Duration::ZERO,
        }
    }

    /// What the run knows of rejected files after the batch.
    pub(super) fn into_rejected_names(self) -> RejectedNames {
        self.rejections.into_names()
    }

    /// Keeps what was rejected of a landed chunk, and resolves earlier rejections of what was not.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn take(
        &mut self,
        transaction: &mut Transaction<'_>,
        chunk: &Chunk,
        newest_event_at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let good = chunk.files.iter().filter_map(|file| match file.outcome {
            Outcome::Loaded | Outcome::Duplicate => Some(file.name.as_str()),
            _ => None,
        });
        self.rejections.resolve(transaction, good)?;
        let rejected: Vec<RejectedFile<'_>> = chunk
            .rejected()
            .filter_map(|(file, rejection)| {
                Some(RejectedFile {
                    name: &file.name,
                    stamp: file.stamp?,
                    rejection,
                    document: file.document.as_deref(),
                })
            })
            .collect();
        self.rejections.keep(transaction, rejected)?;
        self.counts += chunk.counts();
        self.newest_event_at = self.newest_event_at.max(newest_event_at);
        Ok(())
    }

    /// What is to be logged of the folder when the transaction has ended.
    pub(super) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rejections.notes)
    }

    /// The time of the newest event of the folder in the batch.
    pub(super) fn newest_event_at(&self) -> Option<DateTime<Utc>> {
        self.newest_event_at
    }
}

impl FolderState {
    /// Notes how far the run has come by the files of a chunk.
    pub(super) fn pass(&mut self, chunk: Chunk) {
        let mut passed = None;
        for file in chunk.files {
            passed = passed.max(file.scanned);
            if let Outcome::Pending(why) = &file.outcome {
                self.progress.leave_pending(file.scanned);
                self.pending.push(PendingFile {
                    reason: why.to_string(),
                    name: file.name,
                    is_behind: file.scanned < self.progress.plan().base,
                });
                continue;
            }
            if let Some(changed) = file.scanned {
                self.progress.process(changed);
            }
            if let Some(stamp) = file.stamp {
                self.recent.push(RecentFile {
                    name: file.name,
                    stamp,
                });
            }
        }
        self.pass_ignored(passed);
    }

    /// Counts files that are never read as processed: those that changed up to this time, or all of them
    /// once every other file is processed or pending. Otherwise the offset would pass files that are
    /// still to be read.
    pub(super) fn pass_ignored(&mut self, passed: Option<FileTime>) {
        let is_read = self.progress.remaining == self.ignored.len() as i64;
        while let Some(file) = self
            .ignored
            .pop_if(|file| is_read || Some(file.stamp.changed) <= passed)
        {
            self.progress.process(file.stamp.changed);
            self.recent.push(file);
        }
    }

    /// Remembers the files that the run has passed and that the next one finds again. Within a run the
    /// offset only moves forward, so files before the present range can be left out. Without an offset
    /// the next run reads everything.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn remember(
        &mut self,
        transaction: &mut Transaction<'_>,
        scan: &FolderScan,
        options: &Options,
    ) -> Result<(), Error> {
        let recent = std::mem::take(&mut self.recent);
        let (source, inbox) = (scan.checkpoint.source, &options.inbox_name);
        if !self.progress.plan().advances {
            return Ok(());
        }
        if self.forgets_all {
            let everything = FileTime::from_nanos(i64::MAX);
            forget_files(transaction, source, inbox, everything)?;
            self.forgets_all = false;
        }
        self.unforgotten += recent.len();
        match self.progress.offset() {
            Some(offset) => {
                let horizon = offset.before(options.overlap);
                remember_files(transaction, source, inbox, horizon, &recent)
            }
            None => Ok(()),
        }
    }

    /// Advances the checkpoint of the folder; where the offset stays, adds to its counters. The state
    /// is then that of the next batch. Files that changed before the range of the next scan are forgotten
    /// once nothing remains, and after each [`FORGET_AFTER`] files.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn save(
        &mut self,
        transaction: &mut Transaction<'_>,
        scan: &FolderScan,
        options: &Options,
        counts: Counts,
        newest_event_at: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        self.remember(transaction, scan, options)?;
        let (source, inbox) = (scan.checkpoint.source, &options.inbox_name);
        if !self.progress.plan().advances {
            return checkpoints::count(transaction, source, inbox, counts, newest_event_at);
        }
        let forgets = self.progress.remaining == 0 || self.unforgotten >= FORGET_AFTER;
        if let Some(offset) = self.progress.offset().filter(|_| forgets) {
            let horizon = offset.before(options.overlap);
            forget_files(transaction, source, inbox, horizon)?;
            self.unforgotten = 0;
        }
        checkpoints::advance(
            transaction,
            Advance {
                source,
                inbox,
                path: &scan.folder.path().display().to_string(),
                folder: scan.identity,
            },
            &self.progress,
            counts,
            newest_event_at,
        )?;
        self.saved = self.to_save(scan);
        Ok(())
    }

    /// The checkpoint that is to be saved.
    fn to_save(&self, scan: &FolderScan) -> Checkpoint {
        Checkpoint {
            folder: Some(scan.identity),
            offset: self.progress.offset(),
            pending: self.progress.pending,
            remaining: self.progress.remaining,
            ..self.saved
        }
    }

    /// Whether the database lacks something of this at the end of a run. Pending files are saved only then.
    pub(super) fn is_unsaved(&self, scan: &FolderScan) -> bool {
        self.progress.plan().advances
            && (self.saved != self.to_save(scan)
                || scan.checkpoint.has_pending_files()
                || !self.pending.is_empty()
                || !self.recent.is_empty()
                || self.forgets_all)
    }
}
