//! `etl`: parse the arguments, run the command, report.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use etl::archive;
use etl::cli::error::Error;
use etl::cli::{
    ArchiveArguments, Cli, Command, ExplainArguments, Format, HistoryArguments, MigrateArguments,
    RebuildArguments, RejectedCommand, ReportArguments, RunArguments, StatusArguments,
    VerifyArguments, shell,
};
use etl::escape::json_line;
use etl::logging;
use etl::pages::status::{STALE_AFTER, Status, prometheus, watch};
use etl::pages::{explain, history, rejected, report, status, verify};
use etl::run::{self, Ending};
use etl::warehouse::address::Address;
use etl::warehouse::{Warehouse, dismissal};
use serde::Serialize;

/// Exit status of a run that could not scan every folder, and of a check that found something wrong.
const FAILED: u8 = 1;

/// Exit status of `etl status --max-lag` if a folder was not scanned in time.
const STALE: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::read();
    logging::start(
        cli.log.log_format,
        cli.log.verbosity(),
        cli.command.is_run(),
    );
    act(&cli).unwrap_or_else(|error| {
        // A run that has done its work has logged its outcome, even if its output cannot be written.
        match cli.command.is_run() && !matches!(error, Error::Output(_)) {
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
        Command::Status(arguments) => show_status(&address()?, arguments),
        Command::History(arguments) => show_history(&address()?, arguments),
        Command::Report(arguments) => write_report(&address()?, arguments),
        Command::Rejected(command) => manage_rejected(&address()?, command),
        Command::Explain(arguments) => explain_codes(arguments),
        Command::Verify(arguments) => verify_all(&address()?, arguments),
        Command::Rebuild(arguments) => rebuild(&address()?, arguments),
        Command::Archive(arguments) => archive_files(&address()?, arguments),
        Command::Migrate(arguments) => migrate(&address()?, arguments),
        Command::Completions(arguments) => print(shell::completions(arguments.shell)),
        Command::Man(arguments) => print(shell::manual_page(&arguments.words)?),
    }
}

/// Success if everything is well, else this exit status.
fn success_or(status: u8, is_well: bool) -> ExitCode {
    match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(status),
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
    Ok(success_or(FAILED, outcome.failures.is_empty()))
}

fn show_status(address: &Address, arguments: &StatusArguments) -> Result<ExitCode, Error> {
    let read = || status_of(address, STALE_AFTER);
    if let Some(every) = arguments.watch() {
        return watch_status(every, read);
    }
    if arguments.check {
        return check_health(address);
    }
    let Some(max_lag) = arguments.max_lag else {
        print_status(&read()?, arguments.format())?;
        return Ok(ExitCode::SUCCESS);
    };
    let progress = match arguments.format() {
        // A health check asks this every few seconds: nothing is counted for it.
        Format::Text => {
            let progress = status::read_progress(&mut Warehouse::connect(address)?)?;
            print_text(&progress)?;
            progress
        }
        format => {
            let status = status_of(address, max_lag)?;
            print_status(&status, format)?;
            status.health.progress
        }
    };
    let stale = progress.stale(max_lag);
    for problem in &stale {
        log::warn!("{problem}: {}", problem.advice());
    }
    Ok(success_or(STALE, stale.is_empty()))
}

fn status_of(address: &Address, stale_after: Duration) -> Result<Status, Error> {
    Ok(status::read(
        &mut Warehouse::connect(address)?,
        stale_after,
    )?)
}

fn print_status(status: &Status, format: Format) -> Result<(), Error> {
    match format {
        Format::Text => print_text(status),
        Format::Json => print_json(status),
        Format::Prometheus => print_text(&prometheus::Page(status)),
    }
}

fn watch_status(
    every: Duration,
    read: impl FnMut() -> Result<Status, Error>,
) -> Result<ExitCode, Error> {
    if !io::stdout().is_terminal() {
        return Err(Error::Setting("--watch requires a terminal".to_owned()));
    }
    match watch::watch(every, read)? {}
}

fn check_health(address: &Address) -> Result<ExitCode, Error> {
    let health = status::read_health(&mut Warehouse::connect(address)?, STALE_AFTER)?;
    print_text(&format_args!("{}\n", health.verdict()))?;
    Ok(success_or(FAILED, health.healthy))
}

fn write_report(address: &Address, arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let report = report::read(&mut Warehouse::connect(address)?)?;
    unless_closed(report.write(&arguments.file))?;
    Ok(ExitCode::SUCCESS)
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

fn verify_all(address: &Address, arguments: &VerifyArguments) -> Result<ExitCode, Error> {
    let found = verify::verify(&mut Warehouse::connect(address)?, &arguments.options())?;
    print_page(&found, arguments.json)?;
    Ok(success_or(FAILED, found.sound))
}

fn rebuild(address: &Address, arguments: &RebuildArguments) -> Result<ExitCode, Error> {
    let rebuilt = run::rebuild(&mut Warehouse::connect(address)?, &arguments.options())?;
    print_page(&rebuilt, arguments.json)?;
    if let Some(signal) = rebuilt.interrupted {
        signal.end();
    }
    Ok(success_or(FAILED, rebuilt.counts.keys_failed == 0))
}

fn archive_files(address: &Address, arguments: &ArchiveArguments) -> Result<ExitCode, Error> {
    let outcome = archive::archive(address, &arguments.options());
    outcome.log();
    if let archive::outcome::Ending::Interrupted(signal) = outcome.ending {
        signal.end();
    }
    if arguments.json {
        print_json(&outcome)?;
    }
    Ok(success_or(FAILED, outcome.succeeded()))
}

fn migrate(address: &Address, arguments: &MigrateArguments) -> Result<ExitCode, Error> {
    let warehouse = &mut Warehouse::connect(address)?;
    if arguments.distribute {
        warehouse.require_cluster()?;
    }
    warehouse.migrate()?;
    if arguments.distribute {
        warehouse.distribute(arguments.shards)?;
    }
    run::rebuild_requested(warehouse)?;
    Ok(ExitCode::SUCCESS)
}

fn explain_codes(arguments: &ExplainArguments) -> Result<ExitCode, Error> {
    print_text(&explain::explain(&arguments.codes))?;
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
