//! A report on one page: which warehouse this is, its health, its content and freshness, and the
//! volume of events, rejections and runs over time.
//!
//! The database counts, in as many buckets and classes as a page can show, so that the size of the
//! page does not depend on the size of the warehouse. Each [`section`] reads its part from one
//! [`snapshot`] and renders it as [`chart`]s and [`table`]s. [`kind`] lists the kinds of entities.
//! [`page`] assembles the page. All markup is written with `maud`, which escapes every text.

mod chart;
mod health;
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

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::clock;
use crate::error::Error;
use crate::warehouse::Warehouse;
use health::Health;
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
/// [`Error::NoSchema`] before the first run; [`Error::Database`] when it cannot be read.
pub fn read(warehouse: &mut Warehouse) -> Result<Report, Error> {
    let read_at = clock::now();
    let health = Health::read(warehouse)?;
    let snapshot = &mut Snapshot::take(warehouse)?;
    let spans = Spans::read(snapshot)?;
    let rejections = Rejections::read(snapshot, &spans)?;
    Ok(Report {
        read_at,
        server: Server::read(snapshot)?,
        totals: Totals::read(snapshot, &spans, &health.sources, &rejections)?,
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
    /// The page is written to a temporary file in the same folder, which then replaces the file: a
    /// reader finds the old page or the new one, never half of one.
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
        replace(file, page.as_bytes()).map_err(|cause| Error::Report {
            path: file.to_owned(),
            cause,
        })
    }
}

/// Replaces a file as a whole. A link stays, and the file that it leads to is replaced; a device, a
/// pipe and the like are written to.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = match fs::canonicalize(file) {
        Ok(existing) => existing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
        Err(error) => return Err(error),
    };
    if fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(&file)?
            .write_all(content);
    }
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
    temporary.persist(&file)?;
    Ok(())
}
