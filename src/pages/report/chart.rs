//! Charts as inline SVG.
//!
//! A chart is as wide as the page lets it be: what is drawn is placed in per cent of the width and
//! in pixels of the height, so that texts and lines keep their size on every screen. Values begin at
//! zero, colours come from the style sheet.

use std::fmt::Write as _;

use super::markup::{Element, element};
use super::scale::{TimeAxis, Unit, ValueAxis, grouped};

/// Height of the part that shows the values, in pixels.
const PLOT: f64 = 140.0;

/// Room above it for the figure at the highest value, in pixels.
const TOP: f64 = 20.0;

/// Room below it for the marks of time, in pixels.
const BOTTOM: f64 = 26.0;

/// Height of a row of a chart of rows, in pixels.
const ROW: f64 = 28.0;

/// Height of a bar in a row, in pixels.
const ROW_BAR: f64 = 16.0;

/// Where the bars of rows begin, in per cent of the width, if their labels are short and if they are
/// long: there is room for them on a phone too.
const SHORT_LABELS: f64 = 27.0;
const LONG_LABELS: f64 = 42.0;

/// Characters of a short label, at the most.
const SHORT_LABEL: usize = 11;

/// Room behind the longest bar for its figure, in per cent of the width.
const ROW_FIGURE: f64 = 22.0;

/// Share of its place that a bar fills.
const BAR_SHARE: f64 = 0.8;

/// A bar for something is never lower than this, in pixels.
const LEAST_BAR: f64 = 1.5;

/// Behind this, of 1, the label of a mark would stand out of the page and ends at its mark.
const LAST_MARK: f64 = 0.97;

/// Height of the drawing of lines, in units of its own.
const LINES: f64 = 1_000.0;

/// What a chart is called and says, for who does not see it.
pub struct Words {
    /// Unique in the page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// What is to be seen.
    pub description: String,
}

/// A line over time, with the label at its end.
pub struct Line<'a> {
    /// The label.
    pub label: &'static str,
    /// Class of the style sheet.
    pub class: &'static str,
    /// A value a bucket, where there is one.
    pub values: &'a [Option<f64>],
}

/// Bars over time: things counted by bucket.
pub fn bars(words: &Words, axis: &TimeAxis, counts: &[i64], class: &'static str) -> Element {
    let peak = counts.iter().copied().max().unwrap_or_default();
    let values = ValueAxis::to(peak as f64, Unit::Things);
    let place = |bucket: f64| percent(100.0 * bucket / axis.buckets as f64);
    let bar = |(bucket, count): (usize, &i64)| {
        let height = (values.place(*count as f64) * PLOT).max(LEAST_BAR);
        element("rect")
            .set("x", place(bucket as f64 + (1.0 - BAR_SHARE) / 2.0))
            .set("width", place(BAR_SHARE))
            .set("y", pixels(TOP + PLOT - height))
            .set("height", pixels(height))
    };
    let drawn = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let chart =
        frame(words, axis, &values).child(element("g").class(class).children(drawn.map(bar)));
    let Some(highest) = counts.iter().position(|count| *count == peak && peak > 0) else {
        return chart;
    };
    let x = (highest as f64 + 0.5) / axis.buckets as f64;
    let label = text(
        x,
        TOP + (1.0 - values.place(peak as f64)) * PLOT - 6.0,
        grouped(peak),
    );
    chart.child(label.class("figure"))
}

/// Lines over time, in seconds.
pub fn lines(words: &Words, axis: &TimeAxis, lines: &[Line<'_>]) -> Element {
    let all = lines.iter().flat_map(|line| line.values).flatten();
    let values = ValueAxis::to(all.copied().fold(0.0, f64::max), Unit::Seconds);
    let height = |value: f64| (1.0 - values.place(value)) * LINES;
    let path = |line: &Line<'_>| {
        let (mut joined, mut dots) = (String::new(), String::new());
        let value = |bucket: usize| line.values.get(bucket).copied().flatten();
        for bucket in 0..line.values.len() {
            let Some(height) = value(bucket).map(height) else {
                continue;
            };
            let follows = bucket > 0 && value(bucket - 1).is_some();
            let x = bucket as f64 + 0.5;
            let _ = match (follows, value(bucket + 1).is_some()) {
                (true, _) => write!(joined, "L{x} {height:.1}"),
                (false, true) => write!(joined, "M{x} {height:.1}"),
                // A length of nothing, with round ends, is a dot.
                (false, false) => write!(dots, "M{x} {height:.1}h0"),
            };
        }
        let path = |class: String, path: String| {
            (!path.is_empty()).then(|| element("path").set("class", class).set("d", path))
        };
        let joined = path(line.class.to_owned(), joined);
        joined
            .into_iter()
            .chain(path(format!("{} dots", line.class), dots))
    };
    let mut chart =
        frame(words, axis, &values).child(drawing(axis).children(lines.iter().flat_map(path)));
    // The labels stand above the ends of their lines, a line's height apart if those are close.
    let mut above = f64::INFINITY;
    let mut ends: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let last = line.values.iter().rposition(Option::is_some)?;
            Some((
                TOP + height(line.values[last]?) / LINES * PLOT - 8.0,
                last,
                line,
            ))
        })
        .collect();
    ends.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (y, last, line) in ends {
        let y = y.min(above - 15.0);
        above = y;
        let x = (last as f64 + 0.5) / axis.buckets as f64;
        chart = chart.child(text(x, y, line.label).class("figure"));
    }
    chart
}

