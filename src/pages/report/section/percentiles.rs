//! Durations over time: their median and their 95th percentile.

use maud::Markup;
use postgres::Row;

use crate::pages::report::chart::{Line, Stroke, TimeAxis, Words, lines};
use crate::pages::report::hue::EVERYTHING;
use crate::pages::report::quantity::{Unit, duration};
use crate::pages::report::table::{self, Column};

/// The columns of [`Percentiles::cells`].
pub const COLUMNS: [Column<'static>; 2] =
    [Column::Number("Median"), Column::Number("95th percentile")];

/// Seconds per bucket, where there are any.
#[derive(Debug)]
pub struct Percentiles {
    median: Vec<Option<f64>>,
    /// The 95th percentile.
    high: Vec<Option<f64>>,
}

impl Percentiles {
    /// Empty buckets.
    pub fn new(axis: &TimeAxis) -> Percentiles {
        Percentiles {
            median: vec![None; axis.buckets],
            high: vec![None; axis.buckets],
        }
    }

    /// Reads those of a bucket from an array column.
    pub fn read(&mut self, bucket: usize, row: &Row, column: &str) {
        if let [median, high] = row.get::<_, Vec<f64>>(column)[..] {
            self.median[bucket] = Some(median);
            self.high[bucket] = Some(high);
        }
    }

    /// In words, for screen readers.
    pub fn description(&self) -> String {
        let highest = self.high.iter().flatten().copied().fold(0.0, f64::max);
        format!("The 95th percentile is at most {}.", duration(highest))
    }

    /// Both as lines.
    pub fn lines(&self, words: &Words, axis: &TimeAxis) -> Markup {
        let both = [
            Line {
                label: "95th percentile",
                stroke: Stroke::Broken,
                values: &self.high,
            },
            Line {
                label: "median",
                stroke: Stroke::Whole,
                values: &self.median,
            },
        ];
        lines(words, axis, Unit::Seconds, EVERYTHING, &both)
    }

    /// Those of a bucket as cells of a table.
    pub fn cells(&self, bucket: usize) -> [Markup; 2] {
        [
            table::seconds(self.median[bucket]),
            table::seconds(self.high[bucket]),
        ]
    }
}
