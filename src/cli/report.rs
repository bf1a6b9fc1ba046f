//! `etl report`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `etl report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl report warehouse.html
  etl report - | ssh web 'cat > warehouse.html'

The page needs nothing from any network.")]
pub struct ReportArguments {
    /// The file to write, replaced as a whole; - is standard output
    #[arg(value_name = "FILE.html")]
    pub file: PathBuf,
}
