//! A batch: one transaction with events, the timelines they touch, rejections and checkpoints.
//!
//! The chunks of a batch are landed one by one, and at the end the timelines are revised and the
//! checkpoints advanced. If a key turns out to be broken, nothing of the batch is kept, and it is done
//! again with its new events rejected ([`Landing::Again`]).

use std::collections::BTreeMap;
use std::mem;

use chrono::{DateTime, Utc};
use postgres::Transaction;

use super::chunk::{Chunk, Outcome};
use super::claim;
use super::error::Error as RunError;
use crate::entity::Kind;
use crate::event::AnyEvent;
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::cluster::Layout;
use crate::warehouse::dimension::{Dimension, IncomingEvent, Landed, dimension};
use crate::warehouse::dimension_lock::lock_dimension;
use crate::warehouse::error::Error;
use crate::warehouse::versions::{BrokenKeys, ReviseError, Revised};

/// The events of a batch on their way into the dimensions.
pub(super) struct Batch<'b> {
    run_id: i64,
    /// Keys of which nothing new is loaded, with the reason.
    broken: &'b BrokenKeys,
    dimensions: BTreeMap<Kind, Box<dyn Dimension>>,
    /// Where the tables of those are.
    pub(super) layout: Layout,
    /// What is to be logged when the transaction has ended.
    pub(super) notes: Vec<String>,
}

/// What became of the timelines of a batch.
pub(super) enum Landing {
    /// They are revised, by entity.
    Done(BTreeMap<Kind, Revised>),
    /// Some keys are broken: the transaction has to be rolled back and done again without them.
    Again(BrokenKeys),
}

impl<'b> Batch<'b> {
    /// A batch of this run, once its claim on these sources is locked in the transaction.
    ///
    /// # Errors
    ///
    /// [`RunError::ClaimLost`] when another run has taken over, else when the statement fails.
    pub(super) fn new(
        transaction: &mut Transaction<'_>,
        run_id: i64,
        sources: &[Source],
        broken: &'b BrokenKeys,
    ) -> Result<Batch<'b>, RunError> {
        claim::lock(transaction, run_id, sources)?;
        Ok(Batch {
            run_id,
            broken,
            dimensions: BTreeMap::new(),
            layout: Layout::default(),
            notes: Vec::new(),
        })
    }

    /// Whether the batch can take these files. Runs over different folders can meet in the
    /// dimensions, and each waits for the other's lock unless all of them take the locks in one
    /// order. A chunk that needs a lock out of order begins the next batch.
    pub(super) fn can_take(&self, chunk: &Chunk) -> bool {
        let highest = self.dimensions.keys().next_back();
        let is_in_order = |kind: &Kind| {
            self.dimensions.contains_key(kind) || highest.is_none_or(|highest| kind > highest)
        };
        chunk.kinds().iter().all(is_in_order)
    }

    /// Writes the accepted events of a chunk, and sets the outcome of each. Returns the time of the
    /// newest one that is loaded, now or before.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        chunk: &mut Chunk,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        let mut event_times = vec![None; chunk.files.len()];
        let mut events: BTreeMap<Kind, Vec<(usize, AnyEvent)>> = BTreeMap::new();
        let files = chunk.files.len();
        for (position, file) in chunk.files.iter_mut().enumerate() {
            match mem::replace(&mut file.outcome, Outcome::Loaded) {
                Outcome::Accepted(event) => {
                    event_times[position] = Some(event.event_at());
                    let of_kind = events
                        .entry(event.kind())
                        .or_insert_with(|| Vec::with_capacity(files));
                    of_kind.push((position, event));
                }
                other => file.outcome = other,
            }
        }
        for kind in events.keys().copied() {
            if !self.dimensions.contains_key(&kind) {
                let locked = lock_dimension(transaction, kind)?;
                self.notes.extend(locked.note);
                self.layout = locked.layout;
                let dimension = dimension(kind, locked.layout, self.run_id, self.broken);
                self.dimensions.insert(kind, dimension);
            }
        }
        for (kind, events) in events {
            let Some(dimension) = self.dimensions.get_mut(&kind) else {
                continue;
            };
            let mut incoming = events.into_iter().filter_map(|(position, event)| {
                let file = &chunk.files[position];
                Some(IncomingEvent {
                    event,
                    file: position,
                    file_name: &file.name,
                    file_modified_at: file.stamp?.modified.to_utc(),
                })
            });
            for (position, landed) in dimension.land(transaction, &mut incoming)? {
                chunk.files[position].outcome = match landed {
                    Landed::Loaded => Outcome::Loaded,
                    Landed::Duplicate => Outcome::Duplicate,
                    Landed::Rejected(rejection) => {
                        event_times[position] = None;
                        Outcome::Rejected(rejection)
                    }
                };
            }
        }
        Ok(event_times.into_iter().flatten().max())
    }

    /// Revises the timelines that the events have touched.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn revise(self, transaction: &mut Transaction<'_>) -> Result<Landing, Error> {
        let mut revised = BTreeMap::new();
        let mut broken = BrokenKeys::new();
        for (kind, dimension) in self.dimensions {
            match dimension.revise(transaction) {
                Ok(of_dimension) => {
                    revised.insert(kind, of_dimension);
                }
                Err(ReviseError::Broken(keys)) => broken.extend(keys),
                Err(ReviseError::Failed(error)) => return Err(error),
            }
        }
        Ok(match broken.is_empty() {
            true => Landing::Done(revised),
            false => Landing::Again(broken),
        })
    }
}

/// What a batch did to versions, each dimension's under the folder of its service, if that is among
/// the run's.
pub(super) fn version_counts(
    revised: &BTreeMap<Kind, Revised>,
    sources: &[Source],
) -> Vec<(usize, Counts)> {
    revised
        .iter()
        .map(|(kind, revised)| {
            let own = sources
                .iter()
                .position(|source| *source == Source::of(*kind));
            let counts = Counts {
                versions_opened: revised.opened,
                versions_closed: revised.closed,
                versions_changed: revised.changed,
                ..Counts::default()
            };
            (own.unwrap_or_default(), counts)
        })
        .collect()
}
