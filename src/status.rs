//! What the loader's books say: how far it is, what it holds, and how the last runs went.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use comfy_table::{CellAlignment, Table, presets};
use postgres::IsolationLevel;
use postgres::types::Type;
use serde::Serialize;

use crate::clock;
use crate::error::{Doing, Error};
use crate::source::Source;
use crate::summary::Counts;
use crate::warehouse::Warehouse;

/// Runs shown: as many as fit under the rest on a small terminal.
const RUNS: i64 = 5;

/// Spaces between the columns of a table: one is too few for a column of times, three too many for
/// 80 columns.
const COLUMN_GAP: u16 = 2;

/// Columns that the page keeps to.
const WIDTH: u16 = 80;

/// The state of the warehouse at one moment.
#[derive(Debug, Serialize)]
pub struct Status {
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// How far each source is.
    pub sources: Vec<SourceStatus>,
    /// Rejections that are not resolved.
    pub rejections: Vec<RejectionStatus>,
    /// What the dimensions hold.
    pub dimensions: Vec<DimensionStatus>,
    /// The newest runs that found something, newest first.
    pub runs: Vec<RunStatus>,
}

/// How far a source is.
#[derive(Debug, Serialize)]
pub struct SourceStatus {
    /// The source.
    pub source: String,
    /// Every file that changed before this has been dealt with.
    pub offset_at: Option<DateTime<Utc>>,
    /// When the offset last moved.
    pub advanced_at: Option<DateTime<Utc>>,
    /// When a run last looked at the folder.
    pub looked_at: Option<DateTime<Utc>>,
    /// Files whose event was loaded, since the first run.
    pub loaded: i64,
    /// Files whose event was there already, since the first run.
    pub duplicates: i64,
    /// Files rejected, since the first run.
    pub rejected: i64,
    /// Files that the last run left for a later one.
    pub pending: i64,
}

/// How many files of a source are rejected for a reason and not resolved.
#[derive(Debug, Serialize)]
pub struct RejectionStatus {
    /// The source.
    pub source: String,
    /// The reason code.
    pub reason: String,
    /// How many.
    pub files: i64,
}

/// What a dimension holds.
#[derive(Debug, Serialize)]
pub struct DimensionStatus {
    /// The table.
    pub dimension: String,
    /// Versions.
    pub rows: i64,
    /// Current versions: one for each key.
    pub current_rows: i64,
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct RunStatus {
    /// Its number.
    pub run_id: i64,
    /// The folders it looked at.
    pub sources: Vec<String>,
    /// The start it was given, if it was a backfill.
    pub since: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When its last batch was ready to commit.
    pub finished_at: DateTime<Utc>,
    /// What it did.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How much of the status is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// How far each source is: a few rows, whatever the size of the warehouse.
    Sources,
    /// Everything; the dimensions are counted.
    All,
}

/// Reads the status from one snapshot of the warehouse.
///
/// # Errors
///
/// [`Error::NoSchema`] before the first run; [`Error::Database`] when it cannot be read.
pub fn read(warehouse: &mut Warehouse, extent: Extent) -> Result<Status, Error> {
    warehouse
        .checkpoints(&Source::ALL)?
        .ok_or(Error::NoSchema)?;
    let doing = "reading the status";
    let mut snapshot = warehouse
        .client()
        .build_transaction()
        .read_only(true)
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .doing(doing)?;
    let mut query = |sql, parameters: &[_]| snapshot.query_typed(sql, parameters).doing(doing);
    let sources = query(include_str!("../sql/status/sources.sql"), &[])?;
    let (mut rejections, mut dimensions, mut runs) = Default::default();
    if extent == Extent::All {
        rejections = query(include_str!("../sql/status/rejections.sql"), &[])?;
        dimensions = query(include_str!("../sql/status/dimensions.sql"), &[])?;
        runs = query(
            include_str!("../sql/status/runs.sql"),
            &[(&RUNS, Type::INT8)],
        )?;
    }
    Ok(Status {
        read_at: clock::now().trunc_subsecs(6),
        sources: sources
            .iter()
            .map(|row| SourceStatus {
                source: row.get(0),
                offset_at: row.get(1),
                advanced_at: row.get(2),
                looked_at: row.get(3),
                loaded: row.get(4),
                duplicates: row.get(5),
                rejected: row.get(6),
                pending: row.get(7),
            })
            .collect(),
        rejections: rejections
            .iter()
            .map(|row| RejectionStatus {
                source: row.get(0),
                reason: row.get(1),
                files: row.get(2),
            })
            .collect(),
        dimensions: dimensions
            .iter()
            .map(|row| DimensionStatus {
                dimension: row.get(0),
                rows: row.get(1),
                current_rows: row.get(2),
            })
            .collect(),
        runs: runs
            .iter()
            .map(|row| RunStatus {
                run_id: row.get(0),
                sources: row.get(1),
                since: row.get(2),
                started_at: row.get(3),
                finished_at: row.get(4),
                counts: Counts {
                    files: row.get(5),
                    loaded: row.get(6),
                    duplicates: row.get(7),
                    rejected: row.get(8),
                    pending: row.get(9),
                    versions_opened: row.get(10),
                    versions_closed: row.get(11),
                },
            })
            .collect(),
    })
}

impl Status {
    /// The sources that were last looked at longer ago than `max_lag`, or never, each as a
    /// sentence.
    pub fn stale(&self, max_lag: Duration) -> Vec<String> {
        self.sources
            .iter()
            .filter(|source| {
                source
                    .looked_at
                    .is_none_or(|at| age(self.read_at, at) > max_lag)
            })
            .map(
                |SourceStatus {
                     source, looked_at, ..
                 }| match looked_at {
                    Some(_) => format!("{source} was last looked at {}", self.ago(*looked_at)),
                    None => format!("{source} was never looked at"),
                },
            )
            .collect()
    }

