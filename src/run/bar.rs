//! How far a run is, for whoever watches it on a terminal.

use std::thread;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::logging;
use crate::source::Source;

/// Time from one drawing to the next: what looks alive to the eye.
const TICK: Duration = Duration::from_millis(100);

/// What is over before that is not worth a line that flashes.
const PATIENCE: Duration = Duration::from_millis(300);

/// A line at the foot of the terminal, which is gone when this is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A line that shows nothing yet, and never will where nobody watches.
    pub(super) fn new() -> Bar {
        Bar(ProgressBar::hidden())
    }

    /// Says that a folder is looked through, for which nobody knows how long it takes.
    pub(super) fn look_through(&mut self, source: Source) {
        self.show(ProgressBar::new_spinner(), "{spinner} {msg}");
        self.0
            .set_message(format!("looking through the folder of {source}"));
    }

    /// Says how many files are to be loaded.
    pub(super) fn load(&mut self, files: usize) {
        self.show(
            ProgressBar::new(files as u64),
            "{msg} {wide_bar} {human_pos} of {human_len} files, {rate}, {eta} left",
        );
        self.0.set_message("loading");
    }

    /// Counts files that are dealt with.
    pub(super) fn advance(&self, files: usize) {
        self.0.inc(files as u64);
    }

    /// Says what is being done, in a word or two.
    pub(super) fn say(&self, doing: &'static str) {
        self.0.set_message(doing);
    }

    fn show(&mut self, bar: ProgressBar, template: &str) {
        self.0.finish_and_clear();
        if !logging::is_watched() {
            return;
        }
        let style = ProgressStyle::with_template(template)
            .expect("the template is right")
            .progress_chars("█▉▊▋▌▍▎▏ ")
            .with_key("rate", write_rate);
        self.0 = bar.with_style(style);
        self.0.set_draw_target(ProgressDrawTarget::hidden());
        let bar = self.0.clone();
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if !bar.is_finished() {
                let bar = logging::bars().add(bar);
                bar.enable_steady_tick(TICK);
                // It may have ended meanwhile.
                if bar.is_finished() {
                    bar.finish_and_clear();
                }
            }
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn write_rate(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    // A column that cannot be written is not worth a run.
    let _ = write!(text, "{}/s", HumanCount(state.per_sec() as u64));
}
