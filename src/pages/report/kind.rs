//! The entities as the page shows them: their names and their colours.

use super::hue::Hue;
use crate::entity::Kind;
use crate::source::Source;
use crate::warehouse::statement;

/// Colours of the entities on a light and on a dark page, in the order of [`Kind::ALL`]; beyond the
/// last one they start again.
const COLOURS: [(&str, &str); 6] = [
    ("#2a8a6e", "#5bc3a2"),
    ("#2f6fb3", "#6aa7e8"),
    ("#a8437a", "#e48dba"),
    ("#80681b", "#cfb356"),
    ("#3b7c8c", "#73bac9"),
    ("#76593c", "#c4a17e"),
];

/// The colour of an entity in all charts.
pub fn hue(kind: Kind) -> Hue {
    let (light, dark) = COLOURS[kind as usize % COLOURS.len()];
    Hue {
        class: Source::of(kind).name(),
        light,
        dark,
    }
}

/// What one of them is called, as a heading begins.
pub fn singular(kind: Kind) -> String {
    capitalized(kind.name())
}

/// What several of them are called, as a heading begins.
pub fn plural(kind: Kind) -> String {
    capitalized(Source::of(kind).name())
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// One statement for all entities: the union of a statement about one, in which `{entity}` is its
/// name.
pub fn of_every_kind(template: &str) -> String {
    let statements: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("(\n{}\n)", statement::fill(template, *kind)))
        .collect();
    statements.join("\nunion all\n")
}

/// A statement in which `{events}` is the query of the events of all entities.
pub fn with_events(statement: &str) -> String {
    let events = of_every_kind(include_str!("../../../sql/report/events.sql"));
    statement.replace("{events}", &events)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{hue, plural, singular};
    use crate::entity::Kind;

    #[test]
    fn entities_have_names_and_colours_of_their_own() {
        assert_eq!(
            [singular(Kind::Card), plural(Kind::Card)],
            ["Card", "Cards"]
        );
        let classes: BTreeSet<_> = Kind::ALL.iter().map(|kind| hue(*kind).class).collect();
        assert_eq!(classes.len(), Kind::ALL.len());
    }
}
