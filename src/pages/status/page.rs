//! The status as a page of 80 columns, and what others wrote in as many as there are.
//!
//! It is written in colour; whoever prints it takes that away where nobody sees it (`anstream`).

use std::fmt;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table, presets};

use super::{Progress, RejectionStatus, Status, rounded};
use crate::escape::printable;
use crate::pages::terminal::{self, counted, fitted};

/// Spaces between the columns of a table: one is too few for a column of times, three too many for
/// 80 columns.
const COLUMN_GAP: u16 = 2;

/// Spaces before a line that goes on with the one above.
const INDENT: usize = 2;

/// Length of the longest bar, in characters.
const BAR: usize = 5;

/// A bar's last character, by the eighths of it that are filled.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Largest number that stands in full in a column of five characters.
const LARGEST_IN_FULL: i64 = 99_999;

const HEADING: Style = Style::new().bold();
const WELL: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sources(f, self, None)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_verdict(f)?;
        writeln!(f)?;
        write_sources(f, &self.progress, Some(&self.rejections))?;
        self.write_totals(f)?;
        self.write_dimensions(f)?;
        self.write_rejections(f)?;
        self.write_runs(f)
    }
}

/// How far each source is, and how many of its files are rejected now, where that is known.
fn write_sources(
    f: &mut fmt::Formatter<'_>,
    progress: &Progress,
    rejections: Option<&[RejectionStatus]>,
) -> fmt::Result {
    let mut header = vec![
        "source",
        "files until (UTC)",
        "newest event",
        "last look",
        "pending now",
    ];
    if rejections.is_some() {
        header.push("rejected now");
    }
    let mut table = table(&header);
    for status in &progress.sources {
        let offset = status.offset_at.map_or("none yet".to_owned(), |offset| {
            offset.format("%Y-%m-%d %H:%M:%S").to_string()
        });
        let mut row = vec![
            status.source.clone(),
            offset,
            ago(progress, status.newest_event_at),
            ago(progress, status.looked_at),
            status.pending.to_string(),
        ];
        if let Some(rejections) = rejections {
            row.push(open(rejections, &status.source).to_string());
        }
        table.add_row(row);
    }
    write_table(f, table, &[0, 1, 2, 3])?;
    for status in progress.sources.iter().filter(|status| status.waiting > 0) {
        let (source, files) = (&status.source, counted(status.waiting, "file"));
        match status.running {
            true => writeln!(
                f,
                "{:INDENT$}{files} of {source} to come: a run is at it now",
                ""
            )?,
            false => writeln!(
                f,
                "{:INDENT$}{ODD}{files} of {source} to come: a run was cut off before{ODD:#}",
                ""
            )?,
        }
    }
    Ok(())
}

