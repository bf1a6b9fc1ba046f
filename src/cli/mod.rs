//! The command line: what can be asked of `etl`.

pub mod error;
mod rebuild;
pub mod shell;
mod verify;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use clap::{ArgAction, Args, Parser, Subcommand};

use crate::checkpoint::InboxName;
use crate::clock::{self, Clock};
use crate::entity::Kind;
use crate::event::{Reason, parse_time};
use crate::logging::{self, Verbosity};
//use crate::pages::rejected;
use crate::run::RetryOptions;
use crate::run::options::{From, Options};
use crate::source::Source;
pub use rebuild::RebuildArguments;
pub use verify::VerifyArguments;

/// Largest `--max-file-size`, in bytes. A `jsonb` of many small elements takes some twenty times
/// its text, and PostgreSQL makes none over 1 GiB.
pub(crate) const MAX_FILE_SIZE: u64 = 16 << 20;

/// Largest `--watch`, in seconds: a day.
const MAX_WATCH: u64 = 86_400;

/// Loads event files into slowly changing dimensions in PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "etl", version = env!("ETL_VERSION"), max_term_width = 100)]
#[command(after_help = "Examples:
  etl run                 load what is new (from cron, every few seconds)
  etl run --since 7d      read the files of the last week again; loaded events are skipped
  etl status              whether all is well, and how far each source has been loaded
  etl history card 42     what happened to a card
  etl report page.html    a page of charts: freshness, volume, rejections, lateness
  etl rejected list       the rejected files that are not resolved
  etl verify              compare the warehouse with its events, and the inbox with the tables
  etl rebuild card 42     compute the versions of a card from its events again
  etl migrate             create the schema or migrate it, as its owner

Exit status: 0 done, 1 failed or not sound (verify), 2 wrong usage, 3 stale (status --max-lag);
a run that Ctrl-C or SIGTERM ends, ends by that signal (130, 143).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// The warehouse, as postgresql://user:password@host:port/database. Better set in the
    /// environment, where a process list does not show it. Without it, DB_HOST, DB_PORT,
    /// POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB are used. Encryption is set with
    /// ?sslmode=verify-full&sslrootcert=FILE, or in PGSSLMODE and PGSSLROOTCERT
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArguments,
}

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
    pub log_format: logging::Format,
}

impl LogArguments {
    /// How much is logged.
    pub fn verbosity(&self) -> Verbosity {
        Verbosity::steps(self.verbose, self.quiet)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load what is new in the inbox, then exit
    #[command(after_help = "Examples:
  etl run
  etl run --since 2026-11-01 --dry-run
  etl run --since 36h --source cards --json
  etl run --reconcile         by night: read every file whose name is in no table")]
    Run(RunArguments),

    /// Show whether all is well and how far each source has been loaded
    #[command(after_help = "Examples:
  etl status
  etl status --watch          the same, every two seconds
  etl status --json
  etl status --format prometheus
  etl status --max-lag 5m     exit status 3 if a folder was not scanned for five minutes")]
    Status(StatusArguments),

    /// Show what happened to a user or a card: its versions, their events, its rejected files
    #[command(after_help = "Examples:
  etl history card 42
  etl history user 7 --json

Exit status 1 when nothing is known of it.")]
    History(HistoryArguments),

    /// Write a page of charts: freshness, volume, rejections, versions, lateness
    #[command(after_help = "Examples:
  etl report warehouse.html
  etl report - | ssh web 'cat > warehouse.html'

The page stands alone: it asks for nothing from any network.")]
    Report(ReportArguments),

    /// List, show and retry rejected files
    #[command(after_help = "Examples:
  etl rejected list                the rejected files that are not resolved
  etl rejected show 7              one of them, with its content
  etl rejected retry --dry-run     what a retry would load")]
    #[command(subcommand)]
    Rejected(RejectedCommand),

    /// Compare the warehouse with what its events make, and the inbox with the tables
    Verify(VerifyArguments),

    /// Compute the versions of users and cards from their events again
    Rebuild(RebuildArguments),

    /// Create the schema of the warehouse or migrate it, as its owner
    #[command(
        long_about = "Create the schema of the warehouse or migrate it, as its owner

Also creates the roles etl_loader (for runs) and dwh_reader (which reads everything), if the user may,
and gives them their rights. The owner's `etl run` does the same when the schema is missing or older."
    )]
    #[command(after_help = "Examples:
  etl migrate
  DATABASE_URL=postgresql://owner:secret@dwh/warehouse etl migrate")]
    Migrate,

    /// Print the completions of a shell
    #[command(after_help = "Examples:
  etl completions bash >/etc/bash_completion.d/etl
  etl completions zsh >/usr/local/share/zsh/site-functions/_etl
  etl completions fish >~/.config/fish/completions/etl.fish
  source <(etl completions bash)     for this shell alone")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Print the manual page of etl or of one of its commands
    #[command(after_help = "Examples:
  etl man | man -l -
  etl man run | man -l -
  etl man status >/usr/local/share/man/man1/etl-status.1")]
    Man {
        /// The command, such as run; etl itself without
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
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

/// Arguments that say which inbox is meant.
#[derive(Debug, Args)]
pub struct InboxArguments {
    /// Folder that holds a folder for each source
    #[arg(
        long,
        env = "ETL_INBOX",
        default_value = "data/events/inbox",
        value_name = "FOLDER"
    )]
    pub inbox: PathBuf,

    /// Name of the inbox, for several that are used in parallel: each name has checkpoints of its own
    #[arg(
        long,
        env = "ETL_INBOX_NAME",
        default_value = InboxName::DEFAULT,
        value_name = "NAME"
    )]
    pub inbox_name: InboxName,
}