    fn ago(&self, moment: Option<DateTime<Utc>>) -> String {
        moment.map_or_else(
            || "never".to_owned(),
            |moment| format!("{} ago", rounded(age(self.read_at, moment))),
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sources = table(&[
            "source",
            "offset (UTC)",
            "advanced",
            "looked",
            "loaded",
            "rejected",
            "pending",
        ]);
        for source in &self.sources {
            sources.add_row(vec![
                source.source.clone(),
                source
                    .offset_at
                    .map_or_else(|| "none yet".to_owned(), shown),
                self.ago(source.advanced_at),
                self.ago(source.looked_at),
                source.loaded.to_string(),
                source.rejected.to_string(),
                source.pending.to_string(),
            ]);
        }
        writeln!(f, "{}", align(sources, 4))?;

        if !self.dimensions.is_empty() {
            let mut dimensions = table(&["dimension", "rows", "current rows"]);
            for dimension in &self.dimensions {
                dimensions.add_row(vec![
                    dimension.dimension.clone(),
                    dimension.rows.to_string(),
                    dimension.current_rows.to_string(),
                ]);
            }
            writeln!(f, "\n{}", align(dimensions, 1))?;
        }

        if !self.rejections.is_empty() {
            let mut rejections = table(&["rejected from", "reason", "files"]);
            for rejection in &self.rejections {
                rejections.add_row(vec![
                    rejection.source.clone(),
                    rejection.reason.clone(),
                    rejection.files.to_string(),
                ]);
            }
            writeln!(f, "\n{}", align(rejections, 2))?;
        }

        if !self.runs.is_empty() {
            let mut runs = table(&[
                "run",
                "began (UTC)",
                "took",
                "files",
                "loaded",
                "known",
                "rejected",
                "opened",
                "closed",
            ]);
            for run in &self.runs {
                runs.add_row(vec![
                    run.run_id.to_string(),
                    shown(run.started_at),
                    rounded(age(run.finished_at, run.started_at)),
                    run.counts.files.to_string(),
                    run.counts.loaded.to_string(),
                    run.counts.duplicates.to_string(),
                    run.counts.rejected.to_string(),
                    run.counts.versions_opened.to_string(),
                    run.counts.versions_closed.to_string(),
                ]);
            }
            writeln!(f, "\n{}", align(runs, 2))?;
        }
        Ok(())
    }
}

/// A table without lines.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_width(WIDTH)
        .set_header(header);
    table
}

/// Puts the columns from `first` on, which are numbers, to the right.
fn align(mut table: Table, first: usize) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, COLUMN_GAP));
        if column.index >= first {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn shown(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// From `earlier` to `later`; nothing if they are the other way round.
fn age(later: DateTime<Utc>, earlier: DateTime<Utc>) -> Duration {
    (later - earlier).to_std().unwrap_or_default()
}

/// A length of time in its one or two largest units.
fn rounded(length: Duration) -> String {
    let whole = match length.as_secs() {
        0 => Duration::from_millis(length.subsec_millis().into()),
        seconds @ 1..3_600 => Duration::from_secs(seconds),
        seconds @ 3_600..86_400 => Duration::from_secs(seconds - seconds % 60),
        seconds => Duration::from_secs(seconds - seconds % 3_600),
    };
    humantime::format_duration(whole).to_string()
}
