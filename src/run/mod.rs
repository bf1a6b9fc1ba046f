//! One run: claim, scan, read, accept, load, advance.
//!
//! A run loads the files that it finds batch by batch. Each batch is one transaction with its events,
//! the timelines they touch, its rejections and the checkpoints; a run that dies leaves committed
//! batches behind and nothing else. No transaction waits for the file system.

mod bar;
mod batch;
mod chunk;
mod claim;
pub mod error;
mod folders;
mod interruption;
mod loading;
pub mod options;
mod outcome;
mod reader;
mod rebuild;
mod retry;
mod scan;
mod warnings;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::Client;

use crate::logging;
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::address::Address;
use crate::warehouse::checkpoints::{self, Claim};
use crate::warehouse::runs::RunRecord;
use crate::warehouse::{self, Warehouse};
use bar::Bar;
pub(crate) use chunk::{File, Outcome as FileOutcome, Pending};
use claim::PATIENCE;
use error::Error;
use interruption::Interruption;
use loading::Target;
use options::Options;
use outcome::Work;
pub(crate) use outcome::as_command;
pub use outcome::{Ending, Outcome};
pub(crate) use reader::{Next, ReadAhead};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild, rebuild_requested};
pub use retry::{Retried, RetryOptions, retry};
use scan::FolderState;
pub(crate) use scan::{FolderScan, is_same_folder};
use warnings::FileWarnings;

/// Does one run.
///
/// Whatever goes wrong is its outcome; batches that were committed before stay.
pub fn run(address: &Address, options: &Options) -> Outcome {
    let began = Instant::now();
    let mut run = Run::new(options);
    let ending = match run.go(address) {
        Ok(()) if run.sources.is_empty() && run.failures.is_empty() => Ending::Busy,
        Ok(()) if options.dry_run => Ending::RolledBack,
        Ok(()) => Ending::Done,
        Err(Error::Interrupted(signal)) => Ending::Interrupted(signal),
        Err(failure) => Ending::Failed(failure),
    };
    run.end(ending, began.elapsed())
}

/// A run on its way.
struct Run<'r> {
    options: &'r Options,
    /// Its number, zero until it has claimed something.
    run_id: i64,
    /// The folders it scans: those that it is asked to, then those that it has claimed, then those
    /// that it could scan.
    sources: Vec<Source>,
    started_at: DateTime<Utc>,
    summary: Summary,
    /// What its batches have done.
    done: Work,
    /// Folders that could not be scanned.
    failures: Vec<Error>,
    scan: Duration,
    warnings: FileWarnings,
    bar: Bar,
    interruption: Interruption,
}

impl<'r> Run<'r> {
    fn new(options: &'r Options) -> Run<'r> {
        Run {
            options,
            run_id: 0,
            sources: options.sources.clone(),
            started_at: options.clock.now(),
            summary: Summary::default(),
            done: Work::default(),
            failures: Vec::new(),
            scan: Duration::ZERO,
            warnings: FileWarnings::default(),
            bar: Bar::default(),
            interruption: Interruption::never(),
        }
    }

    fn end(mut self, ending: Ending, elapsed: Duration) -> Outcome {
        self.warnings.conclude(self.options.dry_run);
        self.summary.total.add(self.done.counts, elapsed);
        Outcome {
            work: match &ending {
                // Of a dry run nothing is kept.
                Ending::Interrupted(_) | Ending::Failed(_) if self.options.dry_run => {
                    Work::default()
                }
                _ => self.done,
            },
            summary: self.summary,
            failures: self.failures,
            ending,
            sources: self.sources,
            since: self.options.since(),
            is_by_hand: self.options.is_by_hand(),
            resume: outcome::resume(self.options),
            dry_run: self.options.dry_run,
            scan: self.scan,
        }
    }

    fn go(&mut self, address: &Address) -> Result<(), Error> {
        let mut warehouse = Warehouse::connect(address)?;
        // Before, nothing is lost by ending at once.
        self.interruption = Interruption::listen()?;
        if !warehouse.has_schema()? {
            match self.options.dry_run {
                true => return Err(warehouse::error::Error::NoSchema.into()),
                false => warehouse.migrate()?,
            }
        }
        let patience = match self.options.is_by_hand() {
            true => PATIENCE,
            false => Duration::ZERO,
        };
        let options = self.options;
        let requests_rebuild = warehouse.requests_rebuild();
        let client = warehouse.client();
        let claim = claim::claim(
            client,
            &options.inbox_name,
            &options.sources,
            patience,
            &self.interruption,
        )?;
        let Some(claim) = claim else {
            return self.be_busy(&[]);
        };
        self.run_id = claim.run_id;
        logging::name_run(claim.run_id);
        let claimed: Vec<Source> = claim
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.source)
            .collect();
        self.be_busy(&claimed)?;
        let result = match requests_rebuild {
            true => self.rebuild_requested(client),
            false => Ok(()),
        }
        .and_then(|()| self.load(client, claim));
        self.give_back(client, &claimed, &result);
        result
    }

