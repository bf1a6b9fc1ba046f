//! A retry: a run over the documents that `landing.rejected_event` keeps, and not over the inbox.
//!
//! Each document is judged by today's rules. One that is accepted enters the timelines with the
//! time its file had, as if it had been accepted then, and its rejection is resolved.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postgres::{Client, GenericClient, Transaction};
use serde::Serialize;

use super::outcome::{Ending, Outcome, Work};
use super::record::{self, RunRecord};
use super::{BACKFILL_PATIENCE, lock};
use crate::clock;
use crate::cores;
use crate::error::{Doing, Error, commit_failed};
use crate::event::{AcceptedEvent, Event, Refusal, Rejection, accept};
use crate::interruption::Interruption;
use crate::logging;
use crate::source::Source;
use crate::summary::{Counts, Summary};
use crate::warehouse::dimension::{Arrival, Intake};
use crate::warehouse::rejected::{self, KeptDocument, Room};
use crate::warehouse::{self, Warehouse};

/// What one transaction judges: as many files as a run's batch, and bytes such that they can stand
/// in memory twice together with one more document of the largest size.
const BATCH: Room = Room {
    documents: 100_000,
    bytes: 64 << 20,
};

/// The folders that a retry looks at. With none, its row in `etl.run` does not pass for a look at
/// the inbox, from which `etl status` tells whether cron still runs.
const NO_FOLDERS: &[Source] = &[];

/// What a retry is asked to do.
#[derive(Clone, Debug)]
pub struct RetryOptions {
    /// Numbers of the rejections; `None` is every open one.
    pub ids: Option<Vec<i64>>,
    /// Do everything, and then undo it.
    pub dry_run: bool,
}

/// What came of a retry. As JSON, the object that `etl run --json` prints and one field more.
#[derive(Debug, Serialize)]
pub struct Retried {
    /// What became of the documents, as files of a run; rejected are those that still are.
    #[serde(flatten)]
    pub summary: Summary,
    /// Rejections without a document in the database, which a retry can do nothing about.
    pub without_document: i64,
    /// Whether all of it was undone.
    #[serde(skip)]
    pub dry_run: bool,
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.summary.total.counts;
        if self.dry_run {
            f.write_str("dry run, undone: ")?;
        }
        writeln!(
            f,
            "retried {}: {} loaded, {} there already, {} still rejected; versions: {} opened, {} closed",
            counts.files,
            counts.loaded,
            counts.duplicates,
            counts.rejected,
            counts.versions_opened,
            counts.versions_closed
        )?;
        if self.without_document > 0 {
            writeln!(
                f,
                "{} have no document in the database (too_large, unreadable): once it can be read, touch the file, \
                 or use `etl run --since`",
                self.without_document
            )?;
        }
        Ok(())
    }
}

/// Judges rejected documents again.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when a number is not one of a rejection; else when the warehouse
/// fails. Batches that were committed before stay.
pub fn retry(warehouse: &mut Warehouse, options: &RetryOptions) -> Result<Retried, Error> {
    let began = Instant::now();
    warehouse
        .checkpoints(&Source::ALL)?
        .ok_or(Error::NoSchema)?;
    let ids = options.ids.as_deref();
    let resolved = rejected::already_resolved(warehouse.client(), ids.unwrap_or_default())?;
    let mut open = rejected::open(warehouse.client(), ids)?;
    let concerned: Vec<Source> = open.iter().map(|open| open.source).collect();
    let sources = lock(
        warehouse,
        &concerned,
        BACKFILL_PATIENCE,
        &Interruption::never(),
    )?;
    let started_at = clock::now();
    let run_id = record::next_id(warehouse.client())?.ok_or(Error::NoSchema)?;
    logging::name_run(run_id);
    for resolved in resolved {
        log::info!("rejection {resolved} is resolved already");
    }
    open.retain(|open| {
        let locked = sources.contains(&open.source);
        if !locked {
            log::warn!(
                "a run holds the lock of {}: its rejections are not retried; try again once it has ended",
                open.source
            );
        }
        locked
    });
    let mut retry = Retry {
        ids,
        sources,
        started_at,
        run_id,
        summary: Summary::of(&concerned),
        work: Work::default(),
    };
    let done = match options.dry_run {
        true => retry.try_all(warehouse.client()),
        false => retry.judge_all(warehouse.client()),
    };
    warehouse.unlock();
    done?;
    retry.summary.total.add(retry.work.counts, began.elapsed());
    let outcome = Outcome {
        summary: retry.summary,
        failures: Vec::new(),
        ending: match options.dry_run {
            true => Ending::Undone,
            false => Ending::Done,
        },
        sources: retry.sources,
        since: None,
        dry_run: options.dry_run,
        work: retry.work,
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
    ids: Option<&'r [i64]>,
    /// Sources whose rejections are judged; their locks are held.
    sources: Vec<Source>,
    started_at: DateTime<Utc>,
    run_id: i64,
    summary: Summary,
    /// What it has done.
    work: Work,
}

impl Retry<'_> {
    /// Judges them all, and then undoes it.
    fn try_all(&mut self, client: &mut Client) -> Result<(), Error> {
        let mut trial = client.transaction().doing("beginning a dry run")?;
        self.judge_all(&mut trial)?;
        trial.rollback().doing("undoing a dry run")
    }

    fn judge_all(&mut self, client: &mut impl GenericClient) -> Result<(), Error> {
        for source in self.sources.clone() {
            // Numbers begin at one.
            let mut last = 0;
            while let Some(reached) = self.judge_batch(client, source, last)? {
                last = reached;
            }
        }
        Ok(())
    }

    /// Judges the rejections of a source that come after `last`, as many as one transaction takes,
    /// and tells the greatest number among them.
    fn judge_batch(
        &mut self,
        client: &mut impl GenericClient,
        source: Source,
        last: i64,
    ) -> Result<Option<i64>, Error> {
        let began = Instant::now();
        let mut transaction = client.transaction().doing("beginning a batch")?;
        let rows = rejected::next_documents(&mut transaction, source, self.ids, last, BATCH)?;
        let kept: Vec<KeptDocument<'_>> = rows.iter().map(KeptDocument::from_row).collect();
        let Some(reached) = kept.iter().map(|kept| kept.rejected_id).max() else {
            return Ok(None);
        };
        let (counts, newest_event_at) = judge(&mut transaction, self.run_id, &kept)?;
        // Its counters move with the data; the offset and what is pending are those of the folder.
        for checkpoint in warehouse::read_checkpoints(&mut transaction, &[source])?
            .into_iter()
            .flatten()
        {
            checkpoint.save(&mut transaction, counts, newest_event_at)?;
        }
        self.work.counts += counts;
        self.work.batches += 1;
        self.work.bytes += kept
            .iter()
            .map(|kept| kept.document.len() as u64)
            .sum::<u64>();
        self.summary
            .sources
            .entry(source.name())
            .or_default()
            .add(counts, began.elapsed());
        RunRecord {
            run_id: self.run_id,
            sources: NO_FOLDERS,
            since: None,
            started_at: self.started_at,
            counts: self.work.counts,
        }
        .save(&mut transaction, clock::now())?;
        transaction
            .commit()
            .map_err(|error| commit_failed(&error))?;
        Ok(Some(reached))
    }
}

