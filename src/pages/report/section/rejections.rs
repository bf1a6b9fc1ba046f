//! Rejected files: their share and number over time, and their reasons.

use std::cmp::Reverse;

use maud::{Markup, html};
use postgres::types::Type;

use super::nothing;
use crate::escape::printable;
use crate::pages::error::Error;
use crate::pages::report::chart::{Bars, TimeAxis, Words, bars, rows};
use crate::pages::report::hue::REJECTED;
use crate::pages::report::kind::with_events;
use crate::pages::report::quantity::{Unit, counted, grouped, share};
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::report::table::{Column, figures, number, text, wide};
use crate::pages::report::untrusted::{CHARS_READ, Untrusted};

/// The rejected files.
#[derive(Debug)]
pub struct Rejections {
    reasons: Vec<Reason>,
    files: Option<Files>,
}

/// The files of a source rejected for a reason, with the newest.
#[derive(Debug)]
struct Reason {
    source: String,
    reason: String,
    open: i64,
    resolved: i64,
    file_name: String,
    detail: String,
}

/// Files per bucket, by modification time.
#[derive(Debug)]
struct Files {
    axis: TimeAxis,
    all: Vec<i64>,
    rejected: Vec<i64>,
}

impl Rejections {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<Rejections, Error> {
        let rows = snapshot.query(
            include_str!("../../../../sql/report/rejections.sql"),
            &[(&CHARS_READ, Type::INT4)],
        )?;
        let reason = |row: &postgres::Row| Reason {
            source: row.get("source"),
            reason: row.get("reason"),
            open: row.get("open_files"),
            resolved: row.get("resolved_files"),
            file_name: row.get("file_name"),
            detail: row.get("detail"),
        };
        let reasons: Vec<Reason> = rows.iter().map(reason).collect();
        let files = match spans.axis(Subject::Files) {
            Some(axis) if !reasons.is_empty() => Some(Files::read(snapshot, axis)?),
            _ => None,
        };
        Ok(Rejections { reasons, files })
    }

    /// Open rejections.
    pub fn open(&self) -> i64 {
        self.reasons.iter().map(|reason| reason.open).sum()
    }

    /// Rejections that are closed: a good version of the file was loaded, another content of it was
    /// rejected, or somebody dismissed them.
    pub fn resolved(&self) -> i64 {
        self.reasons.iter().map(|reason| reason.resolved).sum()
    }

    /// The section.
    pub fn section(&self, spans: &Spans) -> Markup {
        html! {
            h2 { "Rejected files" }
            @if let Some(files) = &self.files {
                @if let Some(note) = spans.left_out(Subject::Files, &files.axis, files.all.iter().sum()) {
                    (note)
                }
                (files.charts())
            }
            @if self.reasons.is_empty() {
                (nothing("No file has been rejected."))
            } @else {
                figure { (self.by_reason()) }
                (self.table())
            }
        }
    }

    fn by_reason(&self) -> Markup {
        let words = Words {
            id: "reasons".to_owned(),
            title: "Open rejections".to_owned(),
            by: "files by reason".to_owned(),
            description: "Rejected files that were neither fixed nor dismissed.".to_owned(),
        };
        let mut reasons: Vec<(String, i64)> = Vec::new();
        for Reason { reason, open, .. } in &self.reasons {
            let reason = printable(reason, &[]);
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, files)) => *files += open,
                None => reasons.push((reason, *open)),
            }
        }
        reasons.sort_by_key(|(_, open)| Reverse(*open));
        rows(&words, &reasons, REJECTED)
    }

    fn table(&self) -> Markup {
        let columns = [
            Column::Text("Source"),
            Column::Text("Reason"),
            Column::Number("Open"),
            Column::Number("Resolved"),
            Column::Words("Newest"),
        ];
        let rows = self.reasons.iter().map(|reason| {
            vec![
                html! { (Untrusted(&reason.source)) },
                html! { (Untrusted(&reason.reason)) },
                number(reason.open),
                number(reason.resolved),
                html! { (Untrusted(&reason.detail)) small { (Untrusted(&reason.file_name)) } },
            ]
        });
        wide("Rejected files by source and reason", &columns, rows)
    }
}

impl Files {
    fn read(snapshot: &mut Snapshot<'_>, axis: TimeAxis) -> Result<Files, Error> {
        let sql = with_events(include_str!("../../../../sql/report/files.sql"));
        let mut all = vec![0; axis.buckets];
        let mut rejected = all.clone();
        for (bucket, row) in snapshot.buckets(&sql, &axis)? {
            if let Some(bucket) = bucket {
                (all[bucket], rejected[bucket]) = (row.get("files"), row.get("rejected"));
            }
        }
        Ok(Files {
            axis,
            all,
            rejected,
        })
    }

    /// The share of a bucket's files that were rejected.
    fn share(&self, bucket: usize) -> Option<f64> {
        let all = self.all[bucket];
        (all > 0).then(|| self.rejected[bucket] as f64 / all as f64)
    }

    fn charts(&self) -> Markup {
        let width = self.axis.width_in_words();
        let (all, rejected): (i64, i64) = (self.all.iter().sum(), self.rejected.iter().sum());
        let shares: Vec<f64> = (0..self.axis.buckets)
            .map(|bucket| self.share(bucket).unwrap_or_default())
            .collect();
        let counts: Vec<f64> = self.rejected.iter().map(|files| *files as f64).collect();
        let highest_share = shares.iter().copied().fold(0.0, f64::max);
        let most = self.rejected.iter().max().copied().unwrap_or_default();
        let share_words = Words {
            id: "rejected-share".to_owned(),
            title: "Share of files rejected".to_owned(),
            by: format!("per {width}, by when they were written"),
            description: format!(
                "{} of {}, which is {}; at most {} per {width}.",
                grouped(rejected),
                counted(all, "file"),
                share(rejected as f64 / all.max(1) as f64),
                share(highest_share)
            ),
        };
        let count_words = Words {
            id: "rejected-files".to_owned(),
            title: "Rejected files".to_owned(),
            by: format!("per {width}"),
            description: format!(
                "{} in all, at most {} per {width}.",
                grouped(rejected),
                grouped(most)
            ),
        };
        let chart = |words: &Words, values: &[f64], unit: Unit| {
            let bars_of = Bars {
                values,
                unit,
                hue: REJECTED,
            };
            bars(words, &self.axis, &bars_of)
        };
        let columns = [
            Column::Number("Share rejected"),
            Column::Number("Rejected"),
            Column::Number("Files"),
        ];
        html! {
            p.note {
                (share(rejected as f64 / all.max(1) as f64)) " of " (counted(all, "file")) ": "
                (grouped(rejected)) " rejected, including those resolved since."
            }
            figure { (chart(&share_words, &shares, Unit::Share)) }
            figure { (chart(&count_words, &counts, Unit::Things)) }
            (figures(&self.axis, &columns, |bucket| {
                vec![
                    text(self.share(bucket).map(share).unwrap_or_default()),
                    number(self.rejected[bucket]),
                    number(self.all[bucket]),
                ]
            }))
        }
    }
}
