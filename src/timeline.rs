//! Timelines: the versions that the events of one key make, and how they change when events are
//! added.
//!
//! The rule (section 4 of the contract): of events with equal `event_at` the last counts; walking
//! the others in order, a version begins where a tracked attribute differs from the version before,
//! and ends where the next begins.
//!
//! Whether a version begins at a moment depends on that moment and the one before it alone. So
//! adding events at some moments can change the beginnings at those moments and at the ones right
//! after them, and nowhere else: [`revise`] needs the touched moments, their neighbours, and the
//! versions between those. However long the history of a key is, what a late event costs does not
//! depend on it. Nothing here knows of the database.

use std::collections::BTreeMap;
use std::iter::Peekable;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The state of an entity, as far as versions are concerned.
pub trait State: Clone + PartialEq {
    /// Whether all tracked attributes are equal.
    fn same_version(&self, other: &Self) -> bool;

    /// Takes over, from a later state of the same version, what is carried and not tracked.
    fn carry(&mut self, later: &Self);
}

/// A version: a stretch of time in which the tracked attributes of one key stayed the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<S> {
    /// Start of the effective period, inclusive.
    pub valid_from: DateTime<Utc>,
    /// End of the effective period, exclusive; `None` while current.
    pub valid_to: Option<DateTime<Utc>>,
    /// Tracked attributes, and what is carried of the version's latest event.
    pub state: S,
    /// The event that opened the version.
    pub event_id: Uuid,
}

/// A version that the dimension table holds.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVersion<S> {
    /// Its surrogate key.
    pub key: i64,
    /// What is stored.
    pub version: Version<S>,
}

/// A moment at which the key has events, with the one that counts: the last of those with equal
/// `event_at`.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment<S> {
    /// The `event_at` of its events.
    pub at: DateTime<Utc>,
    /// The event that counts.
    pub event_id: Uuid,
    /// The state it tells.
    pub state: S,
    /// Whether an event was added or moved at this moment; a neighbour is not touched.
    pub touched: bool,
}

/// What has to be done to the stored versions of one key, in the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision<S> {
    /// Surrogate keys of versions that are no more.
    pub removed: Vec<i64>,
    /// Versions that stay, under their surrogate key, with other content.
    pub changed: Vec<StoredVersion<S>>,
    /// New versions.
    pub opened: Vec<Version<S>>,
    /// How many versions got an end: new or current before, and ended now.
    pub closed: i64,
}

impl<S: State> Revision<S> {
    /// Puts `versions` in the place of a chain that begins no earlier and ends at the same time.
    ///
    /// A version keeps the surrogate key of the first stored one that begins within it.
    fn replace(&mut self, chain: Vec<StoredVersion<S>>, versions: Vec<Version<S>>) {
        let mut chain = chain.into_iter().peekable();
        for version in versions {
            let begins_within = |stored: &StoredVersion<S>| {
                version
                    .valid_to
                    .is_none_or(|end| stored.version.valid_from < end)
            };
            let ended = version.valid_to.is_some();
            let heir = chain.next_if(begins_within);
            while let Some(merged) = chain.next_if(begins_within) {
                self.removed.push(merged.key);
            }
            match heir {
                None => {
                    self.closed += i64::from(ended);
                    self.opened.push(version);
                }
                Some(StoredVersion {
                    key,
                    version: before,
                }) if before != version => {
                    self.closed += i64::from(ended && before.valid_to.is_none());
                    self.changed.push(StoredVersion { key, version });
                }
                Some(_) => {}
            }
        }
    }
}

/// Works out how the versions of one key change.
///
/// `moments` are in order and hold every touched moment of the key together with the moments right
/// before and right after it. `stored` are in order and hold every version that overlaps a stretch
/// from the moment before a touched one to the moment after it. Where touched moments are all later
/// than every moment before this addition, the current version alone stands for the moments before.
pub fn revise<S: State>(stored: Vec<StoredVersion<S>>, moments: Vec<Moment<S>>) -> Revision<S> {
    let mut revision = Revision {
        removed: Vec::new(),
        changed: Vec::new(),
        opened: Vec::new(),
        closed: 0,
    };
    let mut moments = moments.into_iter().peekable();
    let mut stored = stored.into_iter().peekable();
    loop {
        let chain = next_chain(&mut stored);
        let ends = chain.last().and_then(|last| last.version.valid_to);
        let mut within = Vec::new();
        while let Some(moment) = moments.next_if(|moment| ends.is_none_or(|ends| moment.at < ends))
        {
            within.push(moment);
        }
        let versions = fold(&chain, within);
        revision.replace(chain, versions);
        if stored.peek().is_none() && moments.peek().is_none() {
            return revision;
        }
    }
}

/// Takes the next versions that follow each other without a gap.
fn next_chain<S>(
    stored: &mut Peekable<impl Iterator<Item = StoredVersion<S>>>,
) -> Vec<StoredVersion<S>> {
    let mut chain: Vec<StoredVersion<S>> = Vec::new();
    while let Some(next) = stored.next_if(|next| {
        chain
            .last()
            .is_none_or(|last| last.version.valid_to == Some(next.version.valid_from))
    }) {
        chain.push(next);
    }
    chain
}

/// The versions that the chain's stretch of time has, given the moments in it.
///
/// Moments that are not given lie inside a version of the chain, away from any touched moment, so
/// that nothing begins or ends there.
fn fold<S: State>(chain: &[StoredVersion<S>], moments: Vec<Moment<S>>) -> Vec<Version<S>> {
    let mut known: BTreeMap<DateTime<Utc>, Moment<S>> = chain
        .iter()
        .map(|StoredVersion { version, .. }| {
            let opening = Moment {
                at: version.valid_from,
                event_id: version.event_id,
                state: version.state.clone(),
                touched: false,
            };
            (version.valid_from, opening)
        })
        .collect();
    known.extend(moments.into_iter().map(|moment| (moment.at, moment)));
    // Up to the end of a stored version, what it carries is that of its latest event, which need
    // not be among the moments given, unless a touched moment comes after it.
    for StoredVersion { version, .. } in chain {
        let last = match version.valid_to {
            Some(end) => known.range_mut(..end).next_back(),
            None => known.iter_mut().next_back(),
        };
        if let Some((_, moment)) = last.filter(|(_, moment)| !moment.touched) {
            moment.state.carry(&version.state);
        }
    }
    let mut versions: Vec<Version<S>> = Vec::new();
    for (at, moment) in known {
        match versions.last_mut() {
            Some(version) if version.state.same_version(&moment.state) => {
                version.state.carry(&moment.state)
            }
            previous => {
                if let Some(previous) = previous {
                    previous.valid_to = Some(at);
                }
                versions.push(Version {
                    valid_from: at,
                    valid_to: None,
                    state: moment.state,
                    event_id: moment.event_id,
                });
            }
        }
    }
    if let Some(last) = versions.last_mut() {
        last.valid_to = chain.last().and_then(|last| last.version.valid_to);
    }
    versions
}