/// Arguments of `etl run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The inbox.
    #[command(flatten)]
    inbox: InboxArguments,

    /// Start here and not at the checkpoint: a date or a time, UTC unless it says otherwise
    /// (2026-11-23, 2026-11-23 20:10), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Read every file whose name is in no table, whatever its times: files that a wrong clock or a
    /// file system without real change times has hidden. The checkpoint stays
    #[arg(long, conflicts_with = "since")]
    reconcile: bool,

    /// Load this source alone; may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<Source>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,

    /// How long a file whose document has not ended is pending before it is rejected
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "AGE")]
    settle: Duration,

    /// How far before the offset to scan again, for files that became visible late
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "AGE")]
    overlap: Duration,

    /// Most files of one transaction
    #[arg(long, default_value = "100000", value_name = "FILES")]
    batch_size: NonZeroUsize,

    /// Size over which a file is rejected unread
    #[arg(long, default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(1..=MAX_FILE_SIZE),
          value_name = "BYTES")]
    max_file_size: u64,

    /// How much later than its file an event may be; one further ahead is rejected
    #[arg(long, default_value = "1d", value_parser = humantime::parse_duration, value_name = "AGE")]
    max_ahead: Duration,
}

impl RunArguments {
    /// What the run is asked to do.
    pub fn options(&self) -> Options {
        let mut sources = if self.sources.is_empty() {
            Source::ALL.to_vec()
        } else {
            self.sources.clone()
        };
        sources.sort();
        sources.dedup();
        Options {
            inbox: self.inbox.inbox.clone(),
            inbox_name: self.inbox.inbox_name.clone(),
            sources,
            from: match self.since {
                Some(Since(time)) => From::Time(time),
                None if self.reconcile => From::UnknownNames,
                None => From::Checkpoint,
            },
            dry_run: self.dry_run,
            settle: self.settle,
            overlap: self.overlap,
            batch_size: self.batch_size,
            max_file_size: self.max_file_size,
            max_ahead: self.max_ahead,
            clock: Clock::default(),
        }
    }
}

/// Arguments of `etl status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Print one JSON object: short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Exit with status 3 if a folder was last scanned longer ago than this. As text it then shows
    /// and reads the checkpoints and no more: a few rows, however large the warehouse is
    #[arg(long, value_parser = humantime::parse_duration, value_name = "AGE")]
    pub max_lag: Option<Duration>,

    /// Stay, and show it again every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=MAX_WATCH),
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

/// What can be done with rejected files.
#[derive(Debug, Subcommand)]
pub enum RejectedCommand {
    /// List rejected files, the newest first
    #[command(after_help = "Examples:
  etl rejected list
  etl rejected list --reason missing_field --source cards --since 1d
  etl rejected list --all --json | jq '.rejections[].file_name'")]
    List(ListArguments),

    /// Show one rejected file: its content, why it was rejected, where and when
    #[command(after_help = "Examples:
  etl rejected show 7
  etl rejected show 7 --json | jq -r .document")]
    Show(ShowArguments),

    /// Validate rejected documents again, by today's rules, and load those that are accepted now
    #[command(after_help = "Examples:
  etl rejected retry --dry-run     what it would load
  etl rejected retry               everything that is open
  etl rejected retry 7 12          these two")]
    Retry(RetryArguments),
}

/// Arguments of `etl rejected list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Those rejected for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<Reason>,

    /// Those of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<Source>,

    /// Those rejected at this time or later: a date or a time, UTC unless it says otherwise
    /// (2026-11-23, 2026-11-23 20:10), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Resolved ones too
    #[arg(long)]
    all: bool,

    /// At most so many
    #[arg(long, default_value = "100", value_name = "COUNT")]
    limit: NonZeroU32,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/* for the page
impl ListArguments {
    /// Which rejections are wanted.
    pub fn filter(&self) -> rejected::Filter {
        rejected::Filter {
            reason: self.reason,
            source: self.source,
            since: self.since.map(|Since(time)| time),
            all: self.all,
            limit: self.limit.get().into(),
        }
    }
}

*/

