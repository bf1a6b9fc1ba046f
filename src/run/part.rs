//! The part of a batch that comes from one source, on its way into the warehouse.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Transaction;

use super::backlog::Progress;
use super::portion::{File, Portion};
use super::remarks::Remarks;
use crate::clock::FileTime;
use crate::error::Error;
use crate::event::{Card, Event, Rejection, User};
use crate::inbox::{Reading, Stamp};
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::dimension::{Arrival, Intake};
use crate::warehouse::rejected::{self, Before, RejectedFile};

/// The files of one source in one batch: their events and rejections land portion by portion, and
/// at the end the timelines are revised and the checkpoint is saved.
pub(super) struct Part {
    run_id: i64,
    source: Source,
    users: Intake<User>,
    cards: Intake<Card>,
    counts: Counts,
    /// Files that were dealt with, each with its change time when it was read.
    seen: Vec<(String, FileTime)>,
    newest_event_at: Option<DateTime<Utc>>,
    rejected_before: Before,
}

impl Part {
    /// A part of the batch of this run, of so many files.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn new(
        transaction: &mut Transaction<'_>,
        run_id: i64,
        source: Source,
        files: usize,
    ) -> Result<Part, Error> {
        Ok(Part {
            run_id,
            source,
            rejected_before: Before::read(transaction, source, files)?,
            users: Intake::new(run_id),
            cards: Intake::new(run_id),
            counts: Counts::default(),
            seen: Vec::new(),
            newest_event_at: None,
        })
    }

    /// Writes the events and rejections of a portion.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        portion: Portion,
        folder: &Path,
        remarks: &mut Remarks,
    ) -> Result<(), Error> {
        let mut counts = portion.counts();
        let Portion {
            mut files,
            users,
            cards,
            rejected,
            dealt_with,
            ..
        } = portion;
        self.newest_event_at = users
            .iter()
            .map(|(.., event)| event.event_at)
            .chain(cards.iter().map(|(.., event)| event.event_at))
            .max()
            .max(self.newest_event_at);
        let accepted: Vec<usize> = users
            .iter()
            .map(|(place, ..)| *place)
            .chain(cards.iter().map(|(place, ..)| *place))
            .collect();
        let mut rejected: Vec<RejectedFile<'_>> = rejected
            .into_iter()
            .map(|(place, stamp, rejection)| rejected_file(&files[place], stamp, rejection))
            .collect();
        let mut refused = HashSet::new();
        for landed in [
            self.users.land(transaction, arrivals(users, &files))?,
            self.cards.land(transaction, arrivals(cards, &files))?,
        ] {
            let (duplicates, conflicts) = (landed.duplicates, landed.conflicts.len() as i64);
            counts.loaded -= duplicates + conflicts;
            counts.duplicates += duplicates;
            counts.rejected += conflicts;
            for (place, rejection) in landed.conflicts {
                refused.insert(place);
                let file = &files[place];
                if let Reading::Document(stamp, _) = &file.reading {
                    rejected.push(rejected_file(file, *stamp, rejection));
                }
            }
        }
        let good = accepted
            .into_iter()
            .filter(|place| !refused.contains(place))
            .map(|place| files[place].name.as_str());
        let good = self.rejected_before.among(good);
        rejected::resolve(transaction, self.run_id, self.source, &good)?;
        rejected
            .iter()
            .for_each(|file| remarks.reject(folder, file));
        let before = &self.rejected_before;
        rejected::keep(transaction, self.run_id, self.source, before, rejected)?;
        self.counts += counts;
        self.seen.extend(
            dealt_with
                .into_iter()
                .map(|(place, changed)| (std::mem::take(&mut files[place].name), changed)),
        );
        Ok(())
    }

    /// Revises the timelines and saves the checkpoint; tells what the part came to.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn finish(
        self,
        transaction: &mut Transaction<'_>,
        progress: &mut Progress,
        overlap: Duration,
    ) -> Result<Counts, Error> {
        let mut counts = self.counts;
        for revised in [
            self.users.revise(transaction)?,
            self.cards.revise(transaction)?,
        ] {
            counts.versions_opened += revised.opened;
            counts.versions_closed += revised.closed;
        }
        let checkpoint = progress.checkpoint();
        checkpoint.remember(transaction, overlap, &self.seen)?;
        checkpoint.save(transaction, counts, self.newest_event_at)?;
        progress.saved();
        Ok(counts)
    }
}

/// Events with the files that they came in.
fn arrivals<S>(events: Vec<(usize, Stamp, Event<S>)>, files: &[File]) -> Vec<Arrival<'_, S>> {
    events
        .into_iter()
        .map(|(place, stamp, event)| Arrival {
            event,
            file: place,
            file_name: &files[place].name,
            file_modified_at: stamp.modified.to_utc(),
        })
        .collect()
}

fn rejected_file(file: &File, stamp: Stamp, rejection: Rejection) -> RejectedFile<'_> {
    RejectedFile {
        file_name: &file.name,
        stamp,
        rejection,
        document: match &file.reading {
            Reading::Document(_, document) => Some(document),
            _ => None,
        },
    }
}
