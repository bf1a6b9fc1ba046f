//! Files in the inbox that ought to be known and are not.
//!
//! Names go to the database in one stream and are compared there in one pass. A name that no table
//! has need not be a lost file: it may be too new, or a copy of an event that came in another file,
//! which is written down nowhere. So those few are opened and judged.

use std::time::Duration;

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;
use postgres::{Client, Transaction};
use uuid::Uuid;

use super::{Check, Finding, Findings};
use crate::checkpoint::Checkpoint;
use crate::cli::MAX_FILE_SIZE;
use crate::clock::FileTime;
use crate::pages::error::Error;
use crate::warehouse::error::Doing;
use crate::event::{AcceptedEvent, accept};
use crate::inbox::{Folder, Reading, name_bytes, name_text};
use crate::escape::printable;

/// Unknown names that are fetched, opened and asked about at once.
const CHUNK: i32 = 1_000;

/// How many names there are in the inbox.
pub(super) struct Names {
    /// Those of event files.
    pub(super) files: i64,
    /// Others that may have been meant as such.
    pub(super) others: i64,
}

/// Sends the names of all event files to a temporary table and tells how many there are.
///
/// # Errors
///
/// [`Error::Folder`] when a folder cannot be listed, [`Error::Database`] when a statement fails.
pub(super) fn copy_names(client: &mut Client, folders: &[Folder]) -> Result<Names, Error> {
    let doing = "noting the names in the inbox";
    client
        .batch_execute(include_str!("../../../sql/verify/inbox_file.sql"))
        .doing(doing)?;
    let sink = client
        .copy_in("copy pg_temp.inbox_file (source, file_name) from stdin binary")
        .doing(doing)?;
    let mut writer = BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::TEXT]);
    let mut others = 0;
    for folder in folders {
        let source = folder.source().name();
        others += folder.each_name(|name| {
            writer
                .write(&[&source, &name_text(name).as_ref()])
                .doing(doing)
        })?;
    }
    let files = writer.finish().doing(doing)?;
    // Nobody else counts the rows of a temporary table for the planner.
    client
        .batch_execute("analyze pg_temp.inbox_file")
        .doing(doing)?;
    Ok(Names {
        files: i64::try_from(files).unwrap_or(i64::MAX),
        others,
    })
}

/// A file whose event is an accepted one, which landing has to have.
struct Unnamed {
    path: String,
    changed: FileTime,
    entity_id: i64,
    event_id: Uuid,
}

/// Looks for files that changed before the checkpoint and that nothing is known of. Tells how many
/// files are not due yet.
///
/// # Errors
///
/// [`Error::Folder`] when the system fails, [`Error::Database`] when a statement does.
pub(super) fn audit(
    snapshot: &mut Transaction<'_>,
    folders: &[Folder],
    checkpoints: &[Checkpoint],
    overlap: Duration,
    findings: &mut Findings,
) -> Result<i64, Error> {
    let doing = "looking for files that nobody knows";
    let statement = snapshot
        .prepare(include_str!("../../../sql/verify/unknown_files.sql"))
        .doing(doing)?;
    let portal = snapshot.bind(&statement, &[]).doing(doing)?;
    let mut waiting = 0;
    loop {
        let rows = snapshot.query_portal(&portal, CHUNK).doing(doing)?;
        if rows.is_empty() {
            return Ok(waiting);
        }
        let (mut users, mut cards) = (Vec::new(), Vec::new());
        for row in &rows {
            let (source, name): (&str, &str) = (row.get(0), row.get(1));
            let Some(folder) = folders
                .iter()
                .find(|folder| folder.source().name() == source)
            else {
                continue;
            };
            let horizon = checkpoints
                .iter()
                .find(|checkpoint| checkpoint.source == folder.source())
                .and_then(|checkpoint| checkpoint.offset)
                .map(|offset| offset.before(overlap));
            match judge(folder, name, horizon)? {
                Verdict::Waiting => waiting += 1,
                Verdict::NoFile => {}
                Verdict::User(unnamed) => users.push(unnamed),
                Verdict::Card(unnamed) => cards.push(unnamed),
                Verdict::Unknown(finding) => findings.add(finding),
            }
        }
        for (entity, unnamed, statement) in [
            (
                "user",
                users,
                include_str!("../../../sql/verify/unknown_user_events.sql"),
            ),
            (
                "card",
                cards,
                include_str!("../../../sql/verify/unknown_card_events.sql"),
            ),
        ] {
            let keys: Vec<i64> = unnamed.iter().map(|event| event.entity_id).collect();
            let ids: Vec<Uuid> = unnamed.iter().map(|event| event.event_id).collect();
            let unknown = snapshot
                .query_typed(
                    statement,
                    &[(&keys, Type::INT8_ARRAY), (&ids, Type::UUID_ARRAY)],
                )
                .doing(doing)?;
            for row in &unknown {
                // `with ordinality` counts from one.
                let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or_default();
                let event = &unnamed[place];
                findings.add(lost(
                    &event.path,
                    event.changed,
                    &format!(
                        "the event {} of {entity} {} is not in landing",
                        event.event_id, event.entity_id
                    ),
                ));
            }
        }
    }
}

