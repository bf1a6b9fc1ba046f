//! A dimension and its events: what is new goes to landing, and the timelines it touches are
//! revised.
//!
//! One transaction sees all of it. What the program does not know of the touched keys it reads:
//! their current versions, and for late events the moments and versions around them (see
//! [`crate::timeline`]).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{GenericClient, Row, Transaction};
use uuid::Uuid;

use super::columns::Columns;
use super::{DIMENSION_LOCKS, LOCK_CLASS};
use crate::error::{Doing, Error};
use crate::event::{Card, Event, Rejection, User};
use crate::timeline::{Moment, Revision, State, StoredVersion, Version, revise};

/// The moments of a key at which something was added or moved.
type Touched = BTreeMap<i64, BTreeSet<DateTime<Utc>>>;

/// An entity whose states the warehouse keeps: its statements, and its attributes as columns.
///
/// Every statement names the columns of the state last, in the order of
/// [`Dimension::push_columns`].
pub trait Dimension: State {
    /// What one such entity is called.
    const ENTITY: &'static str;
    /// Its lock among the [`DIMENSION_LOCKS`].
    const LOCK: i32;
    /// Its statements.
    const STATEMENTS: Statements;

    /// Adds the columns of these states to the parameters of a statement.
    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]);

    /// Reads the state from the columns of a row, from the column `first` on.
    fn from_row(row: &Row, first: usize) -> Self;
}

/// The statements of a dimension; each file tells what it does.
pub struct Statements {
    insert_events: &'static str,
    compare_events: &'static str,
    predate_events: &'static str,
    current_versions: &'static str,
    moments: &'static str,
    versions: &'static str,
    delete_versions: &'static str,
    update_versions: &'static str,
    insert_versions: &'static str,
}

/// The statements in a folder of `sql/`.
macro_rules! statements {
    ($folder:literal) => {
        Statements {
            insert_events: include_str!(concat!("../../sql/", $folder, "/insert_events.sql")),
            compare_events: include_str!(concat!("../../sql/", $folder, "/compare_events.sql")),
            predate_events: include_str!(concat!("../../sql/", $folder, "/predate_events.sql")),
            current_versions: include_str!(concat!("../../sql/", $folder, "/current_versions.sql")),
            moments: include_str!(concat!("../../sql/", $folder, "/moments.sql")),
            versions: include_str!(concat!("../../sql/", $folder, "/versions.sql")),
            delete_versions: include_str!(concat!("../../sql/", $folder, "/delete_versions.sql")),
            update_versions: include_str!(concat!("../../sql/", $folder, "/update_versions.sql")),
            insert_versions: include_str!(concat!("../../sql/", $folder, "/insert_versions.sql")),
        }
    };
}

impl State for User<'_> {
    fn same_version(&self, other: &Self) -> bool {
        self == other
    }

    fn carry(&mut self, _later: &Self) {}
}

impl Dimension for User<'_> {
    const ENTITY: &'static str = "user";
    const LOCK: i32 = 0;
    const STATEMENTS: Statements = statements!("user");

    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]) {
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.name.as_ref());
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.address.as_ref());
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.job.as_ref());
        columns.push_each(Type::FLOAT8_ARRAY, states, |user| user.score);
    }

    fn from_row(row: &Row, first: usize) -> Self {
        User {
            name: row.get::<_, String>(first).into(),
            address: row.get::<_, String>(first + 1).into(),
            job: row.get::<_, String>(first + 2).into(),
            score: row.get(first + 3),
        }
    }
}

impl State for Card<'_> {
    fn same_version(&self, other: &Self) -> bool {
        (self.user_id, self.active, self.created_at)
            == (other.user_id, other.active, other.created_at)
            && self.created_by_name == other.created_by_name
    }

    fn carry(&mut self, later: &Self) {
        self.updated_at = later.updated_at;
    }
}

