//! The warehouse: the PostgreSQL database with the events in landing, the dimensions and the
//! metadata.
//!
//! [`Warehouse`] is a connection. What a run needs of the server is set for its own transactions
//! alone ([`begin`]), so that a connection pooler may stand between. [`checkpoints`] is the one
//! store of checkpoints, [`dimension`] loads events and keeps versions, [`rejections`] is the
//! dead-letter table, [`runs`] says what runs did.

pub mod address;
pub mod checkpoints;
pub mod dimension;
pub mod error;
mod explain;
pub mod landing;
pub mod names;
pub mod rebuild;
pub mod rejections;
pub mod rows;
pub mod runs;
mod schema;
pub mod statement;
mod tls;
mod versions;

use postgres::types::Type;
use postgres::{Client, GenericClient, IsolationLevel, Transaction};

use address::Address;
use error::{Doing, Error};

/// First half of every advisory lock's number, so that the locks are told from those of other
/// programs in the same database: "etl" in ASCII.
pub(crate) const LOCK_CLASS: i32 = 0x0065_746c;

/// Second halves: one lock keeps migrations apart, one for each dimension keeps writers of the same
/// timelines apart (whichever folder an event came in, its type decides the table). All of them end
/// with their transaction.
const SCHEMA_LOCK: i32 = 0;
pub(crate) const DIMENSION_LOCKS: i32 = 101;

/// What a transaction of a run needs whatever the defaults of its user or database are.
///
/// Each statement has to see what was committed before it, and not just before the transaction: a
/// run waits for the dimension locks of others in the middle of one. A program that is stopped in a
/// transaction must not keep its locks for ever, and a server process whose client vanished asks
/// after 30 s and gives up a minute later, not after its system's two hours.
///
/// A lock of somebody else's is waited for as long as a batch may take (100,000 files: a few
/// seconds), with room for a slower server: cron's next runs do nothing meanwhile. Whoever sets
/// another `lock_timeout` for the user or the database has reasons.
///
/// Each statement probes an index with the keys of its batch. The planner knows neither how many
/// these are nor, within a long transaction, how much a table has grown, and would join with the
/// whole of it.
const SETTINGS: &str = "set local idle_in_transaction_session_timeout = '5min';
                        set local tcp_keepalives_idle = 30;
                        set local tcp_keepalives_interval = 10;
                        set local tcp_keepalives_count = 6;
                        set local enable_hashjoin = off;
                        set local enable_mergejoin = off;
                        set local jit = off;
                        select set_config('lock_timeout',
                                          coalesce(nullif(current_setting('lock_timeout'), '0'), '30s'),
                                          true)";

/// A connection to the warehouse.
pub struct Warehouse {
    client: Client,
    /// Whether there was a schema when the connection was made, or has been created since.
    has_schema: bool,
    /// Whether a migration had requested a rebuild when the state of the schema was last read.
    requests_rebuild: bool,
}

impl Warehouse {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when there is no server, or it does not answer, or it does not let this
    /// user in, or it is not the one that was asked for, or what TLS needs cannot be read.
    pub fn connect(address: &Address) -> Result<Warehouse, Error> {
        // The first statement is part of it: a server that takes the connection may still hang.
        let (client, has_schema) = address.connect(schema::has_history)?;
        Ok(Warehouse {
            client,
            has_schema,
            requests_rebuild: false,
        })
    }

    /// The connection itself.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether the schema is there and at the newest version.
    ///
    /// # Errors
    ///
    /// [`Error::NewerSchema`] when it is ahead of this program, [`Error::OldLine`] when it is from
    /// before the first release.
    pub fn has_schema(&mut self) -> Result<bool, Error> {
        if !self.has_schema {
            return Ok(false);
        }
        let state = schema::state(&mut self.client)?;
        self.requests_rebuild = state.requests_rebuild;
        Ok(state.is_current)
    }

    /// Whether a migration had requested to rebuild a dimension when [`Warehouse::has_schema`] was last
    /// called; after a migration, whether there may be such a request.
    pub fn requests_rebuild(&self) -> bool {
        self.requests_rebuild
    }

    /// Makes sure that the schema is there and at the newest version.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchema`] when it is not.
    pub fn require_schema(&mut self) -> Result<(), Error> {
        match self.has_schema()? {
            true => Ok(()),
            false => Err(Error::NoSchema),
        }
    }

    /// Creates the schema or migrates it, one program at a time, and logs it.
    ///
    /// # Errors
    ///
    /// [`Error::Migration`] when a migration fails, [`Error::NotOwner`] when this user may not do
    /// it, [`Error::NewerSchema`] when it is newer than this program; it is then as it was before.
    pub fn migrate(&mut self) -> Result<(), Error> {
        schema::migrate(&mut self.client)?;
        self.has_schema = true;
        // The migrations may have requested one.
        self.requests_rebuild = true;
        Ok(())
    }

    /// Begins a snapshot: everything that is read in it is of one time.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the connection fails.
    pub fn snapshot(&mut self, doing: &'static str) -> Result<Transaction<'_>, Error> {
        self.client
            .build_transaction()
            .read_only(true)
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()
            .doing(doing)
    }
}

/// Begins a transaction of a run.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails.
pub fn begin(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .doing("beginning a batch")?;
    transaction
        .simple_query(SETTINGS)
        .doing("beginning a batch")?;
    Ok(transaction)
}

/// Takes an advisory lock until the transaction ends.
///
/// # Errors
///
/// [`Error::Database`] when another session holds it for longer than `lock_timeout`.
pub(crate) fn lock(
    client: &mut impl GenericClient,
    number: i32,
    doing: &'static str,
) -> Result<(), Error> {
    client
        .query_typed(
            "select pg_advisory_xact_lock($1, $2)",
            &[(&LOCK_CLASS, Type::INT4), (&number, Type::INT4)],
        )
        .doing(doing)?;
    Ok(())
}
