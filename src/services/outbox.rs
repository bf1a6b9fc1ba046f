//! The folder that a service writes into. A reader of it sees each file whole or not at all, in an
//! order that the files' modification times tell to the microsecond.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::event::Metadata;

/// Where a file grows until it is whole. Hidden, so that no reader takes it for an event, and
/// always the same, so that what a killed service leaves behind is one file, which the next one
/// overwrites.
const GROWING_FILE: &str = ".growing.tmp";

/// Held locked for as long as the service runs.
const LOCK_FILE: &str = ".lock";

/// The least distance between two files' modification times: PostgreSQL, where the order of events
/// is decided, counts in microseconds.
const TICK: TimeDelta = TimeDelta::microseconds(1);

/// Why a file did not get into the folder.
#[derive(Debug, Error)]
pub enum OutboxError {
    #[error("cannot create the events folder {}: {source}; name a writable one with EVENTS_DIR", folder.display())]
    Create { folder: PathBuf, source: io::Error },
    #[error("cannot lock {}: {source}; name a folder with EVENTS_DIR where this user may write", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "another service is writing into {}; stop it first, or name another folder with EVENTS_DIR",
        folder.display()
    )]
    Taken { folder: PathBuf },
    #[error("cannot write {}: {source}; check the folder's permissions and the space left", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// A folder of whole files, with one writer.
pub struct Outbox {
    folder: PathBuf,
    latest: DateTime<Utc>,
    _lock: File,
}

impl Outbox {
    /// Opens the folder, and creates it if it is missing.
    pub fn open(folder: &Path) -> Result<Self, OutboxError> {
        fs::create_dir_all(folder).map_err(|source| OutboxError::Create {
            folder: folder.to_owned(),
            source,
        })?;
        let path = folder.join(LOCK_FILE);
        let lock = File::create(&path).map_err(|source| OutboxError::Lock {
            path: path.clone(),
            source,
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OutboxError::Taken {
                    folder: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(OutboxError::Lock { path, source }),
        }
        Ok(Self {
            folder: folder.to_owned(),
            latest: DateTime::UNIX_EPOCH,
            _lock: lock,
        })
    }

    /// The time of the next file: the clock's, and later than the one before even if the clock
    /// was set back.
    pub fn tick(&mut self) -> DateTime<Utc> {
        self.latest = Utc::now().trunc_subsecs(6).max(self.latest + TICK);
        self.latest
    }

    /// Writes an event under its id, with its time as the modification time.
    pub fn write_event(
        &self,
        metadata: &Metadata,
        event: &impl Serialize,
    ) -> Result<(), OutboxError> {
        let path = self.folder.join(format!("{}.json", metadata.event_id));
        let written = serde_json::to_vec_pretty(event)
            .map_err(io::Error::from)
            .and_then(|json| self.replace(&path, &json, metadata.event_at.0));
        written.map_err(|source| OutboxError::Write { path, source })
    }

    /// Writes a file whole, or leaves the one of that name as it was.
    ///
    /// The modification time is set by hand because the kernel takes it from a clock that stands
    /// still for milliseconds, and a burst of events is over sooner.
    pub fn replace(
        &self,
        path: &Path,
        content: &[u8],
        modified_at: DateTime<Utc>,
    ) -> io::Result<()> {
        let growing = self.folder.join(GROWING_FILE);
        let mut file = File::create(&growing)?;
        file.write_all(content)?;
        file.set_modified(modified_at.into())?;
        fs::rename(&growing, path)
    }
}
