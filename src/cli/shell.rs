//! What a shell needs: completions and manual pages, both derived from the definition of the command
//! line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::error::Error;
use super::{Cli, manual};

/// Arguments of `etl completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl completions bash >/etc/bash_completion.d/etl
  etl completions zsh >/usr/local/share/zsh/site-functions/_etl
  etl completions fish >~/.config/fish/completions/etl.fish
  source <(etl completions bash)     for this shell alone")]
pub struct CompletionsArguments {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `etl man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl man | man -l -
  etl man run | man -l -
  etl man status >/usr/local/share/man/man1/etl-status.1")]
pub struct ManArguments {
    /// The command, such as run; by default, etl itself
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

/// The completions of a shell, as a script that it reads.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// The manual page of `etl`, or of the command that these words name.
///
/// # Errors
///
/// [`Error::Setting`] when there is no such command.
pub fn manual_page(words: &[String]) -> Result<Vec<u8>, Error> {
    let mut etl = Cli::command().disable_help_subcommand(true);
    // Gives each command its whole name and the options that all of them have.
    etl.build();
    let mut command = &etl;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            Error::Setting(format!(
                "there is no command `etl {}` to make a manual page of; `etl --help` lists them",
                words.join(" ")
            ))
        })?;
    }
    Ok(manual::page(command)?)
}
