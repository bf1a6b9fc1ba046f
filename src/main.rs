//! `etl`: parse the arguments, do what they say, report.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use etl::cli::error::Error;
use etl::cli::{
    Cli, Command, RebuildArguments, RejectedCommand, RunArguments, VerifyArguments, shell,
};
use etl::logging;
use etl::pages::verify;
use etl::run::{self, Ending};
use etl::warehouse::Warehouse;
use etl::warehouse::address::Address;
use serde::Serialize;

/// Exit status of a run that could not scan every folder.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(
        cli.log.log_format,
        cli.log.verbosity(),
        cli.command.is_run(),
    )
    .expect("the log is started once");
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
        Command::Rejected(command) => manage_rejected(&address()?, command),
        Command::Verify(arguments) => verify_all(&address()?, arguments),
        Command::Rebuild(arguments) => rebuild(&address()?, arguments),
        Command::Migrate => migrate(&address()?),
        Command::Completions { shell } => print(shell::completions(*shell)),
        Command::Man { words } => print(shell::manual_page(words)?),
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

fn manage_rejected(address: &Address, command: &RejectedCommand) -> Result<ExitCode, Error> {
    let warehouse = &mut Warehouse::connect(address)?;
    match command {
        RejectedCommand::List(_) | RejectedCommand::Show(_) => todo!(),
        RejectedCommand::Retry(arguments) => print_page(
            &run::retry(warehouse, &arguments.options())?,
            arguments.json,
        ),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn verify_all(address: &Address, arguments: &VerifyArguments) -> Result<ExitCode, Error> {
    let found = verify::verify(&mut Warehouse::connect(address)?, &arguments.options())?;
    print_page(&found, arguments.json)?;
    Ok(match found.sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

fn rebuild(address: &Address, arguments: &RebuildArguments) -> Result<ExitCode, Error> {
    let rebuilt = run::rebuild(&mut Warehouse::connect(address)?, &arguments.options())?;
    print_page(&rebuilt, arguments.json)?;
    if let Some(signal) = rebuilt.interrupted {
        signal.end();
    }
    Ok(match rebuilt.counts.keys_failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

fn migrate(address: &Address) -> Result<ExitCode, Error> {
    let warehouse = &mut Warehouse::connect(address)?;
    warehouse.migrate()?;
    run::rebuild_requested(warehouse)?;
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
    let mut line = serde_json::to_vec(object).map_err(io::Error::from)?;
    line.push(b'\n');
    unless_closed(io::stdout().write_all(&line))
}

/// A closed pipe is no error, and the exit status still says what was found.
fn unless_closed(printed: Result<(), impl Into<Error>>) -> Result<(), Error> {
    match printed.map_err(Into::into) {
        Err(error) if error.is_closed_pipe() => Ok(()),
        printed => printed,
    }
}
