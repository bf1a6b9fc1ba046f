//! Files that no run will find any more: `etl verify` finds every one of them, by what it says.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::SystemTime;

use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, said, user_event};
use crate::verify::{PAUSE, check_sound, fill, verify};

/// Lets no later run find a file that is in the inbox now.
pub fn pass_over(loader: &Loader) {
    sleep(PAUSE);
    loader.execute("update etl.checkpoint set offset_at = clock_timestamp()");
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
}

#[test]
fn a_file_that_runs_have_passed_over_is_found() {
    let loader = Loader::new();
    fill(&loader);
    for number in 100..115 {
        loader.put_user(number);
    }
    loader.put("cards/half.json", "{");
    pass_over(&loader);
    // Runs that scan again before the offset would still find them.
    assert_eq!(loader.etl(&["verify"]).status, 0);
    let said = loader.etl(&["verify", "--overlap", "0s", "--json"]);
    assert_eq!(said.status, 1);
    let found: Value = serde_json::from_str(&said.out).expect("the result is JSON");
    assert_eq!(
        (
            &found["more_findings"],
            found["findings"].as_array().map(Vec::len)
        ),
        (&5.into(), Some(11))
    );
    assert_eq!(found["findings"][0]["check"], "inbox");
    let (_, out) = verify(&loader);
    assert!(out.contains("and 5 more"), "{out}");
    follow_advice(&loader);
    check_sound(&loader);
}

/// Does what is advised about one lost file after the other, as it is printed.
fn follow_advice(loader: &Loader) {
    let mut earlier = String::new();
    loop {
        let (_, out) = verify(loader);
        let advice = out
            .lines()
            .find(|line| line.contains(".json: "))
            .and_then(|line| line.split('`').nth(1));
        let Some(advice) = advice else { return };
        assert_ne!(advice, earlier, "it does not help:\n{out}");
        let arguments: Vec<&str> = advice.split(' ').skip(1).collect();
        let mut command = loader.command(&[&*arguments, &["--settle", "0s"]].concat());
        let done = said(
            command
                .env_remove("ETL_INBOX")
                .output()
                .expect("etl can be started"),
        );
        assert_eq!(done.status, 0, "{advice}: {}", done.log);
        earlier = advice.to_owned();
    }
}

/// Puts a file that has the name and the times of another one.
fn put_in_place(loader: &Loader, file: &str, content: impl AsRef<[u8]>) {
    let modified = fs::metadata(loader.path(file)).and_then(|file| file.modified());
    let path = loader.put(file, content);
    let modified: SystemTime = modified.expect("the file is there");
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(modified))
        .expect("the file can be stamped");
}

#[test]
fn no_lost_event_hides_behind_a_name() {
    let loader = Loader::new();
    fill(&loader);
    let at = "2026-11-23 20:10:50";
    let card = |number: u64| card_event(&event_id(number), at, number as i64, 3, true).to_string();
    let user = |number: u64, name: &str| {
        user_event(&event_id(number), at, number as i64, name, 1.0).to_string()
    };
    // A name that is known of another event, of another folder, of a rejected file.
    put_in_place(&loader, "users/1.json", user(201, "Ann"));
    loader.put("users/copy.json", user(202, "Ann"));
    put_in_place(&loader, "cards/2.json", user(203, "Ann"));
    put_in_place(&loader, "cards/last.json", card(204));
    // A loaded event with other content, and a rejected file that is another one.
    put_in_place(
        &loader,
        "users/3.json",
        user_event(&event_id(3), "2026-11-23 20:10:10", 3, "Eve", 1.0).to_string(),
    );
    put_in_place(&loader, "users/last.json", "]");
    pass_over(&loader);
    let (status, out) = verify(&loader);
    assert_eq!(status, 1);
    for words in [
        "users/1.json: it changed at",
        "landing does not have the event 000000c9-0000-4000-8000-000000000000 of user 201;",
        "users/copy.json: it changed at",
        "of user 202;",
        "cards/2.json: it changed at",
        "of user 203;",
        "cards/last.json: it changed at",
        "of card 204;",
        "users/3.json: it changed at",
        "landing has its event with other content, from 3.json",
        "users/last.json: it changed at",
    ] {
        assert!(out.contains(words), "{words:?} is missing:\n{out}");
    }
    assert_eq!(out.lines().count(), 7, "{out}");
    follow_advice(&loader);
    check_sound(&loader);
    assert_eq!(
        loader.query("select user_id from landing.user_event where user_id > 200 order by 1"),
        ["201", "202", "203"]
    );
}

