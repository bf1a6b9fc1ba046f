//! A dimension and its events: what is new goes to landing, and the timelines it touches are
//! revised.
//!
//! One transaction sees all of it. What the program does not know of the touched keys it reads:
//! their current versions, and for late events the moments and versions around them (see
//! [`crate::timeline`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use postgres::types::{Json, Type};
use postgres::{GenericClient, Transaction};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rows::{self, Columns, Row};
use super::{DIMENSION_LOCKS, LOCK_CLASS};
use crate::error::{Doing, Error};
use crate::event::{Card, Event, Rejection, User};
use crate::rejected::printable;
use crate::timeline::{Moment, Revision, State, StoredVersion, Version, revise};

/// Keys whose revisions are written together: enough that a round trip weighs nothing, few enough
/// that they take little memory.
const REVISIONS: usize = 8_192;

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
    /// Types of the columns of its state.
    const STATE: &'static [Type];

    /// Adds the columns of this state to a row, in the order of [`Dimension::STATE`].
    fn push_values<'s>(&'s self, row: &mut Row<'s>);

    /// Adds the columns of these states to the parameters of a statement.
    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]);

    /// Reads the state from the columns of a row, from the column `first` on.
    fn from_row(row: &postgres::Row, first: usize) -> Self;
}

/// The statements of a dimension; each file tells what it does.
pub struct Statements {
    known_events: &'static str,
    copy_events: &'static str,
    compare_events: &'static str,
    predate_events: &'static str,
    current_versions: &'static str,
    moments: &'static str,
    versions: &'static str,
    delete_versions: &'static str,
    update_versions: &'static str,
    copy_versions: &'static str,
}

/// The statements in a folder of `sql/`.
macro_rules! statements {
    ($folder:literal) => {
        Statements {
            known_events: include_str!(concat!("../../sql/", $folder, "/known_events.sql")),
            copy_events: include_str!(concat!("../../sql/", $folder, "/copy_events.sql")),
            compare_events: include_str!(concat!("../../sql/", $folder, "/compare_events.sql")),
            predate_events: include_str!(concat!("../../sql/", $folder, "/predate_events.sql")),
            current_versions: include_str!(concat!("../../sql/", $folder, "/current_versions.sql")),
            moments: include_str!(concat!("../../sql/", $folder, "/moments.sql")),
            versions: include_str!(concat!("../../sql/", $folder, "/versions.sql")),
            delete_versions: include_str!(concat!("../../sql/", $folder, "/delete_versions.sql")),
            update_versions: include_str!(concat!("../../sql/", $folder, "/update_versions.sql")),
            copy_versions: include_str!(concat!("../../sql/", $folder, "/copy_versions.sql")),
        }
    };
}

impl State for User {
    fn same_version(&self, other: &Self) -> bool {
        self == other
    }

    fn carry(&mut self, _later: &Self) {}
}

impl Dimension for User {
    const ENTITY: &'static str = "user";
    const LOCK: i32 = 0;
    const STATEMENTS: Statements = statements!("user");
    const STATE: &'static [Type] = &[Type::TEXT, Type::TEXT, Type::TEXT, Type::FLOAT8];

    fn push_values<'s>(&'s self, row: &mut Row<'s>) {
        row.push(&self.name);
        row.push(&self.address);
        row.push(&self.job);
        row.push(&self.score);
    }

    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]) {
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.name.as_str());
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.address.as_str());
        columns.push_each(Type::TEXT_ARRAY, states, |user| user.job.as_str());
        columns.push_each(Type::FLOAT8_ARRAY, states, |user| user.score);
    }

    fn from_row(row: &postgres::Row, first: usize) -> Self {
        User {
            name: row.get(first),
            address: row.get(first + 1),
            job: row.get(first + 2),
            score: row.get(first + 3),
        }
    }
}

impl State for Card {
    fn same_version(&self, other: &Self) -> bool {
        (self.user_id, self.active, self.created_at)
            == (other.user_id, other.active, other.created_at)
            && self.created_by_name == other.created_by_name
    }

    fn carry(&mut self, later: &Self) {
        self.updated_at = later.updated_at;
    }
}

