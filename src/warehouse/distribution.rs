//! Distributing a warehouse over the nodes of a Citus cluster: the tables of events and of dimensions
//! by the natural key of their entity, all in one colocation group. Metadata and rejections stay on
//! the coordinator.

use std::num::NonZeroU16;

use postgres::types::Type;
use postgres::{Client, Transaction};

use super::cluster::{self, EntityTable, Layout, entity_tables};
use super::error::{Doing, Error};
use super::explain::explain_with_advice;
use super::schema::has_extension;
use super::transaction::{DIMENSION_LOCKS, SCHEMA_LOCK, begin_bounded, lock};
use crate::entity::Kind;

/// Fewest shards that are proposed: a cluster of two workers can grow to eight.
const FEWEST_SHARDS: i64 = 8;

/// Shards that are proposed for a node.
const SHARDS_OF_NODE: i64 = 2;

/// Shards are made one after the other over one connection to each worker: tables and functions are
/// made in one transaction.
const SEQUENTIAL: &str = "set local citus.multi_shard_modify_mode = 'sequential'";

/// How many nodes of the cluster take shards.
///
/// # Errors
///
/// [`Error::NoCitus`] without the extension, [`Error::NotCoordinator`] on a worker,
/// [`Error::NoWorkers`] without nodes for shards.
pub(super) fn shard_nodes(client: &mut Client) -> Result<i64, Error> {
    if !has_extension(client)? {
        return Err(Error::NoCitus);
    }
    let row = client
        .query_typed_one(include_str!("../../sql/cluster/nodes.sql"), &[])
        .doing("reading the nodes of the cluster")?;
    match (row.get("is_coordinator"), row.get("shard_nodes")) {
        (false, _) => Err(Error::NotCoordinator),
        (true, 0) => Err(Error::NoWorkers),
        (true, nodes) => Ok(nodes),
    }
}

/// Distributes the tables that are not distributed yet, in so many shards or as many as suit the
/// cluster.
///
/// # Errors
///
/// As [`shard_nodes`], and [`Error::NotDistributed`] when Citus refuses; the warehouse is then as it
/// was before.
pub(super) fn distribute(client: &mut Client, shards: Option<NonZeroU16>) -> Result<(), Error> {
    let nodes = shard_nodes(client)?;
    let found = cluster::shards(client)?.into_iter().flatten().next();
    let number = match (found, shards) {
        (Some(found), Some(asked)) if found != i64::from(asked.get()) => {
            log::warn!(
                "the warehouse is distributed in {found} shards already, and stays so: another number would rewrite \
                 every table (alter_distributed_table)"
            );
            found
        }
        (Some(found), _) => found,
        (None, Some(asked)) => i64::from(asked.get()),
        (None, None) => (nodes * SHARDS_OF_NODE).max(FEWEST_SHARDS),
    };
    if found.is_none() {
        log::info!(
            "distributing the warehouse over {nodes} nodes in {number} shards a table: that number is practically \
             final, since another one rewrites every table, and it is the most nodes that can share the load; \
             --shards sets it"
        );
    }
    if complete(client, number)? == 0 {
        log::info!(
            "all tables of events and dimensions are distributed already, in {number} shards each"
        );
    }
    Ok(())
}

/// Distributes the tables that are not distributed yet, if some are: those of an entity that a
/// migration has added.
///
/// # Errors
///
/// [`Error::NotDistributed`] when Citus refuses.
pub(super) fn keep(client: &mut Client) -> Result<(), Error> {
    let has_extension = has_extension(client)?;
    match cluster::layout(client, has_extension)? {
        // The number is that of the tables that are distributed.
        Layout::Distributed => complete(client, FEWEST_SHARDS).map(drop),
        Layout::OneMachine => Ok(()),
    }
}