/// Arguments of `etl rejected show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Number of the rejection
    pub id: i64,

    /// Print one JSON object: the content in document, or in document_hex if it is not UTF-8
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `etl rejected retry`.
#[derive(Debug, Args)]
pub struct RetryArguments {
    /// Numbers of the rejections; all that are not resolved if there is none
    ids: Vec<i64>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// How much later than its file an event may be; one further ahead stays rejected
    #[arg(long, default_value = "1d", value_parser = humantime::parse_duration, value_name = "AGE")]
    max_ahead: Duration,

    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl RetryArguments {
    /// What the retry is asked to do.
    pub fn options(&self) -> RetryOptions {
        RetryOptions {
            ids: (!self.ids.is_empty()).then(|| self.ids.clone()),
            dry_run: self.dry_run,
            max_ahead: self.max_ahead,
        }
    }
}

/// Arguments of `etl history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// What it is
    pub entity: Kind,

    /// Its id, as in the payload of its events
    #[arg(allow_negative_numbers = true)]
    pub id: i64,

    /// Print one JSON object, with all that is known
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `etl report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The file to write, replaced as a whole; - is standard output
    #[arg(value_name = "FILE.html")]
    pub file: PathBuf,
}

/// A start given by hand, UTC, and not after the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(DateTime<Utc>);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Since, String> {
        let age = || {
            let age = humantime::parse_duration(text).ok()?;
            clock::now().checked_sub_signed(chrono::TimeDelta::from_std(age).ok()?)
        };
        let time = time_by_hand(text)
            .or_else(age)
            .filter(|time| time.year() > 0)
            .ok_or_else(|| {
                "a date (2026-11-23), a time (2026-11-23 20:10, in UTC unless it says otherwise) or an age (90m, 36h, \
                 7d) is wanted"
                    .to_owned()
            })?;
        let now = clock::now();
        if time > now {
            return Err(format!(
                "{time} is still to come: it is {} now",
                now.trunc_subsecs(0)
            ));
        }
        Ok(Since(time))
    }
}

/// Reads a time as people write it and this program prints it: the date alone, the time without
/// seconds, with a zone or without one, which then is UTC.
fn time_by_hand(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let to_the_minute = "2026-11-23 20:10".len();
    let (minute, zone) = text.split_at_checked(to_the_minute).unwrap_or((text, ""));
    [
        text,
        &format!("{text}Z"),
        &format!("{text} 00:00:00"),
        &format!("{minute}:00{zone}"),
        &format!("{text}:00Z"),
    ]
    .into_iter()
    .find_map(parse_time)
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::Since;

    #[test]
    fn a_start_is_read_as_people_write_it() {
        let since = |text: &str| text.parse::<Since>().map(|Since(time)| time.to_rfc3339());
        for (text, expected) in [
            ("2026-01-23", "2026-01-23T00:00:00+00:00"),
            ("2026-01-23 20:10", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23T20:10", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23T20:10Z", "2026-01-23T20:10:00+00:00"),
            ("2026-01-23 20:10+05:30", "2026-01-23T14:40:00+00:00"),
            ("2026-01-23 20:10:23", "2026-01-23T20:10:23+00:00"),
            ("2026-01-23T20:10:23", "2026-01-23T20:10:23+00:00"),
            ("2026-01-23 20:10:23 UTC", "2026-01-23T20:10:23+00:00"),
            (
                "2026-01-23T20:10:23.123456Z",
                "2026-01-23T20:10:23.123456+00:00",
            ),
            (
                "2026-01-23 20:10:23.123456",
                "2026-01-23T20:10:23.123456+00:00",
            ),
            ("2026-01-23T20:10:23-01:00", "2026-01-23T21:10:23+00:00"),
        ] {
            assert_eq!(since(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-01-23 20",
            "2026-01-23Z",
            "2026-01-23 20:1",
            "2026-01-23 20:10:2",
            "2026-01-23 24:00",
            "2026-02-29",
            "2026-01-23 20:10 Z",
            "2026-01-23 20:10:23 CET",
            "2026-01-23 20:1é",
            "0000-01-01",
            "9000y",
        ] {
            let refusal = since(text).expect_err(text);
            assert!(refusal.contains("is wanted"), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_age_counts_from_now_and_what_is_to_come_is_refused() {
        let Since(hour_ago) = "1h".parse().expect("an age");
        assert!((3_600..3_660).contains(&(Utc::now() - hour_ago).num_seconds()));
        assert!("0s".parse::<Since>().is_ok());
        for text in [
            "9999-01-01",
            "9999-12-31 23:59",
            "9999-12-31T23:59:59-23:59",
        ] {
            let refusal = text.parse::<Since>().expect_err(text);
            assert!(refusal.contains("is still to come: it is "), "{refusal}");
        }
    }
}
