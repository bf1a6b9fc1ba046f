//! What a batch takes from the reader: how much, and how long it waits for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::chunk::Chunk;
use super::error::Error;
use super::reader::{CHUNK_FILES, Next, ReadAhead};

/// Bytes of documents that a batch takes before it is closed, even if it has room for more files: the
/// states that its events report are in memory until the timelines are revised.
const BATCH_BYTES: usize = 64 << 20;

/// How long files are read for one batch: a run over a slow disk makes progress that often.
const BATCH_TIME: Duration = Duration::from_secs(60);

/// How long a transaction waits for the next files. It is begun before all files of the batch are
/// read only if the first ones were read that fast; and if later ones are not, it is committed
/// without them.
pub(super) const READER_PATIENCE: Duration = Duration::from_millis(250);

/// Files that a batch waits for before it begins: few enough that the database has something to do soon.
pub(super) const FIRST_FILES: usize = 4_096;

/// How much more a batch can take.
pub(super) struct Room {
    pub(super) files: usize,
    bytes: usize,
    pub(super) began: Instant,
}

impl Room {
    /// Room for so many files, from now on.
    pub(super) fn new(files: usize) -> Room {
        Room {
            files,
            bytes: BATCH_BYTES,
            began: Instant::now(),
        }
    }

    /// Whether the batch takes nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.files == 0 || self.bytes == 0 || self.began.elapsed() >= BATCH_TIME
    }

    /// Takes the room of a chunk.
    pub(super) fn take(&mut self, chunk: &Chunk) {
        self.files = self.files.saturating_sub(chunk.files.len());
        self.bytes = self.bytes.saturating_sub(chunk.bytes());
    }
}

/// The chunks of a batch: those that are read already, and then those of the reader.
pub(super) struct Feed<'f, 'scope, 'env, 's> {
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) reader: Option<&'f mut ReadAhead<'scope, 'env, 's>>,
    pub(super) room: Room,
}

impl<'scope, 's: 'scope> Feed<'_, 'scope, '_, 's> {
    /// The next chunk, if there is one without much waiting and the batch has room for it.
    ///
    /// # Errors
    ///
    /// When this process can open no file at all.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, Error> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(Some(chunk));
        }
        let Some(reader) = self.reader.as_mut().filter(|_| !self.room.is_full()) else {
            return Ok(None);
        };
        match reader.next(self.room.files, CHUNK_FILES, READER_PATIENCE)? {
            Next::Chunk(chunk) => {
                self.room.take(&chunk);
                Ok(Some(chunk))
            }
            Next::NotYet | Next::End => Ok(None),
        }
    }
}