/// Distributes what is not distributed yet, and gives the functions and the loaders what they need
/// there. Returns how many tables that were.
fn complete(client: &mut Client, shards: i64) -> Result<usize, Error> {
    let mut transaction = begin_bounded(client, "beginning to distribute the warehouse")?;
    let waiting = "waiting for migrations and runs to end";
    lock(&mut transaction, SCHEMA_LOCK, waiting)?;
    for kind in Kind::ALL {
        lock(&mut transaction, DIMENSION_LOCKS + *kind as i32, waiting)?;
    }
    transaction.batch_execute(SEQUENTIAL).map_err(refused)?;
    let tables = entity_tables();
    let found = cluster::shards(&mut transaction)?;
    let first = tables
        .iter()
        .zip(&found)
        .find(|(_, shards)| shards.is_some());
    let mut first: Option<&EntityTable> = first.map(|(table, _)| table);
    let mut distributed = Vec::new();
    for table in tables
        .iter()
        .zip(&found)
        .filter(|(_, shards)| shards.is_none())
        .map(|(table, _)| table)
    {
        distribute_table(&mut transaction, table, first, shards)?;
        first = first.or(Some(table));
        distributed.push(table);
    }
    for table in &distributed {
        transaction
            .query_typed(
                include_str!("../../sql/cluster/truncate_local.sql"),
                &[(&table.name, Type::TEXT)],
            )
            .map_err(refused)?;
    }
    replace_functions(&mut transaction)?;
    transaction
        .batch_execute(include_str!("../../sql/cluster/take_attribute.sql"))
        .map_err(refused)?;
    transaction
        .batch_execute(include_str!("../../sql/cluster/grant.sql"))
        .map_err(refused)?;
    let may_recover: bool = transaction
        .query_typed_one(include_str!("../../sql/cluster/may_recover.sql"), &[])
        .map_err(refused)?
        .get("may_recover");
    transaction.commit().map_err(refused)?;
    for table in &distributed {
        log::info!("distributed {} by {}", table.name, table.column);
        // Until the workers' autovacuum comes along, the planner knows nothing of the new shards.
        client
            .batch_execute(&format!("analyze {}", table.name))
            .doing("analysing the distributed tables")?;
    }
    if !may_recover {
        log::warn!(
            "missing: the right of etl_loader to call recover_prepared_transactions(); let a superuser grant it \
             (grant execute on function recover_prepared_transactions() to etl_loader), since a run that finds a \
             commit in doubt fails without it until Citus has ended the transaction, a minute later"
        );
    }
    Ok(distributed.len())
}

fn distribute_table(
    transaction: &mut Transaction<'_>,
    table: &EntityTable,
    first: Option<&EntityTable>,
    shards: i64,
) -> Result<(), Error> {
    let shards = i32::try_from(shards).unwrap_or(i32::MAX);
    match first {
        Some(first) => transaction.query_typed(
            include_str!("../../sql/cluster/distribute.sql"),
            &[
                (&table.name, Type::TEXT),
                (&table.column, Type::TEXT),
                (&first.name, Type::TEXT),
            ],
        ),
        None => transaction.query_typed(
            include_str!("../../sql/cluster/distribute_first.sql"),
            &[
                (&table.name, Type::TEXT),
                (&table.column, Type::TEXT),
                (&shards, Type::INT4),
            ],
        ),
    }
    .map_err(refused)?;
    Ok(())
}

/// Replaces the functions of the past that are written in SQL. A migration may have made them anew.
fn replace_functions(transaction: &mut Transaction<'_>) -> Result<(), Error> {
    let names: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("{kind}_as_of"))
        .collect();
    let rows = transaction
        .query_typed(
            include_str!("../../sql/cluster/as_of_functions.sql"),
            &[(&names, Type::TEXT_ARRAY)],
        )
        .map_err(refused)?;
    for row in &rows {
        transaction
            .batch_execute(row.get("statement"))
            .map_err(refused)?;
    }
    Ok(())
}

/// The error of a statement that Citus refused.
fn refused(cause: postgres::Error) -> Error {
    Error::NotDistributed {
        cause: explain_with_advice(&cause),
    }
}
