//! The status over and over, in the same place of a terminal, until Ctrl-C.
//!
//! Nothing is left to put right when the signal ends the program: between two pages no connection
//! is open, and the terminal is in no special state.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use chrono::SubsecRound;

use super::Status;
use crate::clock;
use crate::pages::error::Error;

/// Moves the cursor to the first line.
const HOME: &str = "\x1b[H";

/// Removes what is left of an older page: to the right of a line, and below the last one.
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Removes all that is on the screen.
const CLEAR_SCREEN: &str = "\x1b[2J";

/// Shows what `read` reads, and what went wrong if it cannot: the warehouse may come back.
///
/// # Errors
///
/// [`Error::Setting`] when stdout is no terminal; [`Error::Output`] when the terminal is gone.
pub fn watch(
    every: Duration,
    mut read: impl FnMut() -> Result<Status, Error>,
) -> Result<Infallible, Error> {
    let mut terminal = io::stdout();
    if !terminal.is_terminal() {
        return Err(Error::Setting(
            "--watch draws on a terminal, and the output is none: leave it out".to_owned(),
        ));
    }
    write!(terminal, "{CLEAR_SCREEN}")?;
    loop {
        let page = match read() {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error}\n"),
        };
        let page = format!(
            "{} UTC, every {} s, until Ctrl-C\n\n{page}",
            clock::now().trunc_subsecs(0).naive_utc(),
            every.as_secs(),
        );
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

/// A page as it is drawn over the one before; what would not fit below the others is left out.
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
