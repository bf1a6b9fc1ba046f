//! The status again and again, in the same place of a terminal, until Ctrl-C.
//!
//! There is nothing to restore when the signal ends the program: between two pages no connection is
//! open, and the terminal is in no special state.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use chrono::SubsecRound;

use super::Status;
use crate::clock;
use crate::escape::printable;
use crate::pages::terminal::{self, fitted, wrapped};

/// Moves the cursor to the first line.
const HOME: &str = "\x1b[H";

/// Removes what is left of an older page: to the right of a line, and below the last one.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Removes all that is on the screen.
const CLEAR_SCREEN: &str = "\x1b[2J";

/// Shows what `read` reads on the terminal that stdout is, and why if it cannot be read: the
/// warehouse may come back.
///
/// # Errors
///
/// When the terminal is gone.
pub fn watch<E: Display>(
    every: Duration,
    mut read: impl FnMut() -> Result<Status, E>,
) -> io::Result<Infallible> {
    let mut terminal = io::stdout();
    write!(terminal, "{CLEAR_SCREEN}")?;
    loop {
        let page = match read() {
            Ok(status) => status.to_string(),
            Err(error) => {
                let lines = wrapped(&printable(&error.to_string(), &[]), terminal::width());
                lines.join("\n")
            }
        };
        let heading = format!(
            "{} UTC, every {} s, until Ctrl-C",
            clock::now().trunc_subsecs(0).naive_utc(),
            every.as_secs(),
        );
        let page = format!("{}\n\n{page}", fitted(&heading, terminal::width()));
        terminal.write_all(frame(&page, height(&terminal)).as_bytes())?;
        terminal.flush()?;
        thread::sleep(every);
    }
}

/// The lines of the terminal.
fn height(terminal: &io::Stdout) -> usize {
    match rustix::termios::tcgetwinsize(terminal) {
        Ok(size) if size.ws_row > 0 => size.ws_row.into(),
        _ => usize::MAX,
    }
}

/// A page as it is drawn over the one before. Lines that do not fit on the terminal are left out.
fn frame(page: &str, height: usize) -> String {
    let page = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(page).to_string(),
        _ => page.to_owned(),
    };
    let lines: Vec<&str> = page.lines().take(height.saturating_sub(1)).collect();
    let end_of_line = format!("{CLEAR_LINE}\n");
    format!(
        "{HOME}{}{end_of_line}{CLEAR_BELOW}",
        lines.join(&end_of_line)
    )
}
