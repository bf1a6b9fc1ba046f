//! One run: lock, scan, read, accept, load, advance.
//!
//! A run works through what waits in the folders batch by batch. Each batch is one transaction,
//! which holds its events, the timelines they touch, its rejections and the checkpoints; a run that
//! dies leaves whole batches behind and nothing else.

mod backlog;
mod bar;
mod outcome;
mod part;
mod portion;
mod record;
mod remarks;
mod retry;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::GenericClient;

use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::error::{Doing, Error, commit_failed};
use crate::interruption::Interruption;
use crate::logging;
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::address::Address;
use crate::warehouse::{self, Warehouse};
use backlog::{Progress, Stretch, Waiting};
use bar::Bar;
use outcome::Work;
pub use outcome::{Ending, Outcome};
use part::Part;
use portion::{PORTIONS_AHEAD, Portion};
use record::RunRecord;
use remarks::Remarks;
pub use retry::{Retried, RetryOptions, retry};

/// How long a backfill waits for a run that is at its source: longer than cron's runs take, since
/// nobody starts a backfill again five seconds later.
const BACKFILL_PATIENCE: Duration = Duration::from_secs(10);

/// Time between two tries to get a lock: a small part of a run that finds something.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with a folder for each source.
    pub inbox: PathBuf,
    /// The sources to load.
    pub sources: Vec<Source>,
    /// Start here and not at the checkpoint.
    pub since: Option<DateTime<Utc>>,
    /// Do everything, and then undo it.
    pub dry_run: bool,
    /// How long a file that has not ended may take to.
    pub settle: Duration,
    /// How far before the offset to look again.
    pub overlap: Duration,
    /// Most files of a transaction.
    pub batch_size: NonZeroUsize,
    /// Length in bytes from which a file is not read.
    pub max_file_size: u64,
}

/// Does one run.
///
/// Whatever goes wrong is its outcome; batches that were committed before stay.
pub fn run(address: &Address, options: &Options) -> Outcome {
    let began = Instant::now();
    let mut run = Run::new(options);
    let ending = match run.go(address) {
        Ok(()) if run.sources.is_empty() && run.failures.is_empty() => Ending::Busy,
        Ok(()) if options.dry_run => Ending::Undone,
        Ok(()) => Ending::Done,
        Err(Error::Interrupted(signal)) => Ending::Interrupted(signal),
        Err(failure) => Ending::Failed(failure),
    };
    run.end(ending, began.elapsed())
}

/// Takes the locks of the sources that no other run is at, or that it leaves in time. What is
/// started by hand is patient; a run from cron comes again.
fn lock(
    warehouse: &mut Warehouse,
    sources: &[Source],
    patience: Duration,
    interruption: &Interruption,
) -> Result<Vec<Source>, Error> {
    let began = Instant::now();
    let mut locked = warehouse.lock(sources)?;
    while locked.len() < sources.len() && began.elapsed() < patience {
        interruption.check()?;
        thread::sleep(LOCK_POLL);
        let mut missing = sources.to_vec();
        missing.retain(|source| !locked.contains(source));
        locked.extend(warehouse.lock(&missing)?);
    }
    locked.sort();
    Ok(locked)
}

/// A run on its way.
struct Run<'r> {
    options: &'r Options,
    /// The folders it looks at: those that it is asked to, then those whose locks it holds, then
    /// those that it could scan.
    sources: Vec<Source>,
    started_at: DateTime<Utc>,
    summary: Summary,
    /// What it has done.
    done: Work,
    /// What of it was committed.
    committed: Work,
    /// Sources that could not be scanned.
    failures: Vec<Error>,
    scan: Duration,
    remarks: Remarks,
    bar: Bar,
    interruption: Interruption,
}

