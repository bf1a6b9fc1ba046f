//! `etl verify --archive`: what is an archive of the inbox, and what its files are compared with.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::archive::{Archive, EVERYTHING, checked, files_below};
use crate::loader::{Said, card_event, event_id};
use crate::server::is_root;

impl Archive {
    /// What `etl verify --archive` finds of the archives, one line each, and how many it has read.
    fn verify(&self, more: &[&str]) -> (String, i64) {
        let folder = self.folder();
        let folder = folder.to_str().expect("UTF-8");
        found(&self.said(&[&["verify", "--json", "--archive", folder], more].concat()))
    }
}

fn found(said: &Said) -> (String, i64) {
    let found: Value = serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.log));
    let findings = found["findings"].as_array().expect("a list").iter();
    let findings: Vec<String> = findings
        .filter(|finding| finding["check"] == "archives")
        .map(|finding| {
            let text = |field: &str| finding[field].as_str().expect("a text").to_owned();
            format!(
                "{}: {}; {}",
                text("subject"),
                text("problem"),
                text("advice")
            )
        })
        .collect();
    let archives = found["figures"]["archives"].as_i64().expect("a number");
    (findings.join("\n"), archives)
}

#[test]
fn archives_can_be_verified() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let folder = archive.folder();
    let verify = || {
        let said = archive.said(&[
            "verify",
            "--archive",
            folder.to_str().expect("UTF-8"),
            "--json",
        ]);
        let found: Value = serde_json::from_str(&said.out).expect("the findings are JSON");
        assert_eq!(
            found["sound"] == json!(true),
            said.status == 0,
            "{}",
            said.log
        );
        found
    };
    (1..=3).for_each(|number| loader.put_user(number));
    loader.put_card(1);
    loader.put("cards/bad.json", "{\"metadata\": {}}");
    loader.run(&[]);
    archive.archive();
    let found = verify();
    assert_eq!(found["sound"], true, "{found}");
    assert_eq!(found["figures"]["archives"], 3);
    assert_eq!(found["figures"]["archived_files"], 5);

    // A rejection that was closed has the content still.
    loader.put(
        "cards/bad.json",
        card_event(&event_id(9), "2026-11-23 20:10:20", 9, 3, true).to_string(),
    );
    loader.run(&[]);
    assert_eq!(verify()["sound"], true);

    loader.execute(
        "delete from landing.user_event where user_id = 2;
         update etl.run set lost = 1 where run_id = 1",
    );
    let finding = |found: &Value| {
        let findings = found["findings"].as_array().expect("a list").clone();
        let problems: Vec<String> = findings
            .iter()
            .filter(|finding| finding["check"] == "archives")
            .map(|finding| finding["problem"].as_str().expect("a text").to_owned())
            .collect();
        problems.join("\n")
    };
    assert!(finding(&verify()).contains("it is in no table: landing does not have the event"));

    let first = archive.archives().swap_remove(0);
    let bytes = fs::read(&first).expect("an archive");
    fs::write(&first, &bytes[..bytes.len() / 2]).expect("an archive");
    assert!(finding(&verify()).contains("it cannot be read"));
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&first, &changed).expect("an archive");
    assert!(finding(&verify()).contains("it cannot be read"));
}

#[test]
fn a_rejection_without_the_content_is_no_proof_of_it() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    let content = fs::read(loader.path("users/1.json")).expect("the file is ours");
    loader.run(&[]);
    archive.archive();
    loader.execute("delete from landing.user_event");
    loader.put("users/1.json", content);
    loader.run(&["--max-file-size", "10"]);
    let (findings, _) = archive.verify(&[]);
    assert!(
        findings.contains("1.json in ") && findings.contains("it is in no table: "),
        "{findings}"
    );
}

#[test]
fn a_source_without_archives_has_no_folder_for_them() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    // Whether the name is wrong, nobody knows.
    assert!(archive.verify(&[]).0.contains("No such file or directory"));
    archive.archive();
    assert!(!archive.folder().join("cards").exists());
    assert_eq!(archive.verify(&[]), (String::new(), 1));
    fs::remove_dir_all(archive.folder().join("users")).expect("the folder is ours");
    let (findings, _) = archive.verify(&[]);
    assert!(
        findings.contains("archive/users: it cannot be read: No such file or directory"),
        "{findings}"
    );
}

#[test]
fn the_archives_of_another_inbox_are_not_verified() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let other = loader.make_inbox("other");
    let other = ["--inbox", &other, "--inbox-name", "main-2"];
    loader.put_user(1);
    loader.put("users/bad.json", "[1]");
    loader.put("other/users/bad.json", "[2]");
    loader.run(&[]);
    loader.run(&other);
    archive.archive();
    let said = archive.said(&[&EVERYTHING[..], &other].concat());
    assert_eq!(checked(&said)["archived"], 1, "{}", said.log);
    assert_eq!(archive.verify(&[]), (String::new(), 2));
    assert_eq!(archive.verify(&other), (String::new(), 1));
}

#[test]
fn a_folder_that_is_no_day_has_no_archives() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    archive.archive();
    let other = archive.folder().join("users/lost+found");
    fs::create_dir(&other).expect("the folder is ours");
    fs::write(other.join("20261120T100000.000000Z-main.tar.zst"), "x").expect("the folder is ours");
    assert_eq!(archive.verify(&[]), (String::new(), 1));
}

#[test]
fn a_right_that_is_missing_is_no_damage() {
    if !is_root() {
        println!("skipped: only root can make files that this user may not read");
        return;
    }
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    archive.archive();
    let folder = archive.folder();
    let verify = || {
        let to = folder.to_str().expect("UTF-8");
        found(&loader.etl_unprivileged(&["verify", "--json", "--archive", to])).0
    };
    let advice = "Permission denied (os error 13); give this user the right to read it";
    let expected = |path: &str| format!("{path}: it cannot be read: {advice}");
    let path = files_below(&folder).remove(0);
    let day = path.parent().expect("a folder").to_owned();
    let source = day.parent().expect("a folder").to_owned();
    for above in ["data", "data/events", "data/events/archive"] {
        fs::set_permissions(loader.path(above), Permissions::from_mode(0o755)).expect("it is ours");
    }
    for (opened, closed) in [(&source, &day), (&day, &path)] {
        fs::set_permissions(opened, Permissions::from_mode(0o755)).expect("it is ours");
        let findings = verify();
        assert!(
            findings.contains(&expected(closed.to_str().expect("UTF-8"))),
            "{findings}"
        );
        assert!(!findings.contains("backup"), "{findings}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(verify(), String::new());
    assert_eq!(checked(&archive.said(&EVERYTHING))["files"], json!(0));
}
