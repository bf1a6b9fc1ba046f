//! Old files in a big folder: a run does not ask each of them for its times, and still none is ever
//! hidden.
//!
//! In a folder of a million files, asking them all takes seconds, every few seconds, to learn that
//! nearly none has changed. So the database remembers which files are old: they changed before the
//! stretch that a run looks at, so they have been dealt with. A run asks the files it does not know
//! as old, and in turn a part of those it does. A file that is new or was replaced has another name
//! or inode number and is asked at once; one that was changed in place is found on the patrol, at the
//! end of a round at the latest, and so is one that was removed and made anew with the inode number
//! of the one before.
//!
//! What a run looks at reaches back to the beginning of the last whole round
//! ([`Checkpoint::start`](crate::checkpoint::Checkpoint::start)). So whatever is forgotten here, or
//! remembered of a file that has changed since, no file that changed in place is passed over for
//! good: the price of a lost memory is one run that asks everything.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{GenericClient, Row};

use crate::checkpoint::Checkpoint;
use crate::clock::FileTime;
use crate::error::{Doing, Error};
use crate::source::Source;

/// In a debug build, which the tests drive, a folder is big and a round is long with so many times
/// fewer files.
const SCALE: usize = if cfg!(debug_assertions) { 1_000 } else { 1 };

/// Files from which on a folder is big: reading and writing what is remembered costs less than
/// asking so many.
const BIG: usize = 200_000 / SCALE;

/// Old files that a run asks in its turn: some 50 ms. A million files make a round of 40 runs.
const TURN_FILES: usize = 25_000 / SCALE;

/// Rows of `etl.old_file` from which on they become one. Each run that has seen files grow old adds
/// one, and each run reads them all.
const ROWS: usize = 100;

/// Name and inode number of a file, hashed: another file of the same name has another one.
///
/// The hash is the standard library's, which may change with its version; then nothing is known and
/// everything is asked once. Two files with one fingerprint cost nothing but that the younger of them
/// is found on the patrol and not at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a file in its folder.
    pub fn of(name: &[u8], inode: u64) -> Fingerprint {
        let mut hasher = DefaultHasher::new();
        (name, inode).hash(&mut hasher);
        Fingerprint(hasher.finish())
    }
}

/// A fingerprint is a hash already.
#[derive(Default)]
pub struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// How far the patrol of a big folder has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Every file has been asked since then: the beginning of the last whole round.
    pub verified_at: FileTime,
    /// When this round began.
    began_at: FileTime,
    /// Runs that it takes.
    turns: i32,
    /// Number of the next of them, from zero.
    turn: i32,
}

impl Round {
    /// Reads a round from four columns of a row that are null together, from `first` on.
    pub fn from_row(row: &Row, first: usize) -> Option<Round> {
        let moment = |column| row.get::<_, Option<DateTime<Utc>>>(column);
        Some(Round {
            verified_at: moment(first)?.into(),
            began_at: moment(first + 1)?.into(),
            turns: row.get::<_, Option<i32>>(first + 2)?,
            turn: row.get::<_, Option<i32>>(first + 3)?,
        })
    }

    /// The first round, after a run at `now` that has asked every one of so many files.
    fn first(files: usize, now: FileTime) -> Round {
        Round {
            verified_at: now,
            began_at: now,
            turns: turns(files),
            turn: 0,
        }
    }

    /// The round after the turn of a run at `now`.
    fn after_turn(self, files: usize, now: FileTime) -> Round {
        match self.turn + 1 {
            turn if turn < self.turns => Round { turn, ..self },
            _ => Round {
                verified_at: self.began_at,
                ..Round::first(files, now)
            },
        }
    }

    /// Whether it is the turn of this file.
    fn asks(self, file: Fingerprint) -> bool {
        i64::try_from(file.0 % u64::from(self.turns.unsigned_abs().max(1)))
            == Ok(i64::from(self.turn))
    }
}

fn turns(files: usize) -> i32 {
    i32::try_from(files.div_ceil(TURN_FILES)).unwrap_or(i32::MAX)
}

/// What a run knows of the old files in a folder, and what it learns.
pub struct Patrol {
    source: Source,
    files: usize,
    now: FileTime,
    /// The round of which this run is a turn; `None` if it asks every file.
    round: Option<Round>,
    /// Whether the database has something of an earlier patrol.
    is_saved: bool,
    old: HashSet<Fingerprint, BuildHasherDefault<Unhashed>>,
    rows: usize,
    grown_old: Vec<Fingerprint>,
    /// Whether something in the database is no longer true.
    has_rejuvenated: bool,
}