impl Dimension for Card {
    const ENTITY: &'static str = "card";
    const LOCK: i32 = 1;
    const STATEMENTS: Statements = statements!("card");
    const STATE: &'static [Type] = &[
        Type::INT8,
        Type::TEXT,
        Type::BOOL,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
    ];

    fn push_values<'s>(&'s self, row: &mut Row<'s>) {
        row.push(&self.user_id);
        row.push(&self.created_by_name);
        row.push(&self.active);
        row.push(&self.created_at);
        row.push(&self.updated_at);
    }

    fn push_columns<'s>(columns: &mut Columns<'s>, states: &[&'s Self]) {
        columns.push_each(Type::INT8_ARRAY, states, |card| card.user_id);
        columns.push_each(Type::TEXT_ARRAY, states, |card| {
            card.created_by_name.as_str()
        });
        columns.push_each(Type::BOOL_ARRAY, states, |card| card.active);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, states, |card| card.created_at);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, states, |card| card.updated_at);
    }

    fn from_row(row: &postgres::Row, first: usize) -> Self {
        Card {
            user_id: row.get(first),
            created_by_name: row.get(first + 1),
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
    fn identity(&self) -> Identity {
        (self.event.entity_id, self.event.event_id)
    }
}

/// What became of arrivals.
#[derive(Debug, Default)]
pub struct Landed {
    /// How many events were there already with the same content.
    pub duplicates: i64,
    /// Files whose event was there already with other content, as the places that their arrivals
    /// have.
    pub conflicts: Vec<(usize, Rejection)>,
}

/// What became of the versions of a dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revised {
    /// Versions written.
    pub opened: i64,
    /// Versions that got an end.
    pub closed: i64,
}

impl AddAssign for Revised {
    fn add_assign(&mut self, other: Revised) {
        self.opened += other.opened;
        self.closed += other.closed;
    }
}

/// The events of one transaction on their way into a dimension: they land portion by portion, and
/// at the end the timelines that they touch are revised in one go.
#[derive(Debug)]
pub struct Intake<S> {
    run_id: i64,
    /// Keys met so far.
    met: HashSet<i64>,
    /// Those of them that had events before this transaction, with their state then.
    known: HashMap<i64, Current<S>>,
    /// Identities of the events that have landed.
    landed: HashSet<Identity>,
    /// What those events say.
    fresh: Vec<Fresh<S>>,
    /// Moments at which an event has moved.
    moved: Touched,
}

/// Identity of an event: its key and its event id.
type Identity = (i64, Uuid);

/// An event that has landed, as far as timelines are concerned.
#[derive(Debug)]
struct Fresh<S> {
    entity_id: i64,
    event_at: DateTime<Utc>,
    file_modified_at: DateTime<Utc>,
    event_id: Uuid,
    state: S,
}

impl<S: Dimension> Intake<S> {
    /// An intake of the run with this number.
    pub fn new(run_id: i64) -> Intake<S> {
        Intake {
            run_id,
            met: HashSet::new(),
            known: HashMap::new(),
            landed: HashSet::new(),
            fresh: Vec::new(),
            moved: Touched::new(),
        }
    }

