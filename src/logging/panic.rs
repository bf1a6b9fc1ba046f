//! Panics. One is a fault of the program, and what reads the log has to see it as it sees any other
//! failure.

use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::process;

use anstyle::Style;
use chrono::Utc;
use log::Level;
use serde_json::json;

use super::Format;
use super::line::Line;
use crate::escape::json_line;

/// Exit status after a panic: that of any other failure. An abort would be status 134 and a core
/// dump, which cron and orchestrators take for something else than a failed run.
const FAILED: i32 = 1;

/// Takes away the line that the cursor is on: a progress bar.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// From now on, a panic in any thread is one line of the log and the end of the program. The server
/// rolls the open transaction back.
pub(super) fn log_panics(format: Format) {
    panic::set_hook(Box::new(move |panic| {
        let line = line(panic);
        let bytes = match format {
            Format::Text => {
                let clear = if io::stderr().is_terminal() {
                    CLEAR_LINE
                } else {
                    ""
                };
                Ok(format!("{clear}{}\n", line.to_text(Style::new())).into_bytes())
            }
            Format::Json => json_line(&line),
        };
        // Past the logger and the bars: the panic may be theirs, and they would wait for their own
        // locks.
        let _ = bytes.map(|bytes| io::stderr().write_all(&bytes));
        process::exit(FAILED);
    }));
}

fn line(panic: &PanicHookInfo<'_>) -> Line {
    let message = panic
        .payload_as_str()
        .unwrap_or("a panic without a message");
    let location = panic
        .location()
        .map_or_else(String::new, |at| format!(" ({at})"));
    let run = super::run();
    let fields = match run {
        Some(_) => vec![("outcome".to_owned(), json!("failed"))],
        None => Vec::new(),
    };
    Line {
        time: Utc::now(),
        level: Level::Error,
        run,
        message: format!("a fault of this program ended it: {message}{location}; please report it"),
        fields,
    }
}
