//! The command line: what can be asked of `etl`. A command's arguments and examples are in the file
//! with its name.

mod archive;
pub mod error;
mod explain;
mod history;
mod inbox;
mod log;
mod manual;
mod migrate;
mod rebuild;
mod rejected;
mod report;
mod run;
pub mod shell;
mod status;
mod value;
mod verify;

use std::env;
use std::ffi::OsStr;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use archive::ArchiveArguments;
pub use explain::ExplainArguments;
pub use history::HistoryArguments;
pub use inbox::InboxArguments;
pub use log::LogArguments;
pub use migrate::MigrateArguments;
pub use rebuild::RebuildArguments;
pub use rejected::RejectedCommand;
pub use report::ReportArguments;
pub use run::RunArguments;
pub use shell::{CompletionsArguments, ManArguments};
pub use status::{Format, StatusArguments};
pub use verify::VerifyArguments;

/// Loads event files into slowly changing dimensions in PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "etl", version = env!("ETL_VERSION"), max_term_width = 100)]
#[command(after_help = "Examples:
  etl run                 load what is new (from cron, every few seconds)
  etl run --since 7d      read the files of the last week again; loaded events are skipped
  etl status              whether all is well, and how far each source has been loaded
  etl history card 42     what happened to a card
  etl report page.html    a page of charts: freshness, volume, rejections, lateness
  etl rejected list       the rejected files that are open
  etl explain 23505       what a code in the log or on a page means, and what to do
  etl verify              compare the warehouse with its events, and the inbox with the tables
  etl rebuild card 42     compute the versions of a card from its events again
  etl archive             move loaded files out of the inbox (from cron, every hour)
  etl migrate             create the schema or migrate it, as its owner

Exit status: 0 done, 1 failed, not sound (verify) or not healthy (status --check), 2 wrong usage,
3 stale (status --max-lag);
a run that Ctrl-C or SIGTERM ends, ends by that signal (130, 143).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// The warehouse, as postgresql://user:password@host:port/database. In user and password write
    /// @ / ? : % as %40 %2F %3F %3A %25; connect_timeout= is in seconds (10), and
    /// ?host=NAME&hostaddr=ADDRESS reaches a name at another address. Better set in the environment,
    /// where a process list does not show it. Without it, DB_HOST, DB_PORT,
    /// POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB are used. Encryption is set with
    /// ?sslmode=verify-full&sslrootcert=FILE, or in PGSSLMODE and PGSSLROOTCERT
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Warehouse"
    )]
    pub database_url: Option<String>,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArguments,
}

impl Cli {
    /// Reads the command line. Wrong usage ends the program with status 2.
    pub fn read() -> Cli {
        let mut command = without_empty_variables(Cli::command());
        command.build();
        let mut matches = with_general_usage(command).get_matches();
        Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
    }
}

/// Makes an empty variable of the environment none, as compose files and files of settings make them.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env().is_some_and(is_empty) {
            true => arg.env(None::<&str>),
            false => arg,
        })
        .mut_subcommands(without_empty_variables)
}

/// Makes the errors of a command show its general usage. Of themselves they list the options that
/// have a value, and one that has it from the environment looks as if it were required.
fn with_general_usage(command: clap::Command) -> clap::Command {
    let mut command = command.mut_subcommands(with_general_usage);
    if command.get_overridden_usage().is_some() {
        return command;
    }
    let usage = command.render_usage().to_string();
    command.override_usage(usage.trim_start_matches("Usage: ").to_owned())
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load what is new in the inbox, then exit
    Run(RunArguments),

    /// Show whether all is well and how far each source has been loaded
    Status(StatusArguments),

    /// Show what happened to a user or a card: its versions, their events, its rejected files
    History(HistoryArguments),

    /// Write a page of charts: freshness, volume, rejections, versions, lateness
    Report(ReportArguments),

    /// List, show, retry and dismiss rejected files
    #[command(subcommand)]
    Rejected(RejectedCommand),

    /// Explain a code: a reason, a problem, a word of the log, an error of PostgreSQL
    Explain(ExplainArguments),

    /// Compare the warehouse with what its events make, and the inbox with the tables
    Verify(VerifyArguments),

    /// Compute the versions of users and cards from their events again
    Rebuild(RebuildArguments),

    /// Move files of the inbox into archives once the database has their content
    Archive(ArchiveArguments),

    /// Create the schema of the warehouse or migrate it, as its owner
    Migrate(MigrateArguments),

    /// Print the completions of a shell
    Completions(CompletionsArguments),

    /// Print the manual page of etl or of one of its commands
    Man(ManArguments),
}

impl Command {
    /// Whether it is a run, whose number is on each line of the log.
    pub fn is_run(&self) -> bool {
        matches!(
            self,
            Command::Run(_) | Command::Rejected(RejectedCommand::Retry(_))
        )
    }
}
