//! Ctrl-C and the like: a run that is asked to end does so between two steps, and not in the middle
//! of a commit, so that it can tell what is durable.

use std::fmt;
use std::io;
use std::os::raw::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::Error;

/// A signal that has asked the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(c_int);

impl Signal {
    /// Ends the program as the signal would have done, so that the shell that waits for it knows
    /// why. Comes back only where the system does not let it.
    pub fn end(self) {
        let refused = low_level::emulate_default_handler(self.0);
        log::debug!("the program does not end by {self}: {refused:?}");
    }

    /// The exit status of a program that ends by itself because of the signal, as shells have it.
    pub fn exit_status(self) -> u8 {
        128_u8.saturating_add(u8::try_from(self.0).unwrap_or(u8::MAX))
    }
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

/// Listens for a signal that asks to end. A second one ends the program at once.
#[derive(Debug, Default)]
pub struct Interruption {
    came: Arc<AtomicBool>,
    /// Its number, zero before.
    signal: Arc<AtomicUsize>,
}

impl Interruption {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the system does not let it.
    pub fn listen() -> io::Result<Interruption> {
        let interruption = Interruption::default();
        let Interruption { came, signal } = &interruption;
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds nothing set, and the second one does.
            flag::register_conditional_default(number, Arc::clone(came))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
            flag::register(number, Arc::clone(came))?;
        }
        Ok(interruption)
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] once a signal came.
    pub fn check(&self) -> Result<(), Error> {
        match c_int::try_from(self.signal.load(Ordering::SeqCst)) {
            Ok(0) | Err(_) => Ok(()),
            Ok(number) => Err(Error::Interrupted(Signal(number))),
        }
    }
}