impl Dimension for Card<'_> {
    const ENTITY: &'static str = "card";
    const LOCK: i32 = 1;
    const STATEMENTS: Statements = statements!("card");

    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]) {
        columns.push_each(Type::INT8_ARRAY, states, |card| card.user_id);
        columns.push_each(Type::TEXT_ARRAY, states, |card| {
            card.created_by_name.as_ref()
        });
        columns.push_each(Type::BOOL_ARRAY, states, |card| card.active);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, states, |card| card.created_at);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, states, |card| card.updated_at);
    }

    fn from_row(row: &Row, first: usize) -> Self {
        Card {
            user_id: row.get(first),
            created_by_name: row.get::<_, String>(first + 1).into(),
            active: row.get(first + 2),
            created_at: row.get(first + 3),
            updated_at: row.get(first + 4),
        }
    }
}

/// An accepted event on its way into the warehouse.
#[derive(Clone, Debug)]
pub struct Arrival<'a, S> {
    /// The event.
    pub event: Event<S>,
    /// Place of its file in the batch.
    pub file: usize,
    /// Name of its file.
    pub file_name: &'a str,
    /// Modification time of its file, whole microseconds.
    pub file_modified_at: DateTime<Utc>,
}

impl<S> Arrival<'_, S> {
    fn identity(&self) -> (i64, Uuid) {
        (self.event.entity_id, self.event.event_id)
    }
}

/// What became of the arrivals of a batch.
#[derive(Debug, Default)]
pub struct Landed {
    /// How many events were there already with the same content.
    pub duplicates: i64,
    /// Files whose event was there already with other content, as places in the batch.
    pub conflicts: Vec<(usize, Rejection)>,
    /// Versions written.
    pub versions_opened: i64,
    /// Versions that got an end.
    pub versions_closed: i64,
}

/// Loads events, given in the order in which their files changed, and revises the timelines they
/// touch.
///
/// Of several events with one identity the first counts; the others are compared with it.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub fn load<S: Dimension>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    mut arrivals: Vec<Arrival<'_, S>>,
) -> Result<Landed, Error> {
    let mut landed = Landed::default();
    if arrivals.is_empty() {
        return Ok(landed);
    }
    // Writers of one dimension take turns, even if they load different folders: what one reads of a
    // timeline must still hold when it writes.
    transaction
        .query_typed(
            "select pg_advisory_xact_lock($1, $2)",
            &[
                (&LOCK_CLASS, Type::INT4),
                (&(DIMENSION_LOCKS + S::LOCK), Type::INT4),
            ],
        )
        .doing("waiting for the dimension's lock")?;

    // In the order of the primary key, so that neighbouring rows land on neighbouring pages. The
    // sort is stable: events with one identity stay in the order in which their files changed.
    arrivals.sort_by_key(Arrival::identity);
    let (mut fresh, mut repeats): (Vec<_>, Vec<_>) =
        (Vec::with_capacity(arrivals.len()), Vec::new());
    for arrival in arrivals {
        match fresh.last() {
            Some(first) if Arrival::identity(first) == arrival.identity() => repeats.push(arrival),
            _ => fresh.push(arrival),
        }
    }
    let current = current_versions::<S>(transaction, &fresh)?;
    let known = insert_events(transaction, run_id, &fresh)?;
    take_at(&mut fresh, &known, &mut repeats);
    let moved = compare_events(transaction, &repeats, &mut landed)?;

    let mut revisions = Vec::new();
    let mut late = moved;
    for key_events in fresh.chunk_by(|one, next| one.event.entity_id == next.event.entity_id) {
        let entity_id = key_events[0].event.entity_id;
        let stored = current.get(&entity_id);
        let appends = key_events.iter().all(|arrival| {
            stored.is_none_or(|stored| arrival.event.event_at > stored.latest_event_at)
        });
        if appends && !late.contains_key(&entity_id) {
            let stored = stored
                .map(|stored| stored.version.clone())
                .into_iter()
                .collect();
            revisions.push((entity_id, revise(stored, deciding_moments(key_events))));
        } else {
            late.entry(entity_id)
                .or_default()
                .extend(key_events.iter().map(|arrival| arrival.event.event_at));
        }
    }
    revisions.extend(revise_late(transaction, &late)?);
    write(transaction, &revisions, &mut landed)?;
    Ok(landed)
}

