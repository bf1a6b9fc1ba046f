//! `etl migrate`.

use std::num::NonZeroU16;

use clap::Args;

use super::value::whole_number;

/// Most shards that `--shards` takes.
const MAX_SHARDS: NonZeroU16 = NonZeroU16::new(1_024).unwrap();

/// Arguments of `etl migrate`.
#[derive(Debug, Args)]
#[command(
    long_about = "Create the schema of the warehouse or migrate it, as its owner

Also creates the roles etl_loader (for runs) and dwh_reader (which reads everything), if the user may,
and gives them their rights. The owner's `etl run` does the same when the schema is missing or older."
)]
#[command(after_help = "Examples:
  etl migrate
  etl migrate --distribute    on the coordinator of a Citus cluster, once
  DATABASE_URL=postgresql://owner:secret@dwh/warehouse etl migrate")]
pub struct MigrateArguments {
    /// Also spread the events and the dimensions over the nodes of a Citus cluster, by user and by
    /// card. What is spread already stays as it is
    #[arg(long)]
    pub distribute: bool,

    /// Shards of each table, the most nodes that can share the load; practically final, since another
    /// number rewrites every table. Two for each node and at least 8, unless given
    #[arg(long, requires = "distribute", value_name = "SHARDS",
          value_parser = whole_number(NonZeroU16::MIN..=MAX_SHARDS))]
    pub shards: Option<NonZeroU16>,
}
