//! Tables.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::chart::TimeAxis;
use super::quantity::{duration, grouped};
use crate::pages::terminal::whole_seconds;

/// A column with its heading, by what it holds.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Short texts.
    Text(&'a str),
    /// Numbers.
    Number(&'a str),
    /// Times, which may take two lines.
    Time(&'a str),
    /// Long texts.
    Words(&'a str),
}

impl Column<'_> {
    fn name(&self) -> &str {
        match self {
            Column::Text(name)
            | Column::Number(name)
            | Column::Time(name)
            | Column::Words(name) => name,
        }
    }

    fn class(&self) -> Option<&'static str> {
        match self {
            Column::Text(_) => None,
            Column::Number(_) => Some("number"),
            Column::Time(_) => Some("time"),
            Column::Words(_) => Some("words"),
        }
    }
}

/// The cells of a row.
pub type Row = Vec<Markup>;

/// A table of few rows and many columns. On a phone a row becomes a list, each cell with the heading
/// of its column.
pub fn wide(label: &str, columns: &[Column<'_>], rows: impl IntoIterator<Item = Row>) -> Markup {
    scrolled(label, Some("stacked"), columns, rows)
}

/// A table of many rows and columns. On a phone it scrolls sideways.
pub fn long(label: &str, columns: &[Column<'_>], rows: impl IntoIterator<Item = Row>) -> Markup {
    scrolled(label, None, columns, rows)
}

/// A folded table.
pub fn folded(
    summary: &str,
    columns: &[Column<'_>],
    rows: impl IntoIterator<Item = Row>,
) -> Markup {
    html! {
        details {
            summary { (summary) }
            (scrolled(summary, None, columns, rows))
        }
    }
}

/// The figures of a chart over time as a folded table: one row per bucket, the newest first.
pub fn figures(axis: &TimeAxis, columns: &[Column<'_>], cells: impl Fn(usize) -> Row) -> Markup {
    let columns = [&[Column::Text("From (UTC)")], columns].concat();
    let rows = (0..axis.buckets).rev().map(|bucket| {
        let mut row = vec![text(axis.label(axis.start_of(bucket)))];
        row.extend(cells(bucket));
        row
    });
    folded("Figures", &columns, rows)
}

/// A table that scrolls, also with the keyboard.
fn scrolled(
    label: &str,
    class: Option<&str>,
    columns: &[Column<'_>],
    rows: impl IntoIterator<Item = Row>,
) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table class=[class] {
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" class=[column.class()] { (column.name()) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (cell, column) in row.into_iter().zip(columns) {
                                td class=[column.class()] data-column=[class.map(|_| column.name())] {
                                    (cell)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell of trusted text or of a number.
pub fn text(text: impl std::fmt::Display) -> Markup {
    html! { (maud::display(text)) }
}

/// A cell with a count.
pub fn number(value: i64) -> Markup {
    text(grouped(value))
}

/// A cell with a duration, empty if there is none.
pub fn seconds(seconds: Option<f64>) -> Markup {
    text(seconds.map(duration).unwrap_or_default())
}

/// A cell with a time and, below it, its age at `read_at`.
pub fn age(time: Option<DateTime<Utc>>, read_at: DateTime<Utc>, never: &str) -> Markup {
    let Some(time) = time else {
        return text(never);
    };
    let age = (read_at - time).as_seconds_f64();
    html! {
        (whole_seconds(time))
        small {
            @if age < 0.0 { (duration(-age)) " ahead" } @else { (duration(age)) " ago" }
        }
    }
}
