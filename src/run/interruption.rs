//! Ctrl-C and the like: a run that is asked to end does so between two steps, and not in the middle
//! of a commit, so that it can report what is durable.

use std::fmt;
use std::io;
use std::os::raw::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{process, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

/// Signals within this time are one: `timeout` sends its own to the process and to its group.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long a run that was asked to end may take to the end of its step. It may wait for a lock of
/// somebody else's, or for somebody who reads its log. `docker stop` kills after 10 s.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// A signal that has asked the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(c_int);

impl Signal {
    /// Ends the program as the signal would have done, so that the shell that waits for it knows
    /// why.
    pub fn end(self) -> ! {
        if !is_first_process() {
            // It does not come back.
            let _ = low_level::emulate_default_handler(self.0);
        }
        process::exit(self.exit_status())
    }

    /// The exit status by which shells report that a signal has ended a program.
    fn exit_status(self) -> c_int {
        128 + self.0
    }
}

/// Whether this is the first process of a container, which no signal ends by itself.
fn is_first_process() -> bool {
    process::id() == 1
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SIGINT => f.write_str("SIGINT (Ctrl-C)"),
            SIGTERM => f.write_str("SIGTERM"),
            number => write!(f, "signal {number}"),
        }
    }
}

/// Listens for a signal that asks to end. A second one ends the program at once, and so does the end
/// of [`STEP_LIMIT`].
#[derive(Debug)]
pub struct Interruption {
    /// Its number, zero before.
    signal: Arc<AtomicUsize>,
}

impl Interruption {
    /// One that never comes: signals do what they do by themselves.
    pub fn never() -> Interruption {
        Interruption {
            signal: Arc::default(),
        }
    }

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the system does not allow it.
    pub fn listen() -> io::Result<Interruption> {
        let interruption = Interruption::never();
        let ends_at_once = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM] {
            let armed = Arc::clone(&ends_at_once);
            match is_first_process() {
                true => {
                    flag::register_conditional_shutdown(number, Signal(number).exit_status(), armed)
                }
                false => flag::register_conditional_default(number, armed),
            }?;
            flag::register_usize(number, Arc::clone(&interruption.signal), number as usize)?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        // Without a thread a second signal is like the first one.
        let armed = thread::Builder::new().spawn(move || {
            if let Some(number) = signals.forever().next() {
                thread::sleep(TOGETHER);
                ends_at_once.store(true, Ordering::SeqCst);
                thread::sleep(STEP_LIMIT);
                Signal(number).end();
            }
        });
        drop(armed);
        Ok(interruption)
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// The signal, once one was received.
    pub fn check(&self) -> Result<(), Signal> {
        match c_int::try_from(self.signal.load(Ordering::SeqCst)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(number) => Err(Signal(number)),
        }
    }
}
