//! A dimension and its events in one transaction: incoming events are written to landing, and the
//! timelines that they touch are revised.
//!
//! The program finds out which of the events are already loaded, and at the end of the transaction reads
//! the current versions of the keys with new events, and for late-arriving events the events and versions
//! around them (see [`crate::timeline`]). It does none of that for keys above all that the warehouse has:
//! new cards, and everything in a first load.
//!
//! One bad key stops no other. If the versions of a key contradict its events, or the database
//! refuses to change them, the key is broken: its new events are rejected.

use std::collections::HashMap;
use std::iter::Peekable;

use chrono::{DateTime, Utc};
use postgres::Transaction;
use uuid::Uuid;

use super::cluster::Layout;
use super::current::current_versions;
use super::error::{Doing, Error};
use super::incoming::{
    Compared, Identity, Incoming, are_loaded, compare_events, copy_events, precede_events,
};
use super::late::{Touched, revise_late};
use super::statement;
use super::versions::{self, BrokenKeys, ReviseError, Revised};
use crate::entity::{Kind, for_each_entity};
use crate::event::{AnyEvent, Recorded, Rejection};
use crate::timeline::{EffectiveEvent, Revision, append};

/// Keys whose current versions are read, and whose revisions are written, together: enough that a round trip
/// costs nothing beside them, few enough that they take little memory.
const REVISIONS: usize = 8_192;

/// Most new events of the keys whose current versions are read together. The database puts their ids into a
/// hash table, some 50 bytes each, which has to fit into `work_mem`: 4 MB by default, and less on some
/// servers. Without the hash table it would compare each loaded event with all new ones. A key with more new
/// events in one batch is revised like a key with late-arriving events, by their times.
pub const QUERIED_EVENTS: usize = 16_384;

/// Keys with late-arriving events that are revised together. Some history of each is in memory meanwhile.
const LATE_REVISIONS: usize = 2_048;

/// An accepted event on its way into the warehouse.
#[derive(Clone, Debug)]
pub struct IncomingEvent<'f> {
    /// The event.
    pub event: AnyEvent,
    /// Position of its file in the chunk.
    pub file: usize,
    /// Name of its file.
    pub file_name: &'f str,
    /// Modification time of its file, whole microseconds.
    pub file_modified_at: DateTime<Utc>,
}

/// What became of an incoming event.
#[derive(Debug)]
pub enum Landed {
    /// It is loaded.
    Loaded,
    /// It was already loaded, with the same content.
    Duplicate,
    /// It was already loaded with other content, or its key is broken.
    Rejected(Rejection),
}

/// A dimension within a batch, whatever its entity.
pub trait Dimension {
    /// Writes events to landing, given in the order in which their files changed. Of several events
    /// with one identity the first counts; the others are compared with it. Returns what became of
    /// each, by the position of its file.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: &mut dyn Iterator<Item = IncomingEvent<'_>>,
    ) -> Result<Vec<(usize, Landed)>, Error>;

    /// Revises the timelines that the events have touched.
    ///
    /// # Errors
    ///
    /// When keys turn out to be broken, or a statement fails.
    fn revise(self: Box<Self>, transaction: &mut Transaction<'_>) -> Result<Revised, ReviseError>;
}

macro_rules! define_constructor {
    ($($module:ident::$entity:ident),+) => {
        /// The dimension of an entity in a batch of this run. What is new of the broken keys is
        /// rejected.
        pub fn dimension(kind: Kind, layout: Layout, run_id: i64, broken: &BrokenKeys) -> Box<dyn Dimension> {
            match kind {
                $(Kind::$entity => Box::new(DimensionBatch::<crate::entity::$entity>::new(layout, run_id, broken)),)+
            }
        }
    };
}
for_each_entity!(define_constructor);

