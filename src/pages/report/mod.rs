//! A report on one page: what the warehouse holds, how fresh it is, and what arrived when.
//!
//! All counting is done in the database, in as many buckets and classes as a page can show, so that
//! the page has the same size whatever the warehouse holds. [`scale`] chooses the buckets and the
//! marks, [`chart`] draws, [`page`] puts the page together out of [`markup`].

mod chart;
mod markup;
mod page;
mod scale;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use postgres::types::{ToSql, Type};
use postgres::{IsolationLevel, Row, Transaction};

use crate::clock;
use crate::pages::error::Error;
use crate::warehouse::error::Doing;
use crate::source::Source;
use crate::warehouse::Warehouse;
use scale::TimeAxis;

/// What stands for standard output in place of a file.
const STDOUT: &str = "-";

/// Permissions that a new file has before the umask takes some away.
const FILE_MODE: u32 = 0o666;

/// Most characters of a text from an event or a file name that the page shows.
const TEXT_CHARS: i32 = 160;

/// Keys shown of those that changed most, of each kind.
const MOST_CHANGED: i64 = 5;

/// How many times as long as their bulk all events may reach for the charts to show them all.
const STRETCH: i32 = 4;

/// Lower bounds of the classes of lateness, in seconds; the class below the first is for what came
/// before its own event.
const LATENESS: [f64; 12] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0,
];

/// Lower bounds of the classes of versions a key.
const VERSIONS: [i64; 10] = [1, 2, 3, 4, 5, 6, 11, 21, 51, 101];

/// What is done here, as it continues "failed while".
const READING: &str = "reading the report";

/// What the page shows, read from one snapshot of the warehouse.
#[derive(Debug)]
pub struct Report {
    /// When it was read.
    read_at: DateTime<Utc>,
    sources: Vec<SourceState>,
    totals: Totals,
    /// Events of both kinds, and rejected files.
    extents: Vec<Extent>,
    /// `None` when there is nothing to show over time.
    timeline: Option<Timeline>,
    rejections: Vec<Rejections>,
    /// Of users and of cards: keys by class of [`VERSIONS`].
    versions: [Vec<i64>; 2],
    /// Until the file was written and until the event was loaded: events by class of [`LATENESS`],
    /// the one below the first bound before them.
    lateness: [Vec<i64>; 2],
    most_changed: Vec<Changed>,
}

/// How far a source is.
#[derive(Debug)]
struct SourceState {
    source: String,
    offset_at: Option<DateTime<Utc>>,
    looked_at: Option<DateTime<Utc>>,
    loaded: i64,
    rejected: i64,
    pending: i64,
}

/// What the warehouse holds.
#[derive(Debug)]
struct Totals {
    users: i64,
    user_versions: i64,
    cards: i64,
    active_cards: i64,
    card_versions: i64,
    cards_without_user: i64,
}

/// How far the events of a kind, or the rejected files, reach.
#[derive(Debug)]
struct Extent {
    kind: String,
    moments: i64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    bulk_first: DateTime<Utc>,
    bulk_last: DateTime<Utc>,
}

/// What happened in each bucket of the time shown.
#[derive(Debug)]
struct Timeline {
    axis: TimeAxis,
    card_events: Vec<i64>,
    user_events: Vec<i64>,
    rejected_files: Vec<i64>,
    /// Seconds from an event to the end of the run that loaded it.
    median_delay: Vec<Option<f64>>,
    /// The same, and 95 in 100 took no longer.
    high_delay: Vec<Option<f64>>,
    /// Active cards before the first bucket, and at the end of each.
    active_before: i64,
    active: Vec<i64>,
}

/// Files of a source rejected for a reason, with the newest.
#[derive(Debug)]
struct Rejections {
    source: String,
    reason: String,
    open: i64,
    resolved: i64,
    file_name: String,
    detail: String,
}

/// A key with many versions.
#[derive(Debug)]
struct Changed {
    kind: String,
    id: i64,
    versions: i64,
    changed_at: DateTime<Utc>,
    /// Name of the user, or of the card's owner if that is known.
    name: Option<String>,
}

/// Reads the report.
///
/// # Errors
///
/// [`Error::NoSchema`] before the first run; [`Error::Database`] when it cannot be read.
pub fn read(warehouse: &mut Warehouse) -> Result<Report, Error> {
    let read_at = clock::now();
    warehouse.require_schema()?;
    let snapshot = warehouse
        .client()
        .build_transaction()
        .read_only(true)
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .doing(READING)?;
    let mut reader = Reader(snapshot);
    let extents = reader.extents()?;
    let timeline = match axis(&extents) {
        Some(axis) => Some(reader.timeline(axis)?),
        None => None,
    };
    Ok(Report {
        read_at,
        sources: reader.sources()?,
        totals: reader.totals()?,
        timeline,
        extents,
        rejections: reader.rejections()?,
        versions: reader.versions()?,
        lateness: reader.lateness()?,
        most_changed: reader.most_changed()?,
    })
}

