//! A dimension and its events in one transaction: incoming events are written to landing, and the
//! timelines that they touch are revised.
//!
//! What the program does not know of the touched keys it reads: their current versions, and for
//! late-arriving events the events and versions around them (see [`crate::timeline`]).
//!
//! One bad key stops no other. If the versions of a key contradict its events, or the database
//! refuses to change them, the key is broken: what is new of it is rejected.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{Row, Transaction};
use uuid::Uuid;

use super::error::{Doing, Error};
use super::landing::{self, position};
use super::rows::{self, Columns, RowReader};
use super::versions::{self, stored_version};
use super::{DIMENSION_LOCKS, lock, statement};
use crate::entity::{Kind, for_each_entity};
use crate::escape::printable;
use crate::event::{AnyEvent, Event, Recorded, Rejection};
use crate::timeline::{
    self, Contradiction, EffectiveEvent, Revision, StoredVersion, append, revise,
};

/// Keys whose revisions are written together: enough that a round trip costs nothing beside them,
/// few enough that they take little memory.
const REVISIONS: usize = 8_192;

/// The times of a key at which an event was added or moved.
type Touched = BTreeMap<i64, BTreeSet<DateTime<Utc>>>;

/// Identity of an event: its key and its event id.
type Identity = (i64, Uuid);

/// Keys whose versions cannot be updated, each with the reason.
pub type BrokenKeys = HashMap<(Kind, i64), String>;

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

/// What became of the versions of a dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revised {
    /// Versions written.
    pub opened: i64,
    /// Versions that got an end.
    pub closed: i64,
    /// Versions of earlier runs that were rewritten.
    pub changed: i64,
}

impl std::ops::AddAssign for Revised {
    fn add_assign(&mut self, other: Revised) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.changed += other.changed;
    }
}

/// Why timelines could not be revised.
#[derive(Debug)]
pub enum ReviseError {
    /// Some keys are broken: the transaction has to be rolled back and done again without them.
    Broken(BrokenKeys),
    /// The warehouse failed.
    Failed(Error),
}

impl From<Error> for ReviseError {
    fn from(error: Error) -> ReviseError {
        ReviseError::Failed(error)
    }
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
        events: Vec<IncomingEvent<'_>>,
    ) -> Result<Vec<(usize, Landed)>, Error>;

    /// Revises the timelines that the events have touched.
    ///
    /// # Errors
    ///
    /// When keys turn out to be broken, or a statement fails.
    fn revise(self: Box<Self>, transaction: &mut Transaction<'_>) -> Result<Revised, ReviseError>;
}

/// Makes the writers of one dimension take turns, even if they load different folders: what one
/// reads of a timeline must still hold when it writes. Whoever needs several dimensions takes them in
/// the order of [`Kind::ALL`].
///
/// A sequence of surrogate keys that a restore has left behind is advanced; what is to be logged about
/// it is returned, for the time when the transaction has ended.
///
/// # Errors
///
/// [`Error::Database`] when another session holds the lock for too long.
pub fn lock_dimension(
    transaction: &mut Transaction<'_>,
    kind: Kind,
) -> Result<Option<String>, Error> {
    let number = DIMENSION_LOCKS + kind as i32;
    lock(transaction, number, "waiting for the dimension's lock")?;
    let behind = transaction
        .query_typed_opt(&statement::fill(statement::VERSION_KEY_SEQUENCE, kind), &[])
        .doing("comparing surrogate keys with their sequence")?;
    let Some(row) = behind else {
        return Ok(None);
    };
    let (highest, last_given): (i64, i64) = (row.get("highest"), row.get("last_given"));
    transaction
        .query_typed(
            &statement::fill(statement::VERSION_ADVANCE_KEY_SEQUENCE, kind),
            &[(&highest, Type::INT8)],
        )
        .doing("advancing the sequence of surrogate keys")?;
    Ok(Some(format!(
        "the sequence of warehouse.dim_{kind}.{kind}_key was behind, at {last_given} where {highest} exists, as after \
         a restore or a move by replication: it goes on after {highest}"
    )))
}