/// The events of one transaction on their way into a dimension.
struct DimensionBatch<E> {
    layout: Layout,
    run_id: i64,
    /// The highest key that the warehouse had before this batch, `None` if it had none; unknown before the
    /// first events. Keys above it are not looked up.
    highest_key: Option<Option<i64>>,
    /// Broken keys, with the reason: their new events are rejected.
    broken: HashMap<i64, String>,
    /// Identities of the written events whose keys are above the highest one, in order.
    loaded: Vec<Identity>,
    /// The states that those events report.
    new_events: Vec<NewEvent<E>>,
    /// Times at which an event has moved.
    moved: Touched,
}

/// An event that was written, as far as timelines are concerned.
#[derive(Debug)]
struct NewEvent<E> {
    entity_id: i64,
    event_at: DateTime<Utc>,
    file_modified_at: DateTime<Utc>,
    event_id: Uuid,
    state: E,
}

impl<E: Recorded> DimensionBatch<E> {
    fn new(layout: Layout, run_id: i64, broken: &BrokenKeys) -> DimensionBatch<E> {
        let broken = broken.iter().filter(|((kind, _), _)| *kind == E::KIND);
        DimensionBatch {
            layout,
            run_id,
            highest_key: None,
            broken: broken
                .map(|((_, entity_id), cause)| (*entity_id, cause.clone()))
                .collect(),
            loaded: Vec::new(),
            new_events: Vec::new(),
            moved: Touched::new(),
        }
    }
}

impl<E: Recorded> Dimension for DimensionBatch<E> {
    fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: &mut dyn Iterator<Item = IncomingEvent<'_>>,
    ) -> Result<Vec<(usize, Landed)>, Error> {
        // Allocated once: a list that grows is copied again and again.
        let mut incoming: Vec<Incoming<'_, E>> =
            Vec::with_capacity(events.size_hint().1.unwrap_or_default());
        incoming.extend(events.filter_map(|incoming| {
            Some(Incoming {
                event: E::unwrap(incoming.event)?,
                file: incoming.file,
                file_name: incoming.file_name,
                file_modified_at: incoming.file_modified_at,
            })
        }));
        // In the order of the primary key, so that neighbouring rows are written to neighbouring
        // pages. The sort is stable: events with one identity stay in the order in which their files
        // changed.
        incoming.sort_by_cached_key(Incoming::identity);
        let are_stored = self.are_stored(transaction, &incoming)?;
        let mut results = Vec::with_capacity(incoming.len());
        let mut new: Vec<Incoming<'_, E>> = Vec::with_capacity(incoming.len());
        let (mut stored, mut repeated) = (Vec::new(), Vec::new());
        for (event, is_stored) in incoming.into_iter().zip(are_stored) {
            let identity = event.identity();
            if is_stored {
                stored.push(event);
            } else if let Some(cause) = self.broken.get(&identity.0) {
                results.push((event.file, refused(&event, cause.clone())));
            } else if new.last().is_some_and(|new| new.identity() == identity) {
                repeated.push(event);
            } else {
                new.push(event);
            }
        }
        let mut new = self.copy_new(transaction, new, &mut results)?;
        for event in repeated {
            let identity = event.identity();
            match new.binary_search_by_key(&identity, Incoming::identity) {
                Ok(_) => stored.push(event),
                // A copy of an event that was just refused.
                Err(position) => {
                    let taken = self.copy_new(transaction, vec![event], &mut results)?;
                    new.splice(position..position, taken);
                }
            }
        }
        let highest_key = self.highest_key.flatten();
        let above = new.partition_point(|new| Some(new.event.entity_id) <= highest_key);
        self.loaded
            .extend(new[above..].iter().map(Incoming::identity));
        // Each chunk is in order already, so this merges two sorted lists.
        self.loaded.sort();
        self.compare(transaction, &stored, &mut results)?;
        self.new_events
            .extend(new.into_iter().map(|incoming| NewEvent {
                entity_id: incoming.event.entity_id,
                event_at: incoming.event.event_at,
                file_modified_at: incoming.file_modified_at,
                event_id: incoming.event.event_id,
                state: incoming.event.state,
            }));
        Ok(results)
    }

    fn revise(self: Box<Self>, transaction: &mut Transaction<'_>) -> Result<Revised, ReviseError> {
        let highest_key = self.highest_key.flatten();
        let is_new_key = |entity_id: i64| Some(entity_id) > highest_key;
        let (layout, mut new_events, mut late) = (self.layout, self.new_events, self.moved);
        // In the order that decides between events of one time: the last one is effective.
        new_events.sort_unstable_by_key(|event| {
            (
                event.entity_id,
                event.event_at,
                event.file_modified_at,
                event.event_id,
            )
        });
        let mut broken = BrokenKeys::new();
        let mut revised = Revised::default();
        let mut new_events = new_events.into_iter();
        while !new_events.as_slice().is_empty() {
            let of_keys = of_next_keys(new_events.as_slice());
            let is_queried = |entity_id: i64| of_keys <= QUERIED_EVENTS && !is_new_key(entity_id);
            let queried = new_events.as_slice()[..of_keys]
                .iter()
                .filter(|event| is_queried(event.entity_id) && !late.contains_key(&event.entity_id))
                .map(|event| (event.entity_id, event.event_id));
            let mut current = current_versions::<E>(transaction, queried)?;
            let mut revisions: Vec<(i64, Revision<E>)> = Vec::new();
            let mut events = new_events.by_ref().take(of_keys).peekable();
            while let Some((entity_id, effective)) = next_effective(&mut events) {
                let current = match current.remove(&entity_id).transpose() {
                    Ok(current) => current,
                    Err(cause) => {
                        broken.insert((E::KIND, entity_id), cause);
                        continue;
                    }
                };
                let appends = match &current {
                    Some(current) => effective[0].at > current.latest_event_at,
                    // It has nothing in the warehouse.
                    None => is_new_key(entity_id) || is_queried(entity_id),
                };
                if appends && !late.contains_key(&entity_id) {
                    let current = current.map(|current| current.version);
                    revisions.push((entity_id, append(current, effective)));
                } else {
                    let touched = late.entry(entity_id).or_default();
                    touched.extend(effective.iter().map(|event| event.at));
                }
            }
            revised += versions::write(transaction, &revisions, layout, &mut broken)?;
        }
        let mut late = late.into_iter().peekable();
        while late.peek().is_some() {
            let touched = late.by_ref().take(LATE_REVISIONS).collect();
            let revisions = revise_late::<E>(transaction, &touched, &mut broken)?;
            revised += versions::write(transaction, &revisions, layout, &mut broken)?;
        }
        match broken.is_empty() {
            true => Ok(revised),
            false => Err(ReviseError::Broken(broken)),
        }
    }
}

