//! The time range of events, files and runs.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use postgres::Row;

use super::chart::TimeAxis;
use super::kind::{of_every_kind, with_events};
use super::quantity::{counted, grouped};
use super::snapshot::Snapshot;
use crate::pages::error::Error;

/// The charts show the whole range if it is at most so many times as long as the range of the bulk.
const MAX_RANGE_RATIO: i32 = 4;

/// What the charts over time are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Events, by `event_at`.
    Events,
    /// Accepted and rejected files, by modification time.
    Files,
    /// Runs that found something, by start.
    Runs,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Events => "events",
            Subject::Files => "files",
            Subject::Runs => "runs",
        }
    }

    fn singular(self) -> &'static str {
        self.name().trim_end_matches('s')
    }
}

/// The time range of a subject, or of the events of one entity.
#[derive(Debug)]
struct Span {
    subject: String,
    count: i64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    bulk_first: DateTime<Utc>,
    bulk_last: DateTime<Utc>,
}

/// All time ranges.
#[derive(Debug)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>) -> Result<Spans, Error> {
        let of_events = of_every_kind(include_str!("../../../sql/report/event_spans.sql"));
        let of_others = with_events(include_str!("../../../sql/report/spans.sql"));
        let mut rows = snapshot.query(&of_events, &[])?;
        rows.extend(snapshot.query(&of_others, &[])?);
        let span = |row: &Row| {
            // Null where there is nothing.
            let bounds: Vec<DateTime<Utc>> = row.get::<_, Option<_>>("bounds")?;
            let [first, bulk_first, bulk_last, last] = bounds[..] else {
                return None;
            };
            Some(Span {
                subject: row.get("subject"),
                count: row.get("count"),
                first,
                last,
                bulk_first,
                bulk_last,
            })
        };
        Ok(Spans(rows.iter().filter_map(span).collect()))
    }

    fn of(&self, subject: Subject) -> impl Iterator<Item = &Span> + Clone {
        let spans = self.0.iter();
        spans.filter(move |span| span.subject == subject.name())
    }

    /// How many there are.
    pub fn count(&self, subject: Subject) -> i64 {
        self.of(subject).map(|span| span.count).sum()
    }

    /// The axis of a subject's charts: its whole range, unless a few outliers would squeeze the rest
    /// into a single bar.
    pub fn axis(&self, subject: Subject) -> Option<TimeAxis> {
        let spans = self.of(subject);
        let first = spans.clone().map(|span| span.first).min()?;
        let last = spans.clone().map(|span| span.last).max()?;
        let bulk_first = spans.clone().map(|span| span.bulk_first).min()?;
        let bulk_last = spans.map(|span| span.bulk_last).max()?;
        let bulk = bulk_last - bulk_first;
        Some(
            match last - first > bulk * MAX_RANGE_RATIO && !bulk.is_zero() {
                true => TimeAxis::over(bulk_first, bulk_last),
                false => TimeAxis::over(first, last),
            },
        )
    }

    /// A sentence about the outliers, if the charts show fewer than there are.
    pub fn left_out(&self, subject: Subject, axis: &TimeAxis, shown: i64) -> Option<Markup> {
        let outside = self.count(subject) - shown;
        (outside > 0).then(|| {
            html! {
                p.note {
                    "The charts of " (subject.name()) " show " (axis.in_words())
                    ". Left out, far from the rest: " (counted(outside, subject.singular()))
                    " of " (grouped(self.count(subject))) "."
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Span, Spans, Subject};

    fn span(subject: &str, seconds: [i64; 4]) -> Span {
        let [first, bulk_first, bulk_last, last] =
            seconds.map(|seconds| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds));
        Span {
            subject: subject.to_owned(),
            count: 1_000,
            first,
            last,
            bulk_first,
            bulk_last,
        }
    }

    #[test]
    fn the_charts_show_all_events_but_a_few_from_another_time() {
        let shown = |spans: Vec<Span>| {
            let axis = Spans(spans).axis(Subject::Events);
            axis.map(|axis| (axis.start.timestamp(), axis.end().timestamp()))
        };
        assert_eq!(shown(vec![]), None);
        let cards = || span("events", [1_000, 1_010, 1_090, 1_099]);
        assert_eq!(shown(vec![cards()]), Some((1_000, 1_100)));
        // One event of 1970.
        assert_eq!(
            shown(vec![span("events", [0, 1_000, 1_090, 1_099])]),
            Some((1_000, 1_091))
        );
        // All users in one second.
        assert_eq!(
            shown(vec![span("events", [990; 4]), cards()]),
            Some((990, 1_100))
        );
        assert_eq!(shown(vec![span("events", [5; 4])]), Some((5, 6)));
        // Files and runs have charts of their own.
        let files = || span("files", [50_000, 50_000, 50_009, 50_009]);
        assert_eq!(shown(vec![cards(), files()]), Some((1_000, 1_100)));
        assert_eq!(shown(vec![files()]), None);
        let axis = Spans(vec![cards(), files()]).axis(Subject::Files);
        assert_eq!(axis.map(|axis| axis.start.timestamp()), Some(50_000));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let spans = Spans(vec![
            span("events", [0, 1_000, 1_090, 1_099]),
            span("events", [1_000, 1_010, 1_090, 1_099]),
        ]);
        let axis = spans.axis(Subject::Events).expect("events");
        let left_out = |shown| {
            let note = spans.left_out(Subject::Events, &axis, shown)?;
            Some(note.into_string())
        };
        assert_eq!(left_out(2_000), None);
        let note = left_out(1_999).expect("a note");
        assert!(note.contains(": 1 event of 2,000."), "{note}");
    }
}
