//! `etl explain`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::pages::explain;

/// Arguments of `etl explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl explain                  all codes
  etl explain missing_field
  etl explain 23505")]
pub struct ExplainArguments {
    /// The codes, such as missing_field or 23505; without any, all are listed
    #[arg(
        value_name = "CODE",
        value_parser = PossibleValuesParser::new(explain::codes()),
        hide_possible_values = true,
        ignore_case = true
    )]
    pub codes: Vec<String>,
}