impl Status {
    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            let style = if problem.stops_loading() { BAD } else { ODD };
            writeln!(f, "{style}{}: {problem}{style:#}", problem.code())?;
            writeln!(f, "{:INDENT$}{}", "", problem.advice())?;
        }
        if self.healthy {
            let looks = self.progress.sources.iter().map(|source| source.looked_at);
            let look = ago(&self.progress, looks.min().flatten());
            writeln!(
                f,
                "{WELL}healthy{WELL:#}: last look {look}; last hour: {}, {} rejected",
                counted(self.last_hour.files, "file"),
                self.last_hour.rejected,
            )?;
        }
        Ok(())
    }

    fn write_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = table(&["since the first run", "loaded", "duplicates", "rejected"]);
        for status in &self.progress.sources {
            table.add_row(vec![
                status.source.clone(),
                status.loaded.to_string(),
                status.duplicates.to_string(),
                status.rejected.to_string(),
            ]);
        }
        writeln!(f)?;
        write_table(f, table, &[0])?;
        let sources = &self.progress.sources;
        if sources
            .iter()
            .any(|status| status.rejected > open(&self.rejections, &status.source))
        {
            writeln!(
                f,
                "{:INDENT$}More than are rejected now: a mended file stays counted, and a backfill\n{:INDENT$}or a retry counts a file again.",
                "", ""
            )?;
        }
        Ok(())
    }

    fn write_dimensions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = table(&["dimension", "versions", "current"]);
        for dimension in &self.dimensions {
            let about = if dimension.is_estimate { "about " } else { "" };
            table.add_row(vec![
                dimension.dimension.clone(),
                format!("{about}{}", dimension.rows),
                format!("{about}{}", dimension.current_rows),
            ]);
        }
        writeln!(f)?;
        write_table(f, table, &[0])
    }

    /// Each reason with an example: two lines, since a name and a sentence do not fit in one.
    fn write_rejections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = terminal::width();
        for (place, rejection) in self.rejections.iter().enumerate() {
            if place == 0 {
                writeln!(f, "\n{HEADING}rejected now, by reason{HEADING:#}")?;
            }
            let newest = &rejection.newest;
            let line = format!(
                "{}  {}  {}, the newest {} (number {})",
                rejection.source,
                rejection.reason,
                counted(rejection.files, "file"),
                ago(&self.progress, Some(newest.rejected_at)),
                newest.rejected_id,
            );
            writeln!(f, "{}", fitted(&line, width))?;
            let line = format!("{:INDENT$}{}  {}", "", newest.file_name, newest.detail);
            writeln!(f, "{}", fitted(&printable(&line, &[]), width))?;
        }
        Ok(())
    }

    fn write_runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            return Ok(());
        }
        let mut table = table(&[
            "run",
            "began (UTC)",
            "took",
            "",
            "files/s",
            "",
            "files",
            "loaded",
            "rejected",
        ]);
        let longest = self.runs.iter().map(|run| run.took()).max();
        let longest = longest.unwrap_or_default().as_secs_f64();
        let fastest = self.runs.iter().filter_map(|run| run.rate());
        let fastest = fastest.fold(0.0, f64::max);
        for run in &self.runs {
            let rate = run.rate();
            table.add_row(vec![
                run.run_id.to_string(),
                short(run.started_at),
                rounded(run.took()),
                bar(run.took().as_secs_f64(), longest),
                rate.map_or("-".to_owned(), |rate| compact(rate as i64)),
                bar(rate.unwrap_or_default(), fastest),
                compact(run.counts.files),
                compact(run.counts.loaded),
                compact(run.counts.rejected),
            ]);
        }
        writeln!(f)?;
        write_table(f, table, &[0, 1, 3, 5])
    }
}

/// Rejections of a source that are not resolved.
fn open(rejections: &[RejectionStatus], source: &str) -> i64 {
    rejections
        .iter()
        .filter(|rejection| rejection.source == source)
        .map(|rejection| rejection.files)
        .sum()
}

fn ago(progress: &Progress, moment: Option<DateTime<Utc>>) -> String {
    moment.map_or_else(
        || "never".to_owned(),
        |moment| format!("{} ago", rounded(progress.age(moment))),
    )
}

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

fn short(moment: DateTime<Utc>) -> String {
    moment.format("%m-%d %H:%M:%S").to_string()
}

/// A number in five characters.
fn compact(number: i64) -> String {
    match number / 1_000 {
        _ if number <= LARGEST_IN_FULL => number.to_string(),
        thousands @ ..=9_999 => format!("{thousands}k"),
        thousands => format!("{}M", thousands / 1_000),
    }
}

/// A share of the largest as a bar of blocks: nothing for nothing, a sliver for little.
fn bar(share: f64, largest: f64) -> String {
    if share <= 0.0 || largest <= 0.0 {
        return String::new();
    }
    let eighths = ((share / largest * (BAR * 8) as f64).round() as usize).clamp(1, BAR * 8);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::{bar, compact};

    #[test]
    fn bars_grow_with_their_share_and_never_vanish() {
        assert_eq!(bar(1.0, 1.0), "█████");
        assert_eq!(bar(0.5, 1.0), "██▌");
        assert_eq!(bar(0.000_1, 1.0), "▏");
        assert_eq!((bar(0.0, 1.0), bar(0.0, 0.0)), Default::default());
    }

    #[test]
    fn numbers_fit_in_five_characters() {
        for (number, text) in [
            (99_999, "99999"),
            (100_000, "100k"),
            (9_999_999, "9999k"),
            (12_345_678, "12M"),
        ] {
            assert_eq!(compact(number), text);
        }
    }
}
