//! One run: lock, scan, read, accept, load, advance.
//!
//! A run works through what waits in the folders batch by batch. Each batch is one transaction,
//! which holds its events, the timelines they touch, its rejections and the checkpoints; a run that
//! dies leaves whole batches behind and nothing else.

mod backlog;
mod part;
mod portion;
mod record;
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
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::{self, Warehouse};
use backlog::{Progress, Stretch, Waiting};
use part::{Log, Part};
use portion::{PORTIONS_AHEAD, Portion};
use record::RunRecord;
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

/// What came of a run that got to its end.
#[derive(Debug)]
pub struct Outcome {
    /// What it did.
    pub summary: Summary,
    /// Sources that it could not look at; the others are done.
    pub failures: Vec<Error>,
    /// Whether all of it was undone.
    pub dry_run: bool,
}

impl Outcome {
    /// Says in the log what the run did: one line, at the debug level when nothing was new.
    pub fn log(&self) {
        let total = self.summary.total;
        let level = match total.counts.files == total.counts.pending {
            true => log::Level::Debug,
            false => log::Level::Info,
        };
        let dry = if self.dry_run {
            "dry run, undone: "
        } else {
            ""
        };
        log::log!(
            level,
            "{dry}{} elapsed_ms={}",
            total.counts,
            total.elapsed.as_millis()
        );
        for failure in &self.failures {
            log::error!("{failure}");
        }
    }
}

/// Does one run.
///
/// # Errors
///
/// When the warehouse fails, or no file can be opened at all. Batches that were committed before
/// stay.
pub fn run(warehouse: &mut Warehouse, options: &Options) -> Result<Outcome, Error> {
    let began = Instant::now();
    let patience = match options.since {
        Some(_) => BACKFILL_PATIENCE,
        None => Duration::ZERO,
    };
    let sources = lock(warehouse, &options.sources, patience)?;
    for busy in options
        .sources
        .iter()
        .filter(|source| !sources.contains(source))
    {
        log::info!("another run holds the lock of {busy}: it is left to that run");
    }
    if sources.is_empty() {
        let summary = Summary::of(&[]);
        return Ok(Outcome {
            summary,
            failures: Vec::new(),
            dry_run: options.dry_run,
        });
    }
    let outcome = load(warehouse, options, &sources);
    warehouse.unlock();
    let mut outcome = outcome?;
    outcome.summary.total.elapsed = began.elapsed();
    Ok(outcome)
}

/// Loads the sources, whose locks are held.
fn load(
    warehouse: &mut Warehouse,
    options: &Options,
    sources: &[Source],
) -> Result<Outcome, Error> {
    let known = warehouse.checkpoints(sources)?;
    let run = Run::new(options, sources);
    if options.dry_run {
        let mut trial = warehouse
            .client()
            .transaction()
            .doing("beginning a dry run")?;
        let checkpoints = match known {
            Some(checkpoints) => checkpoints,
            None => {
                warehouse::migrate_for_now(&mut trial)?;
                warehouse::read_checkpoints(&mut trial, sources)?.ok_or(Error::NoSchema)?
            }
        };
        let outcome = run.load(&mut trial, checkpoints)?;
        // What a commit would find.
        trial
            .batch_execute("set constraints all immediate")
            .doing("checking what a dry run has done")?;
        trial.rollback().doing("undoing a dry run")?;
        Ok(outcome)
    } else {
        let checkpoints = match known {
            Some(checkpoints) => checkpoints,
            None => {
                warehouse.migrate()?;
                warehouse.checkpoints(sources)?.ok_or(Error::NoSchema)?
            }
        };
        run.load(warehouse.client(), checkpoints)
    }
}