/// The time that the charts show: all of it, unless some few events are so far from the rest that
/// the rest would be a single bar.
fn axis(extents: &[Extent]) -> Option<TimeAxis> {
    let events: Vec<&Extent> = match extents.iter().filter(|extent| extent.kind != "rejected") {
        events if events.clone().count() > 0 => events.collect(),
        _ => extents.iter().collect(),
    };
    let first = events.iter().map(|extent| extent.first).min()?;
    let last = events.iter().map(|extent| extent.last).max()?;
    let bulk_first = events.iter().map(|extent| extent.bulk_first).min()?;
    let bulk_last = events.iter().map(|extent| extent.bulk_last).max()?;
    let bulk = bulk_last - bulk_first;
    Some(match last - first > bulk * STRETCH && !bulk.is_zero() {
        true => TimeAxis::over(bulk_first, bulk_last),
        false => TimeAxis::over(first, last),
    })
}

/// The snapshot that everything is read from.
struct Reader<'a>(Transaction<'a>);

impl Reader<'_> {
    fn query(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        self.0.query_typed(sql, parameters).doing(READING)
    }

    fn sources(&mut self) -> Result<Vec<SourceState>, Error> {
        let rows = self.query(include_str!("../../../sql/status/sources.sql"), &[])?;
        let source = |row: &Row| SourceState {
            source: row.get("source"),
            offset_at: row.get("offset_at"),
            looked_at: row.get("looked_at"),
            loaded: row.get("loaded"),
            rejected: row.get("rejected"),
            pending: row.get("pending"),
        };
        Ok(rows.iter().map(source).collect())
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        let rows = self.query(include_str!("../../../sql/report/totals.sql"), &[])?;
        let total = |name: &str| rows.first().map_or(0, |row| row.get(name));
        Ok(Totals {
            users: total("users"),
            user_versions: total("user_versions"),
            cards: total("cards"),
            active_cards: total("active_cards"),
            card_versions: total("card_versions"),
            cards_without_user: total("cards_without_user"),
        })
    }

    fn extents(&mut self) -> Result<Vec<Extent>, Error> {
        let rows = self.query(include_str!("../../../sql/report/spans.sql"), &[])?;
        let extent = |row: &Row| Extent {
            kind: row.get("kind"),
            moments: row.get("moments"),
            first: row.get("first_at"),
            last: row.get("last_at"),
            bulk_first: row.get("bulk_first_at"),
            bulk_last: row.get("bulk_last_at"),
        };
        Ok(rows.iter().map(extent).collect())
    }

    fn timeline(&mut self, axis: TimeAxis) -> Result<Timeline, Error> {
        let (width, start, end) = (axis.width as f64, axis.start, axis.end());
        let parameters: &[(&(dyn ToSql + Sync), Type)] = &[
            (&width, Type::FLOAT8),
            (&start, Type::TIMESTAMPTZ),
            (&end, Type::TIMESTAMPTZ),
        ];
        let events = self.query(include_str!("../../../sql/report/volume.sql"), parameters)?;
        let rejected = self.query(
            include_str!("../../../sql/report/rejected_volume.sql"),
            parameters,
        )?;
        let changes = self.query(
            include_str!("../../../sql/report/active_cards.sql"),
            parameters,
        )?;
        let bucket = |row: &Row| {
            row.get::<_, Option<DateTime<Utc>>>("bucket")
                .and_then(|bucket| axis.bucket(bucket))
        };
        let by_bucket = |rows: &[Row], column: &str| {
            let mut counts = vec![0; axis.buckets];
            for row in rows {
                if let Some(bucket) = bucket(row) {
                    counts[bucket] = row.get(column);
                }
            }
            counts
        };
        let delays = |index: usize| {
            let mut delays = vec![None; axis.buckets];
            for row in &events {
                let both: Option<Vec<Option<f64>>> = row.get("delays");
                if let Some(bucket) = bucket(row) {
                    delays[bucket] = both.and_then(|both| both.get(index).copied().flatten());
                }
            }
            delays
        };
        let active_before = changes
            .iter()
            .find(|row| bucket(row).is_none())
            .map_or(0, |row| row.get("change"));
        let mut level = active_before;
        let active = by_bucket(&changes, "change")
            .into_iter()
            .map(|change| {
                level += change;
                level
            })
            .collect();
        Ok(Timeline {
            card_events: by_bucket(&events, "card_events"),
            user_events: by_bucket(&events, "user_events"),
            rejected_files: by_bucket(&rejected, "files"),
            median_delay: delays(0),
            high_delay: delays(1),
            active_before,
            active,
            axis,
        })
    }

    fn rejections(&mut self) -> Result<Vec<Rejections>, Error> {
        let rows = self.query(
            include_str!("../../../sql/report/rejections.sql"),
            &[(&TEXT_CHARS, Type::INT4)],
        )?;
        let rejections = |row: &Row| Rejections {
            source: row.get("source"),
            reason: row.get("reason"),
            open: row.get("open_files"),
            resolved: row.get("resolved_files"),
            file_name: row.get("file_name"),
            detail: row.get("detail"),
        };
        Ok(rows.iter().map(rejections).collect())
    }

    fn versions(&mut self) -> Result<[Vec<i64>; 2], Error> {
        let rows = self.query(
            include_str!("../../../sql/report/versions_per_key.sql"),
            &[(&VERSIONS.as_slice(), Type::INT8_ARRAY)],
        )?;
        let mut classes: BTreeMap<(String, i32), i64> = rows
            .iter()
            .map(|row| ((row.get("kind"), row.get("class")), row.get("keys")))
            .collect();
        Ok(["user", "card"].map(|kind| {
            (1..=VERSIONS.len() as i32)
                .map(|class| classes.remove(&(kind.to_owned(), class)).unwrap_or(0))
                .collect()
        }))
    }

    fn lateness(&mut self) -> Result<[Vec<i64>; 2], Error> {
        let rows = self.query(
            include_str!("../../../sql/report/lateness.sql"),
            &[(&LATENESS.as_slice(), Type::FLOAT8_ARRAY)],
        )?;
        Ok(["file_class", "warehouse_class"].map(|column| {
            let mut counts = vec![0; LATENESS.len() + 1];
            for row in &rows {
                // Without the row of its run, nobody knows when an event was loaded.
                let class = row.get::<_, Option<i32>>(column);
                let class = class.and_then(|class| usize::try_from(class).ok());
                if let Some(count) = class.and_then(|class| counts.get_mut(class)) {
                    *count += row.get::<_, i64>("events");
                }
            }
            counts
        }))
    }

    fn most_changed(&mut self) -> Result<Vec<Changed>, Error> {
        let rows = self.query(
            include_str!("../../../sql/report/most_changed.sql"),
            &[(&MOST_CHANGED, Type::INT8), (&TEXT_CHARS, Type::INT4)],
        )?;
        let changed = |row: &Row| Changed {
            kind: row.get("kind"),
            id: row.get("entity_id"),
            versions: row.get("versions"),
            changed_at: row.get("changed_at"),
            name: row.get("name"),
        };
        Ok(rows.iter().map(changed).collect())
    }
}

