//! What can be wrong around the loader: one clear line, exit status 1, and the next run catches up.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::loader::{Loader, event_id, said, user_event};
use crate::server::PASSWORD;

/// Runs with other settings and expects one line that says all of this, and exit status `status`.
pub fn fails(loader: &Loader, status: i32, settings: &[(&str, &str)], words: &[&str]) {
    let output = loader
        .command(&["run", "--json"])
        .envs(settings.iter().copied())
        .output();
    let said = said(output.expect("etl can be started"));
    assert_eq!(said.status, status, "{}", said.log);
    assert_eq!(said.log.lines().count(), 1, "one line: {}", said.log);
    for word in words {
        assert!(said.log.contains(word), "{word:?} is missing: {}", said.log);
    }
    assert!(!said.log.contains(PASSWORD), "{}", said.log);
}

#[test]
fn arguments_that_make_no_sense_are_wrong_usage() {
    let loader = Loader::new();
    for arguments in [
        vec!["run", "--since", "yesterday"],
        vec!["run", "--since", "2999-01-01 12:00", "--dry-run"],
        vec!["rejected", "list", "--since", "2999-01-01"],
        vec!["run", "--source", "accounts"],
        vec!["run", "--batch-size", "0"],
        vec!["runn"],
        vec![],
    ] {
        assert_eq!(loader.etl(&arguments).status, 2, "{arguments:?}");
    }
}

#[test]
fn a_checkpoint_that_somebody_deleted_is_begun_anew() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    loader.execute("delete from etl.checkpoint where source = 'users'");
    loader.put_user(2);
    // It says nothing of any file, so all are read.
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["loaded"], &summary["duplicates"]),
        (&1.into(), &1.into())
    );
    assert_eq!(loader.run(&[])["files"], 0);
}

#[test]
fn a_missing_folder_stops_its_source_and_no_other() {
    let loader = Loader::new();
    loader.put_user(1);
    fs::remove_dir(loader.path("cards")).expect("the inbox can be changed");
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    let errors: Vec<&str> = said
        .log
        .lines()
        .filter(|line| line.contains("ERROR"))
        .collect();
    let [error] = errors.as_slice() else {
        panic!("{}", said.log);
    };
    assert!(
        error.contains("/cards") && error.contains("--inbox"),
        "{error}"
    );
    // Why, and since when, is where the next one looks for it.
    let failing = "select source, failing_since is not null, last_failed_at is not null, last_failure like '%/cards%'
                   from etl.checkpoint order by source";
    assert_eq!(
        loader.query(failing),
        ["cards|true|true|true", "users|false|false|"]
    );
    let since = "select failing_since from etl.checkpoint where source = 'cards'";
    let first = loader.value(since);
    assert_eq!(loader.etl(&["run"]).status, 1);
    assert_eq!(loader.value(since), first);
    fs::create_dir(loader.path("cards")).expect("the inbox can be changed");
    loader.put(
        "cards/2.json",
        user_event(&event_id(2), "2026-11-23 20:10:20", 2, "Bob", 1.0).to_string(),
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(
        loader.query(failing),
        ["cards|false|true|true", "users|false|false|"]
    );
}

#[test]
fn a_folder_that_may_not_be_listed_stops_its_source() {
    let loader = Loader::new();
    let permit = |mode| fs::set_permissions(loader.path("users"), fs::Permissions::from_mode(mode));
    loader.put_user(1);
    permit(0o300).expect("the folder is ours");
    let said = loader.etl_unprivileged(&["run"]);
    permit(0o755).expect("the folder is ours");
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(
        said.log.contains("/users") && said.log.contains("the right to list it"),
        "{}",
        said.log
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
}