    /// Rebuilds what a migration has requested: until then, the events of a dimension contradict its
    /// versions.
    fn rebuild_requested(&mut self, client: &mut Client) -> Result<(), Error> {
        if self.options.dry_run {
            log::warn!(
                "a migration has requested to rebuild a dimension, which a dry run does not do: what is new of its keys \
                 may be rejected"
            );
            return Ok(());
        }
        let run_id = Some(self.run_id);
        rebuild::requested(client, &self.interruption, &mut self.bar, run_id)
    }

    /// Leaves the sources that were not claimed to other runs.
    fn be_busy(&mut self, claimed: &[Source]) -> Result<(), Error> {
        for busy in self
            .options
            .sources
            .iter()
            .filter(|source| !claimed.contains(source))
        {
            log::info!("another run is loading {busy}: it is left to that run");
        }
        self.sources = claimed.to_vec();
        self.summary = Summary::of(claimed);
        Ok(())
    }

    /// Gives the claims back, and writes down a failure where the next one looks for it.
    fn give_back(&mut self, client: &mut Client, claimed: &[Source], result: &Result<(), Error>) {
        let options = self.options;
        let now = options.clock.now();
        let failed: Vec<(Vec<Source>, String)> = match result {
            Err(Error::Interrupted(_)) => Vec::new(),
            Err(failure) => vec![(claimed.to_vec(), failure.to_string())],
            Ok(()) => self
                .failures
                .iter()
                .filter_map(|failure| match failure {
                    Error::Folder(folder) => Some((vec![folder.source_name], failure.to_string())),
                    _ => None,
                })
                .collect(),
        };
        let scanned: &[Source] = match result {
            Ok(()) if !options.dry_run => &self.sources,
            _ => &[],
        };
        let mut gave_back = checkpoints::finish(client, self.run_id, scanned, now);
        for (sources, failure) in failed {
            gave_back = gave_back.and(checkpoints::fail(
                client,
                &options.inbox_name,
                &sources,
                now,
                &failure,
            ));
        }
        if let Err(error) = gave_back {
            // The claim expires by itself.
            log::debug!("the claim could not be given back: {error}");
        }
    }

    /// Loads the folders whose checkpoints are claimed.
    fn load(&mut self, client: &mut Client, claim: Claim) -> Result<(), Error> {
        self.started_at = self.options.clock.now();
        let began = Instant::now();
        let (mut scans, mut states) = (Vec::new(), Vec::new());
        for checkpoint in claim.checkpoints {
            self.interruption.check()?;
            self.bar.scan(checkpoint.source);
            let scanned = scan::scan(
                client,
                self.run_id,
                checkpoint,
                self.options,
                &mut self.warnings,
            );
            match scanned {
                Ok((scan, state)) => {
                    scans.push(scan);
                    states.push(state);
                }
                // A folder that cannot be scanned is no reason to leave the others.
                Err(failure @ Error::Folder(_)) => self.failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        self.scan = began.elapsed();
        self.warnings.log();
        self.sources = scans.iter().map(|scan| scan.checkpoint.source).collect();
        self.bar
            .load(scans.iter().map(|scan| scan.listing.len()).sum());
        let result = match self.options.dry_run {
            true => self.try_files(client, &scans, &mut states),
            false => self.load_files(&mut Target::Kept(client), &scans, &mut states),
        };
        self.warnings.log();
        result?;
        match self.options.dry_run {
            true => Ok(()),
            false => self.conclude(client, &scans, &mut states),
        }
    }

    /// Saves what no batch has saved: pending files, an offset that was ahead of the clock, a folder
    /// that was adopted.
    fn conclude(
        &mut self,
        client: &mut Client,
        scans: &[FolderScan],
        states: &mut [FolderState],
    ) -> Result<(), Error> {
        let is_unsaved = scans
            .iter()
            .zip(states.iter())
            .any(|(scan, state)| state.is_unsaved(scan));
        if !is_unsaved {
            return Ok(());
        }
        let now = self.options.clock.now();
        let mut transaction = warehouse::begin(client)?;
        if !checkpoints::is_still_claimed(&mut transaction, self.run_id, &self.sources)? {
            return Err(Error::ClaimLost);
        }
        for (scan, state) in scans.iter().zip(states.iter_mut()) {
            if !state.progress.plan().advances {
                continue;
            }
            state.save(
                &mut transaction,
                scan,
                self.options,
                Counts::default(),
                None,
            )?;
            if scan.checkpoint.pending > 0 || !state.pending.is_empty() {
                checkpoints::keep_pending(
                    &mut transaction,
                    scan.checkpoint.source,
                    &self.options.inbox_name,
                    now,
                    &state.pending,
                )?;
            }
        }
        transaction
            .commit()
            .map_err(warehouse::error::Error::commit)?;
        Ok(())
    }

    fn record(&self, counts: Counts) -> RunRecord<'_> {
        RunRecord {
            run_id: self.run_id,
            command: self.options.command(),
            inbox: &self.options.inbox_name,
            sources: &self.sources,
            since: self.options.since(),
            started_at: self.started_at,
            counts,
            is_written: self.done.batches > 0,
        }
    }
}
