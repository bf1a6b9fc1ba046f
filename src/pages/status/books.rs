//! Reads the books.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use postgres::types::{ToSql, Type};
use postgres::{IsolationLevel, Row, Transaction};

use super::{
    DimensionStatus, Example, Hour, Progress, RejectionStatus, RunStatus, SourceStatus, Status,
    health,
};
use crate::clock;
use crate::pages::error::Error;
use crate::warehouse::error::Doing;
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::Warehouse;

/// Runs shown: as many as fit under the rest on a terminal of 40 lines.
const RUNS: i64 = 10;

/// Size of a dimension's table up to which its versions are counted, in bytes: half a million
/// versions, which takes a twentieth of a second.
const COUNTED_SIZE: i64 = 64 << 20;

/// The statements here are short. What takes time, the server would compile and then not execute:
/// the counts of dimensions that are too large to be counted.
const NO_COMPILATION: &str = "set local jit = off";

/// Reads how far each source is.
///
/// # Errors
///
/// [`Error::NoSchema`] before the first run; [`Error::Database`] when it cannot be read.
pub fn read_progress(warehouse: &mut Warehouse) -> Result<Progress, Error> {
    let running = find_schema(warehouse)?;
    let mut snapshot = snapshot(warehouse)?;
    progress(&mut snapshot, &running)
}

/// Reads everything. A source is stale if no run looked at it for `stale_after`.
///
/// # Errors
///
/// As [`read_progress`].
pub fn read(warehouse: &mut Warehouse, stale_after: Duration) -> Result<Status, Error> {
    let running = find_schema(warehouse)?;
    let mut snapshot = snapshot(warehouse)?;
    let progress = progress(&mut snapshot, &running)?;
    let an_hour_ago = progress.read_at - TimeDelta::hours(1);
    let last_hour = query(
        &mut snapshot,
        include_str!("../../../sql/status/last_hour.sql"),
        &[(&an_hour_ago, Type::TIMESTAMPTZ)],
    )?;
    let last_hour = last_hour.first().map_or_else(Hour::default, hour);
    let rejections = rejections(&mut snapshot)?;
    let dimensions = query(
        &mut snapshot,
        include_str!("../../../sql/status/dimensions.sql"),
        &[(&COUNTED_SIZE, Type::INT8)],
    )?;
    let runs = query(
        &mut snapshot,
        include_str!("../../../sql/status/runs.sql"),
        &[(&RUNS, Type::INT8)],
    )?;
    let problems = health::problems(&progress, &last_hour, stale_after);
    Ok(Status {
        progress,
        healthy: problems.is_empty(),
        problems,
        last_hour,
        rejections,
        dimensions: dimensions.iter().map(dimension).collect(),
        runs: runs.iter().map(run).collect(),
    })
}

/// Makes sure that the books are there, and tells which sources a run is at.
fn find_schema(warehouse: &mut Warehouse) -> Result<Vec<Source>, Error> {
    warehouse.require_schema()?;
    warehouse.running()
}

/// All that is read is of one moment.
fn snapshot(warehouse: &mut Warehouse) -> Result<Transaction<'_>, Error> {
    let mut snapshot = warehouse
        .client()
        .build_transaction()
        .read_only(true)
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .doing("reading the status")?;
    snapshot
        .batch_execute(NO_COMPILATION)
        .doing("reading the status")?;
    Ok(snapshot)
}

fn query(
    snapshot: &mut Transaction<'_>,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    snapshot
        .query_typed(sql, parameters)
        .doing("reading the status")
}

fn progress(snapshot: &mut Transaction<'_>, running: &[Source]) -> Result<Progress, Error> {
    let sources = query(snapshot, include_str!("../../../sql/status/sources.sql"), &[])?;
    Ok(Progress {
        read_at: clock::now().trunc_subsecs(6),
        sources: sources.iter().map(|row| source(row, running)).collect(),
    })
}

fn source(row: &Row, running: &[Source]) -> SourceStatus {
    let source: String = row.get(0);
    SourceStatus {
        running: Source::named(&source).is_some_and(|source| running.contains(&source)),
        source,
        offset_at: row.get(1),
        advanced_at: row.get(2),
        looked_at: row.get(3),
        pending: row.get(4),
        pending_since: row.get(5),
        loaded: row.get(6),
        duplicates: row.get(7),
        rejected: row.get(8),
        newest_event_at: row.get(9),
        waiting: row.get(10),
    }
}

fn hour(row: &Row) -> Hour {
    Hour {
        runs: row.get(0),
        files: row.get(1),
        loaded: row.get(2),
        duplicates: row.get(3),
        rejected: row.get(4),
    }
}

fn rejections(snapshot: &mut Transaction<'_>) -> Result<Vec<RejectionStatus>, Error> {
    let counts = query(
        snapshot,
        include_str!("../../../sql/status/rejections.sql"),
        &[],
    )?;
    let mut rejections = Vec::with_capacity(counts.len());
    for row in &counts {
        let (source, reason): (String, String) = (row.get(0), row.get(1));
        let newest = query(
            snapshot,
            include_str!("../../../sql/status/newest_rejection.sql"),
            &[(&source, Type::TEXT), (&reason, Type::TEXT)],
        )?;
        // There is one, since all is read of one moment.
        rejections.extend(newest.first().map(|newest| RejectionStatus {
            source,
            reason,
            files: row.get(2),
            newest: example(newest),
        }));
    }
    Ok(rejections)
}

fn example(row: &Row) -> Example {
    Example {
        rejected_id: row.get(0),
        rejected_at: row.get(1),
        file_name: row.get(2),
        detail: row.get(3),
    }
}

fn dimension(row: &Row) -> DimensionStatus {
    DimensionStatus {
        dimension: row.get(0),
        rows: row.get(1),
        current_rows: row.get(2),
        is_estimate: row.get(3),
    }
}

fn run(row: &Row) -> RunStatus {
    RunStatus {
        run_id: row.get(0),
        sources: row.get(1),
        since: row.get(2),
        started_at: row.get(3),
        finished_at: row.get(4),
        looks: row.get(5),
        looked_at: row.get(6),
        counts: Counts {
            files: row.get(7),
            loaded: row.get(8),
            duplicates: row.get(9),
            rejected: row.get(10),
            pending: row.get(11),
            versions_opened: row.get(12),
            versions_closed: row.get(13),
        },
    }
}
