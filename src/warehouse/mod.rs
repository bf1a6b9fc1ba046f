//! The warehouse: the PostgreSQL database that holds landing, dimensions and the loader's own
//! books.
//!
//! [`Warehouse`] is a connection with the locks that keep runs apart and a schema that is up to
//! date. [`dimension`] loads events and keeps versions, [`rejected`] keeps what was no event; both
//! work inside a batch's transaction.

pub mod address;
pub mod dimension;
pub mod rejected;
pub mod rows;
mod schema;
mod tls;

use chrono::{DateTime, Utc};
use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, GenericClient, Row, SimpleQueryMessage, Transaction};

use crate::checkpoint::{Checkpoint, Rest};
use crate::clock::FileTime;
use crate::error::{Doing, Error, books_failed, explain};
use crate::inbox::FolderStamp;
use crate::patrol::Round;
use crate::source::Source;
use address::Address;

/// First half of every advisory lock's number, so that the locks are told from those of other
/// programs in the same database: "etl" in ASCII.
const LOCK_CLASS: i32 = 0x0065_746c;

/// Second halves: one lock keeps migrations apart, one a source keeps runs apart, one a dimension
/// keeps writers of the same timelines apart (whichever folder an event came in, its type decides
/// the table).
const SCHEMA_LOCK: i32 = 0;
const SOURCE_LOCKS: i32 = 1;
const DIMENSION_LOCKS: i32 = 101;

/// What a session needs whatever the defaults of its user or database are. Each statement has to
/// see what was committed before it, and not just before the transaction: a run waits for the locks
/// of others in the middle of one. And a program that is stopped in a transaction must not keep its
/// locks for ever.
///
/// A lock of somebody else's is waited for as long as a batch may take (100,000 files: a few
/// seconds), with room for a slower server, and no longer: a run that waits keeps the lock of its
/// source, so that cron's next runs do nothing, and says nothing either. It holds for the advisory
/// locks of migrations and dimensions too, behind which there is a migration or one batch of another
/// run. And a migration that waits for an analyst's query does not block everybody behind it for
/// long. Who sets another `lock_timeout` for the user or the database has reasons.
///
/// The server tries a silent connection after 30 s and gives it up a minute later, and not after
/// its system's two hours, for which a machine that vanished would keep the lock of its run.
///
/// Whether there is a schema is asked too, so that the server need not log a failed statement to
/// say that there is none.
const SESSION: &str = "set default_transaction_isolation = 'read committed';
                       set idle_in_transaction_session_timeout = '5min';
                       set tcp_keepalives_idle = 30;
                       set tcp_keepalives_interval = 10;
                       set tcp_keepalives_count = 6;
                       select exists (select from pg_namespace where nspname = 'etl'),
                              set_config('lock_timeout',
                                         coalesce(nullif(current_setting('lock_timeout'), '0'), '30s'),
                                         false)";

/// What the statements of a run need: each probes an index with the keys of its batch. The planner
/// knows neither how many these are nor, within a long transaction, how much a table has grown, and
/// takes to joining with the whole of it.
const PROBES: &str = "set enable_hashjoin = off; set enable_mergejoin = off; set jit = off";

/// A connection to the warehouse.
pub struct Warehouse {
    client: Client,
    /// Whether there was a schema when the connection was made, or has been made since.
    has_schema: bool,
}

