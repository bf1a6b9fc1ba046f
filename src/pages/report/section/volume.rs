//! Volume: events of each entity over time.

use maud::{Markup, html};

use super::no_events;
use crate::entity::Kind;
use crate::pages::error::Error;
use crate::pages::report::chart::{Bars, TimeAxis, Words, bars};
use crate::pages::report::kind::{hue, singular, with_events};
use crate::pages::report::quantity::{Unit, grouped};
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::report::table::{Column, figures, number};

/// Events over time.
#[derive(Debug)]
pub struct Volume(Option<Counts>);

/// Events per bucket.
#[derive(Debug)]
struct Counts {
    axis: TimeAxis,
    kinds: Vec<(Kind, Vec<i64>)>,
}

impl Volume {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<Volume, Error> {
        let Some(axis) = spans.axis(Subject::Events) else {
            return Ok(Volume(None));
        };
        let sql = with_events(include_str!("../../../../sql/report/volume.sql"));
        let rows = snapshot.buckets(&sql, &axis)?;
        let kinds = Kind::ALL.iter().map(|kind| {
            let mut counts = vec![0; axis.buckets];
            let of_kind = |row: &&(_, postgres::Row)| row.1.get::<_, &str>("entity") == kind.name();
            for (bucket, row) in rows.iter().filter(of_kind) {
                if let Some(bucket) = bucket {
                    counts[*bucket] = row.get("events");
                }
            }
            (*kind, counts)
        });
        let kinds = kinds.collect();
        Ok(Volume(Some(Counts { axis, kinds })))
    }

    /// The section.
    pub fn section(&self, spans: &Spans) -> Markup {
        html! {
            h2 { "Volume" }
            @match &self.0 {
                Some(counts) => {
                    @let shown = counts.kinds.iter().flat_map(|(_, counts)| counts).sum();
                    @if let Some(note) = spans.left_out(Subject::Events, &counts.axis, shown) { (note) }
                    (counts.charts())
                }
                None => (no_events()),
            }
        }
    }
}

impl Counts {
    fn charts(&self) -> Markup {
        let titles: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, _)| format!("{} events", singular(*kind)))
            .collect();
        let columns: Vec<_> = titles.iter().map(|title| Column::Number(title)).collect();
        html! {
            @for ((kind, counts), title) in self.kinds.iter().zip(&titles) {
                figure { (self.chart(*kind, title, counts)) }
            }
            (figures(&self.axis, &columns, |bucket| {
                self.kinds.iter().map(|(_, counts)| number(counts[bucket])).collect()
            }))
        }
    }

    fn chart(&self, kind: Kind, title: &str, counts: &[i64]) -> Markup {
        let width = self.axis.width_in_words();
        let words = Words {
            id: format!("{}-events", kind.name()),
            title: title.to_owned(),
            by: format!("per {width}"),
            description: format!(
                "{} in all, at most {} per {width}.",
                grouped(counts.iter().sum()),
                grouped(counts.iter().max().copied().unwrap_or_default())
            ),
        };
        let values: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
        bars(
            &words,
            &self.axis,
            &Bars {
                values: &values,
                unit: Unit::Things,
                hue: hue(kind),
            },
        )
    }
}
