//! `etl`: parse the arguments, do what they say, report.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use etl::cli::{
    Cli, Command, Format, HistoryArguments, RejectedCommand, ReportArguments, RunArguments,
    StatusArguments, VerifyArguments,
};
use etl::error::Error;
use etl::run::Ending;
use etl::status::health::STALE_AFTER;
use etl::status::prometheus;
use etl::status::watch::watch;
use etl::warehouse::Warehouse;
use etl::warehouse::address::Address;
use etl::{audit, history, logging, rejected, report, run, shell, status};
use serde::Serialize;

/// Exit statuses, as the contract has them.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const STALE: u8 = 3;

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
        exit_code(&error)
    })
}

fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(match error {
        Error::Setting(_) | Error::Address(_) => WRONG_USAGE,
        _ => FAILED,
    })
}

fn act(cli: &Cli) -> Result<ExitCode, Error> {
    let warehouse = || Address::find(cli.database_url.as_deref()).map_err(Error::from);
    match &cli.command {
        Command::Run(arguments) => load(&warehouse()?, arguments),
        Command::Status(arguments) => show_status(&warehouse()?, arguments),
        Command::History(arguments) => show_history(&warehouse()?, arguments),
        Command::Report(arguments) => write_report(&warehouse()?, arguments),
        Command::Rejected(command) => deal_with_rejected(&warehouse()?, command),
        Command::Verify(arguments) => verify(&warehouse()?, arguments),
        Command::Migrate => migrate(&warehouse()?),
        Command::Completions { shell } => print(shell::completions(*shell)),
        Command::Man { words } => print(shell::manual_page(words)?),
    }
}

fn load(address: &Address, arguments: &RunArguments) -> Result<ExitCode, Error> {
    let outcome = run::run(address, &arguments.options());
    outcome.log();
    match outcome.ending {
        Ending::Failed(error) => return Ok(exit_code(&error)),
        Ending::Interrupted(signal) => signal.end(),
        Ending::Done | Ending::Undone | Ending::Busy => {}
    }
    if arguments.json {
        print_json(&outcome.summary)?;
    }
    Ok(match outcome.failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

fn show_status(address: &Address, arguments: &StatusArguments) -> Result<ExitCode, Error> {
    let stale_after = arguments.max_lag.unwrap_or(STALE_AFTER);
    let read = || status::read(&mut Warehouse::connect(address)?, stale_after);
    if let Some(every) = arguments.watch() {
        match watch(every, read)? {}
    }
    let progress = match (arguments.format(), arguments.max_lag) {
        // What a health check asks, every few seconds: nothing is counted for it.
        (Format::Text, Some(_)) => {
            let progress = status::read_progress(&mut Warehouse::connect(address)?)?;
            print_text(&progress)?;
            progress
        }
        (format, _) => {
            let status = read()?;
            match format {
                Format::Text => print_text(&status)?,
                Format::Json => print_json(&status)?,
                Format::Prometheus => print_text(&prometheus::Page(&status))?,
            }
            status.progress
        }
    };
    let stale = match arguments.max_lag {
        Some(max_lag) => progress.stale(max_lag),
        None => Vec::new(),
    };
    for problem in &stale {
        log::warn!("{problem}: {}", problem.advice());
    }
    Ok(match stale.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(STALE),
    })
}

fn show_history(address: &Address, arguments: &HistoryArguments) -> Result<ExitCode, Error> {
    let mut warehouse = Warehouse::connect(address)?;
    let history = history::read(&mut warehouse, arguments.entity, arguments.id)?;
    print_page(&history, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn write_report(address: &Address, arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let report = report::read(&mut Warehouse::connect(address)?)?;
    unless_left(report.write(&arguments.file))?;
    Ok(ExitCode::SUCCESS)
}

fn deal_with_rejected(address: &Address, command: &RejectedCommand) -> Result<ExitCode, Error> {
    let warehouse = &mut Warehouse::connect(address)?;
    match command {
        RejectedCommand::List(arguments) => print_page(
            &rejected::list(warehouse, &arguments.filter())?,
            arguments.json,
        ),
        RejectedCommand::Show(arguments) => {
            print_page(&rejected::show(warehouse, arguments.id)?, arguments.json)
        }
        RejectedCommand::Retry(arguments) => print_page(
            &run::retry(warehouse, &arguments.options())?,
            arguments.json,
        ),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn verify(address: &Address, arguments: &VerifyArguments) -> Result<ExitCode, Error> {
    let audit = audit::audit(&mut Warehouse::connect(address)?, &arguments.options())?;
    print_page(&audit, arguments.json)?;
    Ok(match audit.sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

fn migrate(address: &Address) -> Result<ExitCode, Error> {
    Warehouse::connect(address)?.migrate()?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: Vec<u8>) -> Result<ExitCode, Error> {
    unless_left(io::stdout().write_all(&text))?;
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
    unless_left(write!(anstream::stdout(), "{text}"))
}

/// Prints one JSON object on one line.
fn print_json(object: &impl Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(object).map_err(io::Error::from)?;
    line.push(b'\n');
    unless_left(io::stdout().write_all(&line))
}

/// A reader that has left has read what it wanted (`etl history card 42 | head`): that is no error,
/// and the exit status still says what was found.
fn unless_left(printed: Result<(), impl Into<Error>>) -> Result<(), Error> {
    match printed.map_err(Into::into) {
        Err(Error::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
