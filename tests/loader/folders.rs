//! An offset is valid in the folder that it was taken from, and in no other: folders that are replaced,
//! moved, emptied or copied, inboxes of several hosts, and files that no offset leads to.

use std::fs;
use std::process::Command;
use std::thread::sleep;

use serde_json::Value;

use crate::books;
use crate::loader::{Loader, Said, card_event, event_id, finish, said};
use crate::machine::PAUSE;
use crate::obstacle::Obstacle;
use crate::system_calls::tampered;

/// What a run logs of a folder that is not the one of the checkpoint.
const OTHER_FOLDER: &str = "is not the folder that the checkpoint of users belongs to";

/// A run that finds a file for where the offset is and not for its age.
const RUN: [&str; 4] = ["run", "--json", "--overlap", "1ms"];

/// A run with more arguments, which must succeed.
fn run(loader: &Loader, arguments: &[&str]) -> (i64, Said) {
    let said = loader.etl(&[&RUN[..], arguments].concat());
    assert_eq!(said.status, 0, "{}", said.log);
    let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
    (summary["loaded"].as_i64().expect("a number"), said)
}

/// What a run loads that has nothing to warn of.
fn loads(loader: &Loader, arguments: &[&str]) -> i64 {
    let (loaded, said) = run(loader, arguments);
    assert!(!said.log.contains("WARN"), "{}", said.log);
    loaded
}

/// Puts a user's event into an inbox, `second/` say.
fn put_user(loader: &Loader, inbox: &str, number: u64) {
    let event = crate::loader::numbered_user(number).to_string();
    loader.put(&format!("{inbox}users/{number}.json"), event);
}

fn rename(loader: &Loader, from: &str, to: &str) {
    fs::rename(loader.path(from), loader.path(to)).expect("the inbox can be changed");
}

/// A loader that has loaded the users 1 and 2, with files that change after this time only.
fn loaded() -> Loader {
    let loader = Loader::new();
    put_user(&loader, "", 1);
    put_user(&loader, "", 2);
    assert_eq!(loads(&loader, &[]), 2);
    sleep(PAUSE);
    loader
}

/// Everything that the checkpoint of the users says.
fn checkpoint(loader: &Loader) -> String {
    loader.value(
        "select offset_at, advanced_at, folder_path, folder_inode, folder_born_ns, remaining, pending
         from etl.checkpoint where source = 'users' and inbox = 'main'",
    )
}

#[test]
fn a_folder_that_is_replaced_by_one_that_was_filled_earlier_is_read_whole() {
    let loader = Loader::new();
    loader.make_inbox("prepared");
    put_user(&loader, "prepared/", 1);
    sleep(PAUSE);
    put_user(&loader, "", 2);
    assert_eq!(loads(&loader, &[]), 1);
    rename(&loader, "users", "old");
    rename(&loader, "prepared/users", "users");
    let (loaded, said) = run(&loader, &[]);
    assert_eq!(loaded, 1);
    assert!(said.log.contains(OTHER_FOLDER), "{}", said.log);
    // From now on it is the folder.
    assert_eq!(loads(&loader, &[]), 0);
    put_user(&loader, "", 3);
    assert_eq!(loads(&loader, &[]), 1);
    // And the old one is another again.
    rename(&loader, "users", "new");
    rename(&loader, "old", "users");
    put_user(&loader, "new/../", 4);
    let (loaded, said) = run(&loader, &[]);
    assert_eq!(loaded, 1);
    assert!(said.log.contains(OTHER_FOLDER), "{}", said.log);
    assert!(said.out.contains("\"duplicates\":1"), "{}", said.out);
}

#[test]
fn a_folder_that_is_moved_and_back_emptied_or_archived_is_still_the_same() {
    let loader = loaded();
    rename(&loader, "users", "away");
    rename(&loader, "away", "users");
    put_user(&loader, "", 3);
    assert_eq!(loads(&loader, &[]), 1);
    // Archived: what is loaded is gone.
    for number in 1..=3 {
        fs::remove_file(loader.path(&format!("users/{number}.json"))).expect("the inbox is ours");
    }
    assert_eq!(loads(&loader, &[]), 0);
    assert_eq!(loads(&loader, &[]), 0);
    put_user(&loader, "", 4);
    assert_eq!(loads(&loader, &[]), 1);
    fs::remove_file(loader.path("users/4.json")).expect("the inbox is ours");
    put_user(&loader, "", 5);
    assert_eq!(loads(&loader, &[]), 1);
    assert_eq!(loader.value("select count(*) from landing.user_event"), "5");
    assert_eq!(
        loader.value("select sum(duplicates) from etl.checkpoint"),
        "0",
        "nothing was read twice"
    );
}

