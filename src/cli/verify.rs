//! `etl verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::InboxArguments;
use super::value::age;
use crate::pages::verify::VerifyOptions;
use crate::run::options::DEFAULT_OVERLAP;

/// Arguments of `etl verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl verify          from cron, once a night; exit status 1 if anything is wrong
  etl verify --archive data/events/archive
  etl verify --json")]
pub struct VerifyArguments {
    /// The inbox.
    #[command(flatten)]
    inbox: InboxArguments,

    /// How far before the offset runs scan again (their --overlap): a file that changed later than
    /// that need not be loaded yet
    #[arg(long, default_value = DEFAULT_OVERLAP, value_parser = age, value_name = "AGE")]
    overlap: Duration,

    /// Verify the archives in this folder, too: whether each is whole, and the database has the content
    /// of each file in it
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl VerifyArguments {
    /// What is to be verified.
    pub fn options(&self) -> VerifyOptions {
        VerifyOptions {
            inbox: self.inbox.inbox.clone(),
            inbox_name: self.inbox.inbox_name.clone(),
            overlap: self.overlap,
            archive: self.archive.clone(),
        }
    }
}
