//! The clock is set: files before, during and after all get loaded by ordinary runs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use etl::run::options::From;

use crate::books;
use crate::loader::{event_id, user_event};
use crate::machine::{DAY, HOUR, Machine};

#[test]
fn a_clock_an_hour_ahead_that_is_set_right_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    machine.set_clock(HOUR);
    machine.put();
    assert_eq!(machine.loads(), 6);
    machine.put();
    // Half a file, finished when the clock is right again.
    let half = machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    std::fs::remove_file(half).expect("the inbox can be changed");
    let ran = machine.run(|_| {});
    assert!(ran.log.contains("so it was set back"), "{}", ran.log);
    assert_eq!(ran.loaded, 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_an_hour_and_right_again_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(-HOUR);
    machine.put();
    assert_eq!(machine.loads(), 6);
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads(), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_a_day_ahead_and_back_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.set_clock(DAY);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 3);
    machine.put();
    machine.set_clock(0);
    machine.put();
    // Nothing is known of what comes next, and there is no run until then.
    assert_eq!(machine.loads_without_overlap(), 6);
    machine.set_clock(DAY);
    machine.put();
    machine.set_clock(0);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 6);
    machine.assert_all_loaded();
}

#[test]
fn a_clock_set_back_by_less_than_the_overlap_hides_no_file() {
    let mut machine = Machine::new();
    machine.put();
    assert_eq!(machine.loads(), 3);
    for ahead in [-20, -50] {
        machine.set_clock(ahead);
        machine.put();
        let ran = machine.run(|_| {});
        assert_eq!((ran.loaded, ran.log.as_str()), (3, ""));
    }
    machine.set_clock(0);
    machine.assert_all_loaded();
}

#[test]
fn a_half_written_file_of_a_clock_that_was_ahead_holds_nothing_up() {
    let mut machine = Machine::new();
    machine.set_clock(HOUR);
    machine.loader.put("users/half.json", "{");
    assert_eq!(machine.loads(), 0);
    machine.set_clock(0);
    machine.put();
    assert_eq!(
        machine
            .run(|options| options.settle = Duration::ZERO)
            .loaded,
        3
    );
    // By the clock as it is now it has not settled before an hour has passed.
    machine.put();
    assert_eq!(machine.loads(), 3);
    machine.set_clock(2 * HOUR);
    machine.put();
    assert_eq!(machine.loads(), 3);
    assert_eq!(
        machine
            .loader
            .query("select reason from landing.rejected_event"),
        ["truncated"]
    );
}

/// No file is ever skipped for being old: in place, the old files of a folder are as good as new ones.
#[test]
fn a_clock_that_was_ahead_hides_no_change_in_place() {
    let mut machine = Machine::new();
    for _ in 0..7 {
        machine.put();
    }
    assert_eq!(machine.loads_without_overlap(), 21);
    machine.set_clock(HOUR);
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 3);
    machine.set_clock(0);
    for number in 1..=20_u64 {
        let id = event_id(number + 1_000);
        let event = user_event(&id, "2026-11-23 20:10:21", number as i64, "Changed", 1.0);
        let path = machine.loader.path(&format!("users/{number}.json"));
        std::fs::write(path, event.to_string()).expect("the inbox can be changed");
    }
    machine.put();
    assert_eq!(machine.loads_without_overlap(), 23);
}

/// The case that no offset can tell from an ordinary one, and for which there are runs by name, every
/// night, and backfills: the clock was ahead, was set right, files came, and no run scanned the folder
/// before the clock had caught up with the offset.
#[test]
fn files_of_a_clock_that_has_caught_up_with_the_offset_unseen_are_found_by_name_or_by_a_backfill() {
    let a_day_ago = Utc::now() - TimeDelta::days(1);
    for from in [From::UnknownNames, From::Time(a_day_ago)] {
        let mut machine = Machine::new();
        machine.set_clock(HOUR);
        machine.put();
        assert_eq!(machine.loads(), 3);
        machine.set_clock(0);
        machine.put();
        // More than an hour without a run.
        machine.set_clock(HOUR + 600);
        machine.put();
        assert_eq!(machine.loads(), 3);
        assert_eq!(machine.loads(), 0);
        assert_eq!(machine.run(|options| options.from = from).loaded, 3);
        assert_eq!(machine.run(|options| options.from = from).loaded, 0);
        books::check(&machine.loader);
    }
}
