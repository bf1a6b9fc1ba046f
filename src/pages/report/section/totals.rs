//! Totals: the content of the warehouse in a few large figures.

use maud::{Markup, Render, html};

use super::Rejections;
use crate::entity::Kind;
use crate::pages::error::Error;
use crate::pages::report::kind::{of_every_kind, plural};
use crate::pages::report::quantity::grouped;
use crate::pages::report::snapshot::Snapshot;
use crate::pages::report::span::{Spans, Subject};
use crate::pages::status::Progress;

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

/// The totals of an entity.
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
    /// [`Error::Warehouse`] when they cannot be read.
    pub fn read(
        snapshot: &mut Snapshot<'_>,
        spans: &Spans,
        progress: &Progress,
        rejections: &Rejections,
    ) -> Result<Totals, Error> {
        let sql = of_every_kind(include_str!("../../../../sql/report/totals.sql"));
        let rows = snapshot.query(&sql, &[])?;
        let kinds = Kind::ALL.iter().map(|kind| {
            let row = rows
                .iter()
                .find(|row| row.get::<_, &str>("entity") == kind.name());
            let totals = row.map(|row| KindTotals {
                entities: row.get("entities"),
                versions: row.get("versions"),
            });
            (*kind, totals.unwrap_or_default())
        });
        let kinds: Vec<(Kind, KindTotals)> = kinds.collect();
        let cards = snapshot.row(include_str!("../../../../sql/report/cards.sql"))?;
        let all_cards = kinds.iter().find(|(kind, _)| *kind == Kind::Card);
        Ok(Totals {
            cards: all_cards.map_or(0, |(_, totals)| totals.entities),
            kinds,
            active_cards: cards.get("active"),
            cards_without_user: cards.get("without_user"),
            events: spans.count(Subject::Events),
            duplicates: progress
                .sources
                .iter()
                .map(|status| status.duplicates)
                .sum(),
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
                    (total(&plural(*kind), totals.entities, &format!("{} versions", grouped(totals.versions))))
                }
                (total("Active cards", self.active_cards, &format!("of {}", grouped(self.cards))))
                (total("Cards without user", self.cards_without_user, "user not known"))
                (total("Events loaded", self.events, "of all entities"))
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
