//! `etl rejected` and the commands below it.

mod selection;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::value::{age, id, whole_number};
use crate::run::RetryOptions;
use crate::run::options::DEFAULT_MAX_AHEAD;
use selection::SELECTION;

pub use selection::SelectionArguments;

/// What can be done with rejected files.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  etl rejected list                the rejected files that are open
  etl rejected show 7              one of them, with its content
  etl rejected retry --dry-run     what a retry would load
  etl rejected dismiss 7 --note 'a test of the service'")]
pub enum RejectedCommand {
    /// List rejected files, the newest first
    List(ListArguments),

    /// Show one rejected file: its content, why it was rejected, where and when
    Show(ShowArguments),

    /// Validate rejected documents again, by today's rules, and load those that are accepted now
    Retry(RetryArguments),

    /// Close rejections for good, with a note that says why
    ///
    /// They are no longer counted as open, and are listed with --all. A file that is rejected again with
    /// the same content stays dismissed; with other content, it is a new rejection.
    Dismiss(DismissArguments),

    /// Open dismissed rejections again
    Undismiss(UndismissArguments),
}

/// Arguments of `etl rejected list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rejected list
  etl rejected list --card 42 --all
  etl rejected list --reason missing_field --source cards --since 1d
  etl rejected list --all --json | jq '.rejections[].file_name'")]
pub struct ListArguments {
    /// Which rejections.
    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Closed ones too
    #[arg(long)]
    pub all: bool,

    /// At most so many
    #[arg(long, default_value = "100", value_name = "COUNT", value_parser = whole_number(1..=u32::MAX))]
    pub limit: u32,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

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
    /// Numbers of the rejections; without any, all that are open
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<i64>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// How much later than its file an event may be; one further ahead stays rejected
    #[arg(long, default_value = DEFAULT_MAX_AHEAD, value_parser = age, value_name = "AGE")]
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

/// Arguments of `etl rejected dismiss`.
#[derive(Debug, Args)]
#[command(override_usage = "etl rejected dismiss --note <TEXT> <ID>...
       etl rejected dismiss --note <TEXT> [--reason <REASON>] [--source <SOURCE>] [--before <TIME>] ...")]
#[command(after_help = "Examples:
  etl rejected dismiss 7 12 --note 'files of a test'
  etl rejected list --reason missing_field --source cards --before 7d       which ones that are
  etl rejected dismiss --reason missing_field --source cards --before 7d \\
      --note 'cards without an owner'                                       from cron, once a day")]
pub struct DismissArguments {
    /// Numbers of the rejections, if no option selects them
    #[arg(value_name = "ID", value_parser = id,
          required_unless_present = SELECTION, conflicts_with = SELECTION)]
    ids: Vec<i64>,

    /// Which rejections.
    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Why they are dismissed
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub note: String,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl DismissArguments {
    /// The numbers that are given; `None` if the rejections are selected.
    pub fn ids(&self) -> Option<&[i64]> {
        (!self.ids.is_empty()).then_some(&self.ids)
    }
}

/// Arguments of `etl rejected undismiss`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rejected undismiss 7 12")]
pub struct UndismissArguments {
    /// Numbers of the rejections
    #[arg(value_name = "ID", required = true, value_parser = id)]
    pub ids: Vec<i64>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