    /// Lands events, given in the order in which their files changed.
    ///
    /// Of several events with one identity the first counts; the others are compared with it.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn land(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut arrivals: Vec<Arrival<'_, S>>,
    ) -> Result<Landed, Error> {
        let mut landed = Landed::default();
        if arrivals.is_empty() {
            return Ok(landed);
        }
        if self.met.is_empty() {
            lock::<S>(transaction)?;
        }
        // In the order of the primary key, so that neighbouring rows land on neighbouring pages.
        // The sort is stable: events with one identity stay in the order in which their files
        // changed.
        arrivals.sort_by_key(Arrival::identity);
        self.meet(transaction, &arrivals)?;
        let stored = self.stored(transaction, &arrivals)?;
        let (mut fresh, mut repeats) = (Vec::with_capacity(arrivals.len()), Vec::new());
        for arrival in arrivals {
            let identity = arrival.identity();
            match !stored.contains(&identity) && self.landed.insert(identity) {
                true => fresh.push(arrival),
                false => repeats.push(arrival),
            }
        }
        copy_events(transaction, self.run_id, &fresh)?;
        compare_events(transaction, &repeats, &mut landed, &mut self.moved)?;
        self.fresh.extend(fresh.into_iter().map(Fresh::from));
        Ok(landed)
    }

    /// Notes the state of keys that are met for the first time. It was that of before this
    /// transaction, since none of their events has landed yet.
    fn meet(
        &mut self,
        transaction: &mut Transaction<'_>,
        arrivals: &[Arrival<'_, S>],
    ) -> Result<(), Error> {
        let keys: Vec<i64> = arrivals
            .iter()
            .map(|arrival| arrival.event.entity_id)
            .filter(|entity_id| self.met.insert(*entity_id))
            .collect();
        if !keys.is_empty() {
            self.known.extend(current_versions(transaction, &keys)?);
        }
        Ok(())
    }

    /// The identities that were there before this transaction. A key without a version has no
    /// event, so a first load asks for none.
    fn stored(
        &self,
        transaction: &mut Transaction<'_>,
        arrivals: &[Arrival<'_, S>],
    ) -> Result<HashSet<Identity>, Error> {
        let asked: Vec<Identity> = arrivals
            .iter()
            .filter(|arrival| self.known.contains_key(&arrival.event.entity_id))
            .map(Arrival::identity)
            .collect();
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let (keys, events): (Vec<i64>, Vec<Uuid>) = asked.iter().copied().unzip();
        let rows = transaction
            .query_typed(
                S::STATEMENTS.known_events,
                &[(&keys, Type::INT8_ARRAY), (&events, Type::UUID_ARRAY)],
            )
            .doing("looking for events that are there already")?;
        Ok(rows.iter().map(|row| asked[place(row)]).collect())
    }

    /// Revises the timelines that the events have touched.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn revise(self, transaction: &mut Transaction<'_>) -> Result<Revised, Error> {
        let Intake {
            mut known,
            mut fresh,
            moved: mut late,
            ..
        } = self;
        // In the order that decides between events of one moment: the last one counts.
        fresh.sort_unstable_by_key(|event| {
            (
                event.entity_id,
                event.event_at,
                event.file_modified_at,
                event.event_id,
            )
        });
        let mut revised = Revised::default();
        let mut revisions = Vec::new();
        let mut fresh = fresh.into_iter().peekable();
        while let Some(entity_id) = fresh.peek().map(|event| event.entity_id) {
            let mut moments: Vec<Moment<S>> = Vec::new();
            while let Some(event) = fresh.next_if(|event| event.entity_id == entity_id) {
                moments.pop_if(|last| last.at == event.event_at);
                moments.push(event.into());
            }
            let current = known.remove(&entity_id);
            let appends = current
                .as_ref()
                .is_none_or(|current| moments[0].at > current.latest_event_at);
            if appends && !late.contains_key(&entity_id) {
                let stored = current.map(|current| current.version).into_iter().collect();
                revisions.push((entity_id, revise(stored, moments)));
            } else {
                let touched = late.entry(entity_id).or_default();
                touched.extend(moments.iter().map(|moment| moment.at));
            }
            if revisions.len() == REVISIONS {
                revised += write(transaction, &std::mem::take(&mut revisions))?;
            }
        }
        revisions.extend(revise_late(transaction, &late)?);
        revised += write(transaction, &revisions)?;
        Ok(revised)
    }
}

impl<S> From<Arrival<'_, S>> for Fresh<S> {
    fn from(arrival: Arrival<'_, S>) -> Fresh<S> {
        Fresh {
            entity_id: arrival.event.entity_id,
            event_at: arrival.event.event_at,
            file_modified_at: arrival.file_modified_at,
            event_id: arrival.event.event_id,
            state: arrival.event.state,
        }
    }
}

impl<S> From<Fresh<S>> for Moment<S> {
    fn from(event: Fresh<S>) -> Moment<S> {
        Moment {
            at: event.event_at,
            event_id: event.event_id,
            state: event.state,
            touched: true,
        }
    }
}

/// Makes the writers of one dimension take turns, even if they load different folders: what one
/// reads of a timeline must still hold when it writes, and an event that is new must still be.
fn lock<S: Dimension>(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    transaction
        .query_typed(
            "select pg_advisory_xact_lock($1, $2)",
            &[
                (&LOCK_CLASS, Type::INT4),
                (&(DIMENSION_LOCKS + S::LOCK), Type::INT4),
            ],
        )
        .doing("waiting for the dimension's lock")?;
    Ok(())
}