macro_rules! define_constructor {
    ($($entity:ident),+) => {
        /// The dimension of an entity in a batch of this run. What is new of the broken keys is
        /// rejected.
        pub fn dimension(kind: Kind, run_id: i64, broken: &BrokenKeys) -> Box<dyn Dimension> {
            match kind {
                $(Kind::$entity => Box::new(DimensionBatch::<crate::entity::$entity>::new(run_id, broken)),)+
            }
        }
    };
}
for_each_entity!(define_constructor);

/// The events of one transaction on their way into a dimension.
struct DimensionBatch<E> {
    run_id: i64,
    /// Keys seen so far.
    seen: HashSet<i64>,
    /// Those of them that have versions, as they were before this transaction.
    known: HashMap<i64, CurrentVersion<E>>,
    /// Keys whose versions cannot be updated, with the reason.
    broken: HashMap<i64, String>,
    /// Identities of the events that were written.
    loaded: HashSet<Identity>,
    /// The states that those events report.
    new_events: Vec<NewEvent<E>>,
    /// Times at which an event has moved.
    moved: Touched,
}

/// The current version of a key and the time of its latest event.
#[derive(Debug)]
struct CurrentVersion<E> {
    version: StoredVersion<E>,
    latest_event_at: DateTime<Utc>,
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

/// An incoming event of a known entity.
struct Incoming<'f, E> {
    event: Event<E>,
    file: usize,
    file_name: &'f str,
    file_modified_at: DateTime<Utc>,
}

impl<E> Incoming<'_, E> {
    fn identity(&self) -> Identity {
        (self.event.entity_id, self.event.event_id)
    }
}

impl<E: Recorded> DimensionBatch<E> {
    fn new(run_id: i64, broken: &BrokenKeys) -> DimensionBatch<E> {
        let broken = broken.iter().filter(|((kind, _), _)| *kind == E::KIND);
        DimensionBatch {
            run_id,
            seen: HashSet::new(),
            known: HashMap::new(),
            broken: broken
                .map(|((_, entity_id), cause)| (*entity_id, cause.clone()))
                .collect(),
            loaded: HashSet::new(),
            new_events: Vec::new(),
            moved: Touched::new(),
        }
    }
}

impl<E: Recorded> Dimension for DimensionBatch<E> {
    fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        events: Vec<IncomingEvent<'_>>,
    ) -> Result<Vec<(usize, Landed)>, Error> {
        let mut incoming: Vec<Incoming<'_, E>> = events
            .into_iter()
            .filter_map(|incoming| {
                Some(Incoming {
                    event: E::unwrap(incoming.event)?,
                    file: incoming.file,
                    file_name: incoming.file_name,
                    file_modified_at: incoming.file_modified_at,
                })
            })
            .collect();
        // In the order of the primary key, so that neighbouring rows are written to neighbouring
        // pages. The sort is stable: events with one identity stay in the order in which their files
        // changed.
        incoming.sort_by_key(Incoming::identity);
        self.see_keys(transaction, &incoming)?;
        let stored = self.stored_identities(transaction, &incoming)?;
        let mut results = Vec::with_capacity(incoming.len());
        let (mut new, mut repeated) = (Vec::with_capacity(incoming.len()), Vec::new());
        for event in incoming {
            let identity = event.identity();
            if stored.contains(&identity) || self.loaded.contains(&identity) {
                repeated.push(event);
            } else if let Some(cause) = self.broken.get(&identity.0) {
                let rejection = Rejection::BrokenTimeline {
                    entity: E::KIND,
                    entity_id: identity.0,
                    cause: cause.clone(),
                };
                results.push((event.file, Landed::Rejected(rejection)));
            } else {
                self.loaded.insert(identity);
                new.push(event);
            }
        }
        copy_events(transaction, self.run_id, &new)?;
        results.extend(new.iter().map(|event| (event.file, Landed::Loaded)));
        self.compare(transaction, &repeated, &mut results)?;
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
        let DimensionBatch {
            mut known,
            mut new_events,
            moved: mut late,
            ..
        } = *self;
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
        let mut revisions: Vec<(i64, Revision<E>)> = Vec::new();
        let mut new_events = new_events.into_iter().peekable();
        while let Some(entity_id) = new_events.peek().map(|event| event.entity_id) {
            let mut effective: Vec<EffectiveEvent<E>> = Vec::new();
            while let Some(event) = new_events.next_if(|event| event.entity_id == entity_id) {
                effective.pop_if(|last| last.at == event.event_at);
                effective.push(EffectiveEvent {
                    at: event.event_at,
                    event_id: event.event_id,
                    state: event.state,
                    touched: true,
                });
            }
            let current = known.remove(&entity_id);
            let appends = current
                .as_ref()
                .is_none_or(|current| effective[0].at > current.latest_event_at);
            if appends && !late.contains_key(&entity_id) {
                let current = current.map(|current| current.version);
                revisions.push((entity_id, append(current, effective)));
            } else {
                let touched = late.entry(entity_id).or_default();
                touched.extend(effective.iter().map(|event| event.at));
            }
            if revisions.len() == REVISIONS {
                let chunk = mem::take(&mut revisions);
                revised += versions::write(transaction, &chunk, &mut broken)?;
            }
        }
        revisions.extend(revise_late(transaction, &late, &mut broken)?);
        revised += versions::write(transaction, &revisions, &mut broken)?;
        match broken.is_empty() {
            true => Ok(revised),
            false => Err(ReviseError::Broken(broken)),
        }
    }
}

