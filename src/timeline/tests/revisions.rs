//! What becomes of versions when events are appended or arrive late.

use super::super::{EffectiveEvent, StoredVersion, append, revise};
use super::{Expected, Lamp, example, neighbour, new, stored, version};

#[test]
fn the_example_of_the_documentation_is_right() {
    // The event c is overruled by d, so it is not effective.
    let events = vec![new(0, 1), new(5, 1), new(9, 1), new(20, 0)];
    let revision = append(None, events);
    let versions = example().into_iter().map(|stored| stored.version);
    assert_eq!(
        Expected::of(revision),
        Expected {
            opened: versions.collect(),
            closed: 1,
            ..Expected::default()
        }
    );
    // The late-arriving event f: only the events at its sides are read.
    let events = vec![neighbour(5, 1), new(7, 0), neighbour(9, 1)];
    let touched = example().into_iter().take(1).collect();
    assert_eq!(
        revise(touched, events).map(Expected::of),
        Ok(Expected {
            changed: vec![stored(1, version(0, Some(7), 1, 5))],
            opened: vec![version(7, Some(9), 0, 7), version(9, Some(20), 1, 9)],
            closed: 2,
            rewritten: 1,
            ..Expected::default()
        })
    );
}

/// Name, current version, appended events, and what is expected.
type Append = (
    &'static str,
    Option<StoredVersion<Lamp>>,
    Vec<EffectiveEvent<Lamp>>,
    Expected,
);

#[test]
fn appended_events_go_on_with_the_current_version_or_end_it() {
    let current = || Some(stored(1, version(0, None, 1, 5)));
    let cases: [Append; 6] = [
        ("nothing", current(), vec![], Expected::default()),
        (
            "the first event",
            None,
            vec![new(3, 1)],
            Expected {
                opened: vec![version(3, None, 1, 3)],
                ..Expected::default()
            },
        ),
        (
            "the same tracked attribute: the version has the state of its latest event",
            current(),
            vec![new(6, 1), new(8, 1)],
            Expected {
                changed: vec![stored(1, version(0, None, 1, 8))],
                ..Expected::default()
            },
        ),
        (
            "another one ends it",
            current(),
            vec![new(6, 2)],
            Expected {
                changed: vec![stored(1, version(0, Some(6), 1, 5))],
                opened: vec![version(6, None, 2, 6)],
                closed: 1,
                ..Expected::default()
            },
        ),
        (
            "it goes on, and is ended by the next",
            current(),
            vec![new(6, 1), new(7, 2), new(8, 2)],
            Expected {
                changed: vec![stored(1, version(0, Some(7), 1, 6))],
                opened: vec![version(7, None, 2, 8)],
                closed: 1,
                ..Expected::default()
            },
        ),
        (
            "there and back: versions that are new and ended count as closed",
            current(),
            vec![new(6, 2), new(7, 1)],
            Expected {
                changed: vec![stored(1, version(0, Some(6), 1, 5))],
                opened: vec![version(6, Some(7), 2, 6), version(7, None, 1, 7)],
                closed: 2,
                ..Expected::default()
            },
        ),
    ];
    for (name, current, events, expected) in cases {
        let revision = append(current, events);
        assert_eq!(
            revision.is_empty(),
            expected == Expected::default(),
            "{name}"
        );
        assert_eq!(Expected::of(revision), expected, "{name}");
    }
}

