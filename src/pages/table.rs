//! Tables for people: columns without lines between them, cut to the width of the terminal.

use std::fmt;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};

use super::terminal::{self, fitted};

/// Spaces between two columns: one is too few for a column of times, three too many for 80 columns.
pub(super) const COLUMN_GAP: u16 = 2;

/// Style of a heading.
pub(crate) const HEADING: Style = Style::new().bold();

/// A table with this header.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Writes a table; all columns but those of `texts` are numbers, which are aligned to the right. A
/// line that is wider than the terminal is cut: wrapped, the rows of a table cannot be read.
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
    let width = terminal::width();
    for (place, line) in table.trim_fmt().lines().enumerate() {
        let line = fitted(line, width);
        match place {
            0 => writeln!(f, "{HEADING}{line}{HEADING:#}")?,
            _ => writeln!(f, "{line}")?,
        }
    }
    Ok(())
}