impl Warehouse {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when there is no server, or it does not answer, or it does not let this
    /// user in, or it is not the one that was asked for, or the session cannot be set up.
    pub fn connect(address: &Address) -> Result<Warehouse, Error> {
        let (client, has_schema) = address.connect(|client| {
            let answers = client.simple_query(SESSION)?;
            Ok(answers.iter().any(
                |answer| matches!(answer, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")),
            ))
        })?;
        Ok(Warehouse { client, has_schema })
    }

    /// The connection itself, for statements outside a batch.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Takes the locks of these sources, as many as no other run holds, and says which. They last
    /// until this connection ends, however it ends.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the connection fails.
    pub fn lock(&mut self, sources: &[Source]) -> Result<Vec<Source>, Error> {
        let numbers: Vec<i32> = sources
            .iter()
            .map(|source| SOURCE_LOCKS + *source as i32)
            .collect();
        let locked = self
            .client
            .query_typed(
                "select pg_try_advisory_lock($1, number) from unnest($2::integer[]) as number",
                &[(&LOCK_CLASS, Type::INT4), (&numbers, Type::INT4_ARRAY)],
            )
            .doing("taking the lock of the run")?;
        Ok(sources
            .iter()
            .zip(locked)
            .filter(|(_, row)| row.get(0))
            .map(|(source, _)| *source)
            .collect())
    }

    /// Gives the locks back. They go with the connection anyway, but the server may notice the end
    /// of that some moments after a program that follows this one has asked for them.
    pub fn unlock(&mut self) {
        let unlocked = self
            .client
            .query_typed("select pg_advisory_unlock_all()", &[]);
        if let Err(error) = unlocked {
            log::debug!("the locks go with the connection: {}", explain(&error));
        }
    }

    /// The sources that a run is at now: those whose locks are held.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the connection fails.
    pub fn running(&mut self) -> Result<Vec<Source>, Error> {
        let held = self
            .client
            .query_typed(
                include_str!("../../sql/status/running.sql"),
                &[(&i64::from(LOCK_CLASS), Type::INT8)],
            )
            .doing("looking for runs at work")?;
        let held: Vec<i64> = held.iter().map(|row| row.get(0)).collect();
        let number = |source: Source| i64::from(SOURCE_LOCKS + source as i32);
        Ok(Source::ALL
            .into_iter()
            .filter(|source| held.contains(&number(*source)))
            .collect())
    }

    /// Reads the checkpoints of these sources, `None` when the schema has yet to be created or
    /// brought up to date.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when it cannot be read, [`Error::NotLoader`] when this user may not,
    /// [`Error::NewerSchema`] when the schema is newer than this program.
    pub fn checkpoints(&mut self, sources: &[Source]) -> Result<Option<Vec<Checkpoint>>, Error> {
        if !self.has_schema {
            return Ok(None);
        }
        read_checkpoints(&mut self.client, sources)
    }

    /// Creates the schema or brings it up to date, one program at a time, and says so in the log.
    ///
    /// # Errors
    ///
    /// [`Error::Migration`] when a migration fails, [`Error::NotOwner`] when this user may not do
    /// it, [`Error::NewerSchema`] when it is newer than this program; it is then as it was before.
    pub fn migrate(&mut self) -> Result<(), Error> {
        let lock: &[_] = &[
            (&LOCK_CLASS as _, Type::INT4),
            (&SCHEMA_LOCK as _, Type::INT4),
        ];
        self.client
            .query_typed("select pg_advisory_lock($1, $2)", lock)
            .doing("waiting for another migration")?;
        schema::migrate(&mut self.client)?;
        self.has_schema = true;
        self.client
            .query_typed("select pg_advisory_unlock($1, $2)", lock)
            .doing("ending a migration")?;
        Ok(())
    }
}

/// Creates or updates the schema within a transaction that will be rolled back.
///
/// # Errors
///
/// As [`Warehouse::migrate`].
pub fn migrate_for_now(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    schema::migrate_for_now(transaction)
}

/// Has the planner probe indexes from now on.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails.
pub fn plan_for_probes(client: &mut impl GenericClient) -> Result<(), Error> {
    client.batch_execute(PROBES).doing("setting up the planner")
}

/// Reads checkpoints, see [`Warehouse::checkpoints`].
///
/// # Errors
///
/// As [`Warehouse::checkpoints`].
pub fn read_checkpoints(
    client: &mut impl GenericClient,
    sources: &[Source],
) -> Result<Option<Vec<Checkpoint>>, Error> {
    let read = client.query_typed(
        include_str!("../../sql/checkpoint/read.sql"),
        &[(&Source::names(sources), Type::TEXT_ARRAY)],
    );
    let rows = match read {
        // What an older schema does not have yet.
        Err(error)
            if [&SqlState::UNDEFINED_TABLE, &SqlState::UNDEFINED_COLUMN]
                .map(Some)
                .contains(&error.code()) =>
        {
            return Ok(None);
        }
        rows => rows.map_err(|error| books_failed(&error, "reading the checkpoints"))?,
    };
    let mut checkpoints = Vec::with_capacity(rows.len());
    for row in &rows {
        if !schema::is_current(row.get(3))? {
            return Ok(None);
        }
        checkpoints.extend(checkpoint(row));
    }
    checkpoints.sort_by_key(|checkpoint| checkpoint.source);
    Ok(Some(checkpoints))
}

/// Reads the folder's rest from the columns of a checkpoint; they are null together.
fn rest(row: &Row) -> Option<Rest> {
    Some(Rest {
        folder: FolderStamp {
            inode: row.get::<_, Option<i64>>(4)?,
            changed: FileTime::from_nanos(row.get::<_, Option<i64>>(5)?),
        },
        listed_at: row.get::<_, Option<DateTime<Utc>>>(6)?.into(),
    })
}

fn checkpoint(row: &Row) -> Option<Checkpoint> {
    Some(Checkpoint {
        source: Source::named(row.get(0))?,
        offset: row.get::<_, Option<DateTime<Utc>>>(1).map(Into::into),
        pending: row.get(2),
        rest: rest(row),
        round: Round::from_row(row, 7),
        waiting: row.get(11),
    })
}
