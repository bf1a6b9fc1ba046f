//! The files of a batch, judged: what each is, and how it gets into the warehouse.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use postgres::Transaction;

use super::backlog::{Backlog, File, in_parallel};
use crate::clock::{self, FileTime};
use crate::error::Error;
use crate::event::{AcceptedEvent, Card, Event, Refusal, Rejection, User, accept};
use crate::inbox::{Reading, Stamp};
use crate::summary::Counts;
use crate::warehouse::dimension::{self, Arrival};
use crate::warehouse::rejected::{self, RejectedFile};

/// Rejected files that are logged one by one in a run; the rest are counted.
const LOGGED_REJECTIONS: usize = 10;

/// What one file is.
enum Verdict<'a> {
    Accepted(Stamp, AcceptedEvent<'a>),
    Rejected(Stamp, Rejection),
    /// It has not ended, and has changed too lately for that to be its fault.
    Pending,
    /// The file system fails to read it.
    Faulty(&'a io::Error),
    /// Not a regular file.
    LeftAlone,
    Vanished,
}

impl<'a> Verdict<'a> {
    fn of(file: &'a File, settle: Duration, now: FileTime) -> Verdict<'a> {
        let unless_settled = |stamp: Stamp, rejection| {
            if stamp.changed.age(now) < settle {
                Verdict::Pending
            } else {
                Verdict::Rejected(stamp, rejection)
            }
        };
        match &file.reading {
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
                Verdict::Faulty(error)
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

/// The judged files of one source in one batch.
pub(super) struct Judged<'a> {
    files: &'a [File],
    users: Vec<Arrival<'a, User<'a>>>,
    cards: Vec<Arrival<'a, Card<'a>>>,
    rejected: Vec<RejectedFile<'a>>,
    /// Files left for later.
    pending: Vec<&'a File>,
    /// All others that are still there, each with its change time when it was read.
    dealt_with: Vec<(&'a File, FileTime)>,
    /// Files that the file system fails to read, with what it says.
    faulty: Vec<(&'a str, &'a io::Error)>,
    /// Links, FIFOs and the like.
    left_alone: Vec<&'a str>,
    /// Files that were there during the scan and are no more.
    vanished: Vec<&'a str>,
}

impl<'a> Judged<'a> {
    /// Judges files; one that has not ended is pending while it changed less than `settle` ago.
    pub(super) fn from_files(files: &'a [File], settle: Duration) -> Judged<'a> {
        let now = clock::now().into();
        let verdicts = in_parallel(files, |file| Verdict::of(file, settle, now));
        let mut judged = Judged {
            files,
            users: Vec::new(),
            cards: Vec::new(),
            rejected: Vec::new(),
            pending: Vec::new(),
            dealt_with: Vec::with_capacity(files.len()),
            faulty: Vec::new(),
            left_alone: Vec::new(),
            vanished: Vec::new(),
        };
        for (place, (file, verdict)) in files.iter().zip(verdicts).enumerate() {
            let name = file.name.as_str();
            match verdict {
                Verdict::Accepted(stamp, AcceptedEvent::User(event)) => {
                    judged.users.push(arrival(event, place, name, stamp));
                    judged.dealt_with.push((file, stamp.changed));
                }
                Verdict::Accepted(stamp, AcceptedEvent::Card(event)) => {
                    judged.cards.push(arrival(event, place, name, stamp));
                    judged.dealt_with.push((file, stamp.changed));
                }
                Verdict::Rejected(stamp, rejection) => {
                    judged.rejected.push(rejected_file(file, stamp, rejection));
                    judged.dealt_with.push((file, stamp.changed));
                }
                Verdict::Pending => judged.pending.push(file),
                Verdict::Faulty(error) => {
                    judged.pending.push(file);
                    judged.faulty.push((name, error));
                }
                Verdict::LeftAlone => {
                    judged.left_alone.push(name);
                    judged.dealt_with.push((file, file.scanned));
                }
                Verdict::Vanished => judged.vanished.push(name),
            }
        }
        judged
    }

    /// Whether there is nothing to write: no file was dealt with.
    pub(super) fn is_idle(&self) -> bool {
        self.dealt_with.is_empty()
    }

    /// Change times at the scan of the files that were dealt with.
    pub(super) fn dealt_with(&self) -> impl Iterator<Item = FileTime> {
        self.dealt_with.iter().map(|(file, _)| file.scanned)
    }

    /// Change times at the scan of the files left for later.
    pub(super) fn pending(&self) -> impl Iterator<Item = FileTime> {
        self.pending.iter().map(|file| file.scanned)
    }

    /// Says what is odd about single files, whether or not they are dealt with.
    pub(super) fn log_oddities(&self, folder: &Path) {
        for (name, error) in &self.faulty {
            log::warn!(
                "{} cannot be read: {error}; it waits, and holds the checkpoint, until it can be",
                shown(folder, name)
            );
        }
        for name in &self.left_alone {
            log::warn!(
                "left {} alone: it is a link, a folder, a FIFO, a socket or a device, and only \
                 regular files are events",
                shown(folder, name)
            );
        }
        for name in &self.vanished {
            log::warn!(
                "{} was in the folder and was gone when it was to be read",
                shown(folder, name)
            );
        }
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

    /// Writes the files to the warehouse, and the checkpoint after them.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn load(
        self,
        transaction: &mut Transaction<'_>,
        run_id: i64,
        backlog: &Backlog,
        overlap: Duration,
        log: &mut Log,
    ) -> Result<Counts, Error> {
        let source = backlog.source();
        let mut counts = self.counts();
        let mut rejected = self.rejected;
        let accepted: Vec<(usize, &str)> =
            arrived(&self.users).chain(arrived(&self.cards)).collect();
        let mut refused = HashSet::new();
        for landed in [
            dimension::load(transaction, run_id, self.users)?,
            dimension::load(transaction, run_id, self.cards)?,
        ] {
            let (duplicates, conflicts) = (landed.duplicates, landed.conflicts.len() as i64);
            counts.loaded -= duplicates + conflicts;
            counts.duplicates += duplicates;
            counts.rejected += conflicts;
            counts.versions_opened += landed.versions_opened;
            counts.versions_closed += landed.versions_closed;
            for (place, rejection) in landed.conflicts {
                refused.insert(place);
                let file = &self.files[place];
                if let Reading::Document(stamp, _) = &file.reading {
                    rejected.push(rejected_file(file, *stamp, rejection));
                }
            }
        }
        let good: Vec<&str> = accepted
            .into_iter()
            .filter(|(place, _)| !refused.contains(place))
            .map(|(_, name)| name)
            .collect();
        rejected::resolve(transaction, run_id, source, &good)?;
        rejected::keep(transaction, run_id, source, &rejected)?;
        let checkpoint = backlog.checkpoint();
        let seen: Vec<(&str, FileTime)> = self
            .dealt_with
            .iter()
            .map(|(file, changed)| (file.name.as_str(), *changed))
            .collect();
        checkpoint.remember(transaction, overlap, &seen)?;
        checkpoint.save(transaction, counts)?;

        rejected
            .iter()
            .for_each(|file| log.rejected(backlog.folder().path(), file));
        Ok(counts)
    }
}

fn arrival<S>(event: Event<S>, place: usize, name: &str, stamp: Stamp) -> Arrival<'_, S> {
    Arrival {
        event,
        file: place,
        file_name: name,
        file_modified_at: stamp.modified.to_utc(),
    }
}

fn rejected_file(file: &File, stamp: Stamp, rejection: Rejection) -> RejectedFile<'_> {
    RejectedFile {
        file_name: &file.name,
        stamp,
        rejection,
        document: match &file.reading {
            Reading::Document(_, document) => Some(document),
            _ => None,
        },
    }
}

/// Places and names of the files that these events came in.
fn arrived<'a, S>(arrivals: &[Arrival<'a, S>]) -> impl Iterator<Item = (usize, &'a str)> {
    arrivals
        .iter()
        .map(|arrival| (arrival.file, arrival.file_name))
}

/// What a run says of rejected files.
#[derive(Default)]
pub(super) struct Log {
    rejections: usize,
}

impl Log {
    fn rejected(&mut self, folder: &Path, file: &RejectedFile<'_>) {
        self.rejections += 1;
        if self.rejections <= LOGGED_REJECTIONS {
            log::warn!(
                "rejected {} as {}: {}",
                shown(folder, file.file_name),
                file.rejection.code(),
                file.rejection
            );
        }
    }

    /// Says how many rejections were not logged.
    pub(super) fn conclude(&self) {
        let more = self.rejections.saturating_sub(LOGGED_REJECTIONS);
        if more > 0 {
            log::warn!(
                "{more} more rejected, for what `etl status` sums up and landing.rejected_event tells"
            );
        }
    }
}

/// A file's path on one line, whatever its name holds.
fn shown(folder: &Path, name: &str) -> String {
    let mut shown = format!("{}/", folder.display());
    for character in name.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}