impl Patrol {
    /// Recalls what the patrol of a folder is to know in a run that the clock says begins at `now`.
    /// A run that is to ask `everything` knows no file as old.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when what is remembered cannot be read.
    pub fn recall(
        client: &mut impl GenericClient,
        checkpoint: &Checkpoint,
        everything: bool,
        now: FileTime,
    ) -> Result<Patrol, Error> {
        let Checkpoint { source, round, .. } = *checkpoint;
        let mut patrol = Patrol {
            source,
            files: 0,
            now,
            // A round that began ahead of the clock began before that was set back, and says nothing
            // of what has changed since.
            round: round.filter(|round| !everything && round.began_at <= now),
            is_saved: round.is_some(),
            old: HashSet::default(),
            rows: 0,
            grown_old: Vec::new(),
            has_rejuvenated: false,
        };
        if patrol.round.is_none() {
            return Ok(patrol);
        }
        let rows = client
            .query_typed(
                include_str!("../sql/patrol/old_files.sql"),
                &[(&source.name(), Type::TEXT)],
            )
            .doing("reading which files are old")?;
        patrol.rows = rows.len();
        for row in &rows {
            let (fingerprints, _) = row.get::<_, &[u8]>(0).as_chunks();
            patrol.old.reserve(fingerprints.len());
            patrol.old.extend(
                fingerprints
                    .iter()
                    .map(|bytes| Fingerprint(u64::from_le_bytes(*bytes))),
            );
        }
        Ok(patrol)
    }

    /// The patrol over so many files as there turn out to be.
    pub fn over(mut self, files: usize) -> Patrol {
        self.files = files;
        // A memory that is mostly of files that are gone is better made anew; and without one there
        // is no round.
        if files < BIG || self.old.len() > files * 2 {
            self.old.clear();
        }
        if self.old.is_empty() {
            self.round = None;
        }
        self
    }

    /// Whether the run has to ask this file for its times.
    pub fn asks(&self, file: Fingerprint) -> bool {
        self.round
            .is_none_or(|round| round.asks(file) || !self.old.contains(&file))
    }

    /// Takes note of what the files that were asked have said: these changed before the stretch that
    /// the run looks at, and those did not. Of the latter, one that was old has changed in place; it
    /// is to be asked every time until it is old again, since it may have to wait.
    pub fn note(&mut self, old: &[Fingerprint], young: &[Fingerprint]) {
        if self.files < BIG {
            return;
        }
        self.grown_old
            .extend(old.iter().filter(|file| !self.old.contains(file)));
        for file in young {
            self.has_rejuvenated |= self.old.remove(file);
        }
    }

    /// Saves what the run has learned, after it has dealt with what it found.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn save(self, client: &mut impl GenericClient) -> Result<(), Error> {
        let doing = "noting which files are old";
        let mut transaction = client.transaction().doing(doing)?;
        let is_big = self.files >= BIG;
        let round = is_big.then(|| match self.round {
            Some(round) => round.after_turn(self.files, self.now),
            None => Round::first(self.files, self.now),
        });
        let source = self.source.name();
        let mut added = self.grown_old;
        if (self.is_saved && self.round.is_none()) || self.rows >= ROWS || self.has_rejuvenated {
            transaction
                .execute_typed(
                    include_str!("../sql/patrol/forget.sql"),
                    &[(&source, Type::TEXT)],
                )
                .doing(doing)?;
            added.extend(self.old);
        }
        if is_big && !added.is_empty() {
            let bytes: Vec<u8> = added.iter().flat_map(|file| file.0.to_le_bytes()).collect();
            transaction
                .execute_typed(
                    include_str!("../sql/patrol/add.sql"),
                    &[(&source, Type::TEXT), (&bytes, Type::BYTEA)],
                )
                .doing(doing)?;
        }
        if is_big || self.is_saved {
            let time = |moment: fn(Round) -> FileTime| round.map(|round| moment(round).to_utc());
            transaction
                .execute_typed(
                    include_str!("../sql/patrol/save.sql"),
                    &[
                        (&source, Type::TEXT),
                        (&time(|round| round.verified_at), Type::TIMESTAMPTZ),
                        (&time(|round| round.began_at), Type::TIMESTAMPTZ),
                        (&round.map(|round| round.turns), Type::INT4),
                        (&round.map(|round| round.turn), Type::INT4),
                    ],
                )
                .doing(doing)?;
        }
        transaction.commit().doing(doing)
    }

    /// Whether there is anything to save.
    pub fn is_worth_saving(&self) -> bool {
        self.files >= BIG || self.is_saved
    }
}
