//! What has to hold whatever has happened, once ordinary runs have nothing left to do.

use std::path::PathBuf;

use crate::loader::Loader;
use crate::model::{self, Dimensions};

/// Checks that everything in the inbox is in the tables, exactly once, that the loader's accounts
/// of it add up, and that no lock is left behind.
pub fn check(loader: &Loader) {
    check_inboxes(loader, &[loader.inbox()]);
}

/// The same for several inboxes.
pub fn check_inboxes(loader: &Loader, inboxes: &[PathBuf]) {
    let expected = model::dimensions_of(inboxes);
    assert_eq!(Dimensions::of(loader).difference(&expected), None);
    loader.wait_for_free_locks();
    let sums = |table: &str| {
        loader.query(&format!(
            "select sum(loaded), sum(duplicates), sum(rejected) from {table}"
        ))
    };
    assert_eq!(sums("etl.checkpoint"), sums("etl.run"));
    assert_eq!(
        loader.value("select sum(loaded) from etl.checkpoint"),
        expected.events.to_string()
    );
    // Each run has loaded the events that bear its number, no more and no fewer.
    let mistaken = "with landed as (
                      select run_id, count(*) as events
                      from (
                        select run_id from landing.user_event
                        union all
                        select run_id from landing.card_event
                      ) as event
                      group by run_id
                    )
                    select run_id, coalesce(events, 0) as events, loaded
                    from etl.run full join landed using (run_id)
                    where coalesce(events, 0) is distinct from loaded";
    assert_eq!(loader.query(mistaken), Vec::<String>::new());
    // No run has left a claim, and what is pending has a name.
    assert_eq!(
        loader.value("select count(*) from etl.checkpoint where claimed_by is not null"),
        "0"
    );
    let mistaken = "select source, inbox from etl.checkpoint
                    where pending is distinct from (
                      select count(*) from etl.pending_file
                      where pending_file.source = checkpoint.source and pending_file.inbox = checkpoint.inbox
                    )";
    assert_eq!(loader.query(mistaken), Vec::<String>::new());
    // What is open was rejected by a run that says so.
    let mistaken = "select run_id from landing.rejected_event
                    except select run_id from etl.run where rejected > 0";
    assert_eq!(loader.query(mistaken), Vec::<String>::new());
}

/// Runs until nothing is left to do, and checks the books.
pub fn settle(loader: &Loader) {
    loader.run(&["--settle", "0s"]);
    assert_eq!(loader.run(&["--settle", "0s"])["files"], 0);
    check(loader);
}

/// Checks that `etl verify` finds everything sound.
pub fn verify(loader: &Loader) {
    let said = loader.etl(&["verify"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
}
