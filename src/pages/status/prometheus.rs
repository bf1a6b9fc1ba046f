//! The status as a page for Prometheus, in its text format (0.0.4), for the text file collector of
//! its node exporter.
//!
//! Moments and not ages: a page that is no longer renewed must not look fresh. A moment that never
//! was is 0, so that what is computed from it is large.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Utc};

use super::{SourceStatus, Status};

/// A status that is displayed as a page for Prometheus.
pub struct Page<'a>(pub &'a Status);

/// Kind of a metric.
enum Kind {
    /// It may fall.
    Gauge,
    /// It only rises.
    Counter,
}

/// Names and values of the labels of a sample.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A sample: its labels and its value.
type Sample<'a> = (Labels<'a>, String);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_sources(f)?;
        self.write_contents(f)?;
        self.write_last_run(f)
    }
}

impl Page<'_> {
    fn write_sources(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_metric(
            f,
            "etl_healthy",
            Kind::Gauge,
            "Whether etl status found nothing wrong.",
            [(vec![], flag(self.0.healthy))],
        )?;
        write_metric(
            f,
            "etl_source_looked_at_timestamp_seconds",
            Kind::Gauge,
            "When a run last got through the folder of the source, 0 if none ever has.",
            self.by_source(|status| seconds(status.looked_at)),
        )?;
        write_metric(
            f,
            "etl_source_offset_timestamp_seconds",
            Kind::Gauge,
            "Every file that changed before this has been dealt with, 0 before the first.",
            self.by_source(|status| seconds(status.offset_at)),
        )?;
        write_metric(
            f,
            "etl_source_advanced_timestamp_seconds",
            Kind::Gauge,
            "When the offset last moved, 0 before the first file.",
            self.by_source(|status| seconds(status.advanced_at)),
        )?;
        write_metric(
            f,
            "etl_source_newest_event_timestamp_seconds",
            Kind::Gauge,
            "Time of the newest event of the source, as the service tells it, 0 before the first.",
            self.by_source(|status| seconds(status.newest_event_at)),
        )?;
        write_metric(
            f,
            "etl_source_running",
            Kind::Gauge,
            "Whether a run was at the source.",
            self.by_source(|status| flag(status.running)),
        )?;
        write_metric(
            f,
            "etl_source_pending_files",
            Kind::Gauge,
            "Files that the last run left for a later one.",
            self.by_source(|status| status.pending.to_string()),
        )?;
        write_metric(
            f,
            "etl_source_waiting_files",
            Kind::Gauge,
            "Files that the last run has found and not come to: it is at work, or was cut off.",
            self.by_source(|status| status.waiting.to_string()),
        )
    }

    fn write_contents(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let totals = self.0.progress.sources.iter().flat_map(|status| {
            [
                ("loaded", status.loaded),
                ("duplicate", status.duplicates),
                ("rejected", status.rejected),
            ]
            .map(|(outcome, files)| {
                let labels = vec![("source", status.source.as_str()), ("outcome", outcome)];
                (labels, files.to_string())
            })
        });
        write_metric(
            f,
            "etl_files_total",
            Kind::Counter,
            "Files dealt with since the first run; a backfill counts a file again.",
            totals,
        )?;
        let rejections = self.0.rejections.iter().map(|rejection| {
            let labels = vec![
                ("source", rejection.source.as_str()),
                ("reason", rejection.reason.as_str()),
            ];
            (labels, rejection.files.to_string())
        });
        write_metric(
            f,
            "etl_rejections_open",
            Kind::Gauge,
            "Files that are rejected and not resolved.",
            rejections,
        )?;
        let versions = self.0.dimensions.iter().flat_map(|dimension| {
            [
                ("true", dimension.current_rows),
                ("false", dimension.rows - dimension.current_rows),
            ]
            .map(|(current, rows)| {
                let labels = vec![
                    ("dimension", dimension.dimension.as_str()),
                    ("current", current),
                ];
                (labels, rows.to_string())
            })
        });
        write_metric(
            f,
            "etl_dimension_versions",
            Kind::Gauge,
            "Versions in a dimension; of a large one the planner's estimate.",
            versions,
        )
    }

    /// The newest run that found something. A failed run leaves nothing in the books.
    fn write_last_run(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(run) = self.0.runs.first() else {
            return Ok(());
        };
        write_metric(
            f,
            "etl_last_run_finished_timestamp_seconds",
            Kind::Gauge,
            "When the newest run that found something was ready to commit its last batch.",
            [(vec![], seconds(Some(run.finished_at)))],
        )?;
        write_metric(
            f,
            "etl_last_run_duration_seconds",
            Kind::Gauge,
            "How long the newest run that found something took.",
            [(vec![], run.took().as_secs_f64().to_string())],
        )?;
        let files = [
            ("loaded", run.counts.loaded),
            ("duplicate", run.counts.duplicates),
            ("rejected", run.counts.rejected),
            ("pending", run.counts.pending),
        ];
        write_metric(
            f,
            "etl_last_run_files",
            Kind::Gauge,
            "Files of the newest run that found something.",
            files.map(|(outcome, files)| (vec![("outcome", outcome)], files.to_string())),
        )
    }

    /// A sample for each source.
    fn by_source(&self, value: fn(&SourceStatus) -> String) -> impl Iterator<Item = Sample<'_>> {
        let sources = self.0.progress.sources.iter();
        sources.map(move |status| (vec![("source", status.source.as_str())], value(status)))
    }
}

/// Writes a metric: what it is, then its samples.
fn write_metric<'a>(
    f: &mut Formatter<'_>,
    name: &str,
    kind: Kind,
    help: &str,
    samples: impl IntoIterator<Item = Sample<'a>>,
) -> fmt::Result {
    let kind = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    for (labels, value) in samples {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
            .collect();
        match labels.is_empty() {
            true => writeln!(f, "{name} {value}")?,
            false => writeln!(f, "{name}{{{}}} {value}", labels.join(","))?,
        }
    }
    Ok(())
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

fn flag(holds: bool) -> String {
    u8::from(holds).to_string()
}

/// Seconds since 1970, with microseconds; 0 for a moment that never was.
fn seconds(moment: Option<DateTime<Utc>>) -> String {
    let moment = moment.unwrap_or_default();
    format!(
        "{}.{:06}",
        moment.timestamp(),
        moment.timestamp_subsec_micros()
    )
}
