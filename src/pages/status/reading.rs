//! Reads the status from the metadata tables, the dimensions and the rejections.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use postgres::types::{FromSql, ToSql, Type};
use postgres::{Row, Transaction};

use super::{
    ArchiveStatus, ClusterStatus, DimensionStatus, Example, Folder, FolderStatus, Health, LastHour,
    NodeStatus, PendingFile, Progress, RejectionStatus, RunStatus, Status,
};
use crate::clock;
use crate::entity::Kind;
use crate::inbox_name::InboxName;
use crate::pages::error::Error;
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::cluster::{Layout, nodes, shards};
use crate::warehouse::error::Doing;
use crate::warehouse::{Warehouse, statement};

/// Runs shown: as many as fit below the rest on a terminal of 40 lines.
const RUNS: i64 = 10;

/// Size of a dimension's table up to which its versions are counted, in bytes: half a million
/// versions, which takes a twentieth of a second.
const COUNTED_SIZE: i64 = 64 << 20;

/// The statements here are short. What takes time, the server would compile and then not execute:
/// the counts of dimensions that are too large to be counted.
const NO_COMPILATION: &str = "set local jit = off";

/// What is done here, as it continues "failed while".
const READING: &str = "reading the status";

/// Reads how far each folder has been loaded.
///
/// # Errors
///
/// [`NoSchema`](crate::warehouse::error::Error::NoSchema) before the first run; anything else when it
/// cannot be read.
pub fn read_progress(warehouse: &mut Warehouse) -> Result<Progress, Error> {
    progress(&mut snapshot(warehouse)?)
}

/// Reads whether all is well. A folder is stale if no run has scanned it for `stale_after`.
///
/// # Errors
///
/// As [`read_progress`].
pub fn read_health(warehouse: &mut Warehouse, stale_after: Duration) -> Result<Health, Error> {
    let cluster = cluster(warehouse)?;
    health(&mut snapshot(warehouse)?, cluster, stale_after)
}

/// Reads everything. A folder is stale if no run has scanned it for `stale_after`.
///
/// # Errors
///
/// As [`read_progress`].
pub fn read(warehouse: &mut Warehouse, stale_after: Duration) -> Result<Status, Error> {
    let layout = layout(warehouse)?;
    let cluster = cluster(warehouse)?;
    // A node that does not answer would fail the counts.
    let can_count = cluster.as_ref().is_none_or(ClusterStatus::is_complete);
    let mut snapshot = snapshot(warehouse)?;
    Ok(Status {
        health: health(&mut snapshot, cluster, stale_after)?,
        rejections: rejections(&mut snapshot)?,
        archives: archives(&mut snapshot)?,
        dimensions: match can_count {
            true => dimensions(&mut snapshot, layout)?,
            false => Vec::new(),
        },
        runs: runs(&mut snapshot)?,
    })
}

/// Everything is read as of one time.
fn snapshot(warehouse: &mut Warehouse) -> Result<Transaction<'_>, Error> {
    warehouse.require_schema()?;
    let mut snapshot = warehouse.snapshot(READING)?;
    snapshot.batch_execute(NO_COMPILATION).doing(READING)?;
    Ok(snapshot)
}

fn query(
    snapshot: &mut Transaction<'_>,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    Ok(snapshot.query_typed(sql, parameters).doing(READING)?)
}

/// A column by its name. A value that the program cannot hold, such as an infinite time, is an error
/// of the warehouse.
fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<T, Error> {
    Ok(row.try_get(column).doing(READING)?)
}

fn progress(snapshot: &mut Transaction<'_>) -> Result<Progress, Error> {
    let rows = query(
        snapshot,
        include_str!("../../../sql/status/sources.sql"),
        &[(&Source::names(Source::ALL), Type::TEXT_ARRAY)],
    )?;
    let mut sources = Vec::with_capacity(rows.len());
    for row in &rows {
        sources.push(folder_status(row)?);
    }
    let is_named = |status: &FolderStatus| status.folder.inbox != InboxName::DEFAULT;
    let shows_inbox = sources.iter().any(is_named);
    for status in &mut sources {
        status.folder.shows_inbox = shows_inbox;
    }
    Ok(Progress {
        read_at: clock::now().trunc_subsecs(6),
        sources,
    })
}

fn folder_status(row: &Row) -> Result<FolderStatus, Error> {
    let inbox: Option<String> = get(row, "inbox")?;
    let pending_since: Option<DateTime<Utc>> = get(row, "pending_since")?;
    let oldest_pending = match pending_since {
        Some(since) => Some(PendingFile {
            name: get(row, "pending_file")?,
            reason: get(row, "pending_reason")?,
            since,
        }),
        None => None,
    };
    Ok(FolderStatus {
        folder: Folder {
            source: get(row, "source")?,
            inbox: inbox.unwrap_or_else(|| InboxName::DEFAULT.to_owned()),
            shows_inbox: false,
        },
        folder_path: get(row, "folder_path")?,
        offset_at: get(row, "offset_at")?,
        advanced_at: get(row, "advanced_at")?,
        newest_event_at: get(row, "newest_event_at")?,
        last_scanned_at: get(row, "last_scanned_at")?,
        running: get(row, "running")?,
        remaining: get(row, "remaining")?,
        pending: get(row, "pending")?,
        pending_since,
        loaded: get(row, "loaded")?,
        duplicates: get(row, "duplicates")?,
        rejected: get(row, "rejected")?,
        failing_since: get(row, "failing_since")?,
        last_failed_at: get(row, "last_failed_at")?,
        last_failure: get(row, "last_failure")?,
        listed: get(row, "listed")?,
        scan_ms: get(row, "scan_ms")?,
        archivable: get(row, "archivable")?,
        archivable_since: get(row, "archivable_since")?,
        oldest_pending,
    })
}

