//! Freshness: the progress of each source, and the delay from an event to the warehouse.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::nothing;
use super::percentiles::{COLUMNS, Percentiles};
use crate::error::Error;
use crate::report::chart::{TimeAxis, Words};
use crate::report::health::Source;
use crate::report::kind::with_events;
use crate::report::snapshot::Snapshot;
use crate::report::span::{Spans, Subject};
use crate::report::table::{Column, age, figures, number, text, wide};

/// Delays from an event to the end of the run that loaded it, by `event_at`.
#[derive(Debug)]
pub struct Freshness(Option<(TimeAxis, Percentiles)>);

impl Freshness {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when it cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<Freshness, Error> {
        let Some(axis) = spans.axis(Subject::Events) else {
            return Ok(Freshness(None));
        };
        let sql = with_events(include_str!("../../../sql/report/delays.sql"));
        let mut delays = Percentiles::new(&axis);
        for (bucket, row) in snapshot.buckets(&sql, &axis)? {
            if let Some(bucket) = bucket {
                delays.read(bucket, &row, "delays");
            }
        }
        Ok(Freshness(Some((axis, delays))))
    }

    /// The section.
    pub fn section(&self, sources: &[Source], read_at: DateTime<Utc>) -> Markup {
        let columns = [
            Column::Text("Source"),
            Column::Moment("Newest event (UTC)"),
            Column::Moment("Last scanned (UTC)"),
            Column::Moment("Offset (UTC)"),
            Column::Number("Loaded"),
            Column::Number("Duplicates"),
            Column::Number("Rejected"),
            Column::Number("Pending"),
        ];
        let rows = sources.iter().map(|source| {
            vec![
                text(&source.name),
                age(source.newest_event_at, read_at, "none yet"),
                age(source.scanned_at, read_at, "never"),
                age(source.offset_at, read_at, "none yet"),
                number(source.loaded),
                number(source.duplicates),
                number(source.rejected),
                number(source.pending),
            ]
        });
        html! {
            h2 { "Freshness" }
            (wide("Freshness of the sources", &columns, rows))
            p.note {
                "Loaded, duplicate and rejected files are counted since the first run, each as often as "
                "it was validated."
            }
            @match &self.0 {
                Some((axis, delays)) => (figure(axis, delays)),
                None => (nothing("No event has been loaded yet.")),
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
