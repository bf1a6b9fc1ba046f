//! How far a run is, for whoever watches it on a terminal.
//!
//! A terminal can be stopped (Ctrl-S), and then whoever draws waits. So the run only counts, and a
//! thread of its own draws.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::entity::Kind;
use crate::logging;
use crate::source::Source;

/// Time from one drawing to the next: what looks alive to the eye.
const TICK: Duration = Duration::from_millis(100);

/// What is over before that is not worth a line that flashes.
const PATIENCE: Duration = Duration::from_millis(300);

/// A line at the foot of the terminal, which is gone when this is dropped.
#[derive(Default)]
pub(crate) struct Bar(Option<Drawn>);

/// What is shown, and the thread that draws it.
struct Drawn {
    shown: Arc<Shown>,
    thread: Option<JoinHandle<()>>,
}

/// What is shown.
#[derive(Default)]
struct Shown {
    processed: AtomicU64,
    is_over: AtomicBool,
}

impl Bar {
    /// Shows that a folder is scanned, for which nobody knows how long it takes.
    pub(crate) fn scan(&mut self, source: Source) {
        self.show(|| {
            let message = format!("scanning the folder of {source}");
            ProgressBar::new_spinner()
                .with_style(style("{spinner} {msg}"))
                .with_message(message)
        });
    }

    /// Shows how many files are to be loaded.
    pub(crate) fn load(&mut self, files: usize) {
        self.show(|| {
            ProgressBar::new(files as u64)
                .with_style(style(
                    "{msg} {wide_bar} {human_pos} of {human_len} files, {rate}, {eta} left",
                ))
                .with_message("loading")
        });
    }

    /// Shows how many keys of a dimension have been rebuilt. How many there are, nobody has counted.
    pub(crate) fn rebuild(&mut self, kind: Kind) {
        self.show(|| {
            ProgressBar::new_spinner()
                .with_style(style("{spinner} {msg}: {human_pos} keys, {rate}"))
                .with_message(format!("rebuilding warehouse.dim_{kind}"))
        });
    }

    /// Shows how many files of a folder have been looked for. How many there are, nobody has counted.
    pub(crate) fn archive(&mut self, source: Source) {
        self.show(|| {
            ProgressBar::new_spinner()
                .with_style(style("{spinner} {msg}: {human_pos} files, {rate}"))
                .with_message(format!("archiving {source}"))
        });
    }

    /// Counts processed files or keys.
    pub(crate) fn advance(&self, number: usize) {
        if let Some(Drawn { shown, .. }) = &self.0 {
            shown.processed.fetch_add(number as u64, Ordering::Relaxed);
        }
    }

    /// Subtracts the files of a batch that was rolled back.
    pub(crate) fn retreat(&self, number: usize) {
        if let Some(Drawn { shown, .. }) = &self.0 {
            shown.processed.fetch_sub(number as u64, Ordering::Relaxed);
        }
    }

    fn show(&mut self, bar: impl FnOnce() -> ProgressBar) {
        self.end();
        if !logging::is_watched() {
            return;
        }
        let bar = bar();
        let shown = Arc::new(Shown::default());
        let drawn = Arc::clone(&shown);
        // Without a thread there is no bar.
        let thread = thread::Builder::new().spawn(move || draw(bar, &drawn)).ok();
        self.0 = Some(Drawn { shown, thread });
    }

    fn end(&mut self) {
        let Some(Drawn { shown, thread }) = self.0.take() else {
            return;
        };
        shown.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = thread {
            thread.thread().unpark();
            // It has nothing to say: if it has panicked, the bar stays on the screen.
            let _ = thread.join();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

fn draw(bar: ProgressBar, shown: &Shown) {
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let is_over = || shown.is_over.load(Ordering::Relaxed);
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_over() {
            return;
        }
        thread::park_timeout(PATIENCE.saturating_sub(began.elapsed()));
    }
    let bar = logging::bars().add(bar);
    while !is_over() {
        bar.set_position(shown.processed.load(Ordering::Relaxed));
        bar.tick();
        thread::park_timeout(TICK);
    }
    bar.finish_and_clear();
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
        .with_key("rate", write_rate)
}

fn write_rate(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    // A column that cannot be written is not worth a run.
    let _ = write!(text, "{}/s", HumanCount(state.per_sec() as u64));
}
