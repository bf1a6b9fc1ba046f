//! A retry: a run over the documents in `landing.rejected_event`, and not over the inbox.
//!
//! Each document is validated by today's rules. One that is accepted enters the timelines with the
//! time its file had, as if it had been accepted then, and its rejection is resolved.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::Client;
use serde::Serialize;

use super::batch::{Batch, Landing, version_counts};
use super::chunk::{Chunk, File, Outcome as FileOutcome};
use super::claim::{self, PATIENCE};
use super::error::Error;
use super::interruption::Interruption;
use super::outcome::{Ending, Outcome, Work};
use super::target::{Target, with_target};
use crate::clock;
use crate::cores;
use crate::event::Rejection;
use crate::inbox_name::InboxName;
use crate::logging;
use crate::source::Source;
use crate::summary::Summary;
use crate::warehouse::checkpoints::{self, Claim};
use crate::warehouse::cluster::recover;
use crate::warehouse::kept_files::{self, KeptFile, OpenRejections, Room};
use crate::warehouse::release;
use crate::warehouse::runs::{Command, RunRecord};
use crate::warehouse::versions::BrokenKeys;
use crate::warehouse::{self, Warehouse};

/// What one transaction validates: as many files as a run's batch, and bytes such that they can be in
/// memory twice together with one more document of the largest size.
const BATCH: Room = Room {
    documents: 100_000,
    bytes: 64 << 20,
};

/// What a retry is asked to do.
#[derive(Clone, Debug)]
pub struct RetryOptions {
    /// Numbers of the rejections; `None` is every open one.
    pub ids: Option<Vec<i64>>,
    /// Do everything, and then roll it back.
    pub dry_run: bool,
    /// How much later than its file an event may be.
    pub max_ahead: Duration,
}

/// What a retry did. As JSON, the object that `etl run --json` prints and one field more.
#[derive(Debug, Serialize)]
pub struct Retried {
    /// What became of the documents, as files of a run; rejected are those that still are.
    #[serde(flatten)]
    pub summary: Summary,
    /// Rejections without a document in the database, which a retry can do nothing about.
    pub without_document: i64,
    /// Whether all of it was rolled back.
    #[serde(skip)]
    pub dry_run: bool,
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.summary.total.counts;
        if self.dry_run {
            f.write_str("dry run, rolled back: ")?;
        }
        writeln!(
            f,
            "retried {}: {} loaded, {} already loaded, {} still rejected; versions: {} opened, {} closed, {} changed",
            counts.files,
            counts.loaded,
            counts.duplicates,
            counts.rejected,
            counts.versions_opened,
            counts.versions_closed,
            counts.versions_changed
        )?;
        if self.without_document > 0 {
            writeln!(
                f,
                "{} have no document in the database (too_large, unreadable): once the file can be read, \
                 `etl run --since` reads it again",
                self.without_document
            )?;
        }
        Ok(())
    }
}

/// Validates rejected documents again.
///
/// # Errors
///
/// When a number is not one of a rejection, or the warehouse fails. Batches that were committed
/// before stay.
pub fn retry(warehouse: &mut Warehouse, options: &RetryOptions) -> Result<Retried, Error> {
    let began = Instant::now();
    warehouse.require_schema()?;
    let layout = warehouse.layout();
    let client = warehouse.client();
    recover(client, layout)?;
    let ids = options.ids.as_deref();
    for closed in kept_files::closed(client, ids.unwrap_or_default())? {
        log::info!("rejection {closed} is closed already");
    }
    let open = kept_files::open(client, ids)?;
    let mut retry = Retry {
        options,
        run_id: 0,
        started_at: clock::now(),
        sources: Vec::new(),
        summary: Summary::of(&open.iter().map(|open| open.source).collect::<Vec<_>>()),
        done: Work::default(),
        done_in_inbox: Work::default(),
        notes: Vec::new(),
    };
    let mut inboxes: Vec<&InboxName> = open.iter().map(|open| &open.inbox).collect();
    inboxes.dedup();
    for inbox in inboxes {
        let of_inbox: Vec<&OpenRejections> =
            open.iter().filter(|open| open.inbox == *inbox).collect();
        retry.retry_inbox(client, inbox, &of_inbox)?;
    }
    retry.summary.total.add(retry.done.counts, began.elapsed());
    let outcome = Outcome {
        summary: retry.summary,
        failures: Vec::new(),
        ending: match options.dry_run {
            true => Ending::RolledBack,
            false => Ending::Done,
        },
        sources: retry.sources,
        since: None,
        is_by_hand: true,
        resume: None,
        dry_run: options.dry_run,
        work: retry.done,
        scan: Duration::ZERO,
    };
    outcome.log();
    Ok(Retried {
        summary: outcome.summary,
        without_document: open.iter().map(|open| open.without_document).sum(),
        dry_run: options.dry_run,
    })
}

/// A retry on its way.
struct Retry<'r> {
    options: &'r RetryOptions,
    /// Its number. Rejections of another inbox are another run.
    run_id: i64,
    started_at: DateTime<Utc>,
    /// Sources whose checkpoints are claimed.
    sources: Vec<Source>,
    summary: Summary,
    /// What it has done in the inboxes before this one.
    done: Work,
    /// What it has done in this inbox, which is a run of its own.
    done_in_inbox: Work,
    /// What is to be logged when no transaction is open.
    notes: Vec<String>,
}

