//! Where events come from: the services, each with a folder of the inbox to itself.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::entity::{Kind, for_each_entity};

/// A service and its folder in the inbox: the one that writes the events of an entity.
///
/// The folder does not decide what its events are about: `metadata.type` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Kind);

macro_rules! define_all {
    ($($module:ident::$entity:ident),+) => {
        impl Source {
            /// Every source, in the order in which a run takes them up.
            pub const ALL: &'static [Source] = &[$(Source(Kind::$entity)),+];
        }
    };
}
for_each_entity!(define_all);

impl Source {
    /// The source of an entity.
    pub fn of(kind: Kind) -> Source {
        Source(kind)
    }

    /// The entity that its events are about, unless they say something else.
    pub fn entity(self) -> Kind {
        self.0
    }

    /// Its name in the inbox, in the database and on the command line.
    pub fn name(self) -> &'static str {
        self.0.source_name()
    }

    /// The names of several sources, as a parameter of a statement.
    pub fn names(sources: &[Source]) -> Vec<&'static str> {
        sources.iter().map(|source| source.name()).collect()
    }

    /// Those that were selected, in order and each once; all of them if none was.
    pub fn selected(sources: &[Source]) -> Vec<Source> {
        Source::ALL
            .iter()
            .copied()
            .filter(|source| sources.is_empty() || sources.contains(source))
            .collect()
    }

    /// The source with this name.
    pub fn named(name: &str) -> Option<Source> {
        Source::ALL
            .iter()
            .copied()
            .find(|source| source.name() == name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl ValueEnum for Source {
    fn value_variants<'a>() -> &'a [Source] {
        Source::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(format!("The folder <inbox>/{}", self.name())))
    }
}
