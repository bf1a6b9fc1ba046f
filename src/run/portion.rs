//! A portion of a batch: files that are read and judged together, while the database is busy with
//! the portion before.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::Options;
use super::backlog::{Stretch, Waiting};
use crate::clock::{self, FileTime};
use crate::cores;
use crate::error::Error;
use crate::event::{AcceptedEvent, Card, Event, Refusal, Rejection, User, accept};
use crate::inbox::{Reading, Stamp, name_text};
use crate::summary::Counts;

/// Portions that may wait for the database, beside the one that is being read.
pub(super) const PORTIONS_AHEAD: usize = 1;

/// A file of a portion.
pub(super) struct File {
    /// Its name as text, see [`name_text`].
    pub(super) name: String,
    /// Its change time at the scan. The offset is made of these: a file that has changed since is
    /// later in the order than files that nobody has seen yet.
    pub(super) scanned: FileTime,
    /// What came of reading it.
    pub(super) reading: Reading,
}

/// What one file is.
enum Verdict {
    Accepted(Stamp, AcceptedEvent),
    Rejected(Stamp, Rejection),
    /// It has not ended, and has changed too lately for that to be its fault, or the file system
    /// fails to read it.
    Pending,
    /// Not a regular file.
    LeftAlone,
    Vanished,
}

impl Verdict {
    fn of(reading: &Reading, settle: Duration, now: FileTime) -> Verdict {
        let unless_settled = |stamp: Stamp, rejection| {
            if stamp.changed.age(now) < settle {
                Verdict::Pending
            } else {
                Verdict::Rejected(stamp, rejection)
            }
        };
        match reading {
            Reading::Document(stamp, document) => match accept(document) {
                Ok(event) => Verdict::Accepted(*stamp, event),
                Err(Refusal::Rejected(rejection)) => Verdict::Rejected(*stamp, rejection),
                Err(Refusal::Unfinished { size }) => {
                    unless_settled(*stamp, Rejection::Truncated { size })
                }
            },
            Reading::TooLarge(stamp, limit) => Verdict::Rejected(
                *stamp,
                Rejection::TooLarge {
                    size: stamp.size,
                    limit: *limit,
                },
            ),
            Reading::Changing => Verdict::Pending,
            // The right to read a file may be given after it was made, and giving it changes the
            // file's change time. Any other fault is the file system's: it leaves no trace on the
            // file when it is mended, so the file waits.
            Reading::Unreadable(_, error) if error.kind() != ErrorKind::PermissionDenied => {
                Verdict::Pending
            }
            Reading::Unreadable(stamp, error) => unless_settled(
                *stamp,
                Rejection::Unreadable {
                    message: error.to_string(),
                },
            ),
            Reading::NotRegular => Verdict::LeftAlone,
            Reading::Vanished => Verdict::Vanished,
        }
    }
}

/// Files of one source, read and judged. Whatever is said of one names it by its place in `files`.
pub(super) struct Portion {
    pub(super) files: Vec<File>,
    pub(super) users: Vec<(usize, Stamp, Event<User>)>,
    pub(super) cards: Vec<(usize, Stamp, Event<Card>)>,
    pub(super) rejected: Vec<(usize, Stamp, Rejection)>,
    /// Files left for later.
    pending: Vec<usize>,
    /// All others that are still there, each with its change time when it was read.
    pub(super) dealt_with: Vec<(usize, FileTime)>,
    left_alone: Vec<usize>,
    vanished: Vec<usize>,
}