#[test]
fn a_copy_of_the_folder_is_another_one_whose_events_are_duplicates() {
    let loader = loaded();
    let copied = Command::new("cp")
        .arg("-a")
        .args([loader.path("users"), loader.path("copy")])
        .status();
    assert!(copied.expect("cp can be started").success());
    rename(&loader, "users", "old");
    rename(&loader, "copy", "users");
    let (loaded, said) = run(&loader, &[]);
    assert_eq!(loaded, 0);
    assert!(said.log.contains(OTHER_FOLDER), "{}", said.log);
    assert!(said.out.contains("\"duplicates\":2"), "{}", said.out);
    assert_eq!(loads(&loader, &[]), 0);
    books::check(&loader);
}

#[test]
fn inboxes_with_names_have_checkpoints_of_their_own() {
    let loader = Loader::new();
    let second = loader.make_inbox("second");
    let second: [&str; 4] = ["--inbox", &second, "--inbox-name", "host-2"];
    put_user(&loader, "", 1);
    put_user(&loader, "second/", 2);
    put_user(&loader, "second/", 3);
    assert_eq!(loads(&loader, &[]), 1);
    assert_eq!(loads(&loader, &second), 2);
    // The same name of a file in both, and a file that came before the other inbox was loaded.
    for number in 4..8 {
        put_user(&loader, "", number);
        put_user(&loader, "second/", number + 10);
        loader.put(&format!("users/same-{number}.json"), "[]");
        loader.put(&format!("second/users/same-{number}.json"), "{}");
        sleep(PAUSE);
        assert_eq!(loads_with_rejections(&loader, &second), 1);
        assert_eq!(loads_with_rejections(&loader, &[]), 1);
    }
    for arguments in [&[][..], &second] {
        assert_eq!(loads(&loader, arguments), 0);
    }
    assert_eq!(
        loader.query(
            "select inbox, loaded, rejected from etl.checkpoint where source = 'users' order by 1"
        ),
        ["host-2|6|4", "main|5|4"]
    );
    assert_eq!(
        loader.query("select inbox, count(*) from landing.rejected_event group by 1 order by 1"),
        ["host-2|4", "main|4"]
    );
    assert_eq!(
        loader.query("select distinct inbox from etl.run order by 1"),
        ["host-2", "main"]
    );
    // What is repaired in one inbox is open in the other.
    put_user_as(&loader, "second/users/same-4.json", 24);
    assert_eq!(loads(&loader, &second), 1);
    assert_eq!(
        loader.query("select inbox from landing.rejected_event where file_name = 'same-4.json' and resolved_at is null"),
        ["main"]
    );
    let inboxes = [loader.inbox(), loader.path("second")];
    books::check_inboxes(&loader, &inboxes);
    // A name is one word.
    assert_eq!(loader.etl(&["run", "--inbox-name", "two words"]).status, 2);
}

/// What a run loads that may reject something.
fn loads_with_rejections(loader: &Loader, arguments: &[&str]) -> i64 {
    run(loader, arguments).0
}

fn put_user_as(loader: &Loader, file: &str, number: u64) {
    loader.put(file, crate::loader::numbered_user(number).to_string());
}

