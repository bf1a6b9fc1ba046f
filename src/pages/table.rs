//! Tables for a terminal.

use std::fmt;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};

/// Spaces between the columns of a table: one is too few for a column of times, three too many for
/// 80 columns.
pub(crate) const COLUMN_GAP: u16 = 2;

const HEADING: Style = Style::new().bold();

/// A table without lines.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Writes a table; all columns but those of `texts` are numbers, which go to the right.
pub(crate) fn write_table(
    f: &mut fmt::Formatter<'_>,
    mut table: Table,
    texts: &[usize],
) -> fmt::Result {
    for column in table.column_iter_mut() {
        column.set_padding((0, COLUMN_GAP));
        if !texts.contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.trim_fmt();
    let (header, rows) = text.split_once('\n').unwrap_or((&text, ""));
    writeln!(f, "{HEADING}{header}{HEADING:#}\n{rows}")
}
