//! `etl status`.

use std::time::Duration;

use clap::Args;

use super::value::{age, whole_number};

/// Largest `--watch`, in seconds: a day.
const MAX_WATCH: u64 = 86_400;

/// Arguments of `etl status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl status
  etl status --watch          the same, every two seconds
  etl status --json
  etl status --format prometheus
  etl status --check          one line, exit status 1 if anything is wrong
  etl status --max-lag 5m     exit status 3 if a folder was not scanned for five minutes")]
pub struct StatusArguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Print one JSON object: short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Print one line: that all is well, or what is wrong. Exit with status 1 if anything is wrong
    #[arg(long, conflicts_with_all = ["format", "json", "max_lag", "watch"])]
    pub check: bool,

    /// Exit with status 3 if a folder was last scanned longer ago than this. As text it then shows
    /// and reads the checkpoints and no more: a few rows, however large the warehouse is
    #[arg(long, value_parser = age, value_name = "AGE")]
    pub max_lag: Option<Duration>,

    /// Stay, and show it again every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = whole_number(1..=MAX_WATCH),
          conflicts_with_all = ["format", "json", "max_lag"])]
    watch: Option<u64>,
}

impl StatusArguments {
    /// How to print it.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// How often to show it, if it is to be shown more than once.
    pub fn watch(&self) -> Option<Duration> {
        self.watch.map(Duration::from_secs)
    }
}

/// How the status is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A page for people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// A page for Prometheus' text file collector
    Prometheus,
}