/// What is known of a key before the transaction.
#[derive(Debug)]
struct Current<S> {
    version: StoredVersion<S>,
    latest_event_at: DateTime<Utc>,
}

fn current_versions<S: Dimension>(
    client: &mut impl GenericClient,
    keys: &[i64],
) -> Result<HashMap<i64, Current<S>>, Error> {
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
fn stored_version<S: Dimension>(row: &postgres::Row, first: usize) -> StoredVersion<S> {
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

/// Writes events whose identity is new.
fn copy_events<S: Dimension>(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    arrivals: &[Arrival<'_, S>],
) -> Result<(), Error> {
    let types = [
        &[
            Type::INT8,
            Type::UUID,
            Type::TIMESTAMPTZ,
            Type::JSONB,
            Type::TEXT,
            Type::TIMESTAMPTZ,
            Type::INT8,
        ],
        S::STATE,
    ]
    .concat();
    let events: Vec<(&Arrival<'_, S>, Option<Json<&RawValue>>)> = arrivals
        .iter()
        .map(|arrival| (arrival, arrival.event.extra.as_deref().map(Json)))
        .collect();
    rows::copy(
        transaction,
        S::STATEMENTS.copy_events,
        &types,
        &events,
        |(arrival, extra), row| {
            let event = &arrival.event;
            row.push(&event.entity_id);
            row.push(&event.event_id);
            row.push(&event.event_at);
            row.push(extra);
            row.push(&arrival.file_name);
            row.push(&arrival.file_modified_at);
            row.push(&run_id);
            event.state.push_values(row);
        },
        "loading the events",
    )
}

/// The place of an element that a row is about; `with ordinality` counts from one.
fn place(row: &postgres::Row) -> usize {
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
        arrival.event.extra.as_deref().map(RawValue::get)
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

/// Tells duplicates from conflicts among events whose identity is known, and the moments at which
/// an earlier copy of a file has moved an event.
fn compare_events<S: Dimension>(
    client: &mut impl GenericClient,
    repeats: &[Arrival<'_, S>],
    landed: &mut Landed,
    moved: &mut Touched,
) -> Result<(), Error> {
    if repeats.is_empty() {
        return Ok(());
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
                rival: printable(row.get(3), &[]),
            };
            landed.conflicts.push((arrival.file, conflict));
        }
    }
    if older.is_empty() {
        return Ok(());
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
    Ok(())
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
    transaction: &mut Transaction<'_>,
    revisions: &[(i64, Revision<S>)],
) -> Result<Revised, Error> {
    let of_each = || {
        revisions
            .iter()
            .map(|(entity_id, revision)| (*entity_id, revision))
    };
    let (keys, removed): (Vec<i64>, Vec<i64>) = of_each()
        .flat_map(|(entity_id, revision)| revision.removed.iter().map(move |key| (entity_id, *key)))
        .unzip();
    if !removed.is_empty() {
        transaction
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
        transaction
            .execute_typed(S::STATEMENTS.update_versions, &columns.parameters())
            .doing("bringing versions up to date")?;
    }

    let opened: Vec<(i64, &Version<S>)> = of_each()
        .flat_map(|(entity_id, revision)| {
            revision
                .opened
                .iter()
                .map(move |version| (entity_id, version))
        })
        .collect();
    copy_versions(transaction, &opened)?;
    Ok(Revised {
        opened: opened.len() as i64,
        closed: of_each().map(|(_, revision)| revision.closed).sum(),
    })
}

/// Writes new versions.
fn copy_versions<S: Dimension>(
    transaction: &mut Transaction<'_>,
    versions: &[(i64, &Version<S>)],
) -> Result<(), Error> {
    let types = [
        &[Type::INT8, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ, Type::UUID],
        S::STATE,
    ]
    .concat();
    rows::copy(
        transaction,
        S::STATEMENTS.copy_versions,
        &types,
        versions,
        |(entity_id, version), row| {
            row.push(entity_id);
            row.push(&version.valid_from);
            row.push(&version.valid_to);
            row.push(&version.event_id);
            version.state.push_values(row);
        },
        "opening versions",
    )
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
