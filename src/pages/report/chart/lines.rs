//! Lines over time.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Beyond, LINES, TimeAxis, ValueAxis, Words, captioned, drawing, over_time};
use crate::pages::report::hue::Hue;
use crate::pages::report::quantity::Unit;

/// How a line is drawn. Lines of one colour differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Whole.
    Whole,
    /// Broken.
    Broken,
}

impl Stroke {
    fn class(self) -> &'static str {
        match self {
            Stroke::Whole => "whole",
            Stroke::Broken => "broken",
        }
    }
}

/// A line over time.
pub struct Line<'a> {
    /// Its name in the key.
    pub label: &'static str,
    /// How it is drawn.
    pub stroke: Stroke,
    /// A value per bucket, where there is one.
    pub values: &'a [Option<f64>],
}

/// Lines over time, from the highest to the lowest. The key is above the chart, in the colour of the
/// lines: labels at the ends of the lines would cover them.
pub fn lines(words: &Words, axis: &TimeAxis, unit: Unit, hue: Hue, lines: &[Line<'_>]) -> Markup {
    let values = ValueAxis::of(
        lines.iter().flat_map(|line| line.values).flatten().copied(),
        unit,
    );
    let points = lines.iter().flat_map(|line| line.values.iter().enumerate());
    let points = points.filter_map(|(bucket, value)| Some((axis.middle(bucket), (*value)?)));
    let beyond = Beyond::of(points, &values, unit);
    let picture = html! {
        (drawing(axis, html! {
            g class=(hue.class) { @for line in lines { (drawn(line, &values)) } }
        }))
        (beyond)
    };
    let names = lines.iter().filter(|_| lines.len() > 1);
    let keys: Vec<Markup> = names
        .map(|line| {
            let classes = [hue.class, "key", line.stroke.class()].join(" ");
            html! { span class=(classes) { (line.label) } }
        })
        .chain(beyond.key())
        .collect();
    let picture = over_time(words, axis, &values, picture);
    captioned(words, Some(axis), &keys, picture)
}

/// A line as paths: neighbouring buckets are joined, a bucket without neighbours is a dot.
fn drawn(line: &Line<'_>, values: &ValueAxis) -> Markup {
    let (mut joined, mut dots) = (String::new(), String::new());
    let value = |bucket: usize| line.values.get(bucket).copied().flatten();
    for bucket in 0..line.values.len() {
        let Some(value_here) = value(bucket) else {
            continue;
        };
        let height = (1.0 - values.place(value_here)) * LINES;
        let follows = bucket > 0 && value(bucket - 1).is_some();
        let x = bucket as f64 + 0.5;
        let _ = match (follows, value(bucket + 1).is_some()) {
            (true, _) => write!(joined, "L{x} {height:.1}"),
            (false, true) => write!(joined, "M{x} {height:.1}"),
            // A line of length zero with round ends is a dot.
            (false, false) => write!(dots, "M{x} {height:.1}h0"),
        };
    }
    html! {
        @if !joined.is_empty() { path class=(line.stroke.class()) d=(joined) {} }
        @if !dots.is_empty() { path.dots d=(dots) {} }
    }
}