impl<E: Recorded> DimensionBatch<E> {
    /// Writes new events to landing, and returns those that the database takes, in the same order. What it
    /// refuses, because of a constraint that somebody has added say, is rejected and stops no other.
    fn copy_new<'f>(
        &self,
        transaction: &mut Transaction<'_>,
        events: Vec<Incoming<'f, E>>,
        results: &mut Vec<(usize, Landed)>,
    ) -> Result<Vec<Incoming<'f, E>>, Error> {
        let mut refuse =
            |event: &Incoming<'_, E>, cause| results.push((event.file, refused(event, cause)));
        let taken = copy_events(transaction, self.run_id, events, &mut refuse)?;
        results.extend(taken.iter().map(|event| (event.file, Landed::Loaded)));
        Ok(taken)
    }

    /// Whether each of these events, sorted by key, is in landing. Keys above the highest one are not looked
    /// up: all their events are of this batch, and in `loaded`.
    fn are_stored(
        &mut self,
        transaction: &mut Transaction<'_>,
        incoming: &[Incoming<'_, E>],
    ) -> Result<Vec<bool>, Error> {
        let highest_key = match self.highest_key {
            Some(highest_key) => highest_key,
            None => highest_key::<E>(transaction)?,
        };
        self.highest_key = Some(highest_key);
        let earlier =
            incoming.partition_point(|incoming| Some(incoming.event.entity_id) <= highest_key);
        let mut are_stored = are_loaded(transaction, &incoming[..earlier])?;
        let is_of_batch =
            |new: &Incoming<'_, E>| self.loaded.binary_search(&new.identity()).is_ok();
        are_stored.extend(incoming[earlier..].iter().map(is_of_batch));
        Ok(are_stored)
    }

    /// Tells duplicates from conflicts among events whose identity is already loaded, and has the copies
    /// count that do.
    fn compare(
        &mut self,
        transaction: &mut Transaction<'_>,
        repeated: &[Incoming<'_, E>],
        results: &mut Vec<(usize, Landed)>,
    ) -> Result<(), Error> {
        if repeated.is_empty() {
            return Ok(());
        }
        let mut copies = Vec::new();
        for (position, beside) in compare_events(transaction, repeated)? {
            let incoming = &repeated[position];
            let broken = self.broken.get(&incoming.event.entity_id);
            let landed = match (beside, broken) {
                (Compared::Conflict(rejection), _) => Landed::Rejected(rejection),
                (Compared::Copy { precedes: false }, _) => Landed::Duplicate,
                (Compared::Copy { precedes: true }, Some(cause)) => {
                    refused(incoming, cause.clone())
                }
                (Compared::Copy { precedes: true }, None) => {
                    copies.push(incoming);
                    continue;
                }
            };
            results.push((incoming.file, landed));
        }
        let mut refusals = HashMap::new();
        let mut refuse = |copy: &Incoming<'_, E>, cause| {
            refusals.insert(copy.file, refused(copy, cause));
        };
        for (entity_id, event_at) in precede_events(transaction, &copies, &mut refuse)? {
            self.moved.entry(entity_id).or_default().insert(event_at);
        }
        results.extend(copies.into_iter().map(|copy| {
            let refusal = refusals.remove(&copy.file);
            (copy.file, refusal.unwrap_or(Landed::Duplicate))
        }));
        Ok(())
    }
}

