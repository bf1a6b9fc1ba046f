//! The status as a page of 80 columns for people.
//!
//! It is written in colour; whoever prints it removes the colours where nobody sees them (`anstream`).

use std::fmt;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};

use super::{Folder, FolderStatus, Health, Progress, RejectionStatus, RunStatus, Status};
use crate::escape::printable;
use crate::pages::age::rounded;
use crate::pages::table::{HEADING, table, write_table};
use crate::pages::terminal::{self, counted, fitted, whole_seconds, wrapped};

/// Spaces before a line that belongs to the one above.
const INDENT: usize = 2;

/// Length of the longest bar, in characters.
const BAR: usize = 5;

/// A bar's last character, by the eighths of it that are filled.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Largest number that is shown in full in a column of five characters.
const LARGEST_IN_FULL: i64 = 99_999;

/// What is shown where there is nothing to show.
const NONE: &str = "-";

const PLAIN: Style = Style::new();
const WELL: Style = AnsiColor::Green.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_folders(f, self, None)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_verdict(f, &self.health)?;
        writeln!(f)?;
        write_folders(f, &self.health.progress, Some(&self.rejections))?;
        self.write_archivable(f)?;
        self.write_totals(f)?;
        self.write_dimensions(f)?;
        self.write_cluster(f)?;
        self.write_rejections(f)?;
        self.write_runs(f)
    }
}

/// What is wrong, or that nothing is.
fn write_verdict(f: &mut fmt::Formatter<'_>, health: &Health) -> fmt::Result {
    let mut problems = health.problems.iter().peekable();
    while let Some(problem) = problems.next() {
        let style = if problem.stops_loading() { BAD } else { ODD };
        write_sentence(f, style, 0, &format!("{}: {problem}", problem.code()))?;
        // What helps with several folders is printed once, below the last of them.
        let advice = problem.advice();
        if problems.peek().map(|next| next.advice()).as_ref() != Some(&advice) {
            write_sentence(f, PLAIN, INDENT, &advice)?;
        }
    }
    if health.healthy {
        let progress = &health.progress;
        let scans = progress.sources.iter().map(|status| status.last_scanned_at);
        let rest = format!(
            ": last scan {}; last hour: {}, {} rejected",
            ago(progress, scans.min().flatten()),
            counted(health.last_hour.files, "file"),
            health.last_hour.rejected,
        );
        let rest = fitted(&rest, terminal::width().saturating_sub("healthy".len()));
        writeln!(f, "{WELL}healthy{WELL:#}{rest}")?;
    }
    Ok(())
}

/// A sentence on as many lines as it needs on the terminal, those after the first one indented.
fn write_sentence(
    f: &mut fmt::Formatter<'_>,
    style: Style,
    indent: usize,
    sentence: &str,
) -> fmt::Result {
    let width = terminal::width().saturating_sub(INDENT);
    for (place, line) in wrapped(sentence, width).iter().enumerate() {
        let indent = if place == 0 { indent } else { INDENT };
        writeln!(f, "{:indent$}{style}{line}{style:#}", "")?;
    }
    Ok(())
}

/// How far each folder has been loaded, and how many of its files are rejected now, where that is
/// known.
fn write_folders(
    f: &mut fmt::Formatter<'_>,
    progress: &Progress,
    rejections: Option<&[RejectionStatus]>,
) -> fmt::Result {
    let mut header = folder_header(progress, "source");
    let texts: Vec<usize> = (0..header.len() + 3).collect();
    // Beside the name of an inbox, 80 columns have no room for the longer words.
    let [pending, rejected] = match progress.shows_inboxes() {
        true => ["pending", "rejected"],
        false => ["pending now", "rejected now"],
    };
    header.extend(["files until (UTC)", "newest event", "last scan", pending]);
    if rejections.is_some() {
        header.push(rejected);
    }
    let mut table = table(&header);
    for status in &progress.sources {
        let offset = status
            .offset_at
            .map_or("none yet".to_owned(), whole_seconds);
        let mut row = folder_cells(progress, &status.folder);
        row.extend([
            offset,
            ago(progress, status.newest_event_at),
            ago(progress, status.last_scanned_at),
            status.pending.to_string(),
        ]);
        if let Some(rejections) = rejections {
            row.push(open(rejections, &status.folder).to_string());
        }
        table.add_row(row);
    }
    write_table(f, table, &texts)?;
    let is_unread = |status: &&FolderStatus| status.remaining > 0;
    for status in progress.sources.iter().filter(is_unread) {
        let (style, why) = match status.running {
            true => (PLAIN, "a run is working on it now"),
            false => (ODD, "the last run was interrupted"),
        };
        let files = counted(status.remaining, "file");
        let sentence = format!("{files} of {} still to be read: {why}", status.folder);
        write_sentence(f, style, INDENT, &sentence)?;
    }
    Ok(())
}

