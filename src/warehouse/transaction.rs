//! Transactions of runs: their settings, and the locks that end with them.

use postgres::types::{ToSql, Type};
use postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::error::{Doing, Error};

/// First half of every advisory lock's number, so that the locks are told from those of other
/// programs in the same database: "etl" in ASCII.
pub(super) const LOCK_CLASS: i32 = 0x0065_746c;

/// Second halves: one lock keeps migrations apart, one for each dimension keeps writers of the same
/// timelines apart (whichever folder an event came in, its type decides the table). All of them end
/// with their transaction.
pub(super) const SCHEMA_LOCK: i32 = 0;
pub(super) const DIMENSION_LOCKS: i32 = 101;

/// What keeps a transaction from waiting or being waited for without a limit, whatever the defaults
/// of its user or database are.
///
/// A program that is stopped in a transaction must not keep its locks for ever, and a server process
/// whose client vanished asks after 30 s and gives up a minute later, not after its system's two
/// hours.
///
/// A lock of somebody else's is waited for as long as a batch may take (100,000 files: a few
/// seconds), with room for a slower server: cron's next runs do nothing meanwhile. Whoever sets
/// another `lock_timeout` for the user or the database has reasons.
const LIMITS: &str = "set local idle_in_transaction_session_timeout = '5min';
                      set local tcp_keepalives_idle = 30;
                      set local tcp_keepalives_interval = 10;
                      set local tcp_keepalives_count = 6;
                      select set_config('lock_timeout',
                                        coalesce(nullif(current_setting('lock_timeout'), '0'), '30s'),
                                        true)";

/// Each statement of a run probes an index with the keys of its batch. The planner knows neither how
/// many these are nor, within a long transaction, how much a table has grown, and would join with the
/// whole of it.
const PLANS: &str = "set local enable_hashjoin = off;
                     set local enable_mergejoin = off;
                     set local jit = off";

/// Checks at once what a commit would check, so that the change is known for which it fails. It does not reach
/// the workers of a cluster.
const CHECK_NOW: &str = "set constraints all immediate; set constraints all deferred";

/// Begins a transaction of a run.
///
/// # Errors
///
/// [`Error::Database`] when the connection fails.
pub fn begin(client: &mut Client) -> Result<Transaction<'_>, Error> {
    begin_with(client, &format!("{PLANS}; {LIMITS}"), "beginning a batch")
}

/// Begins a transaction of a few statements that wait for nothing without a limit.
pub(super) fn begin_bounded<'c>(
    client: &'c mut Client,
    doing: &'static str,
) -> Result<Transaction<'c>, Error> {
    begin_with(client, LIMITS, doing)
}

/// Executes one statement in a bounded transaction of its own; returns how many rows it changed.
pub(super) fn execute_bounded(
    client: &mut Client,
    doing: &'static str,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<u64, Error> {
    let mut transaction = begin_bounded(client, doing)?;
    let rows = transaction
        .execute_typed(statement, parameters)
        .doing(doing)?;
    transaction.commit().doing(doing)?;
    Ok(rows)
}

/// Begins a transaction that alone has these settings. Each of its statements sees what was committed
/// before it, and not just before the transaction: it waits for the locks of others in the middle.
fn begin_with<'c>(
    client: &'c mut Client,
    settings: &str,
    doing: &'static str,
) -> Result<Transaction<'c>, Error> {
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .doing(doing)?;
    transaction.batch_execute(settings).doing(doing)?;
    Ok(transaction)
}

/// Changes something in a savepoint. If the database refuses it because of the data, now or when it would be
/// committed, the change is rolled back and the refusal returned; the transaction goes on.
///
/// # Errors
///
/// When a statement fails for another reason.
pub(super) fn attempt<T>(
    transaction: &mut Transaction<'_>,
    doing: &'static str,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
) -> Result<Result<T, String>, Error> {
    let mut savepoint = transaction.transaction().doing(doing)?;
    let changed = change(&mut savepoint).and_then(|changed| {
        savepoint.batch_execute(CHECK_NOW).doing(doing)?;
        Ok(changed)
    });
    match changed {
        Ok(changed) => {
            savepoint.commit().doing(doing)?;
            Ok(Ok(changed))
        }
        Err(error) => {
            let refusal = error.refusal().ok_or(error)?;
            savepoint.rollback().doing(doing)?;
            Ok(Err(refusal))
        }
    }
}

/// Takes an advisory lock until the transaction ends.
///
/// # Errors
///
/// [`Error::Database`] when another session holds it for longer than `lock_timeout`.
pub(super) fn lock(
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