#[test]
fn a_copy_that_moves_its_event_and_that_no_run_has_read_is_found() {
    let loader = Loader::new();
    fill(&loader);
    // The loaded file has the microsecond 5.
    let content = fs::read(loader.path("cards/5.json")).expect("the file is there");
    for (name, micros) in [("earlier", 3), ("same", 5), ("later", 9), ("rounded", 0)] {
        loader.put_modified(&format!("cards/{name}.json"), &content, micros);
    }
    pass_over(&loader);
    let (status, out) = verify(&loader);
    assert_eq!((status, out.lines().count()), (1, 2), "{out}");
    assert!(
        out.starts_with("cards/earlier.json: it changed at ")
            && out.contains("before the offset, and no run has compared it with the loaded copy"),
        "{out}"
    );
    // Before the offset is passed, the next run reads it.
    let said = loader.etl(&["verify", "--json"]);
    assert!(
        said.status == 0 && said.out.contains("\"not_processed\":1,"),
        "{}",
        said.out
    );
    follow_advice(&loader);
    check_sound(&loader);
    assert_eq!(
        loader.value("select file_name from landing.card_event where file_modified_at < timestamptz 'epoch' + interval '4 us'"),
        "earlier.json"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_not_said_to_be_lost() {
    let loader = Loader::new();
    fill(&loader);
    let secret = loader.path("users/1.json");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("the file is ours");
    pass_over(&loader);
    let said = loader.etl_unprivileged(&["verify", "--overlap", "0s"]);
    assert_eq!(
        (said.status, said.out.lines().count()),
        (1, 2),
        "{}{}",
        said.out,
        said.log
    );
    assert!(
        said.out.starts_with("users/1.json: it cannot be read: ")
            && said
                .out
                .contains("; run `etl verify` as the user of `etl run`"),
        "{}",
        said.out
    );
}

#[test]
fn an_offset_means_nothing_in_another_folder() {
    let loader = Loader::new();
    fill(&loader);
    let other = Loader::new();
    other.put_user(77);
    sleep(PAUSE);
    pass_over(&loader);
    let verify_other = |arguments: &[&str]| {
        let inbox = other.inbox();
        let mut command =
            loader.command(&[&["verify", "--overlap", "0s", "--json"], arguments].concat());
        let said = said(
            command
                .env("ETL_INBOX", inbox)
                .output()
                .expect("etl can be started"),
        );
        let found: Value = serde_json::from_str(&said.out).expect("the result is JSON");
        assert_eq!(said.status, 0, "{found}");
        (
            found["figures"]["files"].clone(),
            found["figures"]["not_processed"].clone(),
        )
    };
    // Neither under the name of the first inbox nor under one that no run has used.
    assert_eq!(verify_other(&[]), (1.into(), 1.into()));
    let name = ["--inbox-name", "other"];
    assert_eq!(verify_other(&name), (1.into(), 1.into()));
    let mut run = loader.command(&["run", "--inbox-name", "other"]);
    let run = said(
        run.env("ETL_INBOX", other.inbox())
            .output()
            .expect("etl can be started"),
    );
    assert_eq!(run.status, 0, "{}", run.log);
    sleep(PAUSE);
    loader.execute("update etl.checkpoint set offset_at = clock_timestamp() where inbox = 'other'");
    assert_eq!(verify_other(&name), (1.into(), 0.into()));
    check_sound(&loader);
}
