//! Rebuilds: what the dimensions should hold is worked out from landing and made so, some keys a
//! transaction. Runs go on meanwhile: each transaction takes the dimension's lock for itself.
//!
//! A rebuild that is interrupted is simply begun again: keys that are right are read and left alone.
//! One that a migration has requested goes on where the last program has left it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};
use serde::Serialize;

use super::bar::Bar;
use super::error::Error;
use super::interruption::{Interruption, Signal};
use crate::entity::Kind;
use crate::warehouse::cluster::{Layout, recover};
use crate::warehouse::dimension_lock::lock_dimension;
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::rebuild::{self, FIRST_KEY, RebuildCounts, RebuiltKeys};
use crate::warehouse::{self, Warehouse, checkpoints};

/// Keys given by hand that are rebuilt in one transaction.
const GIVEN_KEYS: usize = 1_000;

/// Keys that could not be rebuilt and are listed in the result; the log has all of them.
const LISTED_FAILURES: usize = 100;

/// What a rebuild is asked to do.
#[derive(Clone, Debug)]
pub struct RebuildOptions {
    /// The dimension; `None` is all of them.
    pub kind: Option<Kind>,
    /// The natural keys; none is all of them.
    pub ids: Vec<i64>,
    /// Do everything, and roll it back.
    pub dry_run: bool,
}

/// What a rebuild did.
#[derive(Debug, Default, Serialize)]
pub struct Rebuilt {
    /// All dimensions together.
    #[serde(flatten)]
    pub counts: RebuildCounts,
    /// By dimension.
    pub entities: BTreeMap<&'static str, RebuildCounts>,
    /// Events that runs had loaded and that were deleted from landing since the last rebuild; less
    /// than none if some were restored.
    pub events_lost: i64,
    /// Keys that could not be rebuilt, the first hundred.
    pub failures: Vec<KeyFailure>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether all of it was rolled back.
    pub dry_run: bool,
    /// The signal that has ended it before its end.
    #[serde(skip)]
    pub interrupted: Option<Signal>,
}

/// A key that could not be rebuilt.
#[derive(Debug, Serialize)]
pub struct KeyFailure {
    /// What it is a key of.
    pub entity: Kind,
    /// The natural key.
    pub id: i64,
    /// Why it could not be rebuilt.
    pub cause: String,
}

impl fmt::Display for RebuildCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "keys: {} read, {} changed, {} failed; versions: {} opened, {} changed, {} removed",
            self.keys,
            self.keys_changed,
            self.keys_failed,
            self.versions_opened,
            self.versions_changed,
            self.versions_removed
        )
    }
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            f.write_str("dry run, rolled back: ")?;
        }
        let elapsed = humantime::format_duration(Duration::from_millis(self.elapsed_ms));
        write!(f, "{}", self.counts)?;
        match self.events_lost {
            0 => {}
            lost @ 1.. => write!(f, "; loaded events deleted from landing: {lost}")?,
            restored => write!(f, "; loaded events restored in landing: {}", -restored)?,
        }
        writeln!(f, "; {elapsed}")
    }
}

/// Rebuilds dimensions, or some of their keys. A key that the database refuses to change is logged
/// and stays as it is.
///
/// # Errors
///
/// When there is no schema or the warehouse fails. What was committed before stays.
pub fn rebuild(warehouse: &mut Warehouse, options: &RebuildOptions) -> Result<Rebuilt, Error> {
    let began = Instant::now();
    warehouse.require_schema()?;
    let interruption = Interruption::listen().map_err(Error::Signals)?;
    let layout = warehouse.layout();
    recover(warehouse.client(), layout)?;
    let mut bar = Bar::default();
    let mut rebuild = Rebuild {
        client: warehouse.client(),
        interruption: &interruption,
        bar: &mut bar,
        run_id: None,
        rebuilt: Rebuilt {
            dry_run: options.dry_run,
            ..Rebuilt::default()
        },
    };
    let mut ids = options.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    let kinds: Vec<Kind> = match options.kind {
        Some(kind) => vec![kind],
        None => Kind::ALL.to_vec(),
    };
    let mut result = Ok(());
    for kind in kinds {
        let keys = match ids.is_empty() {
            true => Keys::From(Some(FIRST_KEY)),
            false => Keys::Given(&ids),
        };
        result = result.and_then(|()| rebuild.rebuild_dimension(kind, keys));
    }
    let is_complete = result.is_ok();
    let result = result.and_then(|()| rebuild.note_lost());
    let mut rebuilt = rebuild.rebuilt;
    drop(bar);
    rebuilt.elapsed_ms = began.elapsed().as_millis() as u64;
    if let Err(error) = result {
        if !rebuilt.dry_run && !is_complete && rebuilt.counts.keys > 0 {
            log::warn!(
                "ended early; keys rebuilt and committed: {}; the same command rebuilds the rest",
                rebuilt.counts.keys_changed
            );
        }
        match error {
            Error::Interrupted(signal) => rebuilt.interrupted = Some(signal),
            error => return Err(error),
        }
    }
    Ok(rebuilt)
}

