//! `etl`: parse the arguments, run the command, report.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use etl::cli::error::Error;
use etl::cli::{Cli, Command, HistoryArguments, RejectedCommand, RunArguments, shell};
use etl::escape::json_line;
use etl::logging;
use etl::pages::{history, rejected};
use etl::run::{self, Ending};
use etl::warehouse::address::Address;
use etl::warehouse::{Warehouse, dismissal};
use serde::Serialize;

/// Exit status of a run that could not scan every folder.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let cli = Cli::read();
    logging::start(
        cli.log.log_format,
        cli.log.verbosity(),
        cli.command.is_run(),
    );
    act(&cli).unwrap_or_else(|error| {
        match cli.command.is_run() {
            true => log::error!(outcome = "failed"; "{error}"),
            false => log::error!("{error}"),
        }
        error.exit_code()
    })
}

fn act(cli: &Cli) -> Result<ExitCode, Error> {
    let address = || Address::find(cli.database_url.as_deref());
    match &cli.command {
        Command::Run(arguments) => load(&address()?, arguments),
        Command::History(arguments) => show_history(&address()?, arguments),
        Command::Rejected(command) => manage_rejected(&address()?, command),
        Command::Migrate => migrate(&address()?),
        Command::Completions(arguments) => print(shell::completions(arguments.shell)),
        Command::Man(arguments) => print(shell::manual_page(&arguments.words)?),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn load(address: &Address, arguments: &RunArguments) -> Result<ExitCode, Error> {
    let outcome = run::run(address, &arguments.options());
    outcome.log();
    match outcome.ending {
        Ending::Failed(_) => return Ok(ExitCode::from(FAILED)),
        Ending::Interrupted(signal) => signal.end(),
        Ending::Done | Ending::RolledBack | Ending::Busy => {}
    }
    if arguments.json {
        print_json(&outcome.summary)?;
    }
    Ok(match outcome.failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

fn show_history(address: &Address, arguments: &HistoryArguments) -> Result<ExitCode, Error> {
    let mut warehouse = Warehouse::connect(address)?;
    let history = history::read(&mut warehouse, arguments.entity, arguments.id)?;
    print_page(&history, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn manage_rejected(address: &Address, command: &RejectedCommand) -> Result<ExitCode, Error> {
    let warehouse = &mut Warehouse::connect(address)?;
    match command {
        RejectedCommand::List(arguments) => {
            let selection = arguments.selection.selection();
            let list = rejected::list(warehouse, &selection, arguments.all, arguments.limit)?;
            print_page(&list, arguments.json)
        }
        RejectedCommand::Show(arguments) => {
            print_page(&rejected::show(warehouse, arguments.id)?, arguments.json)
        }
        RejectedCommand::Retry(arguments) => print_page(
            &run::retry(warehouse, &arguments.options())?,
            arguments.json,
        ),
        RejectedCommand::Dismiss(arguments) => {
            let selection = arguments.selection.selection();
            let dismissal =
                dismissal::dismiss(warehouse, arguments.ids(), &selection, &arguments.note)?;
            print_page(&dismissal, arguments.json)
        }
        RejectedCommand::Undismiss(arguments) => print_page(
            &dismissal::undismiss(warehouse, &arguments.ids)?,
            arguments.json,
        ),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn migrate(address: &Address) -> Result<ExitCode, Error> {
    Warehouse::connect(address)?.migrate()?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: Vec<u8>) -> Result<ExitCode, Error> {
    unless_closed(io::stdout().write_all(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a page for people, or one JSON object for a script.
fn print_page(page: &(impl Display + Serialize), json: bool) -> Result<(), Error> {
    match json {
        true => print_json(page),
        false => print_text(page),
    }
}

/// Prints a text, in colour where there is any and it is wanted.
fn print_text(text: &impl Display) -> Result<(), Error> {
    unless_closed(write!(anstream::stdout(), "{text}"))
}

/// Prints one JSON object on one line.
fn print_json(object: &impl Serialize) -> Result<(), Error> {
    let line = json_line(object).map_err(io::Error::from)?;
    unless_closed(io::stdout().write_all(&line))
}

/// A closed pipe is no error, and the exit status still says what was found.
fn unless_closed(printed: Result<(), impl Into<Error>>) -> Result<(), Error> {
    match printed.map_err(Into::into) {
        Err(error) if error.is_closed_pipe() => Ok(()),
        printed => printed,
    }
}
