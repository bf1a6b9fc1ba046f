//! Events from the future: the clock of a service was wrong.

use chrono::{TimeDelta, Utc};

use crate::books;
use crate::loader::Loader;

/// Puts an event of card 1 that is so many seconds ahead into the inbox.
fn put_ahead(loader: &Loader, number: u64, seconds: i64, active: bool) {
    let at = Utc::now() + TimeDelta::seconds(seconds);
    let at = at.format("%Y-%m-%d %H:%M:%S").to_string();
    loader.put_card_event(number, 1, &at, active);
}

#[test]
fn an_event_from_the_future_hides_no_real_one() {
    let loader = Loader::new();
    loader.put_card_event(1, 1, "2200-01-01 00:00:00", true);
    let said = loader.etl(&["run"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("reason=from_the_future"), "{}", said.log);
    assert_eq!(
        loader.query("select reason, detail, entity, entity_id from landing.rejected_event"),
        [
            "from_the_future|metadata.event_at is 2200-01-01 00:00:00 UTC, more than 1 day after the file changed \
             (--max-ahead)|card|1"
        ]
    );
    assert_eq!(
        loader.value("select count(newest_event_at) from etl.checkpoint"),
        "0"
    );
    loader.put_card_event(2, 1, "2026-11-20 10:00:00", false);
    loader.run(&[]);
    assert_eq!(
        loader.query(
            "select (select active from warehouse.card_current), (select active from warehouse.card_as_of(now()))"
        ),
        ["false|false"]
    );
    // By the same rule, a retry does not load it either.
    let retried = loader.etl(&["rejected", "retry", "--json"]);
    assert!(retried.out.contains("\"loaded\":0"), "{}", retried.out);
    books::verify(&loader);
}

#[test]
fn a_retry_loads_an_event_with_the_last_modification_time_of_its_file() {
    let loader = Loader::new();
    put_ahead(&loader, 1, 3 * 86_400, true);
    let file = loader.path("cards/1.json");
    let content = std::fs::read(&file).expect("the file is there");
    assert_eq!(loader.run(&[])["rejected"], 1);
    let rejections = "select rejected_id, reason, resolution from landing.rejected_event";
    let before = loader.query(rejections);
    // The same content, restored from a backup.
    let restored = 1_795_168_800_123_456;
    loader.put_modified("cards/1.json", content, restored);
    assert_eq!(loader.run(&[])["rejected"], 1);
    assert_eq!(loader.query(rejections), before);
    let retried = loader.etl(&["rejected", "retry", "--max-ahead", "30d", "--json"]);
    assert!(retried.out.contains("\"loaded\":1"), "{}", retried.out);
    assert_eq!(
        loader.value("select (extract(epoch from file_modified_at) * 1000000)::bigint from landing.card_event"),
        restored.to_string()
    );
    books::check(&loader);
}

#[test]
fn how_far_ahead_is_measured_from_the_change_of_the_file() {
    let loader = Loader::new();
    let day = 86_400;
    put_ahead(&loader, 1, day - 60, true);
    put_ahead(&loader, 2, day + 60, true);
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&1.into(), &1.into())
    );
    put_ahead(&loader, 3, 120, false);
    let summary = loader.run(&["--max-ahead", "1m"]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&0.into(), &1.into())
    );
    // Whoever knows better says so, and the file is read again.
    let summary = loader.run(&["--since", "1h", "--max-ahead", "2d"]);
    assert_eq!(
        (
            &summary["loaded"],
            &summary["duplicates"],
            &summary["rejected"]
        ),
        (&2.into(), &1.into(), &0.into())
    );
    assert_eq!(
        loader.query("select distinct resolution from landing.rejected_event"),
        ["accepted"]
    );
}