impl Portion {
    /// Reads and judges files that wait; one that has not ended is pending while it changed less
    /// than `settle` ago.
    fn read(waiting: &Waiting, places: Range<usize>, options: &Options) -> Result<Portion, Error> {
        let Waiting { folder, listing } = waiting;
        let now = clock::now().into();
        let judge = |entry| {
            let reading = folder.read(listing, entry, options.max_file_size)?;
            let verdict = Verdict::of(&reading, options.settle, now);
            let file = File {
                name: name_text(listing.name(entry)).into_owned(),
                scanned: entry.changed,
                reading,
            };
            Ok::<_, Error>((file, verdict))
        };
        let entries = listing.entries(places);
        let judged = cores::each(entries.chunks(cores::share(entries.len())), |entries| {
            entries.iter().map(judge).collect::<Vec<_>>()
        });
        let mut portion = Portion {
            files: Vec::with_capacity(entries.len()),
            users: Vec::new(),
            cards: Vec::new(),
            rejected: Vec::new(),
            pending: Vec::new(),
            dealt_with: Vec::with_capacity(entries.len()),
            left_alone: Vec::new(),
            vanished: Vec::new(),
        };
        for judged in judged.into_iter().flatten() {
            let (file, verdict) = judged?;
            portion.sort_in(file, verdict);
        }
        Ok(portion)
    }

    fn sort_in(&mut self, file: File, verdict: Verdict) {
        let place = self.files.len();
        match verdict {
            Verdict::Accepted(stamp, event) => {
                self.dealt_with.push((place, stamp.changed));
                match event {
                    AcceptedEvent::User(event) => self.users.push((place, stamp, event)),
                    AcceptedEvent::Card(event) => self.cards.push((place, stamp, event)),
                }
            }
            Verdict::Rejected(stamp, rejection) => {
                self.dealt_with.push((place, stamp.changed));
                self.rejected.push((place, stamp, rejection));
            }
            Verdict::Pending => self.pending.push(place),
            Verdict::LeftAlone => {
                self.dealt_with.push((place, file.scanned));
                self.left_alone.push(place);
            }
            Verdict::Vanished => self.vanished.push(place),
        }
        self.files.push(file);
    }

    /// Whether there is nothing to write: no file was dealt with.
    pub(super) fn is_idle(&self) -> bool {
        self.dealt_with.is_empty()
    }

    /// Change times at the scan of the files that were dealt with.
    pub(super) fn dealt_with(&self) -> impl Iterator<Item = FileTime> {
        self.dealt_with
            .iter()
            .map(|(place, _)| self.files[*place].scanned)
    }

    /// Change times at the scan of the files left for later.
    pub(super) fn pending(&self) -> impl Iterator<Item = FileTime> {
        self.pending_files().map(|file| file.scanned)
    }

    /// Bytes of documents that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .map(|file| match &file.reading {
                Reading::Document(_, document) => document.len() as u64,
                _ => 0,
            })
            .sum()
    }

    /// The files left for later.
    pub(super) fn pending_files(&self) -> impl Iterator<Item = &File> {
        self.pending.iter().map(|place| &self.files[*place])
    }

    /// The links, FIFOs and the like.
    pub(super) fn left_alone_files(&self) -> impl Iterator<Item = &File> {
        self.left_alone.iter().map(|place| &self.files[*place])
    }

    /// The files that were there during the scan and are no more.
    pub(super) fn vanished_files(&self) -> impl Iterator<Item = &File> {
        self.vanished.iter().map(|place| &self.files[*place])
    }

    /// What is known before anything is written.
    pub(super) fn counts(&self) -> Counts {
        let accepted = (self.users.len() + self.cards.len()) as i64;
        let (rejected, pending) = (self.rejected.len() as i64, self.pending.len() as i64);
        Counts {
            files: accepted + rejected + pending,
            loaded: accepted,
            rejected,
            pending,
            ..Counts::default()
        }
    }
}

/// Reads and judges everything that waits, in order, for as long as somebody takes the portions.
pub(super) fn read_all(
    waiting: &[Waiting],
    batches: &[Vec<Stretch>],
    options: &Options,
    portions: SyncSender<Result<Portion, Error>>,
) {
    for stretch in batches.iter().flatten() {
        let waiting = &waiting[stretch.source];
        for places in stretch.portions(waiting, options) {
            let portion = Portion::read(waiting, places, options);
            let failed = portion.is_err();
            if portions.send(portion).is_err() || failed {
                return;
            }
        }
    }
}