impl<'r> Run<'r> {
    fn new(options: &'r Options) -> Run<'r> {
        Run {
            options,
            sources: options.sources.clone(),
            started_at: clock::now(),
            summary: Summary::default(),
            done: Work::default(),
            committed: Work::default(),
            failures: Vec::new(),
            scan: Duration::ZERO,
            remarks: Remarks::default(),
            bar: Bar::new(),
            interruption: Interruption::never(),
        }
    }

    fn end(mut self, ending: Ending, elapsed: Duration) -> Outcome {
        self.summary.total.add(self.done.counts, elapsed);
        Outcome {
            work: match &ending {
                Ending::Done | Ending::Undone | Ending::Busy => self.done,
                // Committed within a dry run is nothing yet.
                _ if self.options.dry_run => Work::default(),
                _ => self.committed,
            },
            summary: self.summary,
            failures: self.failures,
            ending,
            sources: self.sources,
            since: self.options.since,
            dry_run: self.options.dry_run,
            scan: self.scan,
        }
    }

    fn go(&mut self, address: &Address) -> Result<(), Error> {
        let mut warehouse = Warehouse::connect(address)?;
        // Before, nothing is lost by ending at once.
        self.interruption = Interruption::listen()?;
        let done = self.load_what_is_free(&mut warehouse);
        warehouse.unlock();
        done
    }

    /// Loads the sources that no other run is at.
    fn load_what_is_free(&mut self, warehouse: &mut Warehouse) -> Result<(), Error> {
        let patience = match self.options.since {
            Some(_) => BACKFILL_PATIENCE,
            None => Duration::ZERO,
        };
        let wanted = &self.options.sources;
        self.sources = lock(warehouse, wanted, patience, &self.interruption)?;
        self.summary = Summary::of(&self.sources);
        // With the locks in hand: numbers are in the order in which runs load.
        self.started_at = clock::now();
        let run_id = match record::next_id(warehouse.client()) {
            // What follows knows why, and what to do.
            Err(Error::NotLoader { .. }) => None,
            run_id => run_id?,
        };
        if let Some(run_id) = run_id {
            logging::name_run(run_id);
        }
        for busy in wanted
            .iter()
            .filter(|source| !self.sources.contains(source))
        {
            log::info!("another run holds the lock of {busy}: it is left to that run");
        }
        match self.sources.is_empty() {
            true => Ok(()),
            false => self.load(warehouse, run_id),
        }
    }

    /// Loads the sources, whose locks are held.
    fn load(&mut self, warehouse: &mut Warehouse, run_id: Option<i64>) -> Result<(), Error> {
        let known = warehouse.checkpoints(&self.sources)?;
        if self.options.dry_run {
            let mut trial = warehouse
                .client()
                .transaction()
                .doing("beginning a dry run")?;
            let checkpoints = match known {
                Some(checkpoints) => checkpoints,
                None => {
                    warehouse::migrate_for_now(&mut trial)?;
                    warehouse::read_checkpoints(&mut trial, &self.sources)?
                        .ok_or(Error::NoSchema)?
                }
            };
            self.load_all(&mut trial, run_id, checkpoints)?;
            // What a commit would find.
            trial
                .batch_execute("set constraints all immediate")
                .doing("checking what a dry run has done")?;
            trial.rollback().doing("undoing a dry run")
        } else {
            let checkpoints = match known {
                Some(checkpoints) => checkpoints,
                None => {
                    warehouse.migrate()?;
                    warehouse
                        .checkpoints(&self.sources)?
                        .ok_or(Error::NoSchema)?
                }
            };
            self.load_all(warehouse.client(), run_id, checkpoints)
        }
    }

    fn load_all(
        &mut self,
        client: &mut impl GenericClient,
        run_id: Option<i64>,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<(), Error> {
        let run_id = match run_id {
            Some(run_id) => run_id,
            // There was no schema to take it from.
            None => {
                let run_id = record::next_id(client)?.ok_or(Error::NoSchema)?;
                // That of a dry run is undone with the schema, and will be another run's.
                if !self.options.dry_run {
                    logging::name_run(run_id);
                }
                run_id
            }
        };
        let loaded = self.load_batches(client, run_id, checkpoints);
        self.remarks.conclude(self.options.dry_run);
        loaded.map_err(|error| match error {
            Error::Database { .. } => Error::Unfinished(Box::new(error)),
            error => error,
        })
    }

    fn load_batches(
        &mut self,
        client: &mut impl GenericClient,
        run_id: i64,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<(), Error> {
        let lacks = |source: &&Source| checkpoints.iter().all(|known| known.source != **source);
        if let Some(source) = self.sources.iter().find(lacks) {
            return Err(Error::NoCheckpoint(*source));
        }
        let began = Instant::now();
        let (mut waiting, mut progress) = (Vec::new(), Vec::new());
        // A folder that cannot be scanned is no reason to leave the others.
        for checkpoint in checkpoints {
            self.interruption.check()?;
            self.bar.look_through(checkpoint.source);
            match backlog::find(client, checkpoint, self.options)? {
                Ok((files, beginning)) => {
                    waiting.push(files);
                    progress.push(beginning);
                }
                Err(failure) => self.failures.push(failure),
            }
        }
        self.scan = began.elapsed();
        self.sources = progress.iter().map(Progress::source).collect();
        let options = self.options;
        let batches = backlog::batches(&waiting, options);
        if !batches.is_empty() {
            warehouse::plan_for_probes(client)?;
            let files = waiting.iter().map(|waiting| waiting.listing.len());
            self.bar.load(files.sum());
        }
        thread::scope(|scope| {
            let (sender, portions) = sync_channel(PORTIONS_AHEAD);
            scope.spawn(|| portion::read_all(&waiting, &batches, options, sender));
            batches.iter().try_for_each(|batch| {
                self.load_batch(client, run_id, batch, &waiting, &mut progress, &portions)
            })
        })?;
        if !self.sources.is_empty() {
            self.conclude(client, run_id, &mut progress)?;
        }
        Ok(())
    }

    /// Takes the portions of a batch and, if there is anything to write, makes it durable.
    fn load_batch(
        &mut self,
        client: &mut impl GenericClient,
        run_id: i64,
        batch: &[Stretch],
        waiting: &[Waiting],
        progress: &mut [Progress],
        portions: &Receiver<Result<Portion, Error>>,
    ) -> Result<(), Error> {
        let next = || {
            portions
                .recv()
                .expect("the reader sends every portion or why not")
        };
        // The server ends a session that is idle within a transaction, and a slow disk may take long.
        let mut first = Some(next()?);
        let mut transaction = client.transaction().doing("beginning a batch")?;
        let mut is_written = false;
        for stretch in batch {
            let began = Instant::now();
            let (waiting, progress) = (&waiting[stretch.source], &mut progress[stretch.source]);
            let (source, folder) = (progress.source(), waiting.folder.path());
            let mut counts = Counts::default();
            let mut part = None;
            self.bar.say("loading");
            for _ in stretch.portions(waiting, self.options) {
                let portion = match first.take() {
                    Some(portion) => portion,
                    None => next()?,
                };
                self.interruption.check()?;
                self.done.bytes += portion.bytes();
                let files = portion.files.len();
                progress.pass(files, portion.dealt_with(), portion.pending());
                self.remarks.look_at(folder, &portion, progress.is_held());
                if portion.is_idle() {
                    counts += portion.counts();
                    self.bar.advance(files);
                    continue;
                }
                is_written = true;
                let mut arriving = match part.take() {
                    Some(part) => part,
                    None => Part::new(&mut transaction, run_id, source, stretch.len())?,
                };
                arriving.land(&mut transaction, portion, folder, &mut self.remarks)?;
                part = Some(arriving);
                self.bar.advance(files);
            }
            if let Some(part) = part {
                self.interruption.check()?;
                self.bar.say("writing versions");
                counts += part.finish(&mut transaction, progress, self.options.overlap)?;
            }
            self.count(source, counts, began.elapsed());
        }
        if is_written {
            self.record(run_id).save(&mut transaction, clock::now())?;
            self.bar.say("committing");
            transaction
                .commit()
                .map_err(|error| commit_failed(&error))?;
            self.done.batches += 1;
            self.committed = self.done;
        }
        Ok(())
    }

    /// Records what no batch has recorded: files left for later, an offset that was ahead of the
    /// clock, or that there was nothing new.
    fn conclude(
        &mut self,
        client: &mut impl GenericClient,
        run_id: i64,
        progress: &mut [Progress],
    ) -> Result<(), Error> {
        let now = clock::now();
        for source in progress.iter_mut() {
            if let Some(patrol) = source.take_patrol() {
                patrol.save(client)?;
            }
            if let Some(rest) = source.rest() {
                source.checkpoint().note_rest(client, rest)?;
            }
        }
        let unsaved = progress.iter().any(Progress::is_unsaved);
        let recorded = match self.committed.batches {
            0 => !unsaved && record::record_look(client, &self.sources, now)?,
            _ => self.committed.counts == self.done.counts,
        };
        if recorded && !unsaved {
            return Ok(());
        }
        let mut transaction = client.transaction().doing("beginning the last batch")?;
        for source in progress.iter_mut().filter(|source| source.is_unsaved()) {
            source
                .checkpoint()
                .save(&mut transaction, Counts::default(), None)?;
            source.saved();
        }
        self.record(run_id).save(&mut transaction, now)?;
        transaction.commit().map_err(|error| commit_failed(&error))
    }

    fn count(&mut self, source: Source, counts: Counts, elapsed: Duration) {
        self.done.counts += counts;
        self.summary
            .sources
            .entry(source.name())
            .or_default()
            .add(counts, elapsed);
    }

    fn record(&self, run_id: i64) -> RunRecord<'_> {
        RunRecord {
            run_id,
            sources: &self.sources,
            since: self.options.since,
            started_at: self.started_at,
            counts: self.done.counts,
        }
    }
}
