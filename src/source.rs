//! Where events come from: the two services, each with a folder of the inbox to itself.

use std::fmt;

/// A service, its folder in the inbox and its row in `etl.checkpoint`.
///
/// The folder does not decide what its events are about: `metadata.type` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Source {
    /// The users service, `<inbox>/users`.
    Users,
    /// The cards service, `<inbox>/cards`.
    Cards,
}

impl Source {
    /// Every source, in the order in which a run takes them up and locks them.
    pub const ALL: [Source; 2] = [Source::Users, Source::Cards];

    /// Its name in the inbox, in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Source::Users => "users",
            Source::Cards => "cards",
        }
    }

    /// The names of several sources, as a parameter of a statement.
    pub fn names(sources: &[Source]) -> Vec<&'static str> {
        sources.iter().map(|source| source.name()).collect()
    }

    /// The source with this name.
    pub fn named(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.name() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
