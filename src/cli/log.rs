//! The flags of the log, which every command has.

use clap::{ArgAction, Args};

use crate::logging::{Format, Verbosity};

/// Arguments of the log.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log, on stderr")]
pub struct LogArguments {
    /// Log more: -v also how a run went and that it found nothing, -vv what the libraries do too.
    /// Takes precedence over RUST_LOG
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Log less: -q warnings and errors, -qq errors alone
    #[arg(short, long, global = true, action = ArgAction::Count)]
    quiet: u8,

    /// How a line is written
    #[arg(
        long,
        global = true,
        env = "ETL_LOG_FORMAT",
        value_enum,
        default_value_t,
        ignore_case = true,
        value_name = "FORMAT"
    )]
    pub log_format: Format,
}

impl LogArguments {
    /// How much is logged.
    pub fn verbosity(&self) -> Verbosity {
        Verbosity::steps(self.verbose, self.quiet)
    }
}
