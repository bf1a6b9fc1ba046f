//! Files in the inbox that are in no table.
//!
//! A file that was processed is in a table: its event is in landing with this content, or its content
//! is in the dead-letter table. Every file is read and looked for by what it says. Its name and its
//! times prove nothing: another file may have had them. One that is in no table is lost if it changed
//! before the offset less the overlap, where no run scans again.
//!
//! Files are read and compared outside a transaction, since a slow disk must not hold a snapshot. So
//! what is loaded meanwhile counts, and a file that changed meanwhile is left to the next run.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use postgres::types::Type;
use postgres::{Client, Transaction};

use super::finding::{Check, Finding, Findings};
use super::{Figures, VerifyOptions};
use crate::checkpoint::Checkpoint;
use crate::clock::{Clock, FileTime};
use crate::event::{Ahead, AnyEvent, Rejection, accept};
use crate::inbox::name::{name_bytes, name_text};
use crate::inbox::reading::MAX_FILE_SIZE;
use crate::inbox::{Folder, FolderError};
use crate::pages::error::Error;
use crate::run::options::{From, Options};
use crate::run::{
    File, FileOutcome, FolderScan, Next, Pending, ReadAhead, as_command, is_same_folder,
};
use crate::source::Source;
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::landing::compare_all;
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
    let reading = reading_options(options);
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

