//! A report on one page: which warehouse this is, its health, its content and freshness, and the
//! volume of events, rejections and runs over time.
//!
//! The database counts, in as many buckets and classes as a page can show, so that the size of the
//! page does not depend on the size of the warehouse. Each [`section`] reads its part from one
//! [`snapshot`] and renders it as [`chart`]s and [`table`]s. [`kind`] says how entities are shown.
//! [`page`] assembles the page. All markup is written with `maud`, which escapes every text.

mod chart;
mod hue;
mod kind;
mod page;
mod quantity;
mod section;
mod server;
mod snapshot;
mod span;
mod table;
mod untrusted;

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::clock;
use crate::pages::error::Error;
use crate::pages::status::{self, Health, STALE_AFTER};
use crate::warehouse::Warehouse;
use section::{ActiveCards, Freshness, Lateness, Rejections, Runs, Totals, Versions, Volume};
use server::Server;
use snapshot::Snapshot;
use span::Spans;

/// The file name that means standard output.
const STDOUT: &str = "-";

/// Permissions of a new file, before the umask.
const FILE_MODE: u32 = 0o666;

/// What the page shows.
#[derive(Debug)]
pub struct Report {
    /// When reading began.
    read_at: DateTime<Utc>,
    server: Server,
    health: Health,
    spans: Spans,
    totals: Totals,
    freshness: Freshness,
    volume: Volume,
    rejections: Rejections,
    runs: Runs,
    active_cards: ActiveCards,
    lateness: Lateness,
    versions: Versions,
}

/// Reads the report.
///
/// # Errors
///
/// [`Error::Warehouse`] before the first run, or when it cannot be read.
pub fn read(warehouse: &mut Warehouse) -> Result<Report, Error> {
    let read_at = clock::now();
    let health = status::read_health(warehouse, STALE_AFTER)?;
    let snapshot = &mut Snapshot::take(warehouse)?;
    let spans = Spans::read(snapshot)?;
    let rejections = Rejections::read(snapshot, &spans)?;
    Ok(Report {
        read_at,
        server: Server::read(snapshot)?,
        totals: Totals::read(snapshot, &spans, &health.progress, &rejections)?,
        freshness: Freshness::read(snapshot, &spans)?,
        volume: Volume::read(snapshot, &spans)?,
        runs: Runs::read(snapshot, &spans)?,
        active_cards: ActiveCards::read(snapshot, &spans)?,
        lateness: Lateness::read(snapshot)?,
        versions: Versions::read(snapshot)?,
        health,
        spans,
        rejections,
    })
}

impl Report {
    /// Writes the page to a file, or to standard output if the file is `-`.
    ///
    /// # Errors
    ///
    /// [`Error::Report`] when the file cannot be written, [`Error::Output`] when standard output
    /// cannot.
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let page = page::page(self);
        if file == Path::new(STDOUT) {
            return Ok(io::stdout().write_all(page.as_bytes())?);
        }
        write(file, page.as_bytes()).map_err(|cause| Error::Report {
            path: file.to_owned(),
            cause,
        })
    }
}

/// Writes a file. A regular one is replaced as a whole, also through a link; what is none, such as a
/// pipe or a device, is written to and stays what it is.
fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    match file.canonicalize() {
        Ok(target) if target.is_file() => replace(&target, content),
        Ok(target) => File::options().write(true).open(target)?.write_all(content),
        // A link to a file that is not there yet.
        Err(_) if file.is_symlink() => File::create(file)?.write_all(content),
        Err(_) => replace(file, content),
    }
}

/// Replaces a file by a temporary one in the same folder: a reader finds the old page or the new one,
/// never half of one.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".etl-report-")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    Ok(())
}
