//! The claim of a run on its checkpoints: waiting for it, and renewing it while the file system is
//! slow.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use super::error::Error;
use super::interruption::Interruption;
use crate::clock;
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::warehouse::checkpoints::{self, CLAIM_LASTS, Claim};
use crate::warehouse::release;

/// How long a run that somebody waits for waits for another run at its folders: longer than cron's
/// runs take, and longer than the claim of a killed run lasts.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two attempts: a small part of a run that finds something.
const POLL: Duration = Duration::from_millis(20);

/// Time after which a claim is renewed.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(CLAIM_LASTS.as_secs() / 3);

/// Claims the checkpoints of these sources, those that no other run has or that are released in
/// time; `None` if it is none.
///
/// # Errors
///
/// When the warehouse fails, or a signal ends the run.
pub(super) fn claim(
    client: &mut Client,
    inbox: &InboxName,
    sources: &[Source],
    patience: Duration,
    interruption: &Interruption,
) -> Result<Option<Claim>, Error> {
    let mut claim = checkpoints::claim(client, inbox, sources, None)?;
    let claimed = claim.as_ref().map_or(0, |claim| claim.checkpoints.len());
    if claimed < sources.len() && patience > Duration::ZERO {
        // A run that waits for a source must not keep another run from one that comes before it: two
        // of them would wait for each other.
        if let Some(claim) = claim.take() {
            release::finish(client, claim.run_id, &[], clock::now())?;
        }
        claim = wait_for_claims(client, inbox, sources, patience, interruption)?;
    }
    if let Some(claim) = &mut claim {
        claim
            .checkpoints
            .sort_by_key(|checkpoint| checkpoint.source);
        claim.settle_number(client)?;
    }
    Ok(claim)
}

/// Locks the claim of a run on these sources until the transaction ends.
///
/// # Errors
///
/// [`Error::ClaimLost`] when another run has taken over, else when the statement fails.
pub(super) fn lock(
    transaction: &mut Transaction<'_>,
    run_id: i64,
    sources: &[Source],
) -> Result<(), Error> {
    match checkpoints::is_still_claimed(transaction, run_id, sources)? {
        true => Ok(()),
        false => Err(Error::ClaimLost),
    }
}

/// Claims the checkpoints of these sources one after the other, each as soon as it is free; when the
/// time is over, those that are.
fn wait_for_claims(
    client: &mut Client,
    inbox: &InboxName,
    sources: &[Source],
    patience: Duration,
    interruption: &Interruption,
) -> Result<Option<Claim>, Error> {
    let began = Instant::now();
    let mut renewed = began;
    let mut claim: Option<Claim> = None;
    let mut missing = sources;
    while let Some((first, rest)) = missing.split_first() {
        let is_over = began.elapsed() >= patience;
        let wanted = match is_over {
            true => missing,
            false => std::slice::from_ref(first),
        };
        let run_id = claim.as_ref().map(|claim| claim.run_id);
        match (
            checkpoints::claim(client, inbox, wanted, run_id)?,
            &mut claim,
        ) {
            (Some(attempt), Some(claim)) => claim.extend(attempt),
            (Some(attempt), None) => claim = Some(attempt),
            (None, Some(claim)) if renewed.elapsed() >= RENEW_AFTER => {
                checkpoints::renew(client, claim.run_id)?;
                renewed = Instant::now();
            }
            (None, _) => {}
        }
        if is_over {
            break;
        }
        if claim
            .iter()
            .flat_map(Claim::sources)
            .any(|source| source == *first)
        {
            missing = rest;
        } else {
            interruption.check()?;
            thread::sleep(POLL);
        }
    }
    Ok(claim)
}

/// Does what may take long, and renews the claim of the run meanwhile.
///
/// # Errors
///
/// [`Error::Warehouse`] when the claim cannot be renewed.
pub(super) fn while_renewing<T: Send>(
    client: &mut Client,
    run_id: i64,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Error> {
    let (sender, receiver) = sync_channel(1);
    let work = Mutex::new(Some(work));
    let do_work = || {
        let work = work.lock().ok().and_then(|mut work| work.take());
        work.map(|work| work())
    };
    thread::scope(|scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, || {
            // The receiver waits until it has the result.
            drop(sender.send(do_work()));
        });
        let result = match spawned {
            Ok(_) => loop {
                match receiver.recv_timeout(RENEW_AFTER) {
                    Ok(result) => break result,
                    Err(RecvTimeoutError::Timeout) => checkpoints::renew(client, run_id)?,
                    // The thread has panicked, which the end of the scope passes on.
                    Err(RecvTimeoutError::Disconnected) => break None,
                }
            },
            // There is no thread to be had: the claim may expire meanwhile.
            Err(_) => do_work(),
        };
        result.ok_or(Error::ClaimLost)
    })
}
