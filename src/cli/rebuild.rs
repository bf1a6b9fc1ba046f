//! `etl rebuild`.

use clap::Args;

use crate::entity::Kind;
use crate::run::RebuildOptions;

/// Arguments of `etl rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl rebuild --dry-run       what a rebuild would change
  etl rebuild card 42 43      these two cards
  etl rebuild                 all users and cards

Runs go on meanwhile. Versions that are right keep their surrogate keys. Afterwards
`etl rejected retry` loads what was rejected as broken_timeline. Exit status 1 if some
key could not be rebuilt.")]
pub struct RebuildArguments {
    /// The entity to rebuild; by default, all entities
    entity: Option<Kind>,

    /// Ids of the users or cards, as in the payloads of their events; by default, all
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    ids: Vec<i64>,

    /// Do everything, report it, and roll it back
    #[arg(long)]
    dry_run: bool,

    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl RebuildArguments {
    /// What the rebuild is asked to do.
    pub fn options(&self) -> RebuildOptions {
        RebuildOptions {
            kind: self.entity,
            ids: self.ids.clone(),
            dry_run: self.dry_run,
        }
    }
}