#[test]
fn folders_that_alternate_under_one_name_lose_nothing() {
    let loader = Loader::new();
    let second = loader.make_inbox("second");
    put_user(&loader, "", 0);
    assert_eq!(loads(&loader, &[]), 1);
    let mut expected = 1;
    for number in 1..5 {
        // The file of the one changes before the other one is loaded.
        put_user(&loader, "", number);
        sleep(PAUSE);
        put_user(&loader, "second/", number + 10);
        for arguments in [&["--inbox", second.as_str()][..], &[]] {
            let (loaded, said) = run(&loader, arguments);
            assert_eq!(loaded, 1, "{}", said.log);
            assert!(said.log.contains(OTHER_FOLDER), "{}", said.log);
            expected += 1;
        }
    }
    assert_eq!(
        loader.value("select count(*) from landing.user_event"),
        expected.to_string()
    );
    // Whose turn it is has no other folder to warn of.
    assert_eq!(loads(&loader, &[]), 0);
    let inboxes = [loader.inbox(), loader.path("second")];
    books::check_inboxes(&loader, &inboxes);
}

#[test]
fn a_backfill_of_another_folder_leaves_the_checkpoint_where_it_is() {
    let loader = loaded();
    let backup = loader.make_inbox("backup");
    put_user(&loader, "backup/", 11);
    loader.put("backup/users/bad.json", "[]");
    loader.put("backup/users/half.json", "{");
    let before = checkpoint(&loader);
    // A file that comes while the backfill goes on, and is older than the backup's.
    put_user(&loader, "", 3);
    sleep(PAUSE);
    put_user(&loader, "backup/", 12);
    let (loaded, _) = run(&loader, &["--inbox", &backup, "--since", "1d"]);
    assert_eq!(loaded, 2);
    assert_eq!(checkpoint(&loader), before);
    assert_eq!(
        loads(&loader, &[]),
        1,
        "the folder is still the one of the checkpoint"
    );
    // Likewise by names.
    put_user(&loader, "backup/", 13);
    let before = checkpoint(&loader);
    let (loaded, _) = run(&loader, &["--inbox", &backup, "--reconcile"]);
    assert_eq!(loaded, 1);
    assert_eq!(checkpoint(&loader), before);
    assert_eq!(loads(&loader, &[]), 0);
}

#[test]
fn a_reconciliation_reads_every_file_whose_name_is_in_no_table_and_no_other() {
    let loader = loaded();
    loader.put("users/bad.json", "[]");
    loader.put(
        "cards/user.json",
        crate::loader::numbered_user(20).to_string(),
    );
    assert_eq!(loads_with_rejections(&loader, &[]), 1);
    // As if the clock had been wrong: these are before the offset, and no run reads them.
    put_user(&loader, "", 3);
    loader.put(
        "cards/4.json",
        card_event(&event_id(4), "2026-11-23 20:10:20", 7, 3, true).to_string(),
    );
    loader.put("users/bad-too.json", "[]");
    loader.put("users/half.json", "{");
    sleep(PAUSE);
    loader.execute("update etl.checkpoint set offset_at = now(); truncate etl.recent_file");
    assert_eq!(loads(&loader, &[]), 0);
    let before = checkpoint(&loader);
    let tried = loader.run(&["--reconcile", "--dry-run"]);
    assert_eq!((&tried["files"], &tried["loaded"]), (&4.into(), &2.into()));
    assert_eq!(
        loader.run(&["--reconcile", "--source", "cards"])["loaded"],
        1
    );
    let summary = loader.run(&["--reconcile"]);
    let counts =
        ["files", "loaded", "duplicates", "rejected", "pending"].map(|field| &summary[field]);
    assert_eq!(counts, [3, 1, 0, 1, 1]);
    let again = loader.run(&["--reconcile", "--settle", "0s"]);
    assert_eq!(
        (&again["files"], &again["rejected"]),
        (&1.into(), &1.into())
    );
    assert_eq!(loader.run(&["--reconcile", "--settle", "0s"])["files"], 0);
    assert_eq!(checkpoint(&loader), before);
    assert_eq!(
        loader.query(
            "select command, files from etl.run where command = 'reconcile' order by run_id"
        ),
        ["reconcile|1", "reconcile|3", "reconcile|1"]
    );
    // A known name with other content is left to the runs from the checkpoint.
    fs::write(
        loader.path("users/1.json"),
        crate::loader::numbered_user(30).to_string(),
    )
    .expect("the inbox can be changed");
    assert_eq!(loader.run(&["--reconcile"])["files"], 0);
    assert_eq!(loads(&loader, &[]), 1);
    assert_eq!(
        loader.etl(&["run", "--reconcile", "--since", "1d"]).status,
        2
    );
}