/// What is known of a key before the batch.
struct Current<S> {
    version: StoredVersion<S>,
    latest_event_at: DateTime<Utc>,
}

fn current_versions<S: Dimension>(
    client: &mut impl GenericClient,
    arrivals: &[Arrival<'_, S>],
) -> Result<BTreeMap<i64, Current<S>>, Error> {
    let mut keys: Vec<i64> = arrivals
        .iter()
        .map(|arrival| arrival.event.entity_id)
        .collect();
    keys.dedup();
    let rows = client
        .query_typed(S::STATEMENTS.current_versions, &[(&keys, Type::INT8_ARRAY)])
        .doing("reading the current versions")?;
    Ok(rows
        .iter()
        .map(|row| {
            let current = Current {
                latest_event_at: row.get(1),
                version: stored_version(row, 2),
            };
            (row.get(0), current)
        })
        .collect())
}

/// Reads a version from a row: surrogate key, period, event and state, from the column `first` on.
fn stored_version<S: Dimension>(row: &Row, first: usize) -> StoredVersion<S> {
    StoredVersion {
        key: row.get(first),
        version: Version {
            valid_from: row.get(first + 1),
            valid_to: row.get(first + 2),
            event_id: row.get(first + 3),
            state: S::from_row(row, first + 4),
        },
    }
}

/// Inserts the events that are new and tells the places of the others.
fn insert_events<S: Dimension>(
    client: &mut impl GenericClient,
    run_id: i64,
    arrivals: &[Arrival<'_, S>],
) -> Result<Vec<usize>, Error> {
    let mut columns = Columns::default();
    columns.push(Type::INT8, run_id);
    push_events(&mut columns, arrivals);
    let rows = client
        .query_typed(S::STATEMENTS.insert_events, &columns.parameters())
        .doing("loading the events")?;
    Ok(rows.iter().map(place).collect())
}

/// The place of an element that a row is about; `with ordinality` counts from one.
fn place(row: &Row) -> usize {
    usize::try_from(row.get::<_, i64>(0) - 1).expect("`with ordinality` counts from one")
}

/// The columns that events have in statements.
fn push_events<'s, S: Dimension>(columns: &mut Columns<'s>, arrivals: &'s [Arrival<'_, S>]) {
    columns.push_each(Type::INT8_ARRAY, arrivals, |arrival| {
        arrival.event.entity_id
    });
    columns.push_each(Type::UUID_ARRAY, arrivals, |arrival| arrival.event.event_id);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, arrivals, |arrival| {
        arrival.event.event_at
    });
    columns.push_each(Type::TEXT_ARRAY, arrivals, |arrival| {
        arrival.event.extra.as_deref()
    });
    columns.push_each(Type::TEXT_ARRAY, arrivals, |arrival| arrival.file_name);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, arrivals, |arrival| {
        arrival.file_modified_at
    });
    let states: Vec<&S> = arrivals
        .iter()
        .map(|arrival| &arrival.event.state)
        .collect();
    S::push_columns(columns, &states);
}

/// Moves the elements at these places, which are in order, to the end of another list.
fn take_at<T>(from: &mut Vec<T>, places: &[usize], to: &mut Vec<T>) {
    if places.is_empty() {
        return;
    }
    let mut places = places.iter().copied().peekable();
    let mut kept = Vec::with_capacity(from.len());
    for (index, element) in std::mem::take(from).into_iter().enumerate() {
        if places.next_if_eq(&index).is_some() {
            to.push(element);
        } else {
            kept.push(element);
        }
    }
    *from = kept;
}