/// Where the dimensions are.
fn layout(warehouse: &mut Warehouse) -> Result<Layout, Error> {
    warehouse.require_schema()?;
    Ok(warehouse.layout())
}

/// Asks the nodes, if there are several.
fn cluster(warehouse: &mut Warehouse) -> Result<Option<ClusterStatus>, Error> {
    if layout(warehouse)? == Layout::OneMachine {
        return Ok(None);
    }
    let client = warehouse.client();
    let nodes = nodes(client)?.into_iter().map(|node| NodeStatus {
        host: node.host,
        port: node.port,
        shards: node.shards,
        rows: node.answer.as_ref().ok().copied(),
        failure: node.answer.err(),
    });
    Ok(Some(ClusterStatus {
        nodes: nodes.collect(),
        shards: shards(client)?.into_iter().flatten().max().unwrap_or(0),
    }))
}

fn health(
    snapshot: &mut Transaction<'_>,
    cluster: Option<ClusterStatus>,
    stale_after: Duration,
) -> Result<Health, Error> {
    let progress = progress(snapshot)?;
    let an_hour_ago = progress.read_at - TimeDelta::hours(1);
    let rows = query(
        snapshot,
        include_str!("../../../sql/status/last_hour.sql"),
        &[(&an_hour_ago, Type::TIMESTAMPTZ)],
    )?;
    let last_hour = match rows.first() {
        Some(row) => LastHour {
            runs: get(row, "runs")?,
            files: get(row, "files")?,
            loaded: get(row, "loaded")?,
            duplicates: get(row, "duplicates")?,
            rejected: get(row, "rejected")?,
        },
        None => LastHour::default(),
    };
    Ok(Health::of(progress, last_hour, cluster, stale_after))
}

fn rejections(snapshot: &mut Transaction<'_>) -> Result<Vec<RejectionStatus>, Error> {
    let rows = query(
        snapshot,
        include_str!("../../../sql/status/rejections.sql"),
        &[],
    )?;
    let rejection = |row: &Row| {
        Ok(RejectionStatus {
            source: get(row, "source")?,
            inbox: get(row, "inbox")?,
            reason: get(row, "reason")?,
            files: get(row, "files")?,
            newest: Example {
                rejected_id: get(row, "rejected_id")?,
                rejected_at: get(row, "rejected_at")?,
                file_name: get(row, "file_name")?,
                detail: get(row, "detail")?,
            },
        })
    };
    rows.iter().map(rejection).collect()
}

fn archives(snapshot: &mut Transaction<'_>) -> Result<Vec<ArchiveStatus>, Error> {
    let sql = include_str!("../../../sql/status/archiving.sql");
    let archive = |row: &Row| {
        Ok(ArchiveStatus {
            source: get(row, "source")?,
            inbox: get(row, "inbox")?,
            archive_path: get(row, "archive_path")?,
            last_archived_at: get(row, "last_archived_at")?,
            archives: get(row, "archives")?,
            files: get(row, "files")?,
            bytes: get(row, "bytes")?,
            kept: get(row, "kept")?,
            kept_since: get(row, "kept_since")?,
        })
    };
    query(snapshot, sql, &[])?.iter().map(archive).collect()
}

fn dimensions(
    snapshot: &mut Transaction<'_>,
    layout: Layout,
) -> Result<Vec<DimensionStatus>, Error> {
    let mut dimensions = Vec::with_capacity(Kind::ALL.len());
    for kind in Kind::ALL {
        let mut rows = Vec::new();
        if layout == Layout::Distributed {
            let (table, index) = (format!("dim_{kind}"), format!("dim_{kind}_current"));
            rows = query(
                snapshot,
                include_str!("../../../sql/cluster/dimension.sql"),
                &[
                    (&table, Type::TEXT),
                    (&COUNTED_SIZE, Type::INT8),
                    (&index, Type::TEXT),
                ],
            )?;
        }
        if rows.is_empty() {
            let sql = statement::fill(statement::STATUS_DIMENSION, *kind);
            rows = query(snapshot, &sql, &[(&COUNTED_SIZE, Type::INT8)])?;
        }
        for row in rows {
            dimensions.push(DimensionStatus {
                dimension: get(&row, "dimension")?,
                rows: get(&row, "rows")?,
                current_rows: get(&row, "current_rows")?,
                is_estimate: get(&row, "is_estimate")?,
            });
        }
    }
    Ok(dimensions)
}

fn runs(snapshot: &mut Transaction<'_>) -> Result<Vec<RunStatus>, Error> {
    let rows = query(
        snapshot,
        include_str!("../../../sql/status/runs.sql"),
        &[(&RUNS, Type::INT8)],
    )?;
    let run = |row: &Row| {
        Ok(RunStatus {
            run_id: get(row, "run_id")?,
            command: get(row, "command")?,
            inbox: get(row, "inbox")?,
            sources: get(row, "sources")?,
            since: get(row, "since")?,
            started_at: get(row, "started_at")?,
            finished_at: get(row, "finished_at")?,
            counts: Counts {
                files: get(row, "files")?,
                loaded: get(row, "loaded")?,
                duplicates: get(row, "duplicates")?,
                rejected: get(row, "rejected")?,
                pending: get(row, "pending")?,
                versions_opened: get(row, "versions_opened")?,
                versions_closed: get(row, "versions_closed")?,
                versions_changed: get(row, "versions_changed")?,
            },
        })
    };
    rows.iter().map(run).collect()
}
