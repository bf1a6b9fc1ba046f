//! The cores of this machine: work that is shared out among them.

use std::num::NonZeroUsize;
use std::{panic, thread};

/// Fewest items worth a thread of their own: below it, starting one takes longer than the system
/// calls on the items.
const SHARE_FROM: usize = 256;

/// How many of `items` items one core gets.
pub fn share(items: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    items.div_ceil(cores).max(SHARE_FROM)
}

/// Works on all shares at once, the first one on this thread; the results are in their order.
pub fn each<S: Send, R: Send>(
    mut shares: impl Iterator<Item = S>,
    work: impl Fn(S) -> R + Sync,
) -> Vec<R> {
    let Some(own) = shares.next() else {
        return Vec::new();
    };
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || work(share)))
            .collect();
        let mut results = vec![work(own)];
        results.extend(others.into_iter().map(|other| {
            other
                .join()
                .unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        }));
        results
    })
}
