//! One run: claim, scan, read, accept, load, advance.
//!
//! A run loads the files that it finds batch by batch. Each batch is one transaction with its events,
//! the timelines they touch, its rejections and the checkpoints; a run that dies leaves committed
//! batches behind and nothing else. No transaction waits for the file system.

pub(crate) mod bar;
mod batch;
mod blocks;
mod chunk;
mod claim;
pub mod error;
mod feed;
mod folders;
pub(crate) mod interruption;
mod loading;
pub mod options;
mod outcome;
mod reader;
mod rebuild;
mod retry;
mod scan;
pub(crate) mod stored;
mod target;
mod warnings;

use std::time::{Duration, Instant};

use postgres::Client;

use crate::logging;
use crate::source::Source;
use crate::summary::Summary;
use crate::warehouse::address::Address;
use crate::warehouse::checkpoints::Claim;
use crate::warehouse::release::{self, ScannedFolder};
use crate::warehouse::{self, Warehouse, cluster};
pub(crate) use chunk::{File, Outcome as FileOutcome, Pending};
use claim::PATIENCE;
use error::Error;
use interruption::Interruption;
use loading::Loader;
use options::Options;
use outcome::Work;
pub(crate) use outcome::as_command;
pub use outcome::{Ending, Outcome};
pub(crate) use reader::{CHUNK_FILES, Next, ReadAhead};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild, rebuild_requested};
pub use retry::{Retried, RetryOptions, retry};
pub(crate) use scan::{FolderScan, is_same_folder};

/// Does one run.
///
/// Whatever goes wrong is its outcome; batches that were committed before stay.
pub fn run(address: &Address, options: &Options) -> Outcome {
    let began = Instant::now();
    let mut run = Run::new(options);
    let ending = match run.go(address) {
        Ok(()) if run.loader.sources.is_empty() && run.failures.is_empty() => Ending::Busy,
        Ok(()) if options.dry_run => Ending::RolledBack,
        Ok(()) => Ending::Done,
        Err(Error::Interrupted(signal)) => Ending::Interrupted(signal),
        Err(failure) => Ending::Failed(failure),
    };
    run.end(ending, began.elapsed())
}

/// A run on its way.
struct Run<'r> {
    loader: Loader<'r>,
    /// Folders that could not be scanned.
    failures: Vec<Error>,
    /// Sources whose own folders were scanned: those that the checkpoints belong to, or do now.
    scanned: Vec<ScannedFolder>,
    scan: Duration,
}

