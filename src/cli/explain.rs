//! `etl explain`.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Command, Error};

use crate::pages::explain;
use crate::warehouse::explain::is_sqlstate;

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
        value_parser = Codes(PossibleValuesParser::new(explain::codes())),
        hide_possible_values = true,
        ignore_case = true
    )]
    pub codes: Vec<String>,
}

/// Takes the codes that are explained, and every SQLSTATE: PostgreSQL has far more than need advice, and
/// any of them can be in a line of the log.
#[derive(Clone)]
struct Codes(PossibleValuesParser);

impl TypedValueParser for Codes {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        match value.to_str() {
            Some(text) if is_sqlstate(text) => Ok(text.to_ascii_uppercase()),
            _ => self.0.parse_ref(command, arg, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}
