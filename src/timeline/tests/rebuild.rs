//! What a rebuild makes of versions that anything may have happened to.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{EffectiveEvent, FoundVersion, Revision, StoredVersion, fold, rebuild};
use super::property::{BATCHES, Table, effective, load, planned};
use super::{Expected, Lamp, example, id, new, stored, version};

/// The revision that makes of these versions those of all these events.
fn rebuilt(stored: Vec<StoredVersion<Lamp>>, events: Vec<EffectiveEvent<Lamp>>) -> Revision<Lamp> {
    let found = stored.into_iter().map(|stored| FoundVersion {
        key: stored.key,
        is_key_taken: false,
        valid_from: Some(stored.version.valid_from),
        version: Some(stored.version),
    });
    rebuild(found.collect(), fold(&[], events))
}

#[test]
fn a_rebuild_keeps_what_is_right() {
    let events = || vec![new(0, 1), new(5, 1), new(9, 1), new(20, 0)];
    let [first, second] = [version(0, Some(20), 1, 9), version(20, None, 0, 20)];
    let cases = [
        ("all is right", example(), Expected::default()),
        (
            "nothing is there",
            vec![],
            Expected {
                opened: vec![first.clone(), second.clone()],
                closed: 1,
                ..Expected::default()
            },
        ),
        (
            "one has other content",
            vec![
                stored(1, version(0, Some(20), 7, 9)),
                stored(2, second.clone()),
            ],
            Expected {
                changed: vec![stored(1, first.clone())],
                rewritten: 1,
                ..Expected::default()
            },
        ),
        (
            "one is missing and the other is current in its place",
            vec![stored(1, version(0, None, 1, 9))],
            Expected {
                changed: vec![stored(1, first.clone())],
                opened: vec![second.clone()],
                closed: 1,
                ..Expected::default()
            },
        ),
        (
            "one too many",
            vec![
                stored(1, version(0, Some(5), 1, 0)),
                stored(3, version(5, Some(20), 1, 9)),
                stored(2, second.clone()),
            ],
            Expected {
                removed: vec![3],
                changed: vec![stored(1, first.clone())],
                rewritten: 2,
                ..Expected::default()
            },
        ),
        (
            "two with one start: the right one is kept, whichever it is",
            vec![
                stored(3, version(0, Some(20), 7, 9)),
                stored(1, first),
                stored(2, second),
            ],
            Expected {
                removed: vec![3],
                rewritten: 1,
                ..Expected::default()
            },
        ),
    ];
    for (name, stored, expected) in cases {
        assert_eq!(Expected::of(rebuilt(stored, events())), expected, "{name}");
    }
    let gone = rebuilt(example(), Vec::new());
    assert_eq!(gone.removed, [1, 2], "no event, no version");
}

proptest! {
    #[test]
    fn a_rebuild_makes_of_any_versions_those_of_the_events(
        planned in planned(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8), 0..4),
    ) {
        let (mut table, mut loaded) = (Table::default(), BTreeMap::new());
        for batch in 0..BATCHES {
            load(&mut table, &mut loaded, &planned, batch)?;
        }
        let right = table.clone();
        for (index, kind) in damage {
            let keys: Vec<i64> = table.rows.keys().copied().collect();
            let Some(key) = keys.get(index.index(keys.len().max(1))) else {
                break;
            };
            match (kind, table.rows.get_mut(key)) {
                (0, Some(version)) => version.state.level += 1,
                (1, Some(version)) => version.state.seen += 1,
                (2, Some(version)) => version.event_id = id(-1),
                _ => drop(table.rows.remove(key)),
            }
        }
        let damaged = table.clone();
        let events = effective(&loaded.values().copied().collect::<Vec<_>>());
        table.apply(rebuilt(table.stored(), events))?;
        prop_assert_eq!(table.versions(), right.versions());
        for (key, version) in &damaged.rows {
            if right.rows.get(key) == Some(version) {
                prop_assert_eq!(table.rows.get(key), Some(version));
            }
        }
    }
}