/// Tells duplicates from conflicts among events whose identity is known, and the moments at which
/// an earlier copy of a file has moved an event.
fn compare_events<S: Dimension>(
    client: &mut impl GenericClient,
    repeats: &[Arrival<'_, S>],
    landed: &mut Landed,
) -> Result<Touched, Error> {
    let mut moved = Touched::new();
    if repeats.is_empty() {
        return Ok(moved);
    }
    let mut columns = Columns::default();
    push_events(&mut columns, repeats);
    let rows = client
        .query_typed(S::STATEMENTS.compare_events, &columns.parameters())
        .doing("comparing events that are there already")?;
    let mut older = Vec::new();
    for row in &rows {
        let arrival = &repeats[place(row)];
        if row.get(1) {
            landed.duplicates += 1;
            if row.get(2) {
                older.push(arrival);
            }
        } else {
            let (entity_id, event_id) = arrival.identity();
            let conflict = Rejection::ConflictingEvent {
                entity: S::ENTITY,
                entity_id,
                event_id,
            };
            landed.conflicts.push((arrival.file, conflict));
        }
    }
    if older.is_empty() {
        return Ok(moved);
    }
    let mut columns = Columns::default();
    columns.push_each(Type::INT8_ARRAY, &older, |arrival| arrival.event.entity_id);
    columns.push_each(Type::UUID_ARRAY, &older, |arrival| arrival.event.event_id);
    columns.push_each(Type::TEXT_ARRAY, &older, |arrival| arrival.file_name);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, &older, |arrival| {
        arrival.file_modified_at
    });
    let rows = client
        .query_typed(S::STATEMENTS.predate_events, &columns.parameters())
        .doing("noting earlier files of known events")?;
    for row in &rows {
        moved.entry(row.get(0)).or_default().insert(row.get(1));
    }
    Ok(moved)
}

/// The moments at which the events of one key are, each with the event that counts.
fn deciding_moments<S: Dimension>(key_events: &[Arrival<'_, S>]) -> Vec<Moment<S>> {
    let mut ordered: Vec<&Arrival<'_, S>> = key_events.iter().collect();
    ordered.sort_by_key(|arrival| {
        (
            arrival.event.event_at,
            arrival.file_modified_at,
            arrival.event.event_id,
        )
    });
    ordered
        .chunk_by(|one, next| one.event.event_at == next.event.event_at)
        .filter_map(|equal| equal.last())
        .map(|Arrival { event, .. }| Moment {
            at: event.event_at,
            event_id: event.event_id,
            state: event.state.clone(),
            touched: true,
        })
        .collect()
}

/// Revises keys that were touched within their history, from what the database knows around the
/// touched moments.
fn revise_late<S: Dimension>(
    client: &mut impl GenericClient,
    touched: &Touched,
) -> Result<Vec<(i64, Revision<S>)>, Error> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let mut moments = read_moments::<S>(client, touched)?;
    let mut versions = read_versions::<S>(client, &moments)?;
    Ok(touched
        .keys()
        .map(|entity_id| {
            let stored = versions.remove(entity_id).unwrap_or_default();
            let moments = moments.remove(entity_id).unwrap_or_default();
            (*entity_id, revise(stored, moments))
        })
        .collect())
}

fn read_moments<S: Dimension>(
    client: &mut impl GenericClient,
    touched: &Touched,
) -> Result<BTreeMap<i64, Vec<Moment<S>>>, Error> {
    let (keys, times): (Vec<i64>, Vec<DateTime<Utc>>) = touched
        .iter()
        .flat_map(|(entity_id, times)| times.iter().map(|at| (*entity_id, *at)))
        .unzip();
    let rows = client
        .query_typed(
            S::STATEMENTS.moments,
            &[(&keys, Type::INT8_ARRAY), (&times, Type::TIMESTAMPTZ_ARRAY)],
        )
        .doing("reading the events around late ones")?;
    let mut moments: BTreeMap<i64, Vec<Moment<S>>> = BTreeMap::new();
    for row in &rows {
        let entity_id = row.get(0);
        let at = row.get(1);
        moments.entry(entity_id).or_default().push(Moment {
            at,
            event_id: row.get(2),
            state: S::from_row(row, 3),
            touched: touched
                .get(&entity_id)
                .is_some_and(|times| times.contains(&at)),
        });
    }
    Ok(moments)
}