/// Judges documents, given in the order in which their files changed: loads those that are
/// accepted and resolves their rejections, and gives the others today's reason. Tells what they
/// came to, and the time of the newest event.
fn judge(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    kept: &[KeptDocument<'_>],
) -> Result<(Counts, Option<DateTime<Utc>>), Error> {
    let mut counts = Counts {
        files: kept.len() as i64,
        ..Counts::default()
    };
    let mut accepted = vec![false; kept.len()];
    let mut refused: Vec<(i64, Rejection)> = Vec::new();
    let (mut users, mut cards) = (Vec::new(), Vec::new());
    let verdicts = cores::each(kept.chunks(cores::share(kept.len())), |kept| {
        let judge = |kept: &KeptDocument<'_>| accept(kept.document);
        kept.iter().map(judge).collect::<Vec<_>>()
    });
    for (place, (kept, verdict)) in kept.iter().zip(verdicts.into_iter().flatten()).enumerate() {
        accepted[place] = verdict.is_ok();
        match verdict {
            Ok(AcceptedEvent::User(event)) => users.push(arrival(event, place, kept)),
            Ok(AcceptedEvent::Card(event)) => cards.push(arrival(event, place, kept)),
            Err(Refusal::Rejected(rejection)) => refused.push((kept.rejected_id, rejection)),
            Err(Refusal::Unfinished { size }) => {
                refused.push((kept.rejected_id, Rejection::Truncated { size }));
            }
        }
    }
    let newest_event_at = users
        .iter()
        .map(|arrival| arrival.event.event_at)
        .chain(cards.iter().map(|arrival| arrival.event.event_at))
        .max();
    let (mut user_intake, mut card_intake) = (Intake::new(run_id), Intake::new(run_id));
    for landed in [
        user_intake.land(transaction, users)?,
        card_intake.land(transaction, cards)?,
    ] {
        counts.duplicates += landed.duplicates;
        for (place, rejection) in landed.conflicts {
            accepted[place] = false;
            refused.push((kept[place].rejected_id, rejection));
        }
    }
    for revised in [
        user_intake.revise(transaction)?,
        card_intake.revise(transaction)?,
    ] {
        counts.versions_opened += revised.opened;
        counts.versions_closed += revised.closed;
    }
    counts.rejected = refused.len() as i64;
    counts.loaded = counts.files - counts.duplicates - counts.rejected;
    let accepted: Vec<i64> = kept
        .iter()
        .zip(accepted)
        .filter(|(_, accepted)| *accepted)
        .map(|(kept, _)| kept.rejected_id)
        .collect();
    rejected::resolve_accepted(transaction, run_id, &accepted)?;
    rejected::rejudge(transaction, run_id, &refused)?;
    Ok((counts, newest_event_at))
}

fn arrival<'a, S>(event: Event<S>, place: usize, kept: &KeptDocument<'a>) -> Arrival<'a, S> {
    Arrival {
        event,
        file: place,
        file_name: kept.file_name,
        file_modified_at: kept.file_modified_at,
    }
}