/// A level over time: what there is at the start, and at the end of each bucket.
pub fn level(words: &Words, axis: &TimeAxis, opening: i64, counts: &[i64]) -> Element {
    let peak = counts.iter().copied().fold(opening, i64::max);
    let values = ValueAxis::to(peak as f64, Unit::Things);
    let height = |count: i64| (1.0 - values.place(count as f64)) * LINES;
    let mut line = format!("M0 {:.1}", height(opening));
    for (bucket, count) in counts.iter().enumerate() {
        let _ = write!(line, "H{}V{:.1}", bucket + 1, height(*count));
    }
    let area = format!("{line}V{LINES}H0Z");
    let level = drawing(axis)
        .child(element("path").class("area").set("d", area))
        .child(element("path").class("line").set("d", line));
    let last = counts.last().copied().unwrap_or(opening);
    let y = TOP + height(last) / LINES * PLOT - 8.0;
    frame(words, axis, &values)
        .child(level)
        .child(text(1.0, y, grouped(last)).class("figure"))
}

/// Bars beside each other's labels: things counted by class.
pub fn rows(words: &Words, rows: &[(String, i64)], class: &'static str) -> Element {
    let most = rows
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or_default()
        .max(1);
    let start = match rows
        .iter()
        .all(|(label, _)| label.chars().count() <= SHORT_LABEL)
    {
        true => SHORT_LABELS,
        false => LONG_LABELS,
    };
    let row = |(index, (label, count)): (usize, &(String, i64))| {
        let y = ROW * index as f64;
        let length = *count as f64 / most as f64 * (100.0 - start - ROW_FIGURE);
        let baseline = pixels(y + ROW / 2.0 + 4.5);
        let bar = (*count > 0).then(|| {
            element("rect")
                .class(class)
                .set("x", percent(start))
                .set("width", percent(length.max(0.4)))
                .set("y", pixels(y + (ROW - ROW_BAR) / 2.0))
                .set("height", ROW_BAR)
        });
        element("g")
            .child(element("text").set("x", 0).set("y", &baseline).text(label))
            .children(bar)
            .child(
                element("text")
                    .class("figure start")
                    .set("x", percent(start + length))
                    .set("dx", 7)
                    .set("y", &baseline)
                    .text(grouped(*count)),
            )
    };
    let height = ROW * rows.len() as f64;
    let zero = element("line")
        .class("axis")
        .set("x1", percent(start))
        .set("x2", percent(start))
        .set("y1", 0)
        .set("y2", height);
    image(words, "rows", height)
        .children(rows.iter().enumerate().map(row))
        .child(zero)
}

/// A chart over time without its values: the axes and their marks.
fn frame(words: &Words, axis: &TimeAxis, values: &ValueAxis) -> Element {
    let mut chart = image(words, "over-time", TOP + PLOT + BOTTOM);
    for (index, mark) in values.marks.iter().enumerate() {
        let y = pixels(TOP + (1.0 - values.place(*mark)) * PLOT);
        chart = chart
            .child(
                element("line")
                    .class(if index == 0 { "axis" } else { "grid" })
                    .set("x1", 0)
                    .set("x2", "100%")
                    .set("y1", &y)
                    .set("y2", &y),
            )
            .child(
                element("text")
                    .class("value")
                    .set("x", -8)
                    .set("y", y)
                    .set("dy", "0.35em")
                    .text(values.label(*mark)),
            );
    }
    for (index, mark) in axis.marks().into_iter().enumerate() {
        let x = percent(100.0 * mark.at);
        let class = if index % 2 == 0 { "mark" } else { "mark spare" };
        chart = chart.child(
            element("g")
                .class(class)
                .child(
                    element("line")
                        .class("axis")
                        .set("x1", &x)
                        .set("x2", &x)
                        .set("y1", TOP + PLOT)
                        .set("y2", TOP + PLOT + 5.0),
                )
                .child(
                    element("text")
                        .set("x", &x)
                        .set("y", TOP + PLOT + 20.0)
                        .set(
                            "text-anchor",
                            if mark.at > LAST_MARK { "end" } else { "middle" },
                        )
                        .text(mark.label),
                ),
        );
    }
    chart
}

/// The picture itself, with the words for who does not see it.
fn image(words: &Words, class: &'static str, height: f64) -> Element {
    let (title, description) = (format!("{}-title", words.id), format!("{}-words", words.id));
    element("svg")
        .class(class)
        .set("role", "img")
        .set("height", height)
        .set("aria-labelledby", format!("{title} {description}"))
        .child(element("title").set("id", title).text(&words.title))
        .child(
            element("desc")
                .set("id", description)
                .text(&words.description),
        )
}

/// A drawing over the values' part whose width is that of the page and whose unit is a bucket.
fn drawing(axis: &TimeAxis) -> Element {
    element("svg")
        .set("x", 0)
        .set("y", TOP)
        .set("width", "100%")
        .set("height", PLOT)
        .set("viewBox", format!("0 0 {} {LINES}", axis.buckets))
        .set("preserveAspectRatio", "none")
        .set("overflow", "visible")
}

/// A text centred at a place from 0 to 1, or beginning or ending there near the edges, where it
/// would be cut off.
fn text(x: f64, y: f64, text: impl std::fmt::Display) -> Element {
    let anchor = match x {
        ..0.06 => "start",
        0.94.. => "end",
        _ => "middle",
    };
    element("text")
        .set("x", percent(100.0 * x))
        .set("y", pixels(y))
        .set("text-anchor", anchor)
        .text(text)
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}
