//! Where the database has the content of a file: as an event of landing, or among the rejections.
//!
//! The content is compared, in the database. A file's name and times prove nothing: another file may
//! have had them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Transaction;

use super::chunk::{File, Outcome};
use crate::event::{Ahead, AnyEvent, accept};
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::warehouse::error::Error;
use crate::warehouse::kept_files::{self, FoundRejection, Searched, SoughtFile};
use crate::warehouse::landing::compare_all;

/// Where the database has the content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// In landing, as an event.
    Event {
        /// Whether the file is a copy of the event whose time counts, and that no run has read: it would
        /// move the event within its second.
        precedes: bool,
        /// When it happened.
        event_at: DateTime<Utc>,
        /// The modification time of the file that it was loaded from, in whole microseconds; `None` if it
        /// cannot be represented.
        modified_at: Option<DateTime<Utc>>,
    },
    /// In a rejection.
    Rejection(FoundRejection),
    /// Nowhere, for this reason.
    Nowhere(String),
}

/// A file that was looked for.
#[derive(Debug)]
pub(crate) struct StoredFile {
    /// The file. If it is an event, its outcome is [`Outcome::Loaded`].
    pub(crate) file: File,
    /// Where its content is.
    pub(crate) stored: Stored,
    /// The file that the event of landing came from which has the same identity and other content.
    pub(crate) conflicts_with: Option<String>,
}

/// Looks for the content of files that were accepted or rejected, in the order given.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub(crate) fn find(
    transaction: &mut Transaction<'_>,
    source: Source,
    inbox: &InboxName,
    searched: Searched,
    files: impl IntoIterator<Item = File>,
) -> Result<Vec<StoredFile>, Error> {
    let mut events = Vec::new();
    let mut found: Vec<StoredFile> = Vec::new();
    for mut file in files {
        let why = match std::mem::replace(&mut file.outcome, Outcome::Loaded) {
            Outcome::Accepted(event) => {
                let why = missing(&event);
                events.push((found.len(), event));
                why
            }
            Outcome::Rejected(rejection) => {
                let why = rejection.to_string();
                file.outcome = Outcome::Rejected(rejection);
                why
            }
            other => {
                file.outcome = other;
                "it is not an event".to_owned()
            }
        };
        found.push(StoredFile {
            file,
            stored: Stored::Nowhere(why),
            conflicts_with: None,
        });
    }
    find_events(transaction, events, &mut found)?;
    find_rejections(transaction, source, inbox, searched, &mut found)?;
    // An event whose rejection was closed since it was not found has been loaded since.
    let again: Vec<(usize, AnyEvent)> = nowhere(&found)
        .filter_map(|(position, file)| Some((position, validate(file)?)))
        .collect();
    find_events(transaction, again, &mut found)?;
    Ok(found)
}

fn nowhere(found: &[StoredFile]) -> impl Iterator<Item = (usize, &File)> {
    found
        .iter()
        .enumerate()
        .filter(|(_, found)| matches!(found.stored, Stored::Nowhere(_)))
        .map(|(position, found)| (position, &found.file))
}

/// Looks for events in landing.
fn find_events(
    transaction: &mut Transaction<'_>,
    events: Vec<(usize, AnyEvent)>,
    found: &mut [StoredFile],
) -> Result<(), Error> {
    for loaded in compare_all(transaction, events)? {
        let found = &mut found[loaded.position];
        if loaded.is_same {
            found.stored = Stored::Event {
                // Without a stamp nobody knows, so a run is to compare them.
                precedes: found
                    .file
                    .stamp
                    .is_none_or(|stamp| loaded.is_preceded_by(stamp.modified.to_utc())),
                event_at: loaded.event_at,
                modified_at: loaded.file_modified_at,
            };
        } else {
            found.stored = Stored::Nowhere(format!(
                "landing has its event with other content, from {}",
                loaded.file_name
            ));
            found.conflicts_with = Some(loaded.file_name);
        }
    }
    Ok(())
}

/// Looks among the rejections for files that are not in landing.
fn find_rejections(
    transaction: &mut Transaction<'_>,
    source: Source,
    inbox: &InboxName,
    searched: Searched,
    found: &mut [StoredFile],
) -> Result<(), Error> {
    let (positions, sought): (Vec<usize>, Vec<SoughtFile<'_>>) = nowhere(found)
        .map(|(position, file)| (position, sought(file)))
        .unzip();
    let rejections = kept_files::find(transaction, source, inbox, searched, &sought)?;
    for rejection in rejections {
        let position = positions[rejection.position];
        found[position].stored = Stored::Rejection(rejection);
    }
    Ok(())
}

fn sought(file: &File) -> SoughtFile<'_> {
    SoughtFile {
        name: &file.name,
        size: file.stamp.map(|stamp| stamp.size),
        document: file.document.as_deref(),
    }
}

/// The event in a file, if it is one.
fn validate(file: &File) -> Option<AnyEvent> {
    let ahead = Ahead {
        changed_at: file.stamp?.changed.to_utc(),
        max_ahead: Duration::MAX,
    };
    accept(file.document.as_ref()?, ahead).ok()
}

fn missing(event: &AnyEvent) -> String {
    format!(
        "landing does not have the event {} of {} {}",
        event.event_id(),
        event.kind(),
        event.entity_id()
    )
}
