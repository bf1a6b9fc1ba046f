//! `etl archive`: moves files from the inbox into archives once the database has their content.
//!
//! Files are read, looked for in the database by what they say, and packed by source and day of
//! change. An archive is durable and was compared with the files before they are removed, each only if
//! it is still the file that was packed. So every event is in the inbox, in a whole archive, or in both
//! at any time, wherever the program is killed. It keeps no list of its own: what a killed program has
//! left, the next one finds in the inbox.

pub mod error;
pub(crate) mod member;
pub mod outcome;
mod packer;
pub(crate) mod packing;
mod portion;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::checkpoint::Checkpoint;
use crate::clock::{self, FileTime};
use crate::event::Rejection;
use crate::inbox::Folder;
use crate::inbox::listing::BLOCK_NAMES;
use crate::inbox_name::InboxName;
use crate::run::bar::Bar;
use crate::run::interruption::Interruption;
use crate::run::options::Options;
use crate::run::stored;
use crate::run::{CHUNK_FILES, File, FileOutcome, FolderScan, Next, Pending, ReadAhead};
use crate::source::Source;
use crate::warehouse::address::Address;
use crate::warehouse::archiving::{self, Archived};
use crate::warehouse::error::Doing;
use crate::warehouse::kept_files::Searched;
use crate::warehouse::{self, Warehouse};
use error::Error;
use outcome::{Counts, Ending, Left, Outcome};
use packer::Packer;
use packing::Archives;
use portion::{Candidates, Portion};

/// Names that are listed at a time, in whole blocks. They take some four megabytes, however many the
/// folder has.
const NAMES: usize = 65_536;

/// How long the next files are waited for before a signal is noticed.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is to be archived.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// Folder with a folder for each source.
    pub inbox: PathBuf,
    /// Name of the inbox.
    pub inbox_name: InboxName,
    /// The sources whose files are archived, in order.
    pub sources: Vec<Source>,
    /// How long ago a file has to have changed.
    pub older_than: Duration,
    /// Folder of the archives.
    pub to: PathBuf,
    /// Report what would be archived, and change nothing.
    pub dry_run: bool,
}

/// Archives files of the inbox.
///
/// Whatever goes wrong is its outcome; what was archived before stays archived.
pub fn archive(address: &Address, options: &ArchiveOptions) -> Outcome {
    let began = Instant::now();
    let mut archiver = Archiver {
        options,
        interruption: Interruption::never(),
        bar: Bar::default(),
        counts: BTreeMap::new(),
        failures: Vec::new(),
    };
    let ending = match archiver.archive_all(address) {
        Ok(()) if archiver.counts.is_empty() && archiver.failures.is_empty() => Ending::Busy,
        Ok(()) => Ending::Done,
        Err(Error::Interrupted(signal)) => Ending::Interrupted(signal),
        Err(error) => Ending::Failed(error),
    };
    let Archiver {
        counts, failures, ..
    } = archiver;
    Outcome::new(counts, failures, ending, options.dry_run, began.elapsed())
}

/// An `etl archive` on its way.
struct Archiver<'a> {
    options: &'a ArchiveOptions,
    interruption: Interruption,
    bar: Bar,
    counts: BTreeMap<Source, Counts>,
    /// Folders that could not be archived.
    failures: Vec<Error>,
}

