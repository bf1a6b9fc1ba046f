//! The flags that select rejections.

use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::value::{Since, id};
use crate::entity::Kind;
use crate::event::Reason;
use crate::source::Source;
use crate::warehouse::dismissal::Selection;

/// Group of all these flags.
pub(super) const SELECTION: &str = "selection";

/// Group of the flags that name one entity.
const SUBJECT: &str = "subject";

/// The flags that select rejections: those for which all of them hold.
#[derive(Debug, Args)]
#[group(id = SELECTION, multiple = true)]
pub struct SelectionArguments {
    /// Those rejected for this reason
    #[arg(long, value_name = "REASON", group = SELECTION)]
    reason: Option<Reason>,

    /// Those of this source
    #[arg(long, value_name = "SOURCE", group = SELECTION)]
    source: Option<Source>,

    /// Those rejected at this time or later: a date or a time, UTC unless it says otherwise
    /// (2026-11-23, 2026-11-23 20:10), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "TIME", group = SELECTION)]
    since: Option<Since>,

    /// Those rejected before this time
    #[arg(long, value_name = "TIME", group = SELECTION)]
    before: Option<Since>,

    /// What they are about.
    #[command(flatten)]
    subject: SubjectArguments,
}

impl SelectionArguments {
    /// Which rejections are selected.
    pub fn selection(&self) -> Selection {
        Selection {
            reason: self.reason,
            source: self.source,
            subject: self.subject.0,
            since: self.since.map(|Since(time)| time),
            before: self.before.map(|Since(time)| time),
        }
    }
}

/// One flag for each entity, called like it: `--card 42`.
#[derive(Clone, Copy, Debug)]
struct SubjectArguments(Option<(Kind, i64)>);

impl Args for SubjectArguments {
    fn augment_args(command: Command) -> Command {
        let flags = Kind::ALL.iter().map(|kind| {
            Arg::new(kind.name())
                .long(kind.name())
                .value_name("ID")
                .value_parser(id)
                .allow_negative_numbers(true)
                .group(SELECTION)
                .group(SUBJECT)
                .help(format!("Those about this {kind}"))
        });
        command.args(flags).group(ArgGroup::new(SUBJECT))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SubjectArguments::augment_args(command)
    }
}

impl FromArgMatches for SubjectArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SubjectArguments, clap::Error> {
        Ok(SubjectArguments(Kind::ALL.iter().find_map(|kind| {
            Some((*kind, *matches.get_one(kind.name())?))
        })))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = SubjectArguments::from_arg_matches(matches)?;
        Ok(())
    }
}
