//! A list of rejected files.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use postgres::types::Type;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::RejectionEntry;
use crate::clock;
use crate::escape::printable;
use crate::pages::age::Age;
use crate::pages::error::Error;
use crate::pages::explain;
use crate::pages::table::{COLUMN_GAP, table, write_table};
use crate::pages::terminal::{self, fitting};
use crate::warehouse::Warehouse;
use crate::warehouse::dismissal::Selection;
use crate::warehouse::error::Doing;
use crate::warehouse::rows::RowReader;

/// What is done here, as it continues "failed while".
const LISTING: &str = "listing rejections";

/// Characters of a path that are left on the narrowest terminal.
const SHORTEST_PATH: usize = 12;

/// Some rejections, those with the highest numbers first.
#[derive(Debug, Serialize)]
pub struct RejectionList {
    /// How many there are, listed or not.
    pub total: i64,
    /// The newest of them.
    pub rejections: Vec<RejectionEntry>,
    /// Whether closed ones may be among them.
    #[serde(skip)]
    with_closed: bool,
    #[serde(skip)]
    read_at: DateTime<Utc>,
}

/// Lists the open rejections that are selected, or closed ones too; at most `limit`.
///
/// # Errors
///
/// [`Error::Warehouse`] when they cannot be read.
pub fn list(
    warehouse: &mut Warehouse,
    selection: &Selection,
    with_closed: bool,
    limit: u32,
) -> Result<RejectionList, Error> {
    warehouse.require_schema()?;
    let mut columns = selection.parameters();
    columns.push(Type::BOOL, with_closed);
    columns.push(Type::INT8, i64::from(limit));
    let rows = warehouse
        .client()
        .query_typed(
            include_str!("../../../sql/rejection/list.sql"),
            &columns.parameters(),
        )
        .doing(LISTING)?;
    let total = match rows.first() {
        Some(row) => RowReader(row).column("total").doing(LISTING)?,
        None => 0,
    };
    Ok(RejectionList {
        total,
        rejections: rows
            .iter()
            .map(RejectionEntry::from_row)
            .collect::<Result<_, _>>()?,
        with_closed,
        read_at: clock::now(),
    })
}

impl fmt::Display for RejectionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rejections.is_empty() {
            return writeln!(f, "no such rejection");
        }
        let has_named_inbox = self
            .rejections
            .iter()
            .any(RejectionEntry::is_of_named_inbox);
        let mut header = vec!["id", "rejected"];
        if has_named_inbox {
            header.push("inbox");
        }
        let path = header.len();
        header.extend(["file", "about", "reason"]);
        if self.with_closed {
            header.push("state");
        }
        let mut rows: Vec<Vec<String>> = self
            .rejections
            .iter()
            .map(|entry| {
                let mut row = vec![
                    entry.rejected_id.to_string(),
                    Age::of(entry.rejected_at, self.read_at).to_string(),
                ];
                if has_named_inbox {
                    row.push(printable(&entry.inbox, &[]));
                }
                row.push(entry.path());
                row.push(entry.subject().unwrap_or_else(|| "-".to_owned()));
                row.push(printable(&entry.reason, &[]));
                if self.with_closed {
                    row.push(printable(entry.state.word(), &[]));
                }
                row
            })
            .collect();
        shorten_paths(&mut rows, &header, path);
        let mut table = table(&header);
        table.add_rows(rows);
        write_table(f, table, &Vec::from_iter(0..header.len()))?;
        writeln!(f)?;
        let more = self.total - self.rejections.len() as i64;
        if more > 0 {
            writeln!(f, "and {more} older ones (--limit)")?;
        }
        self.write_reasons(f)
    }
}

impl RejectionList {
    /// Writes where the reasons of the list are explained.
    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |reason: &&str| explain::codes().any(|code| code == *reason);
        let reasons = self.rejections.iter().map(|entry| entry.reason.as_str());
        let reasons = Vec::from_iter(BTreeSet::from_iter(reasons.filter(known)));
        match reasons[..] {
            [] => Ok(()),
            _ => writeln!(f, "what to do: etl explain {}", reasons.join(" ")),
        }
    }
}

/// Leaves out the middle of paths that the other columns leave no room for.
fn shorten_paths(rows: &mut [Vec<String>], header: &[&str], path: usize) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].width());
        cells.chain([header[column].width()]).max()
    };
    let others: usize = (0..header.len())
        .filter(|column| *column != path)
        .filter_map(width)
        .map(|width| width + usize::from(COLUMN_GAP))
        .sum();
    let limit = terminal::width().saturating_sub(others).max(SHORTEST_PATH);
    for row in rows {
        row[path] = shortened(&row[path], limit);
    }
}

/// A text of at most so many columns, the middle left out where it is longer.
fn shortened(text: &str, limit: usize) -> String {
    if text.width() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub("…".width());
    let head = fitting(text.chars(), room / 2);
    let tail = fitting(text.chars().rev(), room - room / 2);
    head.into_iter()
        .chain(['…'])
        .chain(tail.into_iter().rev())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_path_loses_its_middle() {
        assert_eq!(shortened("cards/1.json", 12), "cards/1.json");
        assert_eq!(shortened("cards/12345.json", 12), "cards…5.json");
        assert_eq!(shortened("cards/漢漢漢漢.json", 13), "cards/….json");
    }
}
