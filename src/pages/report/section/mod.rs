//! The sections of the page. Each reads its data and renders it.

mod active_cards;
mod freshness;
mod lateness;
mod percentiles;
mod rejections;
mod runs;
mod totals;
mod versions;
mod volume;

use maud::{Markup, html};

pub use active_cards::ActiveCards;
pub use freshness::Freshness;
pub use lateness::Lateness;
pub use rejections::Rejections;
pub use runs::Runs;
pub use totals::Totals;
pub use versions::Versions;
pub use volume::Volume;

/// A sentence in place of a chart of nothing.
fn nothing(sentence: &str) -> Markup {
    html! { p.empty { (sentence) } }
}

/// In place of a chart of events, before the first event.
fn no_events() -> Markup {
    nothing("No event has been loaded yet.")
}

/// The rows of a chart in words, for screen readers.
fn rows_in_words(rows: &[(String, i64)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(label, count)| format!("{label}: {}", super::quantity::grouped(*count)))
        .collect();
    rows.join("; ")
}
