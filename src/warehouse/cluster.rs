//! A warehouse that Citus has spread over several machines.
//!
//! A commit there has two phases: the workers prepare, the coordinator commits, the workers commit
//! what they have prepared. A worker that is cut off in between keeps a prepared transaction that is
//! committed and cannot be read yet. Citus ends such transactions every minute. Whoever is about to
//! change a dimension asks for it at once ([`recover`]), and reads nothing while the transaction of
//! an earlier batch is in doubt.

use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, GenericClient, Row, Transaction};

use super::error::{Doing, Error};
use super::explain::explain;
use super::statement;
use super::transaction::begin_bounded;
use super::warnings;
use crate::entity::Kind;

/// Where the tables of the dimensions are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// In the database itself.
    #[default]
    OneMachine,
    /// In shards on the nodes of a cluster.
    Distributed,
}

/// How long transactions may be in doubt before a run gives up: the commits of other runs take a
/// small part of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two attempts.
const POLL: Duration = Duration::from_millis(50);

/// What is done here, as it continues "failed while".
const RECOVERING: &str = "asking the workers for transactions in doubt";

/// A table of an entity, and the column by which its rows are distributed.
pub(super) struct EntityTable {
    /// Its name, with its schema.
    pub(super) name: String,
    /// The natural key of the entity.
    pub(super) column: String,
}

/// The tables that are distributed: those of one entity in sequence.
pub(super) fn entity_tables() -> Vec<EntityTable> {
    let tables = Kind::ALL.iter().flat_map(|kind| {
        ["landing.{}_event", "warehouse.dim_{}"].map(|name| EntityTable {
            name: name.replace("{}", kind.name()),
            column: format!("{kind}_id"),
        })
    });
    tables.collect()
}

/// The layout of a database, of which it is known whether it has the extension.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub(super) fn layout(
    client: &mut impl GenericClient,
    has_extension: bool,
) -> Result<Layout, Error> {
    let shards = match has_extension {
        true => shards(client)?,
        false => Vec::new(),
    };
    Ok(match shards.iter().any(Option::is_some) {
        true => Layout::Distributed,
        false => Layout::OneMachine,
    })
}

/// How many shards each table of events and versions has; `None` if it is not distributed.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn shards(client: &mut impl GenericClient) -> Result<Vec<Option<i64>>, Error> {
    let names: Vec<String> = entity_tables()
        .into_iter()
        .map(|table| table.name)
        .collect();
    let rows = client
        .query_typed(
            include_str!("../../sql/cluster/tables.sql"),
            &[(&names, Type::TEXT_ARRAY)],
        )
        .doing("reading which tables are distributed")?;
    let shards = |row: &Row| {
        let is_distributed: bool = row.get("is_distributed");
        is_distributed.then(|| row.get("shards"))
    };
    Ok(rows.iter().map(shards).collect())
}

/// A node that has shards or takes them.
#[derive(Debug)]
pub struct Node {
    /// Its host, as the coordinator knows it.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its shards of all tables together.
    pub shards: i64,
    /// Their rows by its statistics, or why it does not answer.
    pub answer: Result<i64, String>,
}

/// Asks the nodes of the cluster.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn nodes(client: &mut impl GenericClient) -> Result<Vec<Node>, Error> {
    let tables: Vec<String> = entity_tables()
        .into_iter()
        .map(|table| table.name)
        .collect();
    let rows = client
        .query_typed(
            include_str!("../../sql/cluster/status.sql"),
            &[
                (&tables, Type::TEXT_ARRAY),
                (&shard_names(Kind::ALL), Type::TEXT),
            ],
        )
        .doing("asking the nodes of the cluster")?;
    let node = |row: &Row| Node {
        host: row.get("host"),
        port: row.get("port"),
        shards: row.get("shards"),
        answer: match row.get::<_, Option<i64>>("rows") {
            Some(rows) => Ok(rows),
            None => Err(row
                .get::<_, Option<String>>("failure")
                .unwrap_or_else(|| "no answer".to_owned())),
        },
    };
    Ok(rows.iter().map(node).collect())
}

