//! Files in the inbox that are in no table, and copies of loaded events that no run has compared.
//!
//! A file that was processed is in a table: its event is in landing with this content, or its content
//! is in the dead-letter table. Every file is read and looked for by what it says. Its name and its
//! times prove nothing: another file may have had them. One that is in no table is lost if it changed
//! before the offset less the overlap, where no run scans again. A copy that runs have passed over there
//! may be the one whose modification time counts.
//!
//! Files are read and compared outside a transaction, since a slow disk must not hold a snapshot. So
//! what is loaded meanwhile counts, and a file that changed meanwhile is left to the next run.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use postgres::{Client, Transaction};

use super::finding::{Check, Finding, Findings};
use super::{Figures, VerifyOptions};
use crate::checkpoint::Checkpoint;
use crate::clock::FileTime;
use crate::event::Rejection;
use crate::inbox::name::{name_bytes, name_text};
use crate::inbox::{Folder, FolderError};
use crate::pages::error::Error;
use crate::run::options::{From, Options};
use crate::run::stored::{self, Stored, StoredFile};
use crate::run::{
    CHUNK_FILES, File, FileOutcome, FolderScan, Next, Pending, ReadAhead, as_command,
    is_same_folder,
};
use crate::source::Source;
use crate::warehouse::error::Doing;
use crate::warehouse::kept_files::{self, Searched, SoughtFile};
use crate::warehouse::{self, checkpoints};

/// How long the next files are waited for before asking again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Verifies the files of the inbox.
///
/// # Errors
///
/// When the warehouse fails, or this process can open no file at all.
pub(super) fn verify(
    client: &mut Client,
    options: &VerifyOptions,
    figures: &mut Figures,
    findings: &mut Findings,
) -> Result<(), Error> {
    // Before the folders are scanned: what changed before these offsets was there for a run to see.
    let checkpoints = checkpoints::read(client, &options.inbox_name, Source::ALL)?;
    let reading = Options {
        overlap: options.overlap,
        ..Options::for_reading(
            options.inbox.clone(),
            options.inbox_name.clone(),
            Source::ALL.to_vec(),
        )
    };
    for source in Source::ALL.iter().copied() {
        let checkpoint = checkpoints
            .iter()
            .find(|checkpoint| checkpoint.source == source);
        let scan = match scan(client, &reading, source, checkpoint, figures) {
            Ok(scan) => scan,
            Err(Error::Folder(failure)) => {
                findings.add(source.name(), not_scanned(&failure));
                continue;
            }
            Err(error) => return Err(error),
        };
        let folder = VerifiedFolder {
            reading: &reading,
            scan: &scan,
        };
        folder.verify(client, figures, findings)?;
    }
    Ok(())
}

/// Scans a whole folder. An offset means nothing in another folder than its own.
fn scan(
    client: &mut Client,
    reading: &Options,
    source: Source,
    checkpoint: Option<&Checkpoint>,
    figures: &mut Figures,
) -> Result<FolderScan, Error> {
    let folder = Folder::open(&reading.inbox, source, &reading.clock)?;
    let identity = folder.identity()?;
    let mut checkpoint = checkpoint.copied().unwrap_or(Checkpoint::new(source));
    if !is_same_folder(client, &checkpoint, &reading.inbox_name, &folder, identity)? {
        checkpoint.offset = None;
    }
    figures.other_names += folder.each_name(|_| Ok::<(), FolderError>(()))?;
    let listing = folder.scan(|_, _| true)?;
    figures.files += listing.len() as i64;
    Ok(FolderScan {
        folder,
        identity,
        listing,
        checkpoint,
        took: Duration::ZERO,
    })
}

fn not_scanned(failure: &FolderError) -> Finding {
    Finding {
        check: Check::Inbox,
        subject: format!("folder of {}", failure.source_name),
        problem: format!(
            "{} cannot be read: {}",
            failure.path.display(),
            failure.cause
        ),
        advice: failure.advice().to_owned(),
    }
}

/// What is wrong with a file, and what to do.
type Wrong = (String, String);

/// A folder of which the files that are due are listed.
struct VerifiedFolder<'f> {
    reading: &'f Options,
    scan: &'f FolderScan,
}

