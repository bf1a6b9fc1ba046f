//! Statements: the files of `sql/`. Those about an entity are one file for all entities, in which
//! `{entity}` is its name and the other holes list its attributes:
//!
//! | hole | for a card |
//! |---|---|
//! | `{attributes}` | `user_id, created_by_name, active, …` |
//! | `{event.attributes}` | `event.user_id, event.created_by_name, …` |
//! | `{tracked}`, `{event.tracked}` | the same with the tracked attributes alone |
//! | `{attribute_arrays}` | `$5::bigint[], $6::text[], …`: one parameter an attribute, after the statement's own |

use crate::entity::{Attribute, AttributeKind, Kind};

/// Defines the statements about an entity, and lists them.
macro_rules! statements {
    ($($name:ident $path:literal)+) => {
        $(
            #[doc = concat!("`sql/", $path, "`")]
            pub const $name: &str = include_str!(concat!("../../sql/", $path));
        )+

        /// The statements about an entity: the path of the file, and the text with its holes.
        pub const TEMPLATES: &[(&str, &str)] = &[$(($path, $name)),+];
    };
}

statements! {
    EVENT_COMPARE "event/compare.sql"
    EVENT_COPY "event/copy.sql"
    EVENT_EFFECTIVE "event/effective.sql"
    EVENT_HIGHEST_KEY "event/highest_key.sql"
    EVENT_KEYS "event/keys.sql"
    EVENT_KNOWN "event/known.sql"
    EVENT_LATEST "event/latest.sql"
    EVENT_PRECEDE "event/precede.sql"
    HISTORY_EVENTS "history/events.sql"
    HISTORY_VERSIONS "history/versions.sql"
    REBUILD_EVENTS "rebuild/events.sql"
    REBUILD_NEXT_KEYS "rebuild/next_keys.sql"
    REBUILD_TAKEN_KEYS "rebuild/taken_keys.sql"
    REBUILD_VERSIONS "rebuild/versions.sql"
    RECONCILE_DELETE_LOADED "reconcile/delete_loaded.sql"
    STATUS_DIMENSION "status/dimension.sql"
    VERSION_ADVANCE_KEY_SEQUENCE "version/advance_key_sequence.sql"
    VERSION_BETWEEN "version/between.sql"
    VERSION_COPY "version/copy.sql"
    VERSION_CURRENT "version/current.sql"
    VERSION_DELETE "version/delete.sql"
    VERSION_KEY_SEQUENCE "version/key_sequence.sql"
    VERSION_LATEST "version/latest.sql"
    VERSION_TAKE_PART "version/take_part.sql"
    VERSION_UNLINKED "version/unlinked.sql"
    VERSION_UPDATE "version/update.sql"
    VERIFY_DIMENSION "verify/dimension.sql"
    VERIFY_FIGURES "verify/figures.sql"
    VERIFY_LANDED "verify/landed.sql"
    VERIFY_SHARED_KEYS "verify/shared_keys.sql"
}

/// Fills the holes of a statement for an entity.
pub fn fill(template: &str, kind: Kind) -> String {
    let own_parameters = template
        .split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.trim_start_matches(|char: char| char.is_ascii_digit());
            rest[..rest.len() - digits.len()].parse::<usize>().ok()
        })
        .max()
        .unwrap_or(0);
    let mut sql = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let (before, hole) = rest.split_at(start);
        sql.push_str(before);
        let Some(end) = hole.find('}') else {
            break;
        };
        sql.push_str(&content(&hole[1..end], kind, own_parameters));
        rest = &hole[end + 1..];
    }
    sql.push_str(rest);
    sql
}

/// The union over all entities: each is filled into the statement in turn.
pub fn union(template: &str) -> String {
    let statements: Vec<String> = Kind::ALL.iter().map(|kind| fill(template, *kind)).collect();
    statements.join("\nunion all\n")
}

fn content(hole: &str, kind: Kind, own_parameters: usize) -> String {
    let (alias, list) = match hole.rsplit_once('.') {
        Some((alias, list)) => (format!("{alias}."), list),
        None => (String::new(), hole),
    };
    let names = |attributes: &mut dyn Iterator<Item = &Attribute>| {
        let names: Vec<String> = attributes
            .map(|attribute| format!("{alias}{}", attribute.name))
            .collect();
        names.join(", ")
    };
    match list {
        "entity" => kind.name().to_owned(),
        "attributes" => names(&mut kind.attributes().iter()),
        "tracked" => names(&mut kind.tracked()),
        "attribute_arrays" => {
            let arrays: Vec<String> = kind
                .attributes()
                .iter()
                .zip(own_parameters + 1..)
                .map(|(attribute, number)| format!("${number}::{}[]", sql_type(attribute.kind)))
                .collect();
            arrays.join(", ")
        }
        // A test prepares every statement, so no other hole gets this far.
        other => format!("{{{other}}}"),
    }
}

/// The type of an attribute's columns.
pub fn sql_type(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Integer => "bigint",
        AttributeKind::Number => "double precision",
        AttributeKind::Boolean => "boolean",
        AttributeKind::Text => "text",
        AttributeKind::Time => "timestamptz",
    }
}

#[cfg(test)]
mod tests {
    use super::{TEMPLATES, fill, union};
    use crate::entity::Kind;

    #[test]
    fn holes_are_filled_by_name() {
        assert_eq!(
            fill(
                "select $2, {attribute_arrays} from {entity} where {e.tracked} = $1",
                Kind::User
            ),
            "select $2, $3::text[], $4::text[], $5::text[], $6::double precision[] from user \
             where e.name, e.address, e.job, e.score = $1"
        );
    }

    #[test]
    fn a_union_has_every_entity() {
        assert_eq!(
            union("select '{entity}'"),
            "select 'user'\nunion all\nselect 'card'"
        );
    }

    #[test]
    fn no_statement_keeps_a_hole() {
        for (path, template) in TEMPLATES {
            for kind in Kind::ALL {
                let sql = fill(template, *kind);
                assert!(!sql.contains(['{', '}']), "{path}: {sql}");
            }
        }
    }
}