impl<E: Recorded> DimensionBatch<E> {
    /// Notes the state of keys that are seen for the first time, as it was before this transaction:
    /// none of their events is written yet.
    fn see_keys(
        &mut self,
        transaction: &mut Transaction<'_>,
        incoming: &[Incoming<'_, E>],
    ) -> Result<(), Error> {
        let keys: Vec<i64> = incoming
            .iter()
            .map(|incoming| incoming.event.entity_id)
            .filter(|entity_id| self.seen.insert(*entity_id))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let rows = transaction
            .query_typed(
                &statement::fill(statement::VERSION_CURRENT, E::KIND),
                &[(&keys, Type::INT8_ARRAY)],
            )
            .doing("reading the current versions")?;
        let mut with_version: HashSet<i64> = HashSet::with_capacity(rows.len());
        for row in &rows {
            let entity_id = row.get("entity_id");
            with_version.insert(entity_id);
            match current_version(row) {
                Ok(current) => {
                    self.known.insert(entity_id, current);
                }
                Err(cause) => {
                    self.broken.entry(entity_id).or_insert(cause);
                }
            }
        }
        let without: Vec<i64> = keys
            .into_iter()
            .filter(|entity_id| !with_version.contains(entity_id))
            .collect();
        if without.is_empty() {
            return Ok(());
        }
        let rows = transaction
            .query_typed(
                &statement::fill(statement::EVENT_KEYS, E::KIND),
                &[(&without, Type::INT8_ARRAY)],
            )
            .doing("looking for events of keys without a version")?;
        for row in &rows {
            let cause = Contradiction::NoCurrentVersion.to_string();
            self.broken.entry(row.get("entity_id")).or_insert(cause);
        }
        Ok(())
    }

    /// The identities that were loaded before this transaction. A key without version and events has
    /// none, so a first load asks for none.
    fn stored_identities(
        &self,
        transaction: &mut Transaction<'_>,
        incoming: &[Incoming<'_, E>],
    ) -> Result<HashSet<Identity>, Error> {
        let has_events = |key: i64| self.known.contains_key(&key) || self.broken.contains_key(&key);
        let asked: Vec<Identity> = incoming
            .iter()
            .map(Incoming::identity)
            .filter(|(entity_id, _)| has_events(*entity_id))
            .collect();
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let (keys, events): (Vec<i64>, Vec<Uuid>) = asked.iter().copied().unzip();
        let rows = transaction
            .query_typed(
                &statement::fill(statement::EVENT_KNOWN, E::KIND),
                &[(&keys, Type::INT8_ARRAY), (&events, Type::UUID_ARRAY)],
            )
            .doing("looking for events that are already loaded")?;
        Ok(rows.iter().map(|row| asked[position(row)]).collect())
    }

    /// Tells duplicates from conflicts among events whose identity is already loaded, and notes the
    /// times at which another copy moves an event within its second.
    fn compare(
        &mut self,
        transaction: &mut Transaction<'_>,
        repeated: &[Incoming<'_, E>],
        results: &mut Vec<(usize, Landed)>,
    ) -> Result<(), Error> {
        if repeated.is_empty() {
            return Ok(());
        }
        let events: Vec<&Event<E>> = repeated.iter().map(|incoming| &incoming.event).collect();
        let mut copies = Vec::new();
        for loaded in landing::compare(transaction, &events)? {
            let incoming = &repeated[loaded.position];
            let (entity_id, event_id) = incoming.identity();
            if loaded.is_same {
                results.push((incoming.file, Landed::Duplicate));
                if !self.broken.contains_key(&entity_id) {
                    copies.push(incoming);
                }
            } else {
                let rejection = Rejection::ConflictingEvent {
                    entity: E::KIND,
                    entity_id,
                    event_id,
                    loaded_from: printable(&loaded.file_name, &[]),
                };
                results.push((incoming.file, Landed::Rejected(rejection)));
            }
        }
        self.precede(transaction, &copies)
    }

    /// Gives loaded events the file that counts among their copies.
    fn precede(
        &mut self,
        transaction: &mut Transaction<'_>,
        copies: &[&Incoming<'_, E>],
    ) -> Result<(), Error> {
        if copies.is_empty() {
            return Ok(());
        }
        let mut columns = Columns::default();
        columns.push_each(Type::INT8_ARRAY, copies, |copy| copy.event.entity_id);
        columns.push_each(Type::UUID_ARRAY, copies, |copy| copy.event.event_id);
        columns.push_each(Type::TEXT_ARRAY, copies, |copy| copy.file_name);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, copies, |copy| {
            copy.file_modified_at
        });
        let rows = transaction
            .query_typed(
                &statement::fill(statement::EVENT_PRECEDE, E::KIND),
                &columns.parameters(),
            )
            .doing("noting earlier copies of loaded events")?;
        for row in &rows {
            let touched = self.moved.entry(row.get("entity_id")).or_default();
            touched.insert(row.get("event_at"));
        }
        Ok(())
    }
}

/// Reads the current version of a key, if it does not contradict the latest event.
fn current_version<E: Recorded>(row: &Row) -> Result<CurrentVersion<E>, String> {
    let version: StoredVersion<E> = stored_version(row)?;
    let valid_from = version.version.valid_from;
    let latest_event_at: Option<DateTime<Utc>> = RowReader(row)
        .column("latest_event_at")
        .map_err(|cause| cause.to_string())?;
    match latest_event_at {
        None => Err(Contradiction::NoEvent {
            valid_from,
            event_id: version.version.event_id,
        }
        .to_string()),
        Some(latest) if latest < valid_from || !row.get::<_, bool>("agrees_with_latest_event") => {
            Err(Contradiction::Current { valid_from }.to_string())
        }
        Some(latest_event_at) => Ok(CurrentVersion {
            version,
            latest_event_at,
        }),
    }
}

/// Writes events whose identity is new.
fn copy_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    events: &[Incoming<'_, E>],
) -> Result<(), Error> {
    rows::copy(
        transaction,
        &statement::fill(statement::EVENT_COPY, E::KIND),
        events,
        |incoming, row| {
            let event = &incoming.event;
            row.integer(event.entity_id);
            row.uuid(event.event_id);
            row.time(event.event_at);
            row.optional(event.extra.as_deref(), |row, extra| row.json(extra));
            row.text(incoming.file_name);
            row.time(incoming.file_modified_at);
            row.integer(run_id);
            row.attributes(&event.state);
        },
        "loading the events",
    )
}

/// Revises keys that were touched within their history, from the events and versions around the
/// touched times.
fn revise_late<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
    broken: &mut BrokenKeys,
) -> Result<Vec<(i64, Revision<E>)>, Error> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let mut events = read_events::<E>(transaction, touched)?;
    let mut versions = read_versions::<E>(transaction, &events)?;
    let mut revisions = Vec::with_capacity(touched.len());
    for entity_id in touched.keys() {
        let events = events.remove(entity_id).unwrap_or_default();
        let revised = versions
            .remove(entity_id)
            .unwrap_or(Ok(Vec::new()))
            .and_then(|stored| {
                revise(stored, events).map_err(|contradiction| contradiction.to_string())
            });
        match revised {
            Ok(revision) => revisions.push((*entity_id, revision)),
            Err(cause) => {
                broken.insert((E::KIND, *entity_id), cause);
            }
        }
    }
    Ok(revisions)
}

fn read_events<E: Recorded>(
    transaction: &mut Transaction<'_>,
    touched: &Touched,
) -> Result<BTreeMap<i64, Vec<EffectiveEvent<E>>>, Error> {
    let doing = "reading the events around late-arriving ones";
    let (keys, times): (Vec<i64>, Vec<DateTime<Utc>>) = touched
        .iter()
        .flat_map(|(entity_id, times)| times.iter().map(|at| (*entity_id, *at)))
        .unzip();
    let rows = transaction
        .query_typed(
            &statement::fill(statement::EVENT_EFFECTIVE, E::KIND),
            &[(&keys, Type::INT8_ARRAY), (&times, Type::TIMESTAMPTZ_ARRAY)],
        )
        .doing(doing)?;
    let mut events: BTreeMap<i64, Vec<EffectiveEvent<E>>> = BTreeMap::new();
    for row in &rows {
        let entity_id = row.get("entity_id");
        let mut event = effective_event(row).doing(doing)?;
        event.touched = touched
            .get(&entity_id)
            .is_some_and(|times| times.contains(&event.at));
        events.entry(entity_id).or_default().push(event);
    }
    Ok(events)
}

/// Reads an effective event, as one that is not touched.
pub(super) fn effective_event<E: Recorded>(
    row: &Row,
) -> Result<EffectiveEvent<E>, postgres::Error> {
    let mut reader = RowReader(row);
    Ok(EffectiveEvent {
        at: reader.column("event_at")?,
        event_id: reader.column("event_id")?,
        state: E::read(&mut reader)?,
        touched: false,
    })
}

/// The versions of each key around the touched events; a key whose versions cannot be represented
/// has the reason instead.
type Versions<E> = BTreeMap<i64, Result<Vec<timeline::StoredVersion<E>>, String>>;

fn read_versions<E: Recorded>(
    transaction: &mut Transaction<'_>,
    events: &BTreeMap<i64, Vec<EffectiveEvent<E>>>,
) -> Result<Versions<E>, Error> {
    let (mut keys, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (entity_id, events) in events {
        for (index, event) in events.iter().enumerate().filter(|(_, event)| event.touched) {
            keys.push(*entity_id);
            starts.push(events[index.saturating_sub(1)].at);
            ends.push(events.get(index + 1).unwrap_or(event).at);
        }
    }
    let rows = transaction
        .query_typed(
            &statement::fill(statement::VERSION_BETWEEN, E::KIND),
            &[
                (&keys, Type::INT8_ARRAY),
                (&starts, Type::TIMESTAMPTZ_ARRAY),
                (&ends, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .doing("reading the versions around late-arriving events")?;
    let mut versions = Versions::new();
    for row in &rows {
        let versions = versions
            .entry(row.get("entity_id"))
            .or_insert(Ok(Vec::new()));
        match (stored_version(row), &mut *versions) {
            (Ok(version), Ok(versions)) => versions.push(version),
            (Err(cause), Ok(_)) => *versions = Err(cause),
            (_, Err(_)) => {}
        }
    }
    Ok(versions)
}