/// The first columns of a table with a row for each folder.
fn folder_header<'a>(progress: &Progress, source: &'a str) -> Vec<&'a str> {
    match progress.shows_inboxes() {
        true => vec![source, "inbox"],
        false => vec![source],
    }
}

fn folder_cells(progress: &Progress, folder: &Folder) -> Vec<String> {
    let mut cells = vec![printable(&folder.source, &[])];
    if progress.shows_inboxes() {
        cells.push(printable(&folder.inbox, &[]));
    }
    cells
}

impl Status {
    /// How many files of each folder could be in an archive and are not.
    fn write_archivable(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = &self.health.progress;
        for status in &progress.sources {
            let (Some(files), Some(since)) = (status.archivable, status.archivable_since) else {
                continue;
            };
            let last = self.archives.iter().find(|archive| {
                archive.source == status.folder.source && archive.inbox == status.folder.inbox
            });
            let sentence = format!(
                "{}: {} in the inbox changed over an hour ago, the oldest {}; last archive {}",
                status.folder,
                counted(files, "file"),
                progress.age(since),
                ago(progress, last.map(|archive| archive.last_archived_at))
            );
            write_sentence(f, PLAIN, INDENT, &sentence)?;
        }
        Ok(())
    }

    fn write_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = &self.health.progress;
        let mut header = folder_header(progress, "since the first run");
        let texts: Vec<usize> = (0..header.len()).collect();
        header.extend(["loaded", "duplicates", "rejected"]);
        let mut table = table(&header);
        for status in &progress.sources {
            let mut row = folder_cells(progress, &status.folder);
            let counts = [status.loaded, status.duplicates, status.rejected];
            row.extend(counts.map(|count| count.to_string()));
            table.add_row(row);
        }
        writeln!(f)?;
        write_table(f, table, &texts)?;
        let is_more =
            |status: &FolderStatus| status.rejected > open(&self.rejections, &status.folder);
        if progress.sources.iter().any(is_more) {
            let sentence = "More than are rejected now: a fixed or dismissed file stays counted, and a backfill or a \
                            retry counts a file again.";
            write_sentence(f, PLAIN, INDENT, sentence)?;
        }
        Ok(())
    }

    fn write_dimensions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dimensions.is_empty() {
            return Ok(());
        }
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

    fn write_cluster(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cluster) = &self.health.cluster else {
            return Ok(());
        };
        writeln!(f)?;
        write_sentence(f, PLAIN, 0, &cluster.to_string())
    }

    /// Each reason with an example: two lines, since a name and a sentence do not fit in one.
    fn write_rejections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = &self.health.progress;
        let width = terminal::width();
        for (place, rejection) in self.rejections.iter().enumerate() {
            if place == 0 {
                writeln!(f, "\n{HEADING}rejected now, by reason{HEADING:#}")?;
            }
            let newest = &rejection.newest;
            let folder = Folder {
                source: rejection.source.clone(),
                inbox: rejection.inbox.clone(),
                shows_inbox: progress.shows_inboxes(),
            };
            let line = format!(
                "{folder}  {}  {}, the newest {} (number {})",
                printable(&rejection.reason, &[]),
                counted(rejection.files, "file"),
                ago(progress, Some(newest.rejected_at)),
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
        let seconds = |run: &RunStatus| run.took().map(|took| took.as_secs_f64());
        let longest = self.runs.iter().filter_map(seconds).fold(0.0, f64::max);
        let fastest = self.runs.iter().filter_map(RunStatus::rate);
        let fastest = fastest.fold(0.0, f64::max);
        for run in &self.runs {
            let rate = run.rate();
            table.add_row(vec![
                run.run_id.to_string(),
                run.started_at.format("%m-%d %H:%M:%S").to_string(),
                run.took().map_or(NONE.to_owned(), rounded),
                bar(seconds(run).unwrap_or_default(), longest),
                rate.map_or(NONE.to_owned(), |rate| compact(rate as i64)),
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

/// Rejections of a folder that are not resolved.
fn open(rejections: &[RejectionStatus], folder: &Folder) -> i64 {
    rejections
        .iter()
        .filter(|rejection| rejection.source == folder.source && rejection.inbox == folder.inbox)
        .map(|rejection| rejection.files)
        .sum()
}

fn ago(progress: &Progress, time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| progress.age(time).to_string())
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
