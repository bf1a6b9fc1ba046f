//! `etl rejected` and the commands below it.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::value::{Since, age, id, whole_number};
use crate::event::Reason;
use crate::run::RetryOptions;
use crate::source::Source;

/// What can be done with rejected files.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  etl rejected list                the rejected files that are not resolved
  etl rejected show 7              one of them, with its content
  etl rejected retry --dry-run     what a retry would load")]
pub enum RejectedCommand {
    /// List rejected files, the newest first
    List(ListArguments),

    /// Show one rejected file: its content, why it was rejected, where and when
    Show(ShowArguments),

    /// Validate rejected documents again, by today's rules, and load those that are accepted now
    Retry(RetryArguments),
}

/// Arguments of `etl rejected list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rejected list
  etl rejected list --reason missing_field --source cards --since 1d
  etl rejected list --all --json | jq '.rejections[].file_name'")]
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
    #[arg(long, default_value = "100", value_name = "COUNT",
          value_parser = whole_number(1..=u32::MAX))]
    limit: u32,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/* for the page
impl ListArguments {
    /// Which rejections are wanted.
    pub fn filter(&self) -> Filter {
        Filter {
            reason: self.reason,
            source: self.source,
            since: self.since.map(|Since(time)| time),
            all: self.all,
            limit: self.limit.into(),
        }
    }
}

*/

/// Arguments of `etl rejected show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rejected show 7
  etl rejected show 7 --json | jq -r .document")]
pub struct ShowArguments {
    /// Number of the rejection
    #[arg(value_parser = id)]
    pub id: i64,

    /// Print one JSON object: the content in document, or in document_hex if it is not UTF-8
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `etl rejected retry`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rejected retry --dry-run     what it would load
  etl rejected retry               everything that is open
  etl rejected retry 7 12          these two")]
pub struct RetryArguments {
    /// Numbers of the rejections; all that are not resolved if there is none
    #[arg(value_parser = id)]
    ids: Vec<i64>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// How much later than its file an event may be; one further ahead stays rejected
    #[arg(long, default_value = "1d", value_parser = age, value_name = "AGE")]
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
