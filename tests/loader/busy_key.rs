//! A key with so many new events in one batch that the database does not look up all of them at once.

use chrono::{DateTime, TimeDelta, Utc};
use etl::entity::Kind;
use etl::warehouse::dimension::QUERIED_EVENTS;
use etl::warehouse::statement::{EVENT_KEYS, VERSION_CURRENT, fill};

use crate::books;
use crate::loader::{Loader, card_event, event_id};

/// New events of the busy card: more than are looked up at once.
const MANY: u64 = QUERIED_EVENTS as u64 + 100;

/// The cards of each batch: two beside the busy one, with keys on both sides of it.
const CARDS: [i64; 3] = [1, 2, 3];
const BUSY: i64 = 2;

/// Puts an event of a card, so many seconds after the first.
fn put(loader: &Loader, number: u64, card: i64, second: u64) {
    let first: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().expect("a time");
    let at = first + TimeDelta::seconds(second as i64);
    let at = at.format("%Y-%m-%d %H:%M:%S").to_string();
    // Some change nothing.
    let active = second.is_multiple_of(3);
    let event = card_event(&event_id(number), &at, card, 7, active);
    loader.put(&format!("cards/{number}.json"), event.to_string());
}

#[test]
fn a_key_with_many_new_events_has_the_versions_of_all() {
    let loader = Loader::new();
    CARDS.iter().zip(0..).for_each(|(card, number)| {
        put(&loader, number, *card, 10);
    });
    loader.run(&[]);
    // Some before the first, the others after it.
    (1..=MANY).for_each(|number| put(&loader, 100 + number, BUSY, number));
    CARDS.iter().zip(50..).for_each(|(card, number)| {
        put(&loader, number, *card, number);
    });
    let summary = loader.run(&[]);
    assert_eq!(summary["rejected"], 0, "{summary}");
    books::check(&loader);
    // Many of a key that is new and not above all others.
    let loader = Loader::new();
    put(&loader, 0, CARDS[2], 10);
    loader.run(&[]);
    (1..=MANY).for_each(|number| put(&loader, 100 + number, BUSY, number));
    loader.run(&[]);
    books::check(&loader);
}

/// Without a hash, each loaded event of a key would be compared with all new ones.
#[test]
fn the_new_events_are_compared_by_a_hash() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut client = loader.client();
    let list = |value: &dyn Fn(u64) -> String| -> String {
        let values: Vec<String> = (1..=QUERIED_EVENTS as u64).map(value).collect();
        format!("'{{{}}}'", values.join(","))
    };
    let (keys, ids) = (list(&|_| BUSY.to_string()), list(&event_id));
    // The memory for a hash that a server has if nobody has set it, the smallest of all versions.
    client
        .batch_execute("set work_mem = '4MB'; set hash_mem_multiplier = 1")
        .expect("the server takes the settings");
    for template in [VERSION_CURRENT, EVENT_KEYS] {
        let statement = fill(template, Kind::Card);
        client
            .batch_execute(&format!(
                "deallocate all; prepare queried (bigint[], uuid[]) as {statement}"
            ))
            .expect("the server takes the statement");
        let plan = client
            .simple_query(&format!("explain execute queried ({keys}, {ids})"))
            .expect("the server explains it");
        let plan: Vec<&str> = plan
            .iter()
            .filter_map(|line| match line {
                postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        let plan = plan.join("\n");
        assert!(plan.contains("hashed SubPlan"), "{plan}");
    }
}
