//! Versions that are not those of the events.

use super::super::{Contradiction, revise};
use super::{Expected, at, id, neighbour, new, stored, version};

#[test]
fn versions_that_contradict_the_events_are_left_alone() {
    let no_event = |minute| Contradiction::NoEvent {
        valid_from: at(minute),
        event_id: id(minute),
    };
    let no_version = |minute| Contradiction::NoVersion {
        at: at(minute),
        event_id: id(minute),
    };
    let mut other_opener = version(0, None, 1, 30);
    other_opener.event_id = id(99);
    let cases = [
        (
            "a version begins between a new event and the one before it",
            vec![
                stored(1, version(0, Some(7), 1, 0)),
                stored(2, version(7, None, 0, 30)),
            ],
            vec![neighbour(0, 1), new(10, 1), neighbour(30, 0)],
            no_event(7),
        ),
        (
            "a version begins between a new event and the one after it",
            vec![
                stored(1, version(0, Some(20), 1, 0)),
                stored(2, version(20, None, 0, 30)),
            ],
            vec![neighbour(0, 1), new(10, 1), neighbour(30, 0)],
            no_event(20),
        ),
        (
            "a version begins before the first event",
            vec![
                stored(1, version(2, Some(30), 1, 2)),
                stored(2, version(30, None, 0, 30)),
            ],
            vec![new(10, 1), neighbour(30, 0)],
            no_event(2),
        ),
        (
            "an event has no version",
            vec![],
            vec![neighbour(0, 1), new(10, 2)],
            no_version(0),
        ),
        (
            "an event is before the first version",
            vec![stored(1, version(30, None, 1, 30))],
            vec![neighbour(0, 1), new(10, 2), neighbour(30, 1)],
            no_version(0),
        ),
        (
            "an event is in a gap",
            vec![
                stored(1, version(0, Some(5), 1, 0)),
                stored(2, version(30, None, 0, 30)),
            ],
            vec![
                neighbour(0, 1),
                neighbour(6, 1),
                new(10, 2),
                neighbour(30, 0),
            ],
            no_version(6),
        ),
        (
            "an event has another state than its version",
            vec![stored(1, version(0, None, 1, 30))],
            vec![neighbour(0, 1), new(10, 2), neighbour(30, 0)],
            no_version(30),
        ),
        (
            "an event is not the one that is said to have opened its version",
            vec![stored(1, other_opener)],
            vec![neighbour(0, 1), new(10, 2), neighbour(30, 1)],
            no_version(0),
        ),
    ];
    for (name, stored, events, expected) in cases {
        let found = revise(stored, events).map(Expected::of);
        assert_eq!(found, Err(expected), "{name}");
    }
}

#[test]
fn a_version_begins_at_no_event_only_where_events_are_not_read() {
    // The version at 60 is read for the event at 70; whether there is an event at 60 is not.
    let versions = vec![
        stored(1, version(0, Some(60), 1, 50)),
        stored(2, version(60, None, 0, 90)),
    ];
    let events = vec![
        neighbour(0, 1),
        new(10, 1),
        neighbour(20, 1),
        neighbour(70, 0),
        new(75, 0),
        neighbour(90, 0),
    ];
    assert_eq!(
        revise(versions, events).map(Expected::of),
        Ok(Expected::default())
    );
}

#[test]
fn a_contradiction_says_what_contradicts_what() {
    let event_id = id(1);
    for (contradiction, expected) in [
        (
            Contradiction::NoEvent {
                valid_from: at(0),
                event_id,
            },
            format!(
                "the version from 1970-01-01 00:00:00 UTC is opened by the event {event_id}, which is not among the events in landing"
            ),
        ),
        (
            Contradiction::NoVersion {
                at: at(0),
                event_id,
            },
            format!(
                "the event {event_id} of 1970-01-01 00:00:00 UTC is in landing, and no version agrees with it"
            ),
        ),
        (
            Contradiction::Current { valid_from: at(0) },
            "the current version, from 1970-01-01 00:00:00 UTC, does not agree with the latest event in landing"
                .to_owned(),
        ),
        (
            Contradiction::NoCurrentVersion,
            "landing has events of it, and the dimension has no current version".to_owned(),
        ),
    ] {
        assert_eq!(contradiction.to_string(), expected);
    }
}
