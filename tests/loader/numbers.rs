//! Numbers that a restore or a move by replication left behind: these copy rows and not sequences.

use crate::books;
use crate::loader::{Loader, card_event, event_id};

/// Sets the sequence of a column back to its beginning.
fn set_back(loader: &Loader, table: &str, column: &str) {
    loader.execute(&format!(
        "select setval(pg_get_serial_sequence('{table}', '{column}'), 1, false)"
    ));
}

/// Three runs with a card, a user and a rejected file each.
fn three_runs() -> Loader {
    let loader = Loader::new();
    for number in 1..=3_u64 {
        loader.put_card_event(number, number as i64, "2026-11-20 10:00:00", true);
        loader.put_user_event(number, number as i64, "2026-11-20 10:00:00", 1.0);
        loader.put(&format!("users/bad-{number}.json"), "[]");
        loader.run(&[]);
    }
    loader
}

const RUNS: &str = "select * from etl.run where run_id <= 3 order by run_id";
const REJECTIONS: &str =
    "select * from landing.rejected_event where rejected_id <= 3 order by rejected_id";

#[test]
fn sequences_that_are_behind_are_brought_up_and_nothing_is_overwritten() {
    let loader = three_runs();
    let (runs, rejections) = (loader.query(RUNS), loader.query(REJECTIONS));
    for (table, column) in [
        ("etl.run", "run_id"),
        ("warehouse.dim_card", "card_key"),
        ("warehouse.dim_user", "user_key"),
        ("landing.rejected_event", "rejected_id"),
    ] {
        set_back(&loader, table, column);
    }
    loader.put_card_event(4, 2, "2026-11-21 10:00:00", false);
    loader.put_user_event(4, 2, "2026-11-21 10:00:00", 2.0);
    loader.put("users/bad-4.json", "[]");
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"loaded\":2"), "{}", said.out);
    for words in [
        "the sequence of etl.run.run_id was behind, at 2 where run 3 exists",
        "the sequence of warehouse.dim_card.card_key was behind, at 0 where 3 exists",
        "the sequence of warehouse.dim_user.user_key was behind, at 0 where 3 exists",
        "the sequence of landing.rejected_event.rejected_id was behind, at 0 where 3 exists",
    ] {
        assert!(
            said.log.contains(words),
            "{words:?} is missing: {}",
            said.log
        );
    }
    assert_eq!(loader.query(RUNS), runs);
    assert_eq!(loader.query(REJECTIONS), rejections);
    for (table, key) in [
        ("warehouse.dim_card", "card_key"),
        ("warehouse.dim_user", "user_key"),
    ] {
        assert_eq!(
            loader.query(&format!("select {key} from {table} order by 1")),
            ["1", "2", "3", "4"]
        );
    }
    // Once is enough.
    loader.put_card_event(5, 3, "2026-11-21 10:00:00", false);
    loader.put("users/bad-5.json", "[]");
    let said = loader.etl(&["run"]);
    assert!(!said.log.contains("sequence"), "{}", said.log);
    books::settle(&loader);
    books::verify(&loader);
}

/// Two runs that find it behind at once: the slower one does not give the numbers of the other again.
#[test]
fn no_sequence_is_set_back() {
    let loader = three_runs();
    let next = "select nextval(pg_get_serial_sequence('etl.run', 'run_id'))";
    assert_eq!(loader.value(next), "4");
    let mut client = loader.client();
    for (highest, expected) in [(3_i64, "5"), (4, "6"), (20, "21"), (7, "22")] {
        client
            .query(
                include_str!("../../sql/run/advance_sequence.sql"),
                &[&highest],
            )
            .expect("the sequence can be advanced");
        assert_eq!(loader.value(next), expected, "after {highest}");
    }
    set_back(&loader, "etl.run", "run_id");
    client
        .query(
            include_str!("../../sql/run/advance_sequence.sql"),
            &[&7_i64],
        )
        .expect("the sequence can be advanced");
    assert_eq!(loader.value(next), "8");
}

#[test]
fn a_retry_notices_a_sequence_that_is_behind() {
    let loader = three_runs();
    let runs = loader.query(RUNS);
    set_back(&loader, "etl.run", "run_id");
    let good = card_event(&event_id(9), "2026-11-20 10:00:00", 9, 7, true).to_string();
    loader
        .client()
        .execute(
            "update landing.rejected_event set document = $1 where rejected_id = 2",
            &[&good.as_bytes()],
        )
        .expect("a document can be changed");
    let said = loader.etl(&["rejected", "retry", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    assert!(
        said.log
            .contains("the sequence of etl.run.run_id was behind"),
        "{}",
        said.log
    );
    assert_eq!(loader.query(RUNS), runs);
    assert_eq!(
        loader.query("select run_id from landing.card_event where card_id = 9"),
        ["4"]
    );
}

/// A late-arriving event removes the version with the highest surrogate key, and a restore leaves the sequence
/// behind.
#[test]
fn the_surrogate_key_of_a_removed_version_is_not_given_again() {
    let loader = Loader::new();
    let event = |number, score| {
        let at = ["2026-11-20 10:00:00", "2026-11-20 11:00:00"][usize::from(number > 1)];
        loader.put_user_event(number, 1, at, score);
    };
    event(1, 1.0);
    event(2, 2.0);
    loader.run(&[]);
    event(3, 1.0);
    assert_eq!(loader.run(&[])["versions_changed"], 2);
    assert_eq!(
        loader.query("select user_key from warehouse.dim_user"),
        ["1"]
    );
    set_back(&loader, "warehouse.dim_user", "user_key");
    loader.put_user(9);
    let said = loader.etl(&["run"]);
    let words = "the sequence of warehouse.dim_user.user_key was behind, at 0 where 2 was given";
    assert!(said.log.contains(words), "{}", said.log);
    assert_eq!(
        loader.query("select user_id, user_key from warehouse.dim_user order by 1"),
        ["1|1", "9|3"]
    );
    books::verify(&loader);
}