impl Report {
    /// Writes the page to a file, or to standard output if it is called `-`.
    ///
    /// The file is written aside, in the same folder, and then takes its name: who opens it finds
    /// the old page or the new one, never half of one.
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
        write_whole(file, page.as_bytes()).map_err(|cause| Error::Report {
            path: file.to_owned(),
            cause,
        })
    }
}

fn write_whole(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut aside = tempfile::Builder::new()
        .prefix(".etl-report-")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)?;
    aside.write_all(content)?;
    aside.as_file().sync_all()?;
    aside.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Extent, axis};

    fn extent(kind: &str, seconds: [i64; 4]) -> Extent {
        let [first, bulk_first, bulk_last, last] =
            seconds.map(|seconds| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds));
        Extent {
            kind: kind.to_owned(),
            moments: 1_000,
            first,
            last,
            bulk_first,
            bulk_last,
        }
    }

    #[test]
    fn the_charts_show_all_events_but_a_few_from_another_time() {
        let shown = |extents: &[Extent]| {
            axis(extents).map(|axis| (axis.start.timestamp(), axis.end().timestamp()))
        };
        assert_eq!(shown(&[]), None);
        let cards = || extent("card", [1_000, 1_010, 1_090, 1_099]);
        assert_eq!(shown(&[cards()]), Some((1_000, 1_100)));
        // One event of 1970.
        assert_eq!(
            shown(&[extent("card", [0, 1_000, 1_090, 1_099])]),
            Some((1_000, 1_091))
        );
        // All users in one second.
        assert_eq!(
            shown(&[extent("user", [990; 4]), cards()]),
            Some((990, 1_100))
        );
        assert_eq!(shown(&[extent("user", [5; 4])]), Some((5, 6)));
        // Rejected files count only where there is nothing else.
        let rejected = || extent("rejected", [50_000, 50_000, 50_009, 50_009]);
        assert_eq!(shown(&[cards(), rejected()]), Some((1_000, 1_100)));
        assert_eq!(shown(&[rejected()]), Some((50_000, 50_010)));
    }
}
