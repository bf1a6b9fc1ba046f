//! Lateness: the time from an event to its file and to the warehouse.

use maud::{Markup, html};
use postgres::types::Type;

use super::{no_events, rows_in_words};
use crate::pages::error::Error;
use crate::pages::report::chart::{Words, rows};
use crate::pages::report::hue::EVERYTHING;
use crate::pages::report::kind::with_events;
use crate::pages::report::quantity::duration;
use crate::pages::report::snapshot::Snapshot;

/// Lower bounds of the classes, in seconds. One more class, below the first, is for files older than
/// their event.
const CLASSES: [f64; 12] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0,
];

/// Events per class, the class below the first bound first.
#[derive(Debug)]
pub struct Lateness {
    /// Until the file was written.
    to_file: Vec<i64>,
    /// Until the event was loaded.
    to_warehouse: Vec<i64>,
}

impl Lateness {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>) -> Result<Lateness, Error> {
        let sql = with_events(include_str!("../../../../sql/report/lateness.sql"));
        let rows = snapshot.query(&sql, &[(&CLASSES.as_slice(), Type::FLOAT8_ARRAY)])?;
        let by_class = |column: &str| {
            let mut counts = vec![0; CLASSES.len() + 1];
            for row in &rows {
                // The time of loading is unknown without the row of the run.
                let class = row.get::<_, Option<i32>>(column);
                let class = class.and_then(|class| usize::try_from(class).ok());
                if let Some(count) = class.and_then(|class| counts.get_mut(class)) {
                    *count += row.get::<_, i64>("events");
                }
            }
            counts
        };
        Ok(Lateness {
            to_file: by_class("file_class"),
            to_warehouse: by_class("warehouse_class"),
        })
    }

    /// The section.
    pub fn section(&self) -> Markup {
        html! {
            h2 { "Lateness of events" }
            @if self.to_file.iter().all(|events| *events == 0) {
                (no_events())
            } @else {
                div.beside {
                    figure { (chart("to-file", "Until its file was written", &self.to_file)) }
                    figure { (chart("to-warehouse", "Until it was in the warehouse", &self.to_warehouse)) }
                }
            }
        }
    }
}

fn chart(id: &str, title: &str, events: &[i64]) -> Markup {
    let shown = shown(events);
    let words = Words {
        id: id.to_owned(),
        title: title.to_owned(),
        by: "events by time taken".to_owned(),
        description: rows_in_words(&shown),
    };
    rows(&words, &shown, EVERYTHING)
}

/// The classes from the first to the last that has an event, with their names.
fn shown(events: &[i64]) -> Vec<(String, i64)> {
    let has_event = |events: &i64| *events > 0;
    let first = events.iter().position(has_event).unwrap_or_default();
    let last = events.iter().rposition(has_event).unwrap_or_default();
    let classes = labels().into_iter().zip(events.iter().copied());
    classes.take(last + 1).skip(first).collect()
}

/// The names of the classes.
fn labels() -> Vec<String> {
    let below = "before the event".to_owned();
    let within = CLASSES.windows(2).map(|bounds| {
        let (from, to) = (duration(bounds[0]), duration(bounds[1]));
        match (from.split_once(' '), to.split_once(' ')) {
            _ if bounds[0] == 0.0 => format!("less than {to}"),
            (Some((number, unit)), Some((_, other))) if unit == other => {
                format!("{number} to {to}")
            }
            _ => format!("{from} to {to}"),
        }
    });
    let above = format!("{} or more", duration(CLASSES[CLASSES.len() - 1]));
    std::iter::once(below)
        .chain(within)
        .chain([above])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{labels, shown};

    #[test]
    fn empty_classes_at_the_ends_are_left_out() {
        let mut events = vec![0; labels().len()];
        (events[1], events[4], events[12]) = (3, 0, 1);
        events[3] = 2;
        let shown = shown(&events);
        assert_eq!(shown[0], ("less than 1 s".to_owned(), 3));
        assert_eq!(shown[1], ("1 to 2 s".to_owned(), 0));
        assert_eq!(shown[2], ("2 to 5 s".to_owned(), 2));
        assert_eq!(shown.last(), Some(&("7 d or more".to_owned(), 1)));
        assert_eq!(shown.len(), 12);
    }
}
