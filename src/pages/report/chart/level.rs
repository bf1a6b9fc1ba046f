//! A level over time.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{LINES, TimeAxis, ValueAxis, Words, captioned, drawing, over_time};
use crate::pages::report::hue::Hue;
use crate::pages::report::quantity::Unit;

/// A number of things over time.
pub struct Level<'a> {
    /// At the start.
    pub opening: i64,
    /// At the end of each bucket.
    pub counts: &'a [i64],
    /// Colour of the line.
    pub hue: Hue,
}

/// A level over time, as a line with steps.
pub fn level(words: &Words, axis: &TimeAxis, level: &Level<'_>) -> Markup {
    let peak = level.counts.iter().copied().fold(level.opening, i64::max);
    let values = ValueAxis::to(peak as f64, Unit::Things);
    let height = |count: i64| (1.0 - values.place(count as f64)) * LINES;
    let mut line = format!("M0 {:.1}", height(level.opening));
    for (bucket, count) in level.counts.iter().enumerate() {
        let _ = write!(line, "H{}V{:.1}", bucket + 1, height(*count));
    }
    let picture = drawing(
        axis,
        html! {
            g class=(level.hue.class) {
                path.area d={ (line) "V" (LINES as u32) "H0Z" } {}
                path.whole d=(line) {}
            }
        },
    );
    let picture = over_time(words, axis, &values, picture);
    captioned(words, Some(axis), &[], picture)
}