#[test]
fn where_folders_have_no_birth_time_one_is_known_by_its_recent_files() {
    let loader = Loader::new();
    // As on a system that does not know the call.
    let command = loader.command(&RUN);
    let Some(mut command) = tampered(&command, "statx:error=ENOSYS", None) else {
        return;
    };
    let mut run = |expected: i64| {
        let said = said(command.output().expect("strace can be started"));
        assert_eq!(said.status, 0, "{}", said.log);
        let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
        assert_eq!(summary["loaded"], expected, "{}", said.log);
        said.log
    };
    put_user(&loader, "", 1);
    put_user(&loader, "", 2);
    run(2);
    assert_eq!(
        loader.query("select distinct folder_born_ns is null from etl.checkpoint"),
        ["true"]
    );
    sleep(PAUSE);
    put_user(&loader, "", 3);
    assert!(!run(1).contains("WARN"));
    // Nobody knows whether an empty one is the same, and there is nothing to say of it.
    for number in 1..=3 {
        fs::remove_file(loader.path(&format!("users/{number}.json"))).expect("the inbox is ours");
    }
    assert!(!run(0).contains("WARN"));
    let before = checkpoint(&loader);
    assert!(!run(0).contains("WARN"));
    assert_eq!(checkpoint(&loader), before, "nothing is written");
    put_user(&loader, "", 4);
    run(1);
    assert!(!run(0).contains("WARN"));
    // Another folder with the same inode number would be told by its files.
    loader.make_inbox("prepared");
    put_user(&loader, "prepared/", 5);
    sleep(PAUSE);
    put_user(&loader, "", 6);
    run(1);
    rename(&loader, "users", "old");
    rename(&loader, "prepared/users", "users");
    assert!(run(1).contains(OTHER_FOLDER));
}

#[test]
fn a_folder_that_is_missing_is_no_folder_to_go_on_from() {
    let loader = loaded();
    rename(&loader, "users", "away");
    let said = loader.etl(&RUN);
    assert_eq!(said.status, 1, "{}", said.log);
    rename(&loader, "away", "users");
    assert_eq!(loads(&loader, &[]), 0);
    put_user(&loader, "", 3);
    assert_eq!(loads(&loader, &[]), 1);
}

#[test]
fn inboxes_are_loaded_at_the_same_time_and_a_retry_serves_them_all() {
    let loader = Loader::new();
    let second = loader.make_inbox("second");
    let second: [&str; 4] = ["--inbox", &second, "--inbox-name", "host-2"];
    for inbox in ["", "second/"] {
        loader.put(&format!("{inbox}users/bad.json"), "[]");
    }
    loader.run(&[]);
    loader.run(&second);
    // A run of the first inbox stops with a user, and the second one is loaded meanwhile.
    put_user(&loader, "", 1);
    loader.put(
        "second/cards/2.json",
        card_event(&event_id(2), "2026-11-23 20:10:20", 7, 3, true).to_string(),
    );
    let mut obstacle = Obstacle::at_user(&loader, 1);
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    assert_eq!(loads(&loader, &second), 1);
    // To another run over the first one there is nothing to do.
    let busy = loader.etl(&["run"]);
    assert!(
        busy.log.contains("another run is loading users"),
        "{}",
        busy.log
    );
    drop(obstacle);
    assert_eq!(finish(run).status, 0);
    for (number, inbox) in [(3_u64, "main"), (4, "host-2")] {
        let document = crate::loader::numbered_user(number).to_string();
        loader
            .client()
            .execute(
                "update landing.rejected_event set document = $1 where inbox = $2",
                &[&document.as_bytes(), &inbox],
            )
            .expect("a document can be changed");
    }
    let retried = loader.etl(&["rejected", "retry", "--json"]);
    assert_eq!(retried.status, 0, "{}", retried.log);
    assert!(retried.out.contains("\"loaded\":2"), "{}", retried.out);
    assert_eq!(
        loader.query("select inbox, loaded from etl.run where command = 'retry' order by 1"),
        ["host-2|1", "main|1"]
    );
    assert_eq!(
        loader.query("select inbox, loaded from etl.checkpoint where source = 'users' order by 1"),
        ["host-2|1", "main|2"]
    );
}
