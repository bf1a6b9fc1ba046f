//! The log on stderr: text for people, or one JSON object a line for programs.
//!
//! A line has a time, a level, the number of the run if the command is one, a message, and fields
//! for what the message does not have. As text the fields come last, as `key=value`. A panic is
//! a line like any other.

mod line;
mod panic;

use std::env;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

use env_logger::fmt::Formatter;
use indicatif::{MultiProgress, ProgressDrawTarget};
use indicatif_log_bridge::LogWrapper;
use log::{LevelFilter, Record};
use serde_json::{Value, json};

use crate::escape::json_line;
use line::Line;

/// What the libraries do is logged only on request.
const LIBRARIES: &str = "tokio_postgres=warn,postgres=warn,refinery_core=warn,rustls=warn";

/// The number of the run that the lines are of: the number that it has in `etl.run`, or one of the
/// next two, which no run has.
static RUN: AtomicI64 = AtomicI64::new(NO_RUN);
const NO_RUN: i64 = -1;
const NOT_NUMBERED: i64 = 0;

/// The progress bars on stderr.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    #[value(alias = "")] // A variable that is set to nothing.
    Text,
    /// One JSON object a line
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors.
    Errors,
    /// And warnings.
    Warnings,
    /// What `RUST_LOG` says; without it also what runs did that found something.
    Usual,
    /// And how they went, and that others found nothing.
    Debug,
    /// And what the libraries do.
    Everything,
}

impl Verbosity {
    /// So many steps above the usual, or below it.
    pub fn steps(more: u8, less: u8) -> Verbosity {
        match i16::from(more) - i16::from(less) {
            ..=-2 => Verbosity::Errors,
            -1 => Verbosity::Warnings,
            0 => Verbosity::Usual,
            1 => Verbosity::Debug,
            2.. => Verbosity::Everything,
        }
    }
}

/// Starts the log, once in the life of the program. If the command is a run, every line names it.
pub fn start(format: Format, verbosity: Verbosity, is_run: bool) {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let filters = match verbosity {
        Verbosity::Errors => "error".to_owned(),
        Verbosity::Warnings => "warn".to_owned(),
        Verbosity::Usual => set("RUST_LOG").unwrap_or_else(|| format!("info,{LIBRARIES}")),
        Verbosity::Debug => format!("debug,{LIBRARIES}"),
        Verbosity::Everything => "debug".to_owned(),
    };
    let mut logger = env_logger::Builder::new();
    logger.parse_filters(&filters);
    if let Some(style) = set("RUST_LOG_STYLE") {
        logger.parse_write_style(&style);
    }
    match format {
        Format::Text => logger.format(write_text),
        Format::Json => logger.format(write_json),
    };
    if is_run {
        name_run(NOT_NUMBERED);
    }
    panic::log_panics(format);
    let logger = logger.build();
    let most = logger.filter();
    if LogWrapper::new(BARS.clone(), logger).try_init().is_err() {
        return;
    }
    // The wrapper guesses it from what a line of no module may say: nothing, with RUST_LOG=etl=info.
    log::set_max_level(most);
    if format == Format::Json || most < LevelFilter::Info {
        BARS.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Names the run that all lines from now on are of, by its number in `etl.run`.
pub fn name_run(run_id: i64) {
    RUN.store(run_id, Ordering::Relaxed);
}

/// The progress bars: in the terminal at stderr, and nowhere if there is none or if the log is to
/// be read by programs or to be quiet.
pub fn bars() -> &'static MultiProgress {
    &BARS
}

/// Whether somebody sees the bars.
pub fn is_watched() -> bool {
    !BARS.is_hidden()
}

fn write_text(output: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = output.default_level_style(record.level());
    let line = Line::of(record, run());
    writeln!(output, "{}", line.to_text(style))
}

fn write_json(output: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    output.write_all(&json_line(&Line::of(record, run()))?)
}

/// The number of the run that this is, null if it is not known yet; `None` if it is no run.
fn run() -> Option<Value> {
    match RUN.load(Ordering::Relaxed) {
        NO_RUN => None,
        NOT_NUMBERED => Some(Value::Null),
        run_id => Some(json!(run_id)),
    }
}
