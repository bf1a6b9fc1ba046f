//! Active cards over time.

use maud::{Markup, html};

use super::nothing;
use crate::entity::Kind;
use crate::pages::error::Error;
use crate::pages::report::chart::{Level, TimeAxis, Words, level};
use crate::pages::report::kind;
use crate::pages::report::quantity::grouped;
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::report::table::{Column, figures, number};

/// Active cards over time.
#[derive(Debug)]
pub struct ActiveCards(Option<Counts>);

/// Active cards before the first bucket, and at the end of each.
#[derive(Debug)]
struct Counts {
    axis: TimeAxis,
    before: i64,
    at_end: Vec<i64>,
}

impl ActiveCards {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>, spans: &Spans) -> Result<ActiveCards, Error> {
        let Some(axis) = spans.axis(Subject::Events) else {
            return Ok(ActiveCards(None));
        };
        let sql = include_str!("../../../../sql/report/active_cards.sql");
        let rows = snapshot.buckets(sql, &axis)?;
        if rows.is_empty() {
            return Ok(ActiveCards(None));
        }
        let mut before = 0;
        let mut changes = vec![0; axis.buckets];
        for (bucket, row) in rows {
            match bucket {
                Some(bucket) => changes[bucket] = row.get("change"),
                None => before = row.get("change"),
            }
        }
        let at_end = changes
            .into_iter()
            .scan(before, |active, change: i64| {
                *active += change;
                Some(*active)
            })
            .collect();
        Ok(ActiveCards(Some(Counts {
            axis,
            before,
            at_end,
        })))
    }

    /// The section.
    pub fn section(&self) -> Markup {
        html! {
            h2 { "Active cards" }
            @match &self.0 {
                Some(counts) => (counts.figure()),
                None => (nothing("There are no active cards yet.")),
            }
        }
    }
}

impl Counts {
    fn figure(&self) -> Markup {
        let last = self.at_end.last().copied().unwrap_or(self.before);
        let words = Words {
            id: "active-cards".to_owned(),
            title: format!("{} active cards", grouped(last)),
            by: format!(
                "at the end of the last {}, from {} before the first",
                self.axis.width_in_words(),
                grouped(self.before)
            ),
            description: format!("From {} to {}.", grouped(self.before), grouped(last)),
        };
        let chart = level(
            &words,
            &self.axis,
            &Level {
                opening: self.before,
                counts: &self.at_end,
                hue: kind::hue(Kind::Card),
            },
        );
        let columns = [Column::Number("Active at the end")];
        html! {
            figure {
                (chart)
                (figures(&self.axis, &columns, |bucket| vec![number(self.at_end[bucket])]))
            }
        }
    }
}