impl VerifiedFolder<'_> {
    fn verify(
        &self,
        client: &mut Client,
        figures: &mut Figures,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        for (name, cause) in &self.scan.listing.faults {
            let name = name_text(name);
            let wrong = unreadable(&cause.to_string());
            findings.add(self.scan.folder.source().name(), self.finding(&name, wrong));
        }
        let scans = std::slice::from_ref(self.scan);
        thread::scope(|scope| {
            let mut reader = ReadAhead::start(scope, scans, self.reading);
            loop {
                match reader.next(usize::MAX, CHUNK_FILES, PATIENCE)? {
                    Next::Chunk(chunk) => {
                        self.verify_files(client, chunk.files, figures, findings)?;
                    }
                    Next::NotYet => {}
                    Next::End => return Ok(()),
                }
            }
        })
    }

    /// Looks for the content of these files in the tables.
    fn verify_files(
        &self,
        client: &mut Client,
        files: Vec<File>,
        figures: &mut Figures,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let mut documents = Vec::with_capacity(files.len());
        for file in files {
            match &file.outcome {
                FileOutcome::Accepted(_) | FileOutcome::Rejected(_) => documents.push(file),
                FileOutcome::Pending(Pending::Fault(cause)) => {
                    let wrong = unreadable(cause);
                    self.add(findings, figures, &file, wrong);
                }
                FileOutcome::Pending(_) => figures.not_processed += 1,
                FileOutcome::NotRegular
                | FileOutcome::Vanished
                | FileOutcome::Loaded
                | FileOutcome::Duplicate => {}
            }
        }
        let mut transaction = warehouse::begin(client)?;
        let found = stored::find(
            &mut transaction,
            self.scan.folder.source(),
            &self.reading.inbox_name,
            Searched::Standing,
            documents,
        )?;
        let (mut missed, mut copies) = (Vec::new(), Vec::new());
        for StoredFile { file, stored, .. } in found {
            match stored {
                Stored::Event { precedes: true, .. } => copies.push(file),
                Stored::Nowhere(why) => missed.push((file, format!("is in no table: {why}"))),
                Stored::Event { .. } | Stored::Rejection(_) => {}
            }
        }
        let copies = self.without_rejection(&mut transaction, copies)?;
        transaction.rollback().doing("ending to look for files")?;
        let state = "no run has compared it with the loaded copy of its event, whose modification time counts less";
        missed.extend(copies.into_iter().map(|file| (file, state.to_owned())));
        for (file, state) in missed {
            self.add(findings, figures, &file, self.missed(&file, &state));
        }
        Ok(())
    }

    /// Those of these copies of loaded events that have no rejection: one whose event the database
    /// refused to move has one.
    fn without_rejection(
        &self,
        transaction: &mut Transaction<'_>,
        mut copies: Vec<File>,
    ) -> Result<Vec<File>, Error> {
        let sought: Vec<SoughtFile<'_>> = copies
            .iter()
            .map(|file| SoughtFile {
                name: &file.name,
                size: file.stamp.map(|stamp| stamp.size),
                document: file.document.as_deref(),
            })
            .collect();
        let source = self.scan.folder.source();
        let inbox = &self.reading.inbox_name;
        let found = kept_files::find(transaction, source, inbox, Searched::Standing, &sought)?;
        let rejected: HashSet<usize> = found.iter().map(|found| found.position).collect();
        let mut positions = 0..;
        copies.retain(|_| positions.next().is_some_and(|at| !rejected.contains(&at)));
        Ok(copies)
    }

    /// What is wrong with a file that runs have passed over.
    fn missed(&self, file: &File, state: &str) -> Wrong {
        if let FileOutcome::Rejected(Rejection::Unreadable { cause }) = &file.outcome {
            return unreadable(cause);
        }
        let changed = file.scanned.map(FileTime::to_utc).unwrap_or_default();
        // As a time that people can read: the second in which it changed.
        let since = changed
            .duration_trunc(TimeDelta::seconds(1))
            .unwrap_or(changed);
        let command = as_command(&Options {
            from: From::Time(since),
            sources: vec![self.scan.folder.source()],
            ..self.reading.clone()
        });
        (
            format!("it changed at {changed}, before the offset, and {state}"),
            format!("`{command}` reads it again"),
        )
    }

    /// Whether no run scans for a file that changed at this time any more.
    fn is_past(&self, changed: FileTime) -> bool {
        let offset = self.scan.checkpoint.offset;
        offset.is_some_and(|offset| changed < offset.before(self.reading.overlap))
    }

    /// Adds a finding about a file that no run has read, unless one will. It may be another file by now, or
    /// written to.
    fn add(&self, findings: &mut Findings, figures: &mut Figures, file: &File, wrong: Wrong) {
        let folder = &self.scan.folder;
        let changed = file.stamp.map(|stamp| stamp.changed).or(file.scanned);
        let is_past = changed.is_some_and(|changed| self.is_past(changed));
        let is_same = |stamp| folder.stamp(&name_bytes(&file.name)) == Some(stamp);
        match is_past && file.stamp.is_none_or(is_same) {
            true => findings.add(folder.source().name(), self.finding(&file.name, wrong)),
            false => figures.not_processed += 1,
        }
    }

    fn finding(&self, name: &str, (problem, advice): Wrong) -> Finding {
        Finding {
            check: Check::Inbox,
            subject: format!("{}/{name}", self.scan.folder.source()),
            problem,
            advice,
        }
    }
}

fn unreadable(cause: &str) -> Wrong {
    (
        format!("it cannot be read: {cause}"),
        "run `etl verify` as the user of `etl run`; if that one cannot read it either, repair the file system"
            .to_owned(),
    )
}
