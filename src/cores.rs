//! The cores of this machine: work that is shared out among them.

use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Fewest items worth a thread of their own: below it, starting one takes longer than the system
/// calls on the items.
const SHARE_FROM: usize = 256;

/// Cores that this process may use.
pub fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// How many of `items` items one core gets.
pub fn share(items: usize) -> usize {
    items.div_ceil(count()).max(SHARE_FROM)
}

/// Works on the shares with as many threads as there are cores, this one among them; the results are
/// in the order of the shares. Where the system has no thread to give, this one does all the work.
pub fn each<S: Send, R: Send>(
    shares: impl Iterator<Item = S>,
    work: impl Fn(S) -> R + Sync,
) -> Vec<R> {
    each_with(count(), shares, work)
}

/// The same with so many threads: more than there are cores, where each waits for a disk. This thread first
/// produces all shares, while the others already work on them.
pub fn each_with<S: Send, R: Send>(
    threads: usize,
    shares: impl Iterator<Item = S>,
    work: impl Fn(S) -> R + Sync,
) -> Vec<R> {
    let (sender, receiver) = channel();
    let receiver = Mutex::new(receiver);
    let results = Mutex::new(Vec::new());
    let work_on = || {
        loop {
            let share = receiver
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok((index, share)) = share else {
                break;
            };
            let result = work(share);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            if thread::Builder::new().spawn_scoped(scope, work_on).is_err() {
                break;
            }
        }
        for share in shares.enumerate() {
            // There is a receiver until this function returns.
            let _ = sender.send(share);
        }
        drop(sender);
        work_on();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
