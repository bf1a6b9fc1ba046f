//! The status as a page for Prometheus, in its text format (0.0.4), for the text file collector of
//! its node exporter.
//!
//! It has times and not ages: a page that is no longer renewed must not look fresh. A time that never
//! was is 0, so that an age computed from it is large.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Utc};

use super::{ArchiveStatus, Folder, FolderStatus, Status};
use crate::escape::printable;

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
        self.write_folders(f)?;
        self.write_contents(f)?;
        self.write_nodes(f)?;
        self.write_last_run(f)
    }
}

impl Page<'_> {
    fn write_folders(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_metric(
            f,
            "etl_healthy",
            Kind::Gauge,
            "Whether etl status found nothing wrong.",
            [(vec![], flag(self.0.health.healthy))],
        )?;
        write_metric(
            f,
            "etl_source_last_scanned_timestamp_seconds",
            Kind::Gauge,
            "When a run last scanned the folder of the source, 0 if none ever has.",
            self.by_folder(|status| seconds(status.last_scanned_at)),
        )?;
        write_metric(
            f,
            "etl_source_offset_timestamp_seconds",
            Kind::Gauge,
            "Every file that changed before this has been processed, 0 before the first.",
            self.by_folder(|status| seconds(status.offset_at)),
        )?;
        write_metric(
            f,
            "etl_source_advanced_timestamp_seconds",
            Kind::Gauge,
            "When the offset last moved, 0 before the first file.",
            self.by_folder(|status| seconds(status.advanced_at)),
        )?;
        write_metric(
            f,
            "etl_source_newest_event_timestamp_seconds",
            Kind::Gauge,
            "Time of the newest event of the source, as the service reports it, 0 before the first.",
            self.by_folder(|status| seconds(status.newest_event_at)),
        )?;
        write_metric(
            f,
            "etl_source_failing_since_timestamp_seconds",
            Kind::Gauge,
            "When the first of the latest unbroken series of failed runs failed, 0 if the last run did not fail.",
            self.by_folder(|status| seconds(status.failing_since)),
        )?;
        write_metric(
            f,
            "etl_source_last_failed_timestamp_seconds",
            Kind::Gauge,
            "When a run last failed, 0 if none ever has.",
            self.by_folder(|status| seconds(status.last_failed_at)),
        )?;
        write_metric(
            f,
            "etl_source_running",
            Kind::Gauge,
            "Whether a run was working on the source.",
            self.by_folder(|status| flag(status.running)),
        )?;
        write_metric(
            f,
            "etl_source_pending_files",
            Kind::Gauge,
            "Files that the last run left pending.",
            self.by_folder(|status| status.pending.to_string()),
        )?;
        write_metric(
            f,
            "etl_source_pending_since_timestamp_seconds",
            Kind::Gauge,
            "Since when the oldest pending file has been pending, 0 if no file is.",
            self.by_folder(|status| seconds(status.pending_since)),
        )?;
        write_metric(
            f,
            "etl_source_remaining_files",
            Kind::Gauge,
            "Files that the last run found and has not read yet: it is still running, or was interrupted.",
            self.by_folder(|status| status.remaining.to_string()),
        )?;
        self.write_archiving(f)
    }

    fn write_archiving(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_metric(
            f,
            "etl_source_listed_files",
            Kind::Gauge,
            "Event files that the last scan found in the folder.",
            self.by_folder(|status| status.listed.unwrap_or(0).to_string()),
        )?;
        write_metric(
            f,
            "etl_source_scan_seconds",
            Kind::Gauge,
            "How long that scan took.",
            self.by_folder(|status| (status.scan_ms.unwrap_or(0) as f64 / 1e3).to_string()),
        )?;
        write_metric(
            f,
            "etl_source_archivable_files",
            Kind::Gauge,
            "Those of the files that changed over an hour before the scan, and could be in an archive.",
            self.by_folder(|status| status.archivable.unwrap_or(0).to_string()),
        )?;
        write_metric(
            f,
            "etl_source_archivable_since_timestamp_seconds",
            Kind::Gauge,
            "When the oldest of them changed, 0 if there is none.",
            self.by_folder(|status| seconds(status.archivable_since)),
        )?;
        let by_archive = |value: fn(&ArchiveStatus) -> String| {
            let archives = self.0.archives.iter();
            archives.map(move |archive| {
                let labels = vec![
                    ("source", archive.source.as_str()),
                    ("inbox", archive.inbox.as_str()),
                ];
                (labels, value(archive))
            })
        };
        write_metric(
            f,
            "etl_archive_last_timestamp_seconds",
            Kind::Gauge,
            "When etl archive last came to its end in the folder.",
            by_archive(|archive| seconds(Some(archive.last_archived_at))),
        )?;
        write_metric(
            f,
            "etl_archive_files_total",
            Kind::Counter,
            "Files moved into archives.",
            by_archive(|archive| archive.files.to_string()),
        )?;
        write_metric(
            f,
            "etl_archive_kept_files",
            Kind::Gauge,
            "Files that were old enough at the last etl archive and stayed in the inbox.",
            by_archive(|archive| archive.kept.to_string()),
        )
    }

    fn write_contents(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let totals = self.0.health.progress.sources.iter().flat_map(|status| {
            [
                ("loaded", status.loaded),
                ("duplicate", status.duplicates),
                ("rejected", status.rejected),
            ]
            .map(|(outcome, files)| {
                let mut labels = labels_of(&status.folder);
                labels.push(("outcome", outcome));
                (labels, files.to_string())
            })
        });
        write_metric(
            f,
            "etl_files_total",
            Kind::Counter,
            "Files processed since the first run; a backfill or a retry counts a file again.",
            totals,
        )?;
        let last_hour = self.0.health.last_hour;
        let last_hour = [
            ("loaded", last_hour.loaded),
            ("duplicate", last_hour.duplicates),
            ("rejected", last_hour.rejected),
        ];
        write_metric(
            f,
            "etl_last_hour_files",
            Kind::Gauge,
            "Files that the runs of the last hour processed; backfills, reconciling runs and retries are left out.",
            last_hour.map(|(outcome, files)| (vec![("outcome", outcome)], files.to_string())),
        )?;
        let rejections = self.0.rejections.iter().map(|rejection| {
            let labels = vec![
                ("source", rejection.source.as_str()),
                ("inbox", rejection.inbox.as_str()),
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

    /// The nodes of a cluster.
    fn write_nodes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(cluster) = &self.0.health.cluster else {
            return Ok(());
        };
        let nodes: Vec<(String, bool)> = cluster
            .nodes
            .iter()
            .map(|node| (node.address(), node.failure.is_none()))
            .collect();
        write_metric(
            f,
            "etl_cluster_node_up",
            Kind::Gauge,
            "Whether a node of the cluster answers.",
            nodes
                .iter()
                .map(|(address, answers)| (vec![("node", address.as_str())], flag(*answers))),
        )
    }

    /// The newest run that processed something.
    fn write_last_run(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(run) = self.0.runs.first() else {
            return Ok(());
        };
        let took = run.finished_at - run.started_at;
        write_metric(
            f,
            "etl_last_run_finished_timestamp_seconds",
            Kind::Gauge,
            "When the newest run that processed something was ready to commit its last batch.",
            [(vec![], seconds(Some(run.finished_at)))],
        )?;
        write_metric(
            f,
            "etl_last_run_duration_seconds",
            Kind::Gauge,
            "How long the newest run that processed something took, by the clock of its machine.",
            [(vec![], took.as_seconds_f64().to_string())],
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
            "Files of the newest run that processed something.",
            files.map(|(outcome, files)| (vec![("outcome", outcome)], files.to_string())),
        )
    }

    /// A sample for each folder.
    fn by_folder(&self, value: fn(&FolderStatus) -> String) -> impl Iterator<Item = Sample<'_>> {
        let sources = self.0.health.progress.sources.iter();
        sources.map(move |status| (labels_of(&status.folder), value(status)))
    }
}

fn labels_of(folder: &Folder) -> Labels<'_> {
    vec![("source", &folder.source), ("inbox", &folder.inbox)]
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

/// A label's value as the format requires it, and as a terminal can show it.
fn escaped(text: &str) -> String {
    printable(text, &[])
        .replace('\\', r"\\")
        .replace('"', "\\\"")
}

fn flag(holds: bool) -> String {
    u8::from(holds).to_string()
}

/// Seconds since 1970, with microseconds; 0 for a time that never was.
fn seconds(time: Option<DateTime<Utc>>) -> String {
    let micros = time.unwrap_or_default().timestamp_micros();
    format!("{:.6}", micros as f64 / 1e6)
}