/// A pattern of the names of the shards of these entities.
fn shard_names(kinds: &[Kind]) -> String {
    let names: Vec<String> = kinds
        .iter()
        .map(|kind| format!("dim_{kind}|{kind}_event"))
        .collect();
    format!("^({})_[0-9]+$", names.join("|"))
}

/// On a cluster, has transactions ended that are prepared at a worker and in doubt; waits for those
/// that other sessions are about to commit.
///
/// # Errors
///
/// [`Error::InDoubt`] when some still are after a while, [`Error::WorkerSilent`] when a worker does
/// not answer, [`Error::Database`] when a statement fails.
pub fn recover(client: &mut Client, layout: Layout) -> Result<(), Error> {
    if layout == Layout::OneMachine {
        return Ok(());
    }
    let began = Instant::now();
    let mut failure = None;
    while let Some(workers) = in_doubt(client, Kind::ALL)? {
        if began.elapsed() > PATIENCE {
            return Err(Error::InDoubt { workers, failure });
        }
        let mut transaction = begin_bounded(client, RECOVERING)?;
        match transaction.query_typed(include_str!("../../sql/cluster/recover.sql"), &[]) {
            Ok(_) => transaction.commit().doing(RECOVERING)?,
            // Citus ends them by itself, a minute later.
            Err(cause) if cause.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                drop(transaction);
                failure = Some(explain(&cause));
            }
            Err(cause) => Err(cause).doing(RECOVERING)?,
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Prepares the transaction of a run for its workers, once it has locked the dimension of an entity:
/// the lock is held until the commit has reached the workers, so what is in doubt then is no other
/// run's commit on its way.
///
/// # Errors
///
/// [`Error::InDoubt`] when the transaction of an earlier batch is in doubt, [`Error::WorkerSilent`]
/// when a worker does not answer, [`Error::Database`] when a statement fails.
pub(super) fn enter(transaction: &mut Transaction<'_>, kind: Kind) -> Result<(), Error> {
    transaction
        .batch_execute(include_str!("../../sql/cluster/settings.sql"))
        .doing("setting up the workers")?;
    if let Some(workers) = in_doubt(transaction, &[kind])? {
        return Err(Error::InDoubt {
            workers,
            failure: None,
        });
    }
    let take_part = statement::fill(statement::VERSION_TAKE_PART, kind);
    transaction
        .execute_typed(&take_part, &[])
        .doing("having the workers prepare their commit")?;
    Ok(())
}

/// Commits the transaction of a batch. A commit on a cluster that the server answers with a warning
/// has not reached every worker: what the batch has written is durable and cannot be read yet.
///
/// # Errors
///
/// [`Error::CommitInDoubt`] when a worker was not reached, [`Error::Commit`] when the connection
/// broke, [`Error::Database`] when the batch was rolled back.
pub fn commit(transaction: Transaction<'_>, layout: Layout) -> Result<(), Error> {
    warnings::forget();
    transaction.commit().map_err(Error::commit)?;
    match (layout, warnings::take()) {
        (Layout::Distributed, Some(warning)) => Err(Error::CommitInDoubt { warning }),
        _ => Ok(()),
    }
}

/// The workers at which a transaction that has changed the tables of these entities is prepared and
/// not ended, as a text.
fn in_doubt(client: &mut impl GenericClient, kinds: &[Kind]) -> Result<Option<String>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/cluster/in_doubt.sql"),
            &[(&shard_names(kinds), Type::TEXT)],
        )
        .doing(RECOVERING)?;
    let mut workers = Vec::new();
    for row in &rows {
        let (host, port): (&str, i32) = (row.get("host"), row.get("port"));
        let worker = format!("{host}:{port}");
        let result: Option<&str> = row.get("result");
        match (row.get::<_, bool>("answers"), result) {
            (true, Some("0")) => {}
            (true, _) => workers.push(worker),
            (false, cause) => {
                let cause = cause.unwrap_or("no answer").to_owned();
                return Err(Error::WorkerSilent { worker, cause });
            }
        }
    }
    Ok((!workers.is_empty()).then(|| workers.join(", ")))
}