#[test]
fn events_within_the_history_split_move_extend_and_merge_versions() {
    type Case = (
        &'static str,
        Vec<StoredVersion<Lamp>>,
        Vec<EffectiveEvent<Lamp>>,
        Expected,
    );
    let cases: Vec<Case> = vec![
        (
            "an event that says what is known already changes nothing",
            vec![stored(1, version(0, Some(20), 1, 9))],
            vec![neighbour(5, 1), new(7, 1), neighbour(9, 1)],
            Expected::default(),
        ),
        (
            "the latest event of a version gives it its carried attribute",
            vec![
                stored(1, version(0, Some(20), 1, 9)),
                stored(2, version(20, None, 0, 20)),
            ],
            vec![neighbour(9, 1), new(15, 1), neighbour(20, 0)],
            Expected {
                changed: vec![stored(1, version(0, Some(20), 1, 15))],
                ..Expected::default()
            },
        ),
        (
            "before the first version, with the same attribute: it begins earlier and keeps its key",
            vec![stored(1, version(10, None, 1, 30))],
            vec![new(4, 1), neighbour(10, 1)],
            Expected {
                changed: vec![stored(1, version(4, None, 1, 30))],
                rewritten: 1,
                ..Expected::default()
            },
        ),
        (
            "before the first version, with another attribute",
            vec![stored(1, version(10, None, 1, 30))],
            vec![new(4, 2), neighbour(10, 1)],
            Expected {
                opened: vec![version(4, Some(10), 2, 4)],
                closed: 1,
                ..Expected::default()
            },
        ),
        (
            "a version begins earlier, and the one before it ends earlier",
            example(),
            vec![neighbour(9, 1), new(15, 0), neighbour(20, 0)],
            Expected {
                changed: vec![
                    stored(1, version(0, Some(15), 1, 9)),
                    stored(2, version(15, None, 0, 20)),
                ],
                rewritten: 2,
                ..Expected::default()
            },
        ),
        (
            "the event that opened a version is overruled within its second: the version is gone",
            example(),
            vec![neighbour(9, 1), new(20, 1)],
            Expected {
                removed: vec![2],
                changed: vec![stored(1, version(0, None, 1, 20))],
                rewritten: 2,
                ..Expected::default()
            },
        ),
        (
            "the only event of a version is overruled: three versions become one, with the first key",
            vec![
                stored(1, version(0, Some(7), 1, 5)),
                stored(2, version(7, Some(9), 0, 7)),
                stored(3, version(9, Some(20), 1, 9)),
            ],
            vec![neighbour(5, 1), new(7, 1), neighbour(9, 1)],
            Expected {
                removed: vec![2, 3],
                changed: vec![stored(1, version(0, Some(20), 1, 9))],
                rewritten: 3,
                ..Expected::default()
            },
        ),
        (
            "the event that opened a version is overruled: a later one opens another version",
            vec![
                stored(1, version(0, Some(10), 1, 5)),
                stored(2, version(10, None, 0, 40)),
            ],
            vec![neighbour(5, 1), new(10, 1), neighbour(12, 0)],
            Expected {
                removed: vec![2],
                changed: vec![stored(1, version(0, Some(12), 1, 10))],
                opened: vec![version(12, None, 0, 40)],
                rewritten: 2,
                ..Expected::default()
            },
        ),
        (
            "two times of one long version, far apart: what is between them is not read",
            vec![stored(1, version(0, None, 1, 90))],
            vec![
                neighbour(20, 1),
                new(25, 2),
                neighbour(30, 1),
                neighbour(70, 1),
                new(75, 3),
                neighbour(80, 1),
            ],
            Expected {
                changed: vec![stored(1, version(0, Some(25), 1, 20))],
                opened: vec![
                    version(25, Some(30), 2, 25),
                    version(30, Some(75), 1, 70),
                    version(75, Some(80), 3, 75),
                    version(80, None, 1, 90),
                ],
                closed: 4,

                ..Expected::default()
            },
        ),
        (
            "two chains with versions between them that are not read",
            vec![
                stored(1, version(0, Some(10), 1, 5)),
                stored(5, version(50, Some(60), 1, 55)),
            ],
            vec![
                neighbour(0, 1),
                new(2, 2),
                neighbour(5, 1),
                neighbour(50, 1),
                new(52, 2),
                neighbour(55, 1),
            ],
            Expected {
                changed: vec![
                    stored(1, version(0, Some(2), 1, 0)),
                    stored(5, version(50, Some(52), 1, 50)),
                ],
                opened: vec![
                    version(2, Some(5), 2, 2),
                    version(5, Some(10), 1, 5),
                    version(52, Some(55), 2, 52),
                    version(55, Some(60), 1, 55),
                ],
                closed: 4,
                rewritten: 2,
                ..Expected::default()
            },
        ),
        (
            "late-arriving and new at once",
            vec![stored(1, version(0, None, 1, 5))],
            vec![neighbour(0, 1), new(3, 2), neighbour(5, 1), new(8, 2)],
            Expected {
                changed: vec![stored(1, version(0, Some(3), 1, 0))],
                opened: vec![
                    version(3, Some(5), 2, 3),
                    version(5, Some(8), 1, 5),
                    version(8, None, 2, 8),
                ],
                closed: 3,

                ..Expected::default()
            },
        ),
    ];
    for (name, stored, events, expected) in cases {
        assert_eq!(
            revise(stored, events).map(Expected::of),
            Ok(expected),
            "{name}"
        );
    }
}
