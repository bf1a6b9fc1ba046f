//! Rebuilding: the versions of a key as all its events make them, in the place of whatever the
//! dimension has.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Revision, StoredVersion, Version};
use crate::entity::Entity;

/// A version as it is found in the dimension table, where anything may have happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundVersion<E> {
    /// Its surrogate key.
    pub key: i64,
    /// Whether that key was also given to another version, which keeps it.
    pub is_key_taken: bool,
    /// Start of its effective period, if it can be represented.
    pub valid_from: Option<DateTime<Utc>>,
    /// What is stored, if all of it can be represented.
    pub version: Option<Version<E>>,
}

/// Works out how to replace the versions that a key has by the right ones.
///
/// A version that is right keeps its surrogate key, and so does one that begins where a version
/// should begin. `versions` are in order; of several found ones with one start, the right one is
/// kept, and else the first.
pub fn rebuild<E: Entity>(found: Vec<FoundVersion<E>>, versions: Vec<Version<E>>) -> Revision<E> {
    let mut revision = Revision::none();
    let mut by_start: BTreeMap<DateTime<Utc>, Vec<FoundVersion<E>>> = BTreeMap::new();
    for found in found {
        match found.valid_from {
            Some(valid_from) if !found.is_key_taken => {
                by_start.entry(valid_from).or_default().push(found);
            }
            _ => revision.remove(found.key),
        }
    }
    for version in versions {
        let mut candidates = by_start.remove(&version.valid_from).unwrap_or_default();
        let right = candidates
            .iter()
            .position(|found| found.version.as_ref() == Some(&version));
        let kept = match candidates.is_empty() {
            true => None,
            false => Some(candidates.remove(right.unwrap_or_default())),
        };
        for superfluous in candidates {
            revision.remove(superfluous.key);
        }
        match kept {
            None => revision.keep(None, version),
            Some(FoundVersion {
                key,
                version: Some(before),
                ..
            }) => {
                let stored = StoredVersion {
                    key,
                    version: before,
                };
                revision.keep(Some(stored), version);
            }
            Some(FoundVersion {
                key, version: None, ..
            }) => {
                revision.rewritten += 1;
                revision.changed.push(StoredVersion { key, version });
            }
        }
    }
    for superfluous in by_start.into_values().flatten() {
        revision.remove(superfluous.key);
    }
    revision
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::{FoundVersion, rebuild};
    use crate::entity::User;
    use crate::timeline::{EffectiveEvent, Revision, StoredVersion, Version, extend};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("a time")
    }

    fn user(score: f64) -> User {
        User {
            name: "Ann".to_owned(),
            address: "1 Road".to_owned(),
            job: "Baker".to_owned(),
            score,
        }
    }

    /// A version whose event and state are made of its start and a score.
    fn version(from: i64, to: Option<i64>, score: f64) -> Version<User> {
        Version {
            valid_from: at(from),
            valid_to: to.map(at),
            state: user(score),
            event_id: Uuid::from_u128(from as u128),
        }
    }

    fn found(key: i64, version: Version<User>) -> FoundVersion<User> {
        FoundVersion {
            key,
            is_key_taken: false,
            valid_from: Some(version.valid_from),
            version: Some(version),
        }
    }

    /// The versions `[10, 20)`, `[20, 30)` and `[30, )`.
    fn right() -> Vec<Version<User>> {
        vec![
            version(10, Some(20), 1.0),
            version(20, Some(30), 2.0),
            version(30, None, 3.0),
        ]
    }

    /// Removed keys, changed keys, starts of the opened versions.
    type Expected<'e> = (&'e [i64], &'e [i64], &'e [i64]);

    fn check(name: &str, found: Vec<FoundVersion<User>>, expected: Expected<'_>) {
        let revision: Revision<User> = rebuild(found, right());
        let changed: Vec<i64> = revision.changed.iter().map(|stored| stored.key).collect();
        let opened: Vec<i64> = revision
            .opened
            .iter()
            .map(|version| version.valid_from.timestamp())
            .collect();
        assert_eq!(
            (&*revision.removed, &*changed, &*opened),
            expected,
            "{name}"
        );
        for StoredVersion { version, .. } in &revision.changed {
            assert!(right().contains(version), "{name}: {version:?}");
        }
    }

    #[test]
    fn events_make_versions_one_by_one() {
        let mut versions = Vec::new();
        for (second, score) in [(10, 1.0), (15, 1.0), (20, 2.0), (30, 3.0), (35, 3.0)] {
            let event = EffectiveEvent {
                at: at(second),
                event_id: Uuid::from_u128(second as u128),
                state: user(score),
                touched: false,
            };
            extend(&mut versions, event);
        }
        assert_eq!(versions, right());
    }

    #[test]
    fn what_is_right_stays_and_the_rest_is_replaced() {
        let [first, second, third] = <[_; 3]>::try_from(right()).expect("three versions");
        check("nothing is there", vec![], (&[], &[], &[10, 20, 30]));
        check(
            "all of it is right",
            vec![
                found(1, first.clone()),
                found(2, second.clone()),
                found(3, third.clone()),
            ],
            (&[], &[], &[]),
        );
        check(
            "a version is missing, and the one before it reaches too far",
            vec![
                found(1, version(10, Some(30), 1.0)),
                found(3, third.clone()),
            ],
            (&[], &[1], &[20]),
        );
        check(
            "a version too many, one with another state, and one that begins too late",
            vec![
                found(1, first.clone()),
                found(2, version(20, Some(25), 9.0)),
                found(4, version(25, Some(31), 2.0)),
                found(3, version(31, None, 3.0)),
            ],
            (&[4, 3], &[2], &[30]),
        );
        check(
            "of versions with one start the right one is kept",
            vec![
                found(4, version(10, Some(20), 9.0)),
                found(1, first.clone()),
                found(5, version(20, None, 9.0)),
                found(6, version(20, Some(30), 8.0)),
                found(3, third.clone()),
            ],
            (&[4, 6], &[5], &[]),
        );
        check(
            "a key that another version keeps is given up",
            vec![
                FoundVersion {
                    is_key_taken: true,
                    ..found(1, first.clone())
                },
                found(2, second.clone()),
                found(3, third.clone()),
            ],
            (&[1], &[], &[10]),
        );
        check(
            "what cannot be represented",
            vec![
                FoundVersion {
                    valid_from: None,
                    version: None,
                    ..found(1, first)
                },
                FoundVersion {
                    version: None,
                    ..found(2, second)
                },
                found(3, third),
            ],
            (&[1], &[2], &[10]),
        );
    }

    #[test]
    fn without_events_nothing_is_left() {
        let all = right().into_iter().zip(1..);
        let found = all.map(|(version, key)| found(key, version)).collect();
        let revision: Revision<User> = rebuild(found, vec![]);
        assert_eq!(revision.removed, [1, 2, 3]);
        assert!(revision.changed.is_empty() && revision.opened.is_empty());
    }
}
