//! Charts as inline SVG.
//!
//! A chart is as wide as the page: positions are per cent of the width and pixels of the height, so
//! that texts and lines keep their size on every screen. Values begin at zero. Colours are classes of
//! the style sheet.

mod bars;
mod level;
mod lines;
mod rows;
mod time_axis;
mod value_axis;

use std::fmt::Display;

use maud::{Markup, Render, html};

pub use bars::{Bars, bars};
pub use level::{Level, level};
pub use lines::{Line, Stroke, lines};
pub use rows::rows;
pub use time_axis::TimeAxis;
use value_axis::ValueAxis;

use super::quantity::Unit;

/// Height of the part that shows the values, in pixels.
const PLOT: f64 = 140.0;

/// Room above it for figures, in pixels.
const TOP: f64 = 20.0;

/// Room below it for the time axis, in pixels.
const BOTTOM: f64 = 26.0;

/// Distance of a figure from the top of its bar or line, in pixels.
const FIGURE_GAP: f64 = 6.0;

/// Right of this, of 1, a centred label of a mark would leave the page; it ends at its mark instead.
const LAST_MARK: f64 = 0.97;

/// Height of a drawing of lines, in its own units.
const LINES: f64 = 1_000.0;

/// Least distance of two figures, of 1: the width of a long one on a phone.
const FIGURE_WIDTH: f64 = 0.16;

/// Marks the figure of a value beyond the axis.
const BEYOND: &str = "↑ ";

/// The words of a chart, for its caption and for screen readers.
pub struct Words {
    /// Unique in the page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The unit or the dimension, as it continues the title.
    pub by: String,
    /// The content in words, for screen readers.
    pub description: String,
}

/// A chart below its caption, which names the range of its time axis and the keys.
fn captioned(words: &Words, axis: Option<&TimeAxis>, keys: &[Markup], drawn: Markup) -> Markup {
    html! {
        figcaption {
            (words.title) " "
            span {
                (words.by)
                @if let Some(axis) = axis { ", " (axis.in_words()) }
            }
            @if !keys.is_empty() { " " span.keys { @for key in keys { (key) " " } } }
        }
        (drawn)
    }
}

/// The figures of values beyond the axis, with a key that explains them. Positions are from 0 to 1.
/// Where there is no room for all, the higher value has its figure.
struct Beyond {
    figures: Vec<(f64, f64)>,
    unit: Unit,
}

impl Beyond {
    fn of(points: impl IntoIterator<Item = (f64, f64)>, values: &ValueAxis, unit: Unit) -> Beyond {
        let points = points.into_iter();
        let mut beyond: Vec<(f64, f64)> = points
            .filter(|(_, value)| values.is_beyond(*value))
            .collect();
        beyond.sort_by(|(left, one), (right, other)| {
            other.total_cmp(one).then(left.total_cmp(right))
        });
        let mut figures: Vec<(f64, f64)> = Vec::new();
        for (x, value) in beyond {
            let has_room = |(taken, _): &(f64, f64)| (x - taken).abs() >= FIGURE_WIDTH;
            if figures.iter().all(has_room) {
                figures.push((x, value));
            }
        }
        Beyond { figures, unit }
    }

    fn key(&self) -> Option<Markup> {
        (!self.figures.is_empty()).then(|| html! { span { (BEYOND) "higher than the chart" } })
    }
}

impl Render for Beyond {
    fn render(&self) -> Markup {
        html! {
            @for (x, value) in &self.figures {
                (figure(*x, TOP - FIGURE_GAP, format_args!("{BEYOND}{}", self.unit.text(*value))))
            }
        }
    }
}

/// A picture with a time axis and a value axis.
fn over_time(words: &Words, axis: &TimeAxis, values: &ValueAxis, drawn: Markup) -> Markup {
    let times = axis.marks();
    // A phone shows every other mark: those with the date, if any has one.
    let spare = times.iter().position(|mark| mark.is_midnight);
    let spare = (spare.unwrap_or_default() + 1) % 2;
    let marks = html! {
        @for (index, mark) in values.marks.iter().enumerate() {
            @let y = pixels(TOP + (1.0 - values.place(*mark)) * PLOT);
            line class=(if index == 0 { "axis" } else { "grid" }) x1="0" x2="100%" y1=(y) y2=(y) {}
            text.value x="-8" y=(y) dy="0.35em" { (values.label(*mark)) }
        }
        @for (index, mark) in times.into_iter().enumerate() {
            @let x = percent(100.0 * mark.at);
            @let anchor = if mark.at > LAST_MARK { "end" } else { "middle" };
            g class=(if index % 2 == spare { "mark spare" } else { "mark" }) {
                line.axis x1=(x) x2=(x) y1=(pixels(TOP + PLOT)) y2=(pixels(TOP + PLOT + 5.0)) {}
                text x=(x) y=(pixels(TOP + PLOT + 20.0)) text-anchor=(anchor) { (mark.label) }
            }
        }
    };
    image(
        words,
        "over-time",
        TOP + PLOT + BOTTOM,
        html! { (marks) (drawn) },
    )
}

/// A picture with its words for screen readers.
fn image(words: &Words, class: &str, height: f64, drawn: Markup) -> Markup {
    let (title, description) = (format!("{}-title", words.id), format!("{}-words", words.id));
    html! {
        svg class=(class) role="img" height=(pixels(height))
            aria-labelledby={ (title) " " (description) } {
            title id=(title) { (words.title) " " (words.by) }
            desc id=(description) { (words.description) }
            (drawn)
        }
    }
}

/// A drawing over the plot. Its horizontal unit is a bucket, its height is [`LINES`].
fn drawing(axis: &TimeAxis, drawn: Markup) -> Markup {
    html! {
        svg x="0" y=(pixels(TOP)) width="100%" height=(pixels(PLOT)) overflow="visible"
            viewBox={ "0 0 " (axis.buckets) " " (LINES as u32) } preserveAspectRatio="none" {
            (drawn)
        }
    }
}

/// A figure at a position from 0 to 1: centred, but aligned to the edge where it would be cut off.
fn figure(x: f64, y: f64, text: impl Display) -> Markup {
    let anchor = match x {
        ..0.06 => "start",
        0.94.. => "end",
        _ => "middle",
    };
    html! {
        text.figure x=(percent(100.0 * x)) y=(pixels(y)) text-anchor=(anchor) { (maud::display(text)) }
    }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}
