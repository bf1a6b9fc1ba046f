//! What no loader of these files can do without: list the folder, `lstat`, read, `copy`; on one
//! thread, one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use etl::entity::Card;
use etl::event::{Ahead, AnyEvent, Event, accept};
use postgres::Client;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;

/// The event files of a folder.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect()
}

/// Stats every file.
pub fn stat(files: &[PathBuf]) {
    for file in files {
        std::hint::black_box(fs::symlink_metadata(file).expect("the file is there"));
    }
}

/// Reads every file.
pub fn read(files: &[PathBuf]) {
    for file in files {
        std::hint::black_box(fs::read(file).expect("the file can be read"));
    }
}

/// The accepted events of cards in a folder, and a table for them that has neither index nor
/// constraint.
pub struct Rows(Vec<(Event<Card>, String)>);

impl Rows {
    /// Takes the events apart, which is not part of the floor.
    pub fn of(files: &[PathBuf]) -> Rows {
        let ahead = Ahead {
            changed_at: Utc::now(),
            max_ahead: Duration::ZERO,
        };
        let event = |file: &PathBuf| match accept(&fs::read(file).ok()?, ahead) {
            Ok(AnyEvent::Card(event)) => Some((event, file.file_name()?.to_str()?.to_owned())),
            _ => None,
        };
        Rows(files.iter().filter_map(event).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Makes the bare table anew.
    pub fn prepare(client: &mut Client) {
        client
            .batch_execute(
                "drop table if exists bare_event;
                 create table bare_event (
                   card_id bigint, event_id uuid, event_at timestamptz, user_id bigint, created_by_name text,
                   active boolean, created_at timestamptz, updated_at timestamptz, file_name text
                 )",
            )
            .expect("the table can be made");
    }

    /// Writes the rows to the bare table.
    pub fn copy(&self, client: &mut Client) {
        let types = [
            Type::INT8,
            Type::UUID,
            Type::TIMESTAMPTZ,
            Type::INT8,
            Type::TEXT,
            Type::BOOL,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMPTZ,
            Type::TEXT,
        ];
        let copy = client
            .copy_in("copy bare_event from stdin with (format binary)")
            .expect("the table is there");
        let mut writer = BinaryCopyInWriter::new(copy, &types);
        for (event, file_name) in &self.0 {
            let card = &event.state;
            writer
                .write(&[
                    &event.entity_id,
                    &event.event_id,
                    &event.event_at,
                    &card.user_id,
                    &card.created_by_name,
                    &card.active,
                    &card.created_at,
                    &card.updated_at,
                    file_name,
                ])
                .expect("the row is taken");
        }
        writer.finish().expect("the rows are taken");
    }
}