/// What becomes of an event that would have changed a broken key.
fn refused<E: Recorded>(incoming: &Incoming<'_, E>, cause: String) -> Landed {
    Landed::Rejected(Rejection::BrokenTimeline {
        entity: E::KIND,
        entity_id: incoming.event.entity_id,
        cause,
    })
}

/// How many of these events, which are in the order of their keys, are of the next keys to be revised
/// together.
fn of_next_keys<E>(events: &[NewEvent<E>]) -> usize {
    let by_key = events.chunk_by(|one, next| one.entity_id == next.entity_id);
    let mut of_keys = 0;
    for of_key in by_key.take(REVISIONS) {
        if of_keys > 0 && of_keys + of_key.len() > QUERIED_EVENTS {
            break;
        }
        of_keys += of_key.len();
    }
    of_keys
}

/// Takes the next key and its effective events, in order.
fn next_effective<E>(
    events: &mut Peekable<impl Iterator<Item = NewEvent<E>>>,
) -> Option<(i64, Vec<EffectiveEvent<E>>)> {
    let entity_id = events.peek()?.entity_id;
    let mut effective: Vec<EffectiveEvent<E>> = Vec::new();
    while let Some(event) = events.next_if(|event| event.entity_id == entity_id) {
        effective.pop_if(|last| last.at == event.event_at);
        effective.push(EffectiveEvent {
            at: event.event_at,
            event_id: event.event_id,
            state: event.state,
            touched: true,
        });
    }
    Some((entity_id, effective))
}

/// The highest key of an entity in the warehouse, `None` if it has nothing of it.
fn highest_key<E: Recorded>(transaction: &mut Transaction<'_>) -> Result<Option<i64>, Error> {
    let rows = transaction
        .query_typed(&statement::fill(statement::EVENT_HIGHEST_KEY, E::KIND), &[])
        .doing("looking for earlier events")?;
    Ok(rows.iter().filter_map(|row| row.get("entity_id")).max())
}
