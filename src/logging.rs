//! The log on stderr: text for people, or one JSON object a line for programs.
//!
//! A line has a time, a level, the number of the run if the command is one, a message, and where
//! they say more than the message, fields. As text the fields come last, as `key=value`.

use std::borrow::Cow;
use std::env;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use indicatif::{MultiProgress, ProgressDrawTarget};
use indicatif_log_bridge::LogWrapper;
use log::kv::{self, Key, VisitSource, VisitValue};
use log::{LevelFilter, Record, SetLoggerError};
use serde::Serializer;
use serde_json::{Value, json};

use crate::escape::printable;

/// What the libraries do is for those who look for it.
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

/// How much the log tells.
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

/// Starts the log. Where the command is a run, every line names it.
///
/// # Errors
///
/// When there is a log already.
pub fn start(format: Format, verbosity: Verbosity, is_run: bool) -> Result<(), SetLoggerError> {
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
    let logger = logger.build();
    let most = logger.filter();
    LogWrapper::new(BARS.clone(), logger).try_init()?;
    // The wrapper guesses it from what a line of no module may say: nothing, with RUST_LOG=etl=info.
    log::set_max_level(most);
    if format == Format::Json || most < LevelFilter::Info {
        BARS.set_draw_target(ProgressDrawTarget::hidden());
    }
    Ok(())
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

fn write_text(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (line.timestamp_seconds(), record.level());
    let style = line.default_level_style(level);
    write!(line, "[{time} {style}{level:<5}{style:#}")?;
    if let Some(run) = run() {
        write!(line, " run={}", as_text(&run))?;
    }
    // A statement has several lines, and each line of the log is to have its beginning.
    let message = record.args().to_string();
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    write!(line, "] {}", printable(&lines.join(" "), &[]))?;
    for (name, value) in fields(record) {
        write!(line, " {name}={}", as_text(&value))?;
    }
    writeln!(line)
}

/// A value such that it can be told from what stands around it, and does nothing to a terminal.
fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if is_plain(text) => text.into(),
        Value::String(text) => format!("{text:?}").into(),
        value => value.to_string().into(),
    }
}

fn is_plain(text: &str) -> bool {
    let is_separator = |character: char| character.is_whitespace() || character == '=';
    !text.is_empty()
        && text != "-"
        && !text.contains(is_separator)
        && text.escape_debug().eq(text.chars())
}

fn write_json(line: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut members = vec![
        ("time".to_owned(), json!(time)),
        (
            "level".to_owned(),
            json!(record.level().as_str().to_ascii_lowercase()),
        ),
    ];
    members.extend(run().map(|run| ("run".to_owned(), run)));
    members.push(("message".to_owned(), json!(record.args().to_string())));
    members.extend(fields(record));
    serde_json::Serializer::new(&mut *line).collect_map(members)?;
    writeln!(line)
}

/// The number of the run that this is, null if it is not known yet.
fn run() -> Option<Value> {
    match RUN.load(Ordering::Relaxed) {
        NO_RUN => None,
        NOT_NUMBERED => Some(Value::Null),
        run_id => Some(json!(run_id)),
    }
}

/// The fields of a line, in their order.
fn fields(record: &Record<'_>) -> Vec<(String, Value)> {
    let mut fields = Fields(Vec::new());
    // It reports what the visitor reports, and this one reports nothing.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

struct Fields(Vec<(String, Value)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut field = Field(Value::Null);
        value.visit(&mut field)?;
        self.0.push((key.to_string(), field.0));
        Ok(())
    }
}

struct Field(Value);

impl<'v> VisitValue<'v> for Field {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = json!(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = json!(null);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = json!(value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = json!(value);
        Ok(())
    }
}
