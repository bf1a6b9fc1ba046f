//! Where a service's log goes, and how it ends.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{SecondsFormat, Utc};
use env_logger::{Builder, Env, Target};
use thiserror::Error;

/// Why there is no log.
#[derive(Debug, Error)]
#[error("cannot open the log {}: {source}; name a writable folder with LOGS_DIR", path.display())]
pub struct LoggingError {
    path: PathBuf,
    source: io::Error,
}

/// Sends the log to the end of `<folder>/<service>.log`, or to stderr without a folder. `RUST_LOG`
/// sets how much of it.
pub fn start(folder: Option<&Path>, service: &str) -> Result<(), LoggingError> {
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    if let Some(folder) = folder {
        let path = folder.join(service).with_extension("log");
        match open(folder, &path) {
            Ok(file) => builder.target(Target::Pipe(Box::new(file))),
            Err(source) => return Err(LoggingError { path, source }),
        };
    }
    // Of itself env_logger writes a time only with a library of calendars, which takes long to compile.
    builder.format(|line, record| {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        let (level, target) = (record.level(), record.target());
        writeln!(line, "[{time} {level:<5} {target}] {}", record.args())
    });
    builder.init();
    Ok(())
}

/// The exit status of a service, whose error is printed.
pub fn exit_code(service: &str, ended: Result<(), Box<dyn Error>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    File::options().create(true).append(true).open(path)
}
