//! Runs: their duration, their rate and their duplicates over time, and the newest ones.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use postgres::Row;
use postgres::types::Type;

use super::nothing;
use super::percentiles::{COLUMNS, Percentiles};
use crate::pages::error::Error;
use crate::pages::report::chart::{Bars, Line, Stroke, TimeAxis, Words, bars, lines};
use crate::pages::report::hue::EVERYTHING;
use crate::pages::report::quantity::{Unit, duration, grouped};
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::report::table::{Column, figures, long, number, text};
use crate::pages::report::untrusted::Untrusted;
use crate::pages::terminal::whole_seconds;
use crate::warehouse::runs::Command;

/// Runs listed.
const NEWEST: i64 = 10;

/// Runs that found something.
#[derive(Debug)]
pub struct Runs {
    /// The newest first.
    newest: Vec<Run>,
    by_time: Option<ByTime>,
}

/// A run.
#[derive(Debug)]
struct Run {
    run_id: i64,
    sources: Vec<String>,
    command: String,
    started_at: DateTime<Utc>,
    seconds: f64,
    files: i64,
    loaded: i64,
    duplicates: i64,
    rejected: i64,
    pending: i64,
}

/// Runs per bucket, by start.
#[derive(Debug)]
struct ByTime {
    axis: TimeAxis,
    runs: Vec<i64>,
    files: Vec<i64>,
    duplicates: Vec<i64>,
    /// Files per second of run time.
    rate: Vec<Option<f64>>,
    /// Durations of runs.
    durations: Percentiles,
}

impl Runs {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<Runs, Error> {
        let newest = snapshot.query(
            include_str!("../../../../sql/report/runs.sql"),
            &[(&NEWEST, Type::INT8)],
        )?;
        let by_time = match spans.axis(Subject::Runs) {
            Some(axis) => Some(ByTime::read(snapshot, axis)?),
            None => None,
        };
        Ok(Runs {
            newest: newest.iter().map(Run::from).collect(),
            by_time,
        })
    }

    /// The section.
    pub fn section(&self, spans: &Spans) -> Markup {
        html! {
            h2 { "Runs" }
            @match &self.by_time {
                Some(by_time) => {
                    @let shown = by_time.runs.iter().sum();
                    @if let Some(note) = spans.left_out(Subject::Runs, &by_time.axis, shown) { (note) }
                    (by_time.charts())
                    (self.table())
                }
                None => (nothing("No run has found a file yet.")),
            }
        }
    }

    fn table(&self) -> Markup {
        let columns = [
            Column::Number("Run"),
            Column::Time("Started (UTC)"),
            Column::Text("Sources"),
            Column::Number("Took"),
            Column::Number("Files/s"),
            Column::Number("Files"),
            Column::Number("Loaded"),
            Column::Number("Duplicates"),
            Column::Number("Rejected"),
            Column::Number("Pending"),
        ];
        let rows = self.newest.iter().map(|run| {
            vec![
                text(run.run_id),
                text(whole_seconds(run.started_at)),
                html! { (Untrusted(&run.sources())) },
                text(duration(run.seconds)),
                text(
                    rate(run.files, run.seconds)
                        .map(rounded)
                        .unwrap_or_default(),
                ),
                number(run.files),
                number(run.loaded),
                number(run.duplicates),
                number(run.rejected),
                number(run.pending),
            ]
        });
        long("The newest runs that found something", &columns, rows)
    }
}

impl From<&Row> for Run {
    fn from(row: &Row) -> Run {
        Run {
            run_id: row.get("run_id"),
            sources: row.get("sources"),
            command: row.get("command"),
            started_at: row.get("started_at"),
            seconds: row.get("seconds"),
            files: row.get("files"),
            loaded: row.get("loaded"),
            duplicates: row.get("duplicates"),
            rejected: row.get("rejected"),
            pending: row.get("pending"),
        }
    }
}

impl Run {
    /// The sources that it scanned, and what kind of run it was unless it was a usual one.
    fn sources(&self) -> String {
        let sources = self.sources.join(", ");
        match self.command == Command::Run.name() {
            true => sources,
            false => format!("{sources} ({})", self.command),
        }
    }
}

impl ByTime {
    fn read(snapshot: &mut Snapshot<'_>, axis: TimeAxis) -> Result<ByTime, Error> {
        let mut by_time = ByTime {
            runs: vec![0; axis.buckets],
            files: vec![0; axis.buckets],
            duplicates: vec![0; axis.buckets],
            rate: vec![None; axis.buckets],
            durations: Percentiles::new(&axis),
            axis,
        };
        let sql = include_str!("../../../../sql/report/run_volume.sql");
        for (bucket, row) in snapshot.buckets(sql, &by_time.axis)? {
            let Some(bucket) = bucket else { continue };
            by_time.runs[bucket] = row.get("runs");
            by_time.files[bucket] = row.get("files");
            by_time.duplicates[bucket] = row.get("duplicates");
            by_time.rate[bucket] = rate(row.get("files"), row.get("seconds"));
            by_time.durations.read(bucket, &row, "durations");
        }
        Ok(by_time)
    }

    fn charts(&self) -> Markup {
        let columns = [
            &[Column::Number("Runs")],
            &COLUMNS[..],
            &["Files/s", "Files", "Duplicates"].map(Column::Number),
        ]
        .concat();
        html! {
            figure { (self.durations()) }
            figure { (self.rates()) }
            @if self.duplicates.iter().any(|files| *files > 0) {
                figure { (self.repeated()) }
            } @else {
                (nothing("No run has found a duplicate."))
            }
            (figures(&self.axis, &columns, |bucket| {
                let [median, high] = self.durations.cells(bucket);
                vec![
                    number(self.runs[bucket]),
                    median,
                    high,
                    text(self.rate[bucket].map(rounded).unwrap_or_default()),
                    number(self.files[bucket]),
                    number(self.duplicates[bucket]),
                ]
            }))
        }
    }

    fn durations(&self) -> Markup {
        let words = Words {
            id: "run-durations".to_owned(),
            title: "Duration of runs".to_owned(),
            by: "by start".to_owned(),
            description: self.durations.description(),
        };
        self.durations.lines(&words, &self.axis)
    }

    fn rates(&self) -> Markup {
        let rates = || self.rate.iter().flatten().copied();
        let words = Words {
            id: "run-rates".to_owned(),
            title: "Rate of runs".to_owned(),
            by: "files per second of run time".to_owned(),
            description: format!(
                "From {} to {} files per second.",
                rounded(rates().reduce(f64::min).unwrap_or_default()),
                rounded(rates().reduce(f64::max).unwrap_or_default())
            ),
        };
        let of_runs = [Line {
            label: "files per second",
            stroke: Stroke::Whole,
            values: &self.rate,
        }];
        lines(&words, &self.axis, Unit::Things, EVERYTHING, &of_runs)
    }

    fn repeated(&self) -> Markup {
        let width = self.axis.width_in_words();
        let words = Words {
            id: "duplicates".to_owned(),
            title: "Duplicates".to_owned(),
            by: format!("files already loaded, per {width}"),
            description: format!("{} in all.", grouped(self.duplicates.iter().sum())),
        };
        let values: Vec<f64> = self.duplicates.iter().map(|files| *files as f64).collect();
        let of_runs = Bars {
            values: &values,
            unit: Unit::Things,
            hue: EVERYTHING,
        };
        bars(&words, &self.axis, &of_runs)
    }
}

/// Files per second; none if the run took no measurable time.
fn rate(files: i64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| files as f64 / seconds)
}

fn rounded(rate: f64) -> String {
    grouped(rate.round() as i64)
}