fn read_versions<S: Dimension>(
    client: &mut impl GenericClient,
    moments: &BTreeMap<i64, Vec<Moment<S>>>,
) -> Result<BTreeMap<i64, Vec<StoredVersion<S>>>, Error> {
    let (mut keys, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (entity_id, moments) in moments {
        for (index, moment) in moments
            .iter()
            .enumerate()
            .filter(|(_, moment)| moment.touched)
        {
            keys.push(*entity_id);
            starts.push(moments[index.saturating_sub(1)].at);
            ends.push(moments.get(index + 1).unwrap_or(moment).at);
        }
    }
    let rows = client
        .query_typed(
            S::STATEMENTS.versions,
            &[
                (&keys, Type::INT8_ARRAY),
                (&starts, Type::TIMESTAMPTZ_ARRAY),
                (&ends, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .doing("reading the versions around late events")?;
    let mut versions: BTreeMap<i64, Vec<StoredVersion<S>>> = BTreeMap::new();
    for row in &rows {
        versions
            .entry(row.get(0))
            .or_default()
            .push(stored_version(row, 1));
    }
    Ok(versions)
}

/// Writes revisions: what is gone first, then what has changed, then what is new, so that at no
/// point two versions of a key have the same start or the same end.
fn write<S: Dimension>(
    client: &mut impl GenericClient,
    revisions: &[(i64, Revision<S>)],
    landed: &mut Landed,
) -> Result<(), Error> {
    let of_each = || {
        revisions
            .iter()
            .map(|(entity_id, revision)| (*entity_id, revision))
    };
    let (keys, removed): (Vec<i64>, Vec<i64>) = of_each()
        .flat_map(|(entity_id, revision)| revision.removed.iter().map(move |key| (entity_id, *key)))
        .unzip();
    if !removed.is_empty() {
        client
            .execute_typed(
                S::STATEMENTS.delete_versions,
                &[(&keys, Type::INT8_ARRAY), (&removed, Type::INT8_ARRAY)],
            )
            .doing("removing versions that are no more")?;
    }

    let (owners, changed): (Vec<i64>, Vec<&StoredVersion<S>>) = of_each()
        .flat_map(|(entity_id, revision)| {
            revision
                .changed
                .iter()
                .map(move |stored| (entity_id, stored))
        })
        .unzip();
    if !changed.is_empty() {
        let mut columns = Columns::default();
        columns.push(Type::INT8_ARRAY, owners);
        columns.push_each(Type::INT8_ARRAY, &changed, |stored| stored.key);
        let versions: Vec<&Version<S>> = changed.iter().map(|stored| &stored.version).collect();
        push_versions(&mut columns, &versions);
        client
            .execute_typed(S::STATEMENTS.update_versions, &columns.parameters())
            .doing("bringing versions up to date")?;
    }

    let (owners, opened): (Vec<i64>, Vec<&Version<S>>) = of_each()
        .flat_map(|(entity_id, revision)| {
            revision
                .opened
                .iter()
                .map(move |version| (entity_id, version))
        })
        .unzip();
    if !opened.is_empty() {
        let mut columns = Columns::default();
        columns.push(Type::INT8_ARRAY, owners);
        push_versions(&mut columns, &opened);
        client
            .execute_typed(S::STATEMENTS.insert_versions, &columns.parameters())
            .doing("opening versions")?;
    }
    landed.versions_opened += opened.len() as i64;
    landed.versions_closed += of_each().map(|(_, revision)| revision.closed).sum::<i64>();
    Ok(())
}

/// The columns that versions have in statements.
fn push_versions<'s, S: Dimension>(columns: &mut Columns<'s>, versions: &[&'s Version<S>]) {
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, versions, |version| {
        version.valid_from
    });
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, versions, |version| {
        version.valid_to
    });
    columns.push_each(Type::UUID_ARRAY, versions, |version| version.event_id);
    let states: Vec<&S> = versions.iter().map(|version| &version.state).collect();
    S::push_columns(columns, &states);
}
