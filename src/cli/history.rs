//! `etl history`.

use clap::Args;

use super::value::id;
use crate::entity::Kind;

/// Arguments of `etl history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl history card 42
  etl history user 7 --json

Exit status 1 when nothing is known of it.")]
pub struct HistoryArguments {
    /// Which entity
    pub entity: Kind,

    /// Its id, as in the payload of its events
    #[arg(allow_negative_numbers = true, value_parser = id)]
    pub id: i64,

    /// Print one JSON object, with all that is known
    #[arg(long)]
    pub json: bool,
}