/// Files are read as a run would read them that takes them all: any event may have been accepted, and
/// what has not ended will not.
fn reading_options(options: &VerifyOptions) -> Options {
    Options {
        inbox: options.inbox.clone(),
        inbox_name: options.inbox_name.clone(),
        sources: Source::ALL.to_vec(),
        from: From::Checkpoint,
        dry_run: true,
        settle: Duration::ZERO,
        overlap: options.overlap,
        batch_size: NonZeroUsize::MIN,
        max_file_size: MAX_FILE_SIZE,
        max_ahead: Duration::MAX,
        clock: Clock::default(),
    }
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
    let mut checkpoint = checkpoint.copied().unwrap_or(Checkpoint {
        source,
        folder: None,
        offset: None,
        pending: 0,
        pending_since: None,
        remaining: 0,
    });
    if !is_same_folder(client, &checkpoint, &reading.inbox_name, &folder, identity)? {
        checkpoint.offset = None;
    }
    figures.other_names += folder.each_name(|_| Ok::<(), FolderError>(()))?;
    let listing = folder.scan(None, |_, _| true)?;
    figures.files += listing.len() as i64;
    Ok(FolderScan {
        folder,
        identity,
        listing,
        checkpoint,
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
                match reader.next(usize::MAX, PATIENCE)? {
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
        let (mut events, mut others) = (Vec::new(), Vec::new());
        for mut file in files {
            match std::mem::replace(&mut file.outcome, FileOutcome::Vanished) {
                FileOutcome::Accepted(event) => events.push((file, *event)),
                FileOutcome::Rejected(rejection) => {
                    let why = rejection.to_string();
                    file.outcome = FileOutcome::Rejected(rejection);
                    others.push((file, why));
                }
                FileOutcome::Pending(Pending::Fault(cause)) => {
                    self.add(findings, figures, &file, unreadable(&cause));
                }
                FileOutcome::Pending(_) => figures.not_processed += 1,
                FileOutcome::NotRegular
                | FileOutcome::Vanished
                | FileOutcome::Loaded
                | FileOutcome::Duplicate => {}
            }
        }
        let mut transaction = warehouse::begin(client)?;
        others.extend(not_landed(&mut transaction, events)?);
        let unknown = self.not_rejected(&mut transaction, others)?;
        // An event whose rejection was closed since it was not found has been loaded since.
        let (mut events, mut others) = (Vec::new(), Vec::new());
        for (file, why) in unknown {
            match validate(&file) {
                Some(event) => events.push((file, event)),
                None => others.push((file, why)),
            }
        }
        others.extend(not_landed(&mut transaction, events)?);
        transaction.rollback().doing("ending to look for files")?;
        for (file, why) in others {
            self.add(findings, figures, &file, self.missing(&file, &why));
        }
        Ok(())
    }

    /// Of these files, those whose content is in no rejection that is open or dismissed.
    fn not_rejected(
        &self,
        transaction: &mut Transaction<'_>,
        files: Vec<(File, String)>,
    ) -> Result<Vec<(File, String)>, WarehouseError> {
        if files.is_empty() {
            return Ok(files);
        }
        let each = || files.iter().map(|(file, _)| file);
        let names: Vec<&str> = each().map(|file| file.name.as_str()).collect();
        let sizes: Vec<Option<i64>> = each()
            .map(|file| file.stamp.map(|stamp| stamp.size.cast_signed()))
            .collect();
        let documents: Vec<Option<&[u8]>> = each().map(|file| file.document.as_deref()).collect();
        let rows = transaction
            .query_typed(
                include_str!("../../../sql/verify/rejected.sql"),
                &[
                    (&self.scan.folder.source().name(), Type::TEXT),
                    (&self.reading.inbox_name.as_str(), Type::TEXT),
                    (&names, Type::TEXT_ARRAY),
                    (&sizes, Type::INT8_ARRAY),
                    (&documents, Type::BYTEA_ARRAY),
                ],
            )
            .doing("looking for rejected files")?;
        let rejected: HashSet<i64> = rows.iter().map(|row| row.get("position")).collect();
        // `with ordinality` counts from one.
        let files = files.into_iter().zip(1..);
        Ok(files
            .filter(|(_, position)| !rejected.contains(position))
            .map(|(file, _)| file)
            .collect())
    }

    /// What is wrong with a file that is in no table.
    fn missing(&self, file: &File, why: &str) -> Wrong {
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
            format!("it changed at {changed}, before the offset, and is in no table: {why}"),
            format!("`{command}` reads it again"),
        )
    }

    /// Whether no run scans for a file that changed at this time any more.
    fn is_past(&self, changed: FileTime) -> bool {
        let offset = self.scan.checkpoint.offset;
        offset.is_some_and(|offset| changed < offset.before(self.reading.overlap))
    }

    /// Adds a finding about a file that is in no table, unless a run will read it. It may be another
    /// file by now, or written to.
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

/// The event in a file, if it is one.
fn validate(file: &File) -> Option<AnyEvent> {
    let ahead = Ahead {
        changed_at: file.stamp?.changed.to_utc(),
        max_ahead: Duration::MAX,
    };
    accept(file.document.as_ref()?, ahead).ok()
}

/// Of these files with events, those whose event landing does not have, or has with other content;
/// each with a sentence that says so.
fn not_landed(
    transaction: &mut Transaction<'_>,
    files: Vec<(File, AnyEvent)>,
) -> Result<Vec<(File, String)>, WarehouseError> {
    let mut missing: Vec<(File, Option<String>)> = Vec::with_capacity(files.len());
    let mut events = Vec::with_capacity(files.len());
    for (position, (file, event)) in files.into_iter().enumerate() {
        let subject = subject(&event);
        missing.push((file, Some(format!("landing does not have {subject}"))));
        events.push((position, event));
    }
    for loaded in compare_all(transaction, events)? {
        let why = &mut missing[loaded.position].1;
        *why = match loaded.is_same {
            true => None,
            false => why.take().map(|_| {
                format!(
                    "landing has its event with other content, from {}",
                    loaded.file_name
                )
            }),
        };
    }
    Ok(missing
        .into_iter()
        .filter_map(|(file, why)| Some((file, why?)))
        .collect())
}

fn subject(event: &AnyEvent) -> String {
    format!(
        "the event {} of {} {}",
        event.event_id(),
        event.kind(),
        event.entity_id()
    )
}

fn unreadable(cause: &str) -> Wrong {
    (
        format!("it cannot be read: {cause}"),
        "run `etl verify` as the user of `etl run`; if that one cannot read it either, repair the file system"
            .to_owned(),
    )
}
