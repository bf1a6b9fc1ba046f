//! Totals: the content of the warehouse in a few large figures.

use maud::{Markup, Render, html};

use super::Rejections;
use crate::error::Error;
use crate::report::health::Source;
use crate::report::kind::{CARD, KINDS, Kind, of_every_kind};
use crate::report::quantity::grouped;
use crate::report::snapshot::Snapshot;
use crate::report::span::{Spans, Subject};

/// The totals.
#[derive(Debug)]
pub struct Totals {
    kinds: Vec<(Kind, KindTotals)>,
    cards: i64,
    active_cards: i64,
    cards_without_user: i64,
    events: i64,
    duplicates: i64,
    open_rejections: i64,
    resolved_rejections: i64,
}

/// The totals of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct KindTotals {
    entities: i64,
    versions: i64,
}

impl Totals {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when they cannot be read.
    pub fn read(
        snapshot: &mut Snapshot<'_>,
        spans: &Spans,
        sources: &[Source],
        rejections: &Rejections,
    ) -> Result<Totals, Error> {
        let sql = of_every_kind(include_str!("../../../sql/report/totals.sql"));
        let rows = snapshot.query(&sql, &[])?;
        let kinds = KINDS.map(|kind| {
            let row = rows
                .iter()
                .find(|row| row.get::<_, &str>("kind") == kind.name);
            let totals = row.map(|row| KindTotals {
                entities: row.get("entities"),
                versions: row.get("versions"),
            });
            (kind, totals.unwrap_or_default())
        });
        let cards = snapshot.row(include_str!("../../../sql/report/cards.sql"))?;
        let all_cards = kinds.iter().find(|(kind, _)| *kind == CARD);
        Ok(Totals {
            cards: all_cards.map_or(0, |(_, totals)| totals.entities),
            kinds: kinds.into(),
            active_cards: cards.get("active"),
            cards_without_user: cards.get("without_user"),
            events: spans.count(Subject::Events),
            duplicates: sources.iter().map(|source| source.duplicates).sum(),
            open_rejections: rejections.open(),
            resolved_rejections: rejections.resolved(),
        })
    }
}

impl Render for Totals {
    fn render(&self) -> Markup {
        html! {
            dl.totals {
                @for (kind, totals) in &self.kinds {
                    (total(kind.plural, totals.entities, &format!("{} versions", grouped(totals.versions))))
                }
                (total("Active cards", self.active_cards, &format!("of {}", grouped(self.cards))))
                (total("Cards without user", self.cards_without_user, "user not known"))
                (total("Events loaded", self.events, "of all kinds"))
                (total("Duplicates", self.duplicates, "files already loaded"))
                (total(
                    "Files rejected",
                    self.open_rejections,
                    &format!("{} more resolved", grouped(self.resolved_rejections)),
                ))
            }
        }
    }
}

fn total(name: &str, value: i64, note: &str) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { (grouped(value)) small { (note) } }
        }
    }
}