/// What a file is whose name no table has.
enum Verdict {
    /// Newer than where the last run began to look, or still being written.
    Waiting,
    /// Gone, or not a regular file.
    NoFile,
    User(Unnamed),
    Card(Unnamed),
    Unknown(Finding),
}

/// Judges a file by its content, unless it changed at `horizon` or later; without a horizon no run
/// has looked at anything.
fn judge(folder: &Folder, name: &str, horizon: Option<FileTime>) -> Result<Verdict, Error> {
    let listing = folder.find(&name_bytes(name))?;
    let [entry] = listing.entries(0..listing.len()) else {
        return Ok(Verdict::NoFile);
    };
    let changed = entry.changed;
    if horizon.is_none_or(|horizon| changed >= horizon) {
        return Ok(Verdict::Waiting);
    }
    let path = format!("{}/{}", folder.source(), printable(name, &[]));
    let unnamed = |entity_id: i64, event_id: Uuid| Unnamed {
        path: path.clone(),
        changed,
        entity_id,
        event_id,
    };
    let unknown = |why: &str| Verdict::Unknown(lost(&path, changed, why));
    Ok(match folder.read(&listing, entry, MAX_FILE_SIZE)? {
        Reading::Document(_, document) => match accept(&document) {
            Ok(AcceptedEvent::User(event)) => {
                Verdict::User(unnamed(event.entity_id, event.event_id))
            }
            Ok(AcceptedEvent::Card(event)) => {
                Verdict::Card(unnamed(event.entity_id, event.event_id))
            }
            Err(refusal) => unknown(&format!("it is not among the rejected ones, and {refusal}")),
        },
        Reading::TooLarge(stamp, _) => unknown(&format!(
            "it is not among the rejected ones, and has {} bytes",
            stamp.size
        )),
        Reading::Unreadable(_, error) => unknown(&format!(
            "it is not among the rejected ones, and cannot be read: {error}"
        )),
        Reading::Changing => Verdict::Waiting,
        Reading::NotRegular | Reading::Vanished => Verdict::NoFile,
    })
}

/// A file that runs have passed over.
fn lost(path: &str, changed: FileTime, why: &str) -> Finding {
    let changed = changed.to_utc();
    Finding {
        check: Check::Inbox,
        subject: path.to_owned(),
        problem: format!(
            "it changed at {changed}, before the checkpoint, and no table knows it: {why}"
        ),
        advice: format!(
            "touch the file, or `etl run --since {}`, and a run takes it up",
            changed.format("%Y-%m-%dT%H:%M:%SZ")
        ),
    }
}