impl Archiver<'_> {
    fn archive_all(&mut self, address: &Address) -> Result<(), Error> {
        let mut warehouse = Warehouse::connect(address)?;
        // Before, nothing is lost by ending at once.
        self.interruption = Interruption::listen().map_err(Error::Signals)?;
        warehouse.require_schema()?;
        if self.options.inbox_name.is_reserved() {
            return Err(Error::ReservedName(self.options.inbox_name.clone()));
        }
        archiving::check_right(warehouse.client())?;
        for source in self.options.sources.iter().copied() {
            match self.archive_source(warehouse.client(), source) {
                Ok(()) => {}
                // The others are archived all the same.
                Err(
                    error @ (Error::Folder(_)
                    | Error::NotRemovable { .. }
                    | Error::FilesNotRemovable { .. }
                    | Error::NotWritten { .. }
                    | Error::NotRead { .. }
                    | Error::Damaged { .. }),
                ) => self.failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Archives the files of a source, portion by portion: nothing is kept of those that went before.
    fn archive_source(&mut self, client: &mut Client, source: Source) -> Result<(), Error> {
        let options = self.options;
        let reading = reading_options(options, source);
        let folder = Folder::open(&options.inbox, source, &reading.clock)?;
        let archives = Archives::new(&options.to, source, &options.inbox_name);
        if !options.dry_run {
            if !folder.lock()? {
                log::info!(
                    "another `etl archive` is at work in the folder of {source}: it is left to that one"
                );
                return Ok(());
            }
            folder
                .check_removable()
                .map_err(|cause| Error::NotRemovable {
                    path: folder.path().to_owned(),
                    cause,
                })?;
            archives.remove_unfinished()?;
        }
        self.bar.archive(source);
        self.counts.insert(source, Counts::default());
        let mut scan = FolderScan {
            identity: folder.identity()?,
            folder: folder.try_clone()?,
            listing: Default::default(),
            checkpoint: Checkpoint::new(source),
            took: Duration::ZERO,
        };
        let (sender, portions) = sync_channel(0);
        let others = other_folders(options, source, &reading);
        let packer = Packer::new(archives, &folder, &others, options.dry_run);
        let (counts, packed, read) = thread::scope(|scope| {
            let packing = thread::Builder::new()
                .spawn_scoped(scope, move || packer.pack_all(&portions))
                .map_err(Error::NoThread)?;
            let read = self.read_folder(client, &mut scan, &reading, &sender);
            drop(sender);
            let (counts, packed) = packing
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>((counts, packed, read))
        })?;
        *self.counts.entry(source).or_default() += &counts;
        let recorded = match options.dry_run {
            true => Ok(()),
            false => {
                let ended = match &packed {
                    Ok(()) | Err(Error::FilesNotRemovable { .. }) => read.is_ok(),
                    Err(_) => false,
                };
                self.record(client, source, ended)
            }
        };
        // Files that cannot be removed hide no other failure.
        read.and(recorded).and(packed)
    }

    /// Records what was archived, whatever went wrong then.
    fn record(&mut self, client: &mut Client, source: Source, ended: bool) -> Result<(), Error> {
        let options = self.options;
        let total = self.counts.entry(source).or_default();
        let archived = Archived {
            source,
            inbox: &options.inbox_name,
            folder: &options.to.display().to_string(),
            archives: total.archives,
            files: total.archived,
            bytes: total.archive_bytes.cast_signed(),
            kept: if ended { total.kept() } else { 0 },
            kept_since: total.kept_since.filter(|_| ended).map(FileTime::to_utc),
            ended,
        };
        Ok(archiving::record(client, archived, clock::now())?)
    }

    /// Reads the files of a folder that are old enough, and hands those to the packer whose content the
    /// database has.
    fn read_folder(
        &mut self,
        client: &mut Client,
        scan: &mut FolderScan,
        reading: &Options,
        packer: &SyncSender<Candidates>,
    ) -> Result<(), Error> {
        let source = scan.folder.source();
        let now = reading.clock.now().into();
        let folder = scan.folder.try_clone()?;
        let mut names = folder.names()?.peekable();
        let mut portion = Portion::default();
        while names.peek().is_some() {
            let next = names.by_ref().take(NAMES / BLOCK_NAMES);
            let recent = AtomicI64::new(0);
            scan.listing = folder.stat(next, |_, stamp| {
                let is_old = stamp.changed.age(now) >= self.options.older_than;
                recent.fetch_add(i64::from(!is_old), Ordering::Relaxed);
                is_old
            })?;
            let counts = self.counts.entry(source).or_default();
            counts.leave(Left::Recent, recent.into_inner());
            counts.leave(Left::Unreadable, scan.listing.faults.len() as i64);
            counts.leave(Left::NotRegular, scan.listing.not_regular.len() as i64);
            if !self.read_files(client, scan, reading, &mut portion, packer)? {
                return Ok(());
            }
        }
        // If the packer has ended, it reports why.
        let _ = packer.send(portion.take_all());
        Ok(())
    }

    /// Reads the listed files; returns whether the packer takes more.
    fn read_files(
        &mut self,
        client: &mut Client,
        scan: &FolderScan,
        reading: &Options,
        portion: &mut Portion,
        packer: &SyncSender<Candidates>,
    ) -> Result<bool, Error> {
        let source = scan.folder.source();
        thread::scope(|scope| {
            let mut reader = ReadAhead::start(scope, std::slice::from_ref(scan), reading);
            loop {
                self.interruption.check()?;
                let files = match reader.next(usize::MAX, CHUNK_FILES, PATIENCE)? {
                    Next::Chunk(chunk) => chunk.files,
                    Next::NotYet => continue,
                    Next::End => return Ok(true),
                };
                let counts = self.counts.entry(source).or_default();
                self.bar.advance(files.len());
                let documents = files.into_iter().filter_map(|file| document(file, counts));
                let mut transaction = warehouse::begin(client)?;
                let found = stored::find(
                    &mut transaction,
                    source,
                    &reading.inbox_name,
                    Searched::Standing,
                    documents,
                )?;
                transaction.rollback().doing("ending to look for files")?;
                for file in found {
                    portion.take(file, reading.clock.now(), counts);
                }
                if portion.is_full() && packer.send(portion.take_all()).is_err() {
                    return Ok(false);
                }
            }
        })
    }
}

/// A file whose content can be looked for; any other one is counted, and stays.
fn document(file: File, counts: &mut Counts) -> Option<File> {
    let why = match &file.outcome {
        FileOutcome::Rejected(Rejection::Unreadable { .. }) => Left::Unreadable,
        FileOutcome::Accepted(_) | FileOutcome::Rejected(_) => return Some(file),
        // It is gone, so it is none of the files in the folder.
        FileOutcome::Vanished => return None,
        FileOutcome::NotRegular => Left::NotRegular,
        FileOutcome::Pending(Pending::Fault(_)) => Left::Unreadable,
        FileOutcome::Pending(_) | FileOutcome::Loaded | FileOutcome::Duplicate => Left::Changed,
    };
    let changed = file.stamp.map(|stamp| stamp.changed).or(file.scanned);
    counts.keep(why, changed);
    None
}

/// The folders of the other sources, those that can be opened: a file may be in the wrong one.
fn other_folders(options: &ArchiveOptions, source: Source, reading: &Options) -> Vec<Folder> {
    let others = Source::ALL.iter().filter(|other| **other != source);
    others
        .filter_map(|other| Folder::open(&options.inbox, *other, &reading.clock).ok())
        .collect()
}

/// Files are read as a run would read them that takes them all: any event may have been accepted, and
/// what has not ended will not.
fn reading_options(options: &ArchiveOptions, source: Source) -> Options {
    Options::for_reading(
        options.inbox.clone(),
        options.inbox_name.clone(),
        vec![source],
    )
}