impl Retry<'_> {
    fn retry_inbox(
        &mut self,
        client: &mut Client,
        inbox: &InboxName,
        open: &[&OpenRejections],
    ) -> Result<(), Error> {
        let mut sources: Vec<Source> = open.iter().map(|open| open.source).collect();
        sources.sort_unstable();
        let interruption = Interruption::never();
        let claim = claim::claim(client, inbox, &sources, PATIENCE, &interruption)?;
        let claimed: Vec<Source> = claim.iter().flat_map(Claim::sources).collect();
        for busy in sources.iter().filter(|source| !claimed.contains(source)) {
            log::warn!(
                "a run is loading {busy}: its rejections are not retried; try again once it has ended"
            );
        }
        let Some(claim) = claim else {
            return Ok(());
        };
        self.run_id = claim.run_id;
        self.sources = claimed;
        self.done_in_inbox = Work::default();
        logging::name_run(claim.run_id);
        let done = with_target(client, self.options.dry_run, |target| {
            self.validate_all(target, inbox)
        });
        self.done += self.done_in_inbox;
        for note in self.notes.drain(..) {
            log::warn!("{note}");
        }
        let released = release::finish(client, self.run_id, &[], clock::now());
        done.and(released.map_err(Error::from))
    }

    fn validate_all(&mut self, target: &mut Target<'_>, inbox: &InboxName) -> Result<(), Error> {
        for source in self.sources.clone() {
            // Numbers begin at one.
            let mut last = 0;
            while let Some(last_id) = self.validate_batch(target, source, inbox, last)? {
                last = last_id;
            }
        }
        Ok(())
    }

    /// Validates the rejections of a folder that come after `last`, as many as one transaction takes,
    /// and returns the greatest number among them.
    fn validate_batch(
        &mut self,
        target: &mut Target<'_>,
        source: Source,
        inbox: &InboxName,
        last: i64,
    ) -> Result<Option<i64>, Error> {
        let began = Instant::now();
        let ids = self.options.ids.as_deref();
        let mut broken = BrokenKeys::new();
        loop {
            let mut transaction = target.begin()?;
            let mut batch = Batch::new(&mut transaction, self.run_id, &self.sources, &broken)?;
            let kept =
                kept_files::next_documents(&mut transaction, source, inbox, ids, last, BATCH)?;
            let numbers: Vec<i64> = kept.iter().map(|kept| kept.rejected_id).collect();
            let Some(last_id) = numbers.iter().copied().max() else {
                return Ok(None);
            };
            let mut chunk = validate(kept, self.options.max_ahead);
            let bytes = chunk.bytes() as u64;
            // A chunk of any order: nothing is locked before it.
            let newest_event_at = batch.land(&mut transaction, &mut chunk)?;
            self.notes.append(&mut batch.notes);
            let layout = batch.layout;
            let revised = match batch.revise(&mut transaction)? {
                Landing::Done(revised) => revised,
                Landing::Again(keys) => {
                    drop(transaction);
                    target.renew(self.run_id)?;
                    broken.extend(keys);
                    continue;
                }
            };
            let mut counts = chunk.counts();
            for (_, of_versions) in version_counts(&revised, &self.sources) {
                counts += of_versions;
            }
            let with_number = || chunk.files.iter().zip(numbers.iter().copied());
            let accepted: Vec<i64> = with_number()
                .filter(|(file, _)| {
                    matches!(file.outcome, FileOutcome::Loaded | FileOutcome::Duplicate)
                })
                .map(|(_, number)| number)
                .collect();
            let refused: Vec<(i64, &Rejection)> = with_number()
                .filter_map(|(file, number)| match &file.outcome {
                    FileOutcome::Rejected(rejection) => Some((number, rejection)),
                    _ => None,
                })
                .collect();
            kept_files::accept(&mut transaction, self.run_id, &accepted)?;
            kept_files::revalidate(&mut transaction, self.run_id, &refused)?;
            checkpoints::count(&mut transaction, source, inbox, counts, newest_event_at)?;
            let mut done_in_inbox = self.done_in_inbox;
            done_in_inbox += Work {
                counts,
                batches: 1,
                bytes,
            };
            RunRecord {
                run_id: self.run_id,
                command: Command::Retry,
                inbox,
                sources: &self.sources,
                since: None,
                started_at: self.started_at,
                counts: done_in_inbox.counts,
                is_written: self.done_in_inbox.batches > 0,
            }
            .save(&mut transaction, clock::now())?;
            checkpoints::renew_within(&mut transaction, self.run_id)?;
            warehouse::commit(transaction, layout)?;
            self.done_in_inbox = done_in_inbox;
            let summary = self.summary.sources.entry(source.name());
            summary.or_default().add(counts, began.elapsed());
            return Ok(Some(last_id));
        }
    }
}

/// Validates documents, given in the order in which their files changed.
fn validate(kept: Vec<KeptFile>, max_ahead: Duration) -> Chunk {
    let share = cores::share(kept.len());
    let validate_file = |kept: &KeptFile| {
        FileOutcome::of(&kept.document, kept.stamp, max_ahead, FileOutcome::Rejected)
    };
    let outcomes = cores::each(kept.chunks(share), |kept| {
        kept.iter().map(validate_file).collect::<Vec<_>>()
    });
    let files = kept
        .into_iter()
        .zip(outcomes.into_iter().flatten())
        .map(|(kept, outcome)| File {
            name: kept.name,
            scanned: None,
            stamp: Some(kept.stamp),
            document: Some(kept.document.into()),
            outcome,
        })
        .collect();
    Chunk {
        folder: 0,
        start: 0,
        files,
    }
}