impl<'r> Run<'r> {
    fn new(options: &'r Options) -> Run<'r> {
        Run {
            loader: Loader::new(options),
            failures: Vec::new(),
            scanned: Vec::new(),
            scan: Duration::ZERO,
        }
    }

    fn end(mut self, ending: Ending, elapsed: Duration) -> Outcome {
        self.loader.warnings.conclude(self.loader.options.dry_run);
        self.loader
            .summary
            .total
            .add(self.loader.done.counts, elapsed);
        Outcome {
            work: match &ending {
                // Of a dry run nothing is kept.
                Ending::Interrupted(_) | Ending::Failed(_) if self.loader.options.dry_run => {
                    Work::default()
                }
                _ => self.loader.done,
            },
            summary: self.loader.summary,
            failures: self.failures,
            ending,
            sources: self.loader.sources,
            since: self.loader.options.since(),
            is_by_hand: self.loader.options.is_by_hand(),
            resume: outcome::resume(self.loader.options),
            dry_run: self.loader.options.dry_run,
            scan: self.scan,
        }
    }

    fn go(&mut self, address: &Address) -> Result<(), Error> {
        let mut warehouse = Warehouse::connect(address)?;
        // Before, nothing is lost by ending at once.
        self.loader.interruption = Interruption::listen().map_err(Error::Signals)?;
        if !warehouse.has_schema()? {
            match self.loader.options.dry_run {
                true => return Err(warehouse::error::Error::NoSchema.into()),
                false => warehouse.migrate()?,
            }
        }
        let patience = match self.loader.options.is_by_hand() {
            true => PATIENCE,
            false => Duration::ZERO,
        };
        let options = self.loader.options;
        let requests_rebuild = warehouse.requests_rebuild();
        let layout = warehouse.layout();
        let client = warehouse.client();
        let claim = claim::claim(
            client,
            &options.inbox_name,
            &options.sources,
            patience,
            &self.loader.interruption,
        )?;
        let Some(claim) = claim else {
            self.take_sources(&[]);
            return Ok(());
        };
        self.loader.run_id = claim.run_id;
        logging::name_run(claim.run_id);
        let claimed: Vec<Source> = claim.sources().collect();
        self.take_sources(&claimed);
        let result = match cluster::recover(client, layout) {
            Ok(()) if requests_rebuild => self.rebuild_requested(client),
            recovered => recovered.map_err(Error::from),
        }
        .and_then(|()| self.load(client, claim));
        // The connection broke, or the client gave it up, as it does where a copy cannot begin.
        if client.is_closed() {
            match Warehouse::connect(address) {
                Ok(again) => warehouse = again,
                Err(error) => log::debug!("the failure could not be recorded: {error}"),
            }
        }
        self.release(warehouse.client(), &claimed, &result);
        result
    }

    /// Rebuilds what a migration has requested: until then, the events of a dimension contradict its
    /// versions.
    fn rebuild_requested(&mut self, client: &mut Client) -> Result<(), Error> {
        if self.loader.options.dry_run {
            log::warn!(
                "a migration has requested the rebuild of a dimension, which a dry run does not do: new events of that \
                 dimension may be rejected"
            );
            return Ok(());
        }
        let run_id = Some(self.loader.run_id);
        rebuild::requested(
            client,
            &self.loader.interruption,
            &mut self.loader.bar,
            run_id,
        )
    }

    /// Takes up the claimed sources, and leaves the others to other runs.
    fn take_sources(&mut self, claimed: &[Source]) {
        for busy in self
            .loader
            .options
            .sources
            .iter()
            .filter(|source| !claimed.contains(source))
        {
            log::info!("another run is loading {busy}: it is left to that run");
        }
        self.loader.sources = claimed.to_vec();
        self.loader.summary = Summary::of(claimed);
    }

    /// Releases the claims and records a failure in the checkpoints.
    fn release(&mut self, client: &mut Client, claimed: &[Source], result: &Result<(), Error>) {
        let options = self.loader.options;
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
        let scanned: &[ScannedFolder] = match result {
            Ok(()) if !options.dry_run => &self.scanned,
            _ => &[],
        };
        let mut released = release::finish(client, self.loader.run_id, scanned, now);
        for (sources, failure) in failed {
            released = released.and(release::fail(
                client,
                &options.inbox_name,
                &sources,
                now,
                &failure,
            ));
        }
        if let Err(error) = released {
            // The claim expires by itself.
            log::debug!("the claim could not be released: {error}");
        }
    }

    /// Loads the folders whose checkpoints are claimed.
    fn load(&mut self, client: &mut Client, claim: Claim) -> Result<(), Error> {
        self.loader.started_at = self.loader.options.clock.now();
        let began = Instant::now();
        let (mut scans, mut states) = (Vec::new(), Vec::new());
        for checkpoint in claim.checkpoints {
            self.loader.interruption.check()?;
            self.loader.bar.scan(checkpoint.source);
            let scanned = scan::scan(
                client,
                self.loader.run_id,
                checkpoint,
                self.loader.options,
                &mut self.loader.warnings,
            );
            match scanned {
                Ok((scan, state)) => {
                    self.loader
                        .count_pending(scan.checkpoint.source, state.pending.len());
                    scans.push(scan);
                    states.push(state);
                }
                // A folder that cannot be scanned is no reason to leave the others.
                Err(failure @ Error::Folder(_)) => self.failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        self.scanned = states
            .iter()
            .zip(&scans)
            .filter(|(state, _)| {
                let plan = state.progress.plan();
                plan.advances || plan.base.is_some()
            })
            .map(|(_, scan)| ScannedFolder {
                source: scan.checkpoint.source,
                census: scan.listing.census,
                took: scan.took,
            })
            .collect();
        self.scan = began.elapsed();
        self.loader.warnings.log();
        self.loader.sources = scans.iter().map(|scan| scan.checkpoint.source).collect();
        self.loader
            .bar
            .load(scans.iter().map(|scan| scan.listing.len()).sum());
        let result = self.loader.load_files(client, &scans, &mut states);
        self.loader.warnings.log();
        result?;
        match self.loader.options.dry_run {
            true => Ok(()),
            false => self.loader.conclude(client, &scans, &mut states),
        }
    }
}
