//! Freshness: the progress of each source, and the delay from an event to the warehouse.

use chrono::{DateTime, Utc};
use maud::{Markup, Render, html};

use super::no_events;
use super::percentiles::{COLUMNS, Percentiles};
use crate::pages::error::Error;
use crate::pages::report::chart::{TimeAxis, Words};
use crate::pages::report::kind::with_events;
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::report::table::{Column, age, figures, number, wide};
use crate::pages::report::untrusted::Untrusted;
use crate::pages::status::{FolderStatus, Progress};

/// Delays from an event to the end of the run that loaded it, by `event_at`.
#[derive(Debug)]
pub struct Freshness(Option<(TimeAxis, Percentiles)>);

impl Freshness {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<Freshness, Error> {
        let Some(axis) = spans.axis(Subject::Events) else {
            return Ok(Freshness(None));
        };
        let sql = with_events(include_str!("../../../../sql/report/delays.sql"));
        let mut delays = Percentiles::new(&axis);
        for (bucket, row) in snapshot.buckets(&sql, &axis)? {
            if let Some(bucket) = bucket {
                delays.read(bucket, &row, "delays");
            }
        }
        Ok(Freshness(Some((axis, delays))))
    }

    /// The section.
    pub fn section(&self, progress: &Progress, read_at: DateTime<Utc>) -> Markup {
        let mut columns = vec![Column::Text("Source")];
        if progress.shows_inboxes() {
            columns.push(Column::Text("Inbox"));
        }
        columns.extend([
            Column::Time("Newest event (UTC)"),
            Column::Time("Last scanned (UTC)"),
            Column::Time("Offset (UTC)"),
            Column::Number("Loaded"),
            Column::Number("Duplicates"),
            Column::Number("Rejected"),
            Column::Number("Pending"),
        ]);
        let cells = |status: &FolderStatus| {
            let mut cells = vec![Untrusted(&status.folder.source).render()];
            if progress.shows_inboxes() {
                cells.push(Untrusted(&status.folder.inbox).render());
            }
            cells.extend([
                age(status.newest_event_at, read_at, "none yet"),
                age(status.last_scanned_at, read_at, "never"),
                age(status.offset_at, read_at, "none yet"),
                number(status.loaded),
                number(status.duplicates),
                number(status.rejected),
                number(status.pending),
            ]);
            cells
        };
        let rows = progress.sources.iter().map(cells);
        html! {
            h2 { "Freshness" }
            (wide("Freshness of the sources", &columns, rows))
            p.note {
                "Loaded, duplicate and rejected files are counted since the first run, each as often as "
                "it was validated."
            }
            @match &self.0 {
                Some((axis, delays)) => (figure(axis, delays)),
                None => (no_events()),
            }
        }
    }
}

fn figure(axis: &TimeAxis, delays: &Percentiles) -> Markup {
    let words = Words {
        id: "delay".to_owned(),
        title: "From an event to the warehouse".to_owned(),
        by: "time taken, by time of the event".to_owned(),
        description: format!(
            "Time from an event to the end of the run that loaded it. {}",
            delays.description()
        ),
    };
    html! {
        figure {
            (delays.lines(&words, axis))
            (figures(axis, &COLUMNS, |bucket| delays.cells(bucket).into()))
        }
    }
}