/// Takes the locks of the sources that no other run is at, or that it leaves in time. What is
/// started by hand is patient; a run from cron comes again.
fn lock(
    warehouse: &mut Warehouse,
    sources: &[Source],
    patience: Duration,
) -> Result<Vec<Source>, Error> {
    let began = Instant::now();
    let mut locked = warehouse.lock(sources)?;
    while locked.len() < sources.len() && began.elapsed() < patience {
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
    /// The folders it looks at.
    sources: Vec<Source>,
    started_at: DateTime<Utc>,
    /// Taken from the database with the first batch.
    run_id: Option<i64>,
    summary: Summary,
    /// What `etl.run` has of the summary.
    recorded: Counts,
    log: Log,
}

impl<'r> Run<'r> {
    fn new(options: &'r Options, sources: &[Source]) -> Run<'r> {
        Run {
            options,
            started_at: clock::now(),
            run_id: None,
            sources: sources.to_vec(),
            summary: Summary::of(sources),
            recorded: Counts::default(),
            log: Log::default(),
        }
    }

    fn load(
        self,
        client: &mut impl GenericClient,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Outcome, Error> {
        self.load_batches(client, checkpoints)
            .map_err(|error| match error {
                Error::Database { .. } => Error::Unfinished(Box::new(error)),
                error => error,
            })
    }

    fn load_batches(
        mut self,
        client: &mut impl GenericClient,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Outcome, Error> {
        let lacks = |source: &&Source| checkpoints.iter().all(|known| known.source != **source);
        if let Some(source) = self.sources.iter().find(lacks) {
            return Err(Error::NoCheckpoint(*source));
        }
        let (mut waiting, mut progress, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        // A folder that cannot be scanned is no reason to leave the others.
        for checkpoint in checkpoints {
            match backlog::find(client, checkpoint, self.options)? {
                Ok((files, beginning)) => {
                    waiting.push(files);
                    progress.push(beginning);
                }
                Err(failure) => failures.push(failure),
            }
        }
        self.sources = progress.iter().map(Progress::source).collect();
        let options = self.options;
        let batches = backlog::batches(&waiting, options);
        if !batches.is_empty() {
            warehouse::plan_for_probes(client)?;
        }
        thread::scope(|scope| {
            let (sender, portions) = sync_channel(PORTIONS_AHEAD);
            scope.spawn(|| portion::read_all(&waiting, &batches, options, sender));
            batches.iter().try_for_each(|batch| {
                self.load_batch(client, batch, &waiting, &mut progress, &portions)
            })
        })?;
        if !self.sources.is_empty() {
            self.conclude(client, &mut progress)?;
        }
        self.log.conclude();
        Ok(Outcome {
            summary: self.summary,
            failures,
            dry_run: self.options.dry_run,
        })
    }

    /// Takes the portions of a batch and, if there is anything to write, makes it durable.
    fn load_batch(
        &mut self,
        client: &mut impl GenericClient,
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
        let mut written = None;
        for stretch in batch {
            let began = Instant::now();
            let (waiting, progress) = (&waiting[stretch.source], &mut progress[stretch.source]);
            let (source, folder) = (progress.source(), waiting.folder.path());
            let mut counts = Counts::default();
            let mut part = None;
            for _ in stretch.portions(waiting, self.options) {
                let portion = match first.take() {
                    Some(portion) => portion,
                    None => next()?,
                };
                progress.pass(portion.dealt_with(), portion.pending());
                portion.log_oddities(folder);
                if portion.is_idle() {
                    counts += portion.counts();
                    continue;
                }
                let run_id = self.run_id(&mut transaction)?;
                written = Some(run_id);
                part.get_or_insert_with(|| Part::new(run_id, source)).land(
                    &mut transaction,
                    portion,
                    folder,
                    &mut self.log,
                )?;
            }
            if let Some(part) = part {
                counts += part.finish(&mut transaction, progress, self.options.overlap)?;
            }
            self.count(source, counts, began.elapsed());
        }
        if let Some(run_id) = written {
            self.record(run_id).save(&mut transaction, clock::now())?;
            transaction
                .commit()
                .map_err(|error| commit_failed(&error))?;
            self.recorded = self.summary.total.counts;
        }
        Ok(())
    }

    /// Records what no batch has recorded: files left for later, an offset that was ahead of the
    /// clock, or that there was nothing new.
    fn conclude(
        &mut self,
        client: &mut impl GenericClient,
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
        let recorded = match self.run_id {
            Some(_) => self.recorded == self.summary.total.counts,
            None => !unsaved && record::record_look(client, &self.sources, now)?,
        };
        if recorded && !unsaved {
            return Ok(());
        }
        let run_id = self.run_id(client)?;
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
        self.summary.total.add(counts, Duration::ZERO);
        self.summary
            .sources
            .entry(source.name())
            .or_default()
            .add(counts, elapsed);
    }

    fn run_id(&mut self, client: &mut impl GenericClient) -> Result<i64, Error> {
        match self.run_id {
            Some(run_id) => Ok(run_id),
            None => Ok(*self.run_id.insert(record::next_id(client)?)),
        }
    }

    fn record(&self, run_id: i64) -> RunRecord<'_> {
        RunRecord {
            run_id,
            sources: &self.sources,
            since: self.options.since,
            started_at: self.started_at,
            counts: self.summary.total.counts,
        }
    }
}
