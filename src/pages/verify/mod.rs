//! `etl verify`: whether the warehouse is what its events make of it, the metadata adds up, and every
//! file in the inbox is in a table.
//!
//! One snapshot of the warehouse answers what is asked of the tables, so runs may go on meanwhile. A
//! cluster has none, and what is found there is looked for a second time. It costs a few passes over
//! the tables, done by PostgreSQL. Then the files of the inbox are read, as a run reads them, and
//! compared with the tables chunk by chunk: nothing is concluded from names and times, which may have
//! been copied from other files.

mod archive;
mod dimension;
mod finding;
mod inbox;
mod metadata;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::Transaction;
use serde::Serialize;

use crate::clock;
use crate::entity::Kind;
use crate::escape::printable;
use crate::inbox_name::InboxName;
use crate::pages::error::Error;
use crate::pages::terminal::counted;
use crate::warehouse::cluster::{Layout, recover};
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::{Warehouse, statement};
use finding::Findings;
pub use finding::{Check, Finding};

/// How the snapshot's statements are carried out. Each goes through whole tables: in the order of an
/// index that would be a read at random for every row, which a table larger than the memory makes
/// slow beyond measure, so tables are read from end to end and sorted. The default of 4 MB for a sort
/// or hash makes many passes of millions of events; a statement has up to five of them at a time.
/// Times are written in UTC.
///
/// The workers of a cluster get none of it: each has a part of the tables.
const SETTINGS: &str = "set local enable_indexscan = off;
                        set local enable_indexonlyscan = off;
                        set local work_mem = '64MB';
                        set local timezone = 'UTC'";

/// What is to be verified.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// Folder with a folder for each source.
    pub inbox: PathBuf,
    /// Name of the inbox, by which its checkpoints are found.
    pub inbox_name: InboxName,
    /// How far before the offset runs scan again: a file that changed later than that may still be
    /// loaded by a run.
    pub overlap: Duration,
    /// Folder of the archives, if they are to be verified.
    pub archive: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// When there was a snapshot: what it shows is from before.
    pub verified_at: DateTime<Utc>,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// What is wrong: of each check the first few.
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub more_findings: i64,
    /// How much was verified.
    pub figures: Figures,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// How much was verified.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Events in landing, by entity.
    pub events: BTreeMap<Kind, i64>,
    /// Versions, by entity.
    pub versions: BTreeMap<Kind, i64>,
    /// Rejections that are open.
    pub open_rejections: i64,
    /// Rows of `etl.run`.
    pub runs: i64,
    /// Event files in the inbox.
    pub files: i64,
    /// Those of them that the next run reads: they are in no table yet, or are copies that it compares.
    pub not_processed: i64,
    /// Other names in the inbox that may have been meant as event files: they do not end in `.json`,
    /// or begin with a dot.
    pub other_names: i64,
    /// Archives that were read.
    pub archives: i64,
    /// Files in them.
    pub archived_files: i64,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}", printable(&finding.to_string(), &[]))?;
        }
        if self.more_findings > 0 {
            writeln!(f, "and {} more", self.more_findings)?;
        }
        let figures = &self.figures;
        let verdict = match self.sound {
            true => "all is well",
            false => "not all is well",
        };
        let others = match figures.other_names {
            0 => String::new(),
            others => format!(", {}", counted(others, "other name")),
        };
        let archives = match figures.archives {
            0 => String::new(),
            archives => format!(
                "; {} in {}",
                counted(figures.archived_files, "file"),
                counted(archives, "archive")
            ),
        };
        writeln!(
            f,
            "{verdict}: {}, {}, {}, {}; {} in the inbox, {} of them not processed yet{others}{archives}; {}",
            counted(figures.events.values().sum::<i64>(), "event"),
            counted(figures.versions.values().sum::<i64>(), "version"),
            counted(figures.runs, "run"),
            counted(figures.open_rejections, "open rejection"),
            counted(figures.files, "file"),
            figures.not_processed,
            humantime::format_duration(Duration::from_millis(self.elapsed_ms)),
        )
    }
}

/// Verifies the warehouse and the inbox.
///
/// # Errors
///
/// When there is no schema or the warehouse fails.
pub fn verify(warehouse: &mut Warehouse, options: &VerifyOptions) -> Result<Verification, Error> {
    let began = Instant::now();
    warehouse.require_schema()?;
    let (mut verified_at, mut figures, mut findings) = find(warehouse, options)?;
    let layout = warehouse.layout();
    if layout == Layout::Distributed && !findings.is_empty() {
        // The nodes have no common snapshot: a commit that has reached some of them and not yet the
        // others looks like damage.
        recover(warehouse.client(), layout)?;
        let again = find(warehouse, options)?;
        (verified_at, figures, findings) = (again.0, again.1, again.2.confirm(&findings));
    }
    let (findings, more_findings) = findings.into_listed();
    Ok(Verification {
        verified_at,
        sound: findings.is_empty(),
        findings,
        more_findings,
        figures,
        elapsed_ms: began.elapsed().as_millis() as u64,
    })
}

/// Verifies everything once, and returns the time.
fn find(
    warehouse: &mut Warehouse,
    options: &VerifyOptions,
) -> Result<(DateTime<Utc>, Figures, Findings), Error> {
    let mut findings = Findings::default();
    let doing = "taking a snapshot of the warehouse";
    let mut snapshot = warehouse.snapshot(doing)?;
    snapshot.batch_execute(SETTINGS).doing(doing)?;
    let mut figures = read_figures(&mut snapshot)?;
    // Since the first query there is a snapshot, and what it shows was committed before this time.
    let verified_at = clock::now();
    dimension::verify(&mut snapshot, &mut findings)?;
    metadata::verify(&mut snapshot, verified_at, &mut findings)?;
    snapshot.rollback().doing(doing)?;
    inbox::verify(warehouse.client(), options, &mut figures, &mut findings)?;
    if let Some(folder) = &options.archive {
        let client = warehouse.client();
        archive::verify(client, folder, options, &mut figures, &mut findings)?;
    }
    Ok((verified_at, figures, findings))
}

fn read_figures(snapshot: &mut Transaction<'_>) -> Result<Figures, WarehouseError> {
    let doing = "counting events, versions and runs";
    let mut figures = Figures::default();
    let rows = snapshot
        .query_typed(&statement::union(statement::VERIFY_FIGURES), &[])
        .doing(doing)?;
    for row in &rows {
        if let Some(kind) = Kind::named(row.get("entity")) {
            figures.events.insert(kind, row.get("events"));
            figures.versions.insert(kind, row.get("versions"));
        }
    }
    let totals = snapshot
        .query_typed_one(include_str!("../../../sql/verify/totals.sql"), &[])
        .doing(doing)?;
    figures.runs = totals.get("runs");
    figures.open_rejections = totals.get("open_rejections");
    Ok(figures)
}
