//! `etl archive`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::inbox::InboxArguments;
use super::value::age;
use crate::archive::ArchiveOptions;
use crate::source::Source;

/// Arguments of `etl archive`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  etl archive                             from cron, every hour
  etl archive --older-than 1d --dry-run   how many files that would be
  tar --zstd -xpf data/events/archive/cards/2026-11-26/FILE.tar.zst -C data/events/inbox/cards
  tar --zstd -tvf FILE                    the files in an archive
  tar --zstd -xOf FILE | jq .payload.id   their content; DuckDB reads it as read_json('/dev/stdin')

For a lost warehouse: stop the schedule, and load the archives alone, from the project's folder, in
the order of their names. A run follows each, since several may have files of one name:
    find data/events/archive -name '*.tar.zst' -printf '%f %P\\n' | sort |
      while read -r _ archive
      do tar --zstd -xpf \"data/events/archive/$archive\" -C \"data/events/inbox/${archive%%/*}\" &&
         etl run < /dev/null || break; done
For some days only, add -path '*/2026-11-2*' to find. A run beside tar may read a file before it has
its own modification time, which orders the events of a second: hence no schedule. tar needs the
program zstd. If the files were loaded with another --max-ahead or --max-file-size than the default,
these runs need it too.

A file is moved once the database has its content: its event is in landing, or the file is among the
rejections. Every other file stays, and is counted by reason.")]
pub struct ArchiveArguments {
    /// The inbox.
    #[command(flatten)]
    inbox: InboxArguments,

    /// How long ago a file has to have changed, such as 90m, 36h or 7d
    #[arg(long, default_value = "1h", value_parser = age, value_name = "AGE")]
    older_than: Duration,

    /// Folder of the archives; each inbox has one of its own
    #[arg(
        long,
        env = "ETL_ARCHIVE",
        default_value = "data/events/archive",
        value_name = "FOLDER"
    )]
    to: PathBuf,

    /// Archive this source alone; may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<Source>,

    /// Report what would be archived, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl ArchiveArguments {
    /// What is to be archived.
    pub fn options(&self) -> ArchiveOptions {
        ArchiveOptions {
            inbox: self.inbox.inbox.clone(),
            inbox_name: self.inbox.inbox_name.clone(),
            sources: Source::selected(&self.sources),
            older_than: self.older_than,
            to: self.to.clone(),
            dry_run: self.dry_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{Args, Command};

    use crate::cli::run::RunArguments;
    use crate::event::MAX_AHEAD;

    /// A file that a run with the defaults would reject is in no archive.
    #[test]
    fn archives_and_runs_agree_about_the_future() {
        let defaults = RunArguments::augment_args(Command::new("run")).get_matches_from(["run"]);
        assert_eq!(defaults.get_one::<Duration>("max_ahead"), Some(&MAX_AHEAD));
    }
}
