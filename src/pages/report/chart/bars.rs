//! Bars over time.

use maud::{Markup, html};

use super::{
    Beyond, FIGURE_GAP, PLOT, TOP, TimeAxis, ValueAxis, Words, captioned, figure, over_time,
    percent, pixels,
};
use crate::pages::report::hue::Hue;
use crate::pages::report::quantity::Unit;

/// Share of its bucket that a bar fills.
const BAR_SHARE: f64 = 0.8;

/// Least height of a bar, in pixels, so that one event is visible beside thousands.
const LEAST_BAR: f64 = 1.5;

/// A bar of a value beyond the axis has a gap: its distance from the top and its height, in pixels.
const GAP_BELOW: f64 = 8.0;
const GAP: f64 = 3.0;

/// A value per bucket.
pub struct Bars<'a> {
    /// The values; zero has no bar.
    pub values: &'a [f64],
    /// Their unit.
    pub unit: Unit,
    /// Colour of the bars.
    pub hue: Hue,
}

/// Bars over time. The figure of the highest is shown, or of all beyond the axis.
pub fn bars(words: &Words, axis: &TimeAxis, bars: &Bars<'_>) -> Markup {
    let values = ValueAxis::of(bars.values.iter().copied(), bars.unit);
    let place = |bucket: f64| percent(100.0 * bucket / axis.buckets as f64);
    let height = |value: f64| (values.place(value) * PLOT).max(LEAST_BAR);
    let drawn = bars.values.iter().copied().enumerate();
    let drawn: Vec<(usize, f64)> = drawn.filter(|(_, value)| *value > 0.0).collect();
    let points = drawn
        .iter()
        .map(|(bucket, value)| (axis.middle(*bucket), *value));
    let beyond = Beyond::of(points, &values, bars.unit);
    // The first of the highest.
    let highest = drawn
        .iter()
        .rev()
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    let rect = |bucket: usize, y: f64, height: f64, class: &str| {
        let x = place(bucket as f64 + (1.0 - BAR_SHARE) / 2.0);
        html! {
            rect class=(class) x=(x) width=(place(BAR_SHARE)) y=(pixels(y)) height=(pixels(height)) {}
        }
    };
    let picture = html! {
        g class=(bars.hue.class) {
            @for (bucket, value) in &drawn {
                (rect(*bucket, TOP + PLOT - height(*value), height(*value), "bar"))
                @if values.is_beyond(*value) { (rect(*bucket, TOP + GAP_BELOW, GAP, "gap")) }
            }
        }
        @match (beyond.key(), highest) {
            (None, Some((bucket, value))) => (figure(
                axis.middle(*bucket),
                TOP + PLOT - height(*value) - FIGURE_GAP,
                bars.unit.text(*value),
            )),
            _ => (beyond),
        }
    };
    let picture = over_time(words, axis, &values, picture);
    captioned(words, Some(axis), beyond.key().as_slice(), picture)
}