/// Rebuilds what migrations have requested.
///
/// # Errors
///
/// When the warehouse fails. What was committed before stays, and the next program goes on from there.
pub fn rebuild_requested(warehouse: &mut Warehouse) -> Result<(), Error> {
    let interruption = Interruption::never();
    requested(warehouse.client(), &interruption, &mut Bar::default(), None)
}

/// Rebuilds what migrations have requested; a run renews its claim meanwhile. Several programs that
/// do it at once share the keys.
pub(super) fn requested(
    client: &mut Client,
    interruption: &Interruption,
    bar: &mut Bar,
    run_id: Option<i64>,
) -> Result<(), Error> {
    for kind in rebuild::requested(client)? {
        let mut rebuild = Rebuild {
            client: &mut *client,
            interruption,
            bar: &mut *bar,
            run_id,
            rebuilt: Rebuilt::default(),
        };
        rebuild.rebuild_dimension(kind, Keys::Requested)?;
        log::info!(
            "rebuilt warehouse.dim_{kind} as a migration asked: {}",
            rebuild.rebuilt.counts
        );
    }
    Ok(())
}

/// Which keys of a dimension are rebuilt.
enum Keys<'k> {
    /// Those from this one on; `None` once the last one is rebuilt.
    From(Option<i64>),
    /// These.
    Given(&'k [i64]),
    /// Those from the first key of the request on.
    Requested,
}

impl Keys<'_> {
    /// Takes the keys of the next transaction. There are none after the last one.
    fn take(
        &mut self,
        transaction: &mut Transaction<'_>,
        kind: Kind,
    ) -> Result<Vec<i64>, WarehouseError> {
        match self {
            Keys::From(None) => Ok(Vec::new()),
            Keys::From(next) => {
                let keys = rebuild::next_keys(transaction, kind, next.unwrap_or(FIRST_KEY))?;
                *next = after(&keys);
                Ok(keys)
            }
            Keys::Given(given) => {
                let (keys, rest) = given.split_at(given.len().min(GIVEN_KEYS));
                *given = rest;
                Ok(keys.to_vec())
            }
            Keys::Requested => {
                let Some(first) = rebuild::next_requested_key(transaction, kind)? else {
                    return Ok(Vec::new());
                };
                let keys = rebuild::next_keys(transaction, kind, first)?;
                rebuild::advance_requested(transaction, kind, first, after(&keys))?;
                Ok(keys)
            }
        }
    }
}

/// The first key that can come after these.
fn after(keys: &[i64]) -> Option<i64> {
    keys.last().and_then(|last| last.checked_add(1))
}

/// A rebuild on its way.
struct Rebuild<'r> {
    client: &'r mut Client,
    interruption: &'r Interruption,
    bar: &'r mut Bar,
    /// The run whose claim is to be renewed.
    run_id: Option<i64>,
    rebuilt: Rebuilt,
}

impl Rebuild<'_> {
    fn rebuild_dimension(&mut self, kind: Kind, mut keys: Keys<'_>) -> Result<(), Error> {
        self.bar.rebuild(kind);
        self.rebuilt.entities.entry(kind.name()).or_default();
        while self.rebuild_next(kind, &mut keys)? {
            self.interruption.check()?;
            if let Some(run_id) = self.run_id {
                checkpoints::renew(self.client, run_id)?;
            }
        }
        Ok(())
    }

    /// Takes landing as it is: notes which runs have lost events, so that they are no longer missed.
    fn note_lost(&mut self) -> Result<(), Error> {
        let mut transaction = warehouse::begin(self.client)?;
        self.rebuilt.events_lost = rebuild::note_lost(&mut transaction)?;
        // Of the runs alone, which are on the coordinator.
        end(transaction, Layout::OneMachine, self.rebuilt.dry_run)?;
        Ok(())
    }

    /// Rebuilds the keys of one transaction; returns whether there may be more.
    fn rebuild_next(&mut self, kind: Kind, keys: &mut Keys<'_>) -> Result<bool, Error> {
        let mut transaction = warehouse::begin(self.client)?;
        let locked = lock_dimension(&mut transaction, kind)?;
        let keys = keys.take(&mut transaction, kind)?;
        let rebuilt = match keys.is_empty() {
            true => RebuiltKeys::default(),
            false => rebuild::rebuild(&mut transaction, kind, locked.layout, &keys)?,
        };
        end(transaction, locked.layout, self.rebuilt.dry_run)?;
        if let Some(note) = locked.note {
            log::warn!("{note}");
        }
        for id in rebuilt.unknown {
            log::warn!("{kind} {id} has neither events nor versions");
        }
        for (id, cause) in rebuilt.failed {
            log::error!("{kind} {id} could not be rebuilt: {cause}");
            if self.rebuilt.failures.len() < LISTED_FAILURES {
                self.rebuilt.failures.push(KeyFailure {
                    entity: kind,
                    id,
                    cause,
                });
            }
        }
        self.rebuilt.counts += rebuilt.counts;
        *self.rebuilt.entities.entry(kind.name()).or_default() += rebuilt.counts;
        self.bar.advance(keys.len());
        Ok(!keys.is_empty())
    }
}

fn end(transaction: Transaction<'_>, layout: Layout, dry_run: bool) -> Result<(), WarehouseError> {
    match dry_run {
        true => transaction.rollback().doing("rolling back a dry run"),
        false => warehouse::commit(transaction, layout),
    }
}
