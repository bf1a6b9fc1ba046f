//! Versions per key, and the keys with the most versions.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use postgres::Row;
use postgres::types::Type;

use super::{no_events, rows_in_words};
use crate::entity::Kind;
use crate::pages::error::Error;
use crate::pages::report::chart::{Words, rows};
use crate::pages::report::kind::{hue, of_every_kind, plural};
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::table::{Column, folded, number, text};
use crate::pages::report::untrusted::{CHARS_READ, Untrusted};
use crate::pages::terminal::whole_seconds;

/// Lower bounds of the classes of versions per key.
const CLASSES: [i64; 10] = [1, 2, 3, 4, 5, 6, 11, 21, 51, 101];

/// Keys with the most versions shown, of each entity.
const MOST_CHANGED: i64 = 5;

/// Versions per key.
#[derive(Debug)]
pub struct Versions(Vec<KindVersions>);

/// Versions per key of an entity.
#[derive(Debug)]
struct KindVersions {
    kind: Kind,
    /// Keys by class.
    keys: Vec<i64>,
    /// The keys with the most versions, the most first.
    most_changed: Vec<Changed>,
}

/// A key with many versions.
#[derive(Debug)]
struct Changed {
    id: i64,
    versions: i64,
    changed_at: DateTime<Utc>,
    /// Name of the user that it is or belongs to, if known.
    name: Option<String>,
}

impl Versions {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>) -> Result<Versions, Error> {
        let sql = of_every_kind(include_str!("../../../../sql/report/versions_per_key.sql"));
        let classes = snapshot.query(&sql, &[(&CLASSES.as_slice(), Type::INT8_ARRAY)])?;
        let classes: HashMap<(String, i32), i64> = classes
            .iter()
            .map(|row| ((row.get("entity"), row.get("class")), row.get("keys")))
            .collect();
        let sql = of_every_kind(include_str!("../../../../sql/report/most_changed.sql"));
        let changed = snapshot.query(
            &sql,
            &[(&MOST_CHANGED, Type::INT8), (&CHARS_READ, Type::INT4)],
        )?;
        let versions = Kind::ALL.iter().map(|kind| {
            let keys = |class| classes.get(&(kind.name().to_owned(), class)).copied();
            let of_kind = |row: &&Row| row.get::<_, &str>("entity") == kind.name();
            let mut most_changed: Vec<Changed> =
                changed.iter().filter(of_kind).map(Changed::from).collect();
            most_changed.sort_by_key(|key| (-key.versions, key.id));
            KindVersions {
                kind: *kind,
                keys: (1..=CLASSES.len() as i32)
                    .map(|class| keys(class).unwrap_or_default())
                    .collect(),
                most_changed,
            }
        });
        Ok(Versions(versions.collect()))
    }

    /// The section.
    pub fn section(&self) -> Markup {
        let has_any = self
            .0
            .iter()
            .flat_map(|kind| &kind.keys)
            .any(|keys| *keys > 0);
        html! {
            h2 { "Versions per key" }
            @if has_any {
                div.beside { @for kind in &self.0 { figure { (kind.figure()) } } }
            } @else {
                (no_events())
            }
        }
    }
}

impl From<&Row> for Changed {
    fn from(row: &Row) -> Changed {
        Changed {
            id: row.get("entity_id"),
            versions: row.get("versions"),
            changed_at: row.get("changed_at"),
            name: row.get("name"),
        }
    }
}

impl KindVersions {
    fn figure(&self) -> Markup {
        // Classes beyond the last that has a key are left out.
        let last = self.keys.iter().rposition(|keys| *keys > 0).unwrap_or(0);
        let shown: Vec<(String, i64)> = (0..=last)
            .map(|class| (label(class), self.keys[class]))
            .collect();
        let words = Words {
            id: format!("{}-versions", self.kind.name()),
            title: plural(self.kind),
            by: "by number of versions".to_owned(),
            description: rows_in_words(&shown),
        };
        html! {
            (rows(&words, &shown, hue(self.kind)))
            @if !self.most_changed.is_empty() { (self.table()) }
        }
    }

    fn table(&self) -> Markup {
        let columns = [
            Column::Number("Id"),
            Column::Number("Versions"),
            Column::Time("Last change (UTC)"),
            Column::Words("User"),
        ];
        let rows = self.most_changed.iter().map(|key| {
            vec![
                text(key.id),
                number(key.versions),
                text(whole_seconds(key.changed_at)),
                match &key.name {
                    Some(name) => html! { (Untrusted(name)) },
                    None => text("not known"),
                },
            ]
        });
        folded("Most versions", &columns, rows)
    }
}

/// The name of a class.
fn label(class: usize) -> String {
    match (CLASSES[class], CLASSES.get(class + 1)) {
        (from, Some(next)) if next - from == 1 => from.to_string(),
        (from, Some(next)) => format!("{from} to {}", next - 1),
        (from, None) => format!("{from} or more"),
    }
}
