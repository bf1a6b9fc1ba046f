//! The counter that numbers the cards, kept in a file beside the events. A restart goes on from it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::outbox::Outbox;

/// The file's name in the events folder. It holds the number of the next event, in decimal.
const FILE_NAME: &str = "__id_counter";

/// Why there is no next number.
#[derive(Debug, Error)]
pub enum CounterError {
    #[error("cannot read the counter {}: {source}; make it readable to this user", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the counter {} holds {content:?} instead of a number; write the next card's id into it, or remove it \
         to number the cards from 0 again",
        path.display()
    )]
    Unreadable { path: PathBuf, content: String },
    #[error("cannot write the counter {}: {source}; check permissions and the space left", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Counts every event. A card bears the number of the event that it was born with, so that card ids
/// have gaps.
pub struct Counter {
    path: PathBuf,
    next: u64,
    in_file: u64,
    ahead: u64,
}

impl Counter {
    /// Goes on where the last service left off in this folder, or begins at 0. The folder's outbox
    /// is open, so that no other service counts here. The file is `ahead` numbers ahead, or as many
    /// as are taken at once.
    pub fn open(folder: &Path, ahead: u64) -> Result<Self, CounterError> {
        let path = folder.join(FILE_NAME);
        let content = match fs::read(&path) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "0".to_owned(),
            Err(source) => return Err(CounterError::Read { path, source }),
        };
        match content.trim().parse() {
            Ok(next) => Ok(Self {
                path,
                next,
                in_file: next,
                ahead,
            }),
            Err(_) => Err(CounterError::Unreadable { path, content }),
        }
    }

    /// The number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next `count` numbers, and returns the first.
    ///
    /// They are gone from the file before the first of them is used: a service killed in between
    /// leaves a gap, and never uses a number twice.
    pub fn take(&mut self, count: u64, outbox: &mut Outbox) -> Result<u64, CounterError> {
        let first = self.next;
        self.next = first.saturating_add(count);
        if self.next > self.in_file {
            self.write(self.next.max(first.saturating_add(self.ahead)), outbox)?;
        }
        Ok(first)
    }

    /// Gives back the numbers that were not taken.
    pub fn close(mut self, outbox: &mut Outbox) -> Result<(), CounterError> {
        self.write(self.next, outbox)
    }

    fn write(&mut self, next: u64, outbox: &mut Outbox) -> Result<(), CounterError> {
        let modified_at = outbox.tick();
        outbox
            .replace(&self.path, next.to_string().as_bytes(), modified_at)
            .map_err(|source| CounterError::Write {
                path: self.path.clone(),
                source,
            })?;
        self.in_file = next;
        Ok(())
    }
}
