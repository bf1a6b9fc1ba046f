//! Keeps a service to its pace.

use std::thread;
use std::time::{Duration, Instant};

/// Counts every pause from when the last one was due to end. What the work between two pauses took
/// is thus made up for, and the average holds even where the pauses are shorter than the work.
pub struct Pace {
    due: Instant,
}

impl Pace {
    /// Starts now.
    pub fn start() -> Self {
        Self {
            due: Instant::now(),
        }
    }

    /// Sleeps until `pause` after the end of the last pause.
    pub fn pause(&mut self, pause: Duration) {
        self.due += pause;
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
    }
}
