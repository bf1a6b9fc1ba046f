//! Horizontal bars with labels.

use maud::{Markup, html};

use super::{Words, captioned, image, percent, pixels};
use crate::pages::report::hue::Hue;
use crate::pages::report::quantity::grouped;

/// Height of a row, in pixels.
const ROW: f64 = 28.0;

/// Height of a bar, in pixels.
const BAR: f64 = 16.0;

/// Distance of the baseline of the text from the middle of its row, in pixels.
const FOOT: f64 = 4.5;

/// Where the bars begin, in per cent of the width, with short and with long labels: enough for the
/// labels on a phone.
const SHORT_LABELS: f64 = 27.0;
const LONG_LABELS: f64 = 42.0;

/// Most characters of a short label.
const SHORT_LABEL: usize = 11;

/// Room right of the longest bar for its figure, in per cent of the width.
const FIGURE: f64 = 22.0;

/// Least length of a bar, in per cent of the width.
const LEAST_BAR: f64 = 0.4;

/// Counts by class: a label and a number each.
pub fn rows(words: &Words, rows: &[(String, i64)], hue: Hue) -> Markup {
    let most = rows.iter().map(|(_, count)| *count).max();
    let most = most.unwrap_or_default().max(1) as f64;
    let are_short = rows
        .iter()
        .all(|(label, _)| label.chars().count() <= SHORT_LABEL);
    let start = if are_short { SHORT_LABELS } else { LONG_LABELS };
    let height = ROW * rows.len() as f64;
    let picture = html! {
        @for (index, (label, count)) in rows.iter().enumerate() {
            @let middle = ROW * (index as f64 + 0.5);
            @let length = *count as f64 / most * (100.0 - start - FIGURE);
            @let foot = pixels(middle + FOOT);
            g class=(hue.class) {
                text x="0" y=(foot) { (label) }
                @if *count > 0 {
                    rect.bar x=(percent(start)) width=(percent(length.max(LEAST_BAR)))
                        y=(pixels(middle - BAR / 2.0)) height=(pixels(BAR)) {}
                }
                text.figure x=(percent(start + length)) dx="7" y=(foot) text-anchor="start" {
                    (grouped(*count))
                }
            }
        }
        line.axis x1=(percent(start)) x2=(percent(start)) y1="0" y2=(pixels(height)) {}
    };
    captioned(words, None, &[], image(words, "rows", height, picture))
}
