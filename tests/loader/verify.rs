//! `etl verify`: silent about what is right, and it finds and names every kind of damage.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, said, user_event};
use crate::server::server;

/// Longer than the kernel's coarse clock, which stamps files, may be behind.
pub const PAUSE: Duration = Duration::from_millis(30);

/// Users and cards with late-arriving events, events of one second, repeats that change nothing, copies
/// and rejections, loaded by several runs.
pub fn fill(loader: &Loader) {
    let mut number = 0;
    for (second, active, micros) in [
        (10, true, 5),
        (30, false, 5),
        (20, true, 5),
        (30, true, 4),
        (40, true, 5),
    ] {
        for key in 1..=4 {
            number += 1;
            let (id, at) = (event_id(number), format!("2026-11-23 20:10:{second:02}"));
            let user = user_event(&id, &at, key, "Ann", f64::from(u8::from(active)));
            let card = card_event(&id, &at, key, 3, active);
            loader.put_modified(&format!("users/{number}.json"), user.to_string(), micros);
            loader.put_modified(&format!("cards/{number}.json"), card.to_string(), micros);
        }
        loader.run(&[]);
    }
    fs::copy(loader.path("cards/1.json"), loader.path("cards/copy.json"))
        .expect("the inbox can be written");
    loader.put("users/odd\\.json", "[]");
    let odd = loader
        .inbox()
        .join("users")
        .join(OsStr::from_bytes(b"odd\xff.json"));
    fs::write(odd, "[]").expect("the inbox can be written");
    loader.put("cards/.hidden.json", "[]");
    loader.put("cards/__id_counter", "7");
    sleep(PAUSE);
    // The last file of each folder carries the offset past all others.
    for folder in ["users", "cards"] {
        loader.put(&format!("{folder}/last.json"), "[");
    }
    loader.run(&["--settle", "0s"]);
}

/// Verifies as if runs did not scan again before the offset, which all files are close to here.
pub fn verify(loader: &Loader) -> (i32, String) {
    let said = loader.etl(&["verify", "--overlap", "0s"]);
    assert_eq!(said.log, "");
    (said.status, said.out)
}

/// Checks that nothing is wrong.
pub fn check_sound(loader: &Loader) {
    let (status, out) = verify(loader);
    assert_eq!((status, out.lines().count()), (0, 1), "{out}");
    assert!(out.starts_with("all is well: "), "{out}");
}

/// Lets no later run find a file that is in the inbox now.
fn pass_over(loader: &Loader) {
    sleep(PAUSE);
    loader
        .client()
        .batch_execute("update etl.checkpoint set offset_at = clock_timestamp()")
        .expect("the metadata can be changed");
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
}

#[test]
fn a_good_warehouse_passes() {
    let loader = Loader::new();
    let said = loader.etl(&["verify"]);
    assert_eq!(said.status, 1);
    assert!(said.log.contains("no schema yet"), "{}", said.log);
    loader.run(&[]);
    check_sound(&loader);
    fill(&loader);
    check_sound(&loader);
    // Nothing that the check of files relies on is remembered for ever.
    loader
        .client()
        .batch_execute("truncate etl.recent_file")
        .expect("the metadata can be changed");
    check_sound(&loader);
    let said = loader.etl(&["verify", "--json", "--overlap", "0s"]);
    let found: Value = serde_json::from_str(&said.out).expect("the result is JSON");
    assert_eq!(
        (said.status, &found["sound"], &found["findings"]),
        (0, &true.into(), &Value::Array(vec![]))
    );
    let figures = &found["figures"];
    for (figure, expected) in [
        (&figures["events"]["user"], 20),
        (&figures["events"]["card"], 20),
        (&figures["versions"]["user"], 12),
        (&figures["open_rejections"], 4),
        (&figures["files"], 45),
    ] {
        assert_eq!(figure, expected, "{figures}");
    }
    // A file that no run has scanned is not lost.
    loader.put("users/new.json", "[]");
    let (status, out) = verify(&loader);
    assert!(
        status == 0 && out.contains("46 files in the inbox, 1 of them not processed yet"),
        "{out}"
    );

    // What can be verified without the folder is.
    fs::remove_dir_all(loader.path("cards")).expect("the inbox can be written");
    let (status, out) = verify(&loader);
    assert_eq!((status, out.lines().count()), (1, 2), "{out}");
    assert!(
        out.starts_with("folder of cards: ") && out.contains("create it, or name the inbox"),
        "{out}"
    );
}

#[test]
fn a_reader_can_verify() {
    let loader = Loader::new();
    fill(&loader);
    let reader = format!("{}_verifier", loader.database);
    loader
        .client()
        .batch_execute(&format!("create role {reader} login in role dwh_reader"))
        .expect("a user can be made");
    let mut command = loader.command(&["verify", "--overlap", "0s"]);
    command.env("DATABASE_URL", server().url_as(&reader, &loader.database));
    let said = said(command.output().expect("etl can be started"));
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
}

/// What can be done to the tables by hand, words of what is said of it, and whether a rebuild repairs
/// it.
type Damage = (&'static str, &'static [&'static str], bool);

const DAMAGES: &[Damage] = &[
    (
        "update warehouse.dim_card set valid_from = valid_from + interval '1 second' where card_id = 1 and is_current",
        &["card 1: the version from 2026-11-23 20:10:40 UTC, which", "is missing; `etl rebuild card 1` adds it",
          "card 1: no event in landing opens the version from 2026-11-23 20:10:41 UTC (card_key "],
        true,
    ),
    (
        "delete from warehouse.dim_card where card_id = 2 and valid_from = '2026-11-23 20:10:30+00'",
        &["card 2: the version from 2026-11-23 20:10:30 UTC, which the event 00000006-0000", "is missing"],
        true,
    ),
    (
        "update warehouse.dim_user set score = 99 where user_id = 1 and is_current",
        &["user 1: the version from", "differs from its events: score: expected 1, found 99; `etl rebuild user 1` repairs it"],
        true,
    ),
    (
        "update warehouse.dim_user set address = 'x' where user_id = 1 and is_current",
        &[r#"address: expected "1 Road\nTown, AA 11111", found "x"; `etl"#],
        true,
    ),
    (
        "update warehouse.dim_card set active = not active where card_id = 3 and is_current",
        &["active: expected t, found f; `etl"],
        true,
    ),
    (
        "update warehouse.dim_card set updated_at = updated_at - interval '1 second' where card_id = 3 and is_current",
        &["card 3: the version from", "updated_at: expected 2026-11-23 20:10:40 UTC, found 2026-11-23 20:10:39 UTC; `etl"],
        true,
    ),
    (
        "update warehouse.dim_card set valid_to = valid_to + interval '1 second' where card_id = 3 and not is_current",
        &["card 3: the version from", "valid_to: expected 2026-11-23 20:10:", "; `etl rebuild card 3` repairs it"],
        true,
    ),
    (
        "insert into warehouse.dim_user (user_id, name, address, job, score, valid_from, event_id)
         select user_id, name, address, job, score, valid_from + interval '1 hour', event_id
         from warehouse.dim_user where user_id = 4 and is_current",
        &["user 4: no event in landing opens the version from 2026-11-23 21:10:40 UTC (user_key ", "`etl rebuild user 4` removes it"],
        true,
    ),
    (
        "insert into warehouse.dim_card (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from,
                                         valid_to, event_id)
         select card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id
         from warehouse.dim_card where card_id = 4 and is_current",
        &["card 4: no event in landing opens the version from"],
        true,
    ),
    (
        "update warehouse.dim_card set event_id = gen_random_uuid() where card_id = 1 and is_current",
        &["card 1: the version from", "event_id: expected \"00000011-0000-4000-8000-000000000000\", found \"", "; `etl"],
        true,
    ),
    (
        "update warehouse.dim_user set valid_from = '-infinity' where user_id = 3 and is_current",
        &["user 3: no event in landing opens the version from -infinity UTC (user_key "],
        true,
    ),
    (
        "update warehouse.dim_card set updated_at = 'infinity' where card_id = 3 and is_current",
        &["updated_at: expected 2026-11-23 20:10:40 UTC, found infinity; `etl"],
        true,
    ),
    (
        "delete from warehouse.dim_user where user_id = 2",
        &["user 2: the version from", "is missing"],
        true,
    ),
    (
        "truncate warehouse.dim_card, warehouse.dim_user",
        &["user 1: the version from", "card 1: the version from", "and 4 more"],
        true,
    ),
    (
        "with other as (
           select card_key from warehouse.dim_card where card_id = 2 order by card_key limit 1
         ),
         gone as (delete from warehouse.dim_card where card_id = 1 and is_current returning *)
         insert into warehouse.dim_card (card_key, card_id, user_id, created_by_name, active, created_at, updated_at,
                                         valid_from, event_id)
         overriding system value
         select other.card_key, card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, event_id
         from gone, other",
        &["card_key ", ": it identifies 2 versions, of card 1, 2; `etl rebuild card 1 2` leaves it to the version that was loaded first"],
        true,
    ),
    (
        "delete from landing.card_event where card_id = 4",
        &["card 4: no event in landing opens the version from", "if its events were deleted from landing by mistake, restore them first",
          "it loaded 8 events, and landing has 7 of them; `etl run --since` loads the others again", "cards/4.json: it changed at",
          "landing does not have the event 00000004-0000-4000-8000-000000000000 of card 4; `etl run --since 20", "Z --inbox /", " --source cards` reads it again"],
        false,
    ),
    // A repeat, without which no version is another.
    (
        "delete from landing.user_event where user_id = 1 and event_at = '2026-11-23 20:10:20+00'",
        &["it loaded 8 events, and landing has 7 of them", "users/9.json: it changed at"],
        false,
    ),
    (
        "update landing.user_event set score = 99 where user_id = 3 and event_at = '2026-11-23 20:10:40+00'",
        &["user 3: the version from", "users/19.json: it changed at", "landing has its event with other content, from 19.json"],
        false,
    ),
    (
        "update landing.card_event set run_id = 9999 where card_id = 1",
        &["run 9999: landing has 5 events of it, and etl.run has no row of it"],
        false,
    ),
    (
        "update etl.checkpoint set loaded = loaded + 1 where source = 'users'",
        &["counter loaded of the inbox main: its checkpoints add up to 41, and its runs to 40"],
        false,
    ),
    (
        "update etl.checkpoint set rejected = 0",
        &["counter rejected of the inbox main: its checkpoints add up to 0, and its runs to 4"],
        false,
    ),
    (
        "update etl.run set files = files + 1",
        &["its files are not the sum"],
        false,
    ),
    (
        "delete from etl.run where loaded > 0",
        &["and etl.run has no row of it", "counter loaded"],
        false,
    ),
    (
        "update etl.checkpoint set offset_at = now() + interval '1 hour' where source = 'cards'",
        &["checkpoint of cards in the inbox main: its offset", "after the clock"],
        false,
    ),
    (
        "update landing.rejected_event set resolved_run_id = 1 where file_name = 'last.json'",
        &["rejection ", "its resolution contradicts dismissed_by or resolved_run_id"],
        false,
    ),
    (
        "update landing.rejected_event set resolution = 'accepted' where file_name = 'last.json'",
        &["rejection ", "it is half closed"],
        false,
    ),
    (
        "update landing.rejected_event set resolution = 'dismissed', resolved_at = now()",
        &["rejection ", "its resolution contradicts dismissed_by"],
        false,
    ),
    (
        "insert into landing.rejected_event (source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason,
                                             detail, document, run_id)
         select source, inbox, file_name, file_modified_at, file_changed_at, file_size, reason, detail, document, run_id
         from landing.rejected_event where source = 'cards'",
        &["its file has a later rejection that is open or dismissed too"],
        false,
    ),
    (
        "update landing.rejected_event set run_id = 9999",
        &["it was rejected by run 9999, of which etl.run has no row"],
        false,
    ),
    (
        "update landing.rejected_event set resolved_at = now(), resolution = 'superseded', resolved_run_id = 9999",
        &["it was closed by run 9999, of which etl.run has no row", "users/odd\\xFF.json: it changed at"],
        false,
    ),
    (
        "update landing.rejected_event set document = null where file_name = 'last.json'",
        &["its document is missing"],
        false,
    ),
    (
        "update landing.rejected_event set document = 'x' where source = 'users'",
        &["users/odd\\\\.json: it changed at", "users/odd\\xFF.json: it changed at"],
        false,
    ),
    (
        "delete from landing.rejected_event where source = 'users'",
        &["users/odd\\\\.json: it changed at", "users/odd\\xFF.json", "is in no table: the document is a list"],
        false,
    ),
    (
        "delete from etl.checkpoint where source = 'users'",
        &["counter loaded of the inbox main: its checkpoints add up to 20, and its runs to 40"],
        false,
    ),
    (
        "select etl.request_rebuild('card')",
        &["warehouse.dim_card: a migration has requested to rebuild it, and that is not done; `etl migrate`"],
        false,
    ),
];

#[test]
fn names_that_are_passed_over_are_counted() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    let says = |others: &str| {
        let (status, out) = verify(&loader);
        let said = format!(
            "all is well: 1 event, 1 version, 1 run, 0 open rejections; 1 file in the inbox, 0 of them not processed yet{others}; "
        );
        assert!(status == 0 && out.starts_with(&said), "{out}");
    };
    // What the services keep there is no event, nor is a file that is still being written.
    for name in ["users/.lock", "users/.growing.tmp", "cards/__id_counter"] {
        loader.put(name, "7");
    }
    says("");
    loader.put("users/2.json.gz", "");
    says(", 1 other name");
    loader.put("cards/UPPER.JSON", "{}");
    loader.put("cards/.hidden.json", "{}");
    says(", 3 other names");
    let said = loader.etl(&["verify", "--json"]);
    assert!(said.out.contains("\"other_names\":3"), "{}", said.out);
}

#[test]
fn every_kind_of_damage_is_found_and_named() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut client = loader.client();
    // What would refuse the damage.
    client
        .batch_execute(
            "alter table warehouse.dim_user drop constraint dim_user_next;
             alter table warehouse.dim_card drop constraint dim_card_next;
             alter table warehouse.dim_user drop constraint dim_user_start, drop constraint dim_user_finite;
             alter table warehouse.dim_card drop constraint dim_card_start;
             drop index warehouse.dim_user_end, warehouse.dim_user_current,
                        warehouse.dim_card_end, warehouse.dim_card_current;
             alter table etl.run drop constraint run_check;
             alter table landing.rejected_event
               drop constraint rejected_event_check, drop constraint rejected_event_check1,
               drop constraint rejected_event_check2;
             drop index landing.rejected_event_file",
        )
        .expect("the constraints are there");
    for (damage, words, is_rebuilt) in DAMAGES {
        loader.empty();
        fill(&loader);
        check_sound(&loader);
        client
            .batch_execute(damage)
            .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        let (status, out) = verify(&loader);
        assert_eq!(status, 1, "{damage}");
        for word in *words {
            assert!(out.contains(word), "{damage}: {word:?} is missing:\n{out}");
        }
        assert!(
            out.lines()
                .last()
                .is_some_and(|line| line.starts_with("not all is well: ")),
            "{out}"
        );
        assert!(!out.contains("touch"), "{out}");
        if *is_rebuilt {
            let said = loader.etl(&["rebuild"]);
            assert_eq!(said.status, 0, "{damage}: {}{}", said.out, said.log);
            check_sound(&loader);
        }
    }
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
    loader
        .client()
        .batch_execute(
            "update etl.checkpoint set offset_at = clock_timestamp() where inbox = 'other'",
        )
        .expect("the metadata can be changed");
    assert_eq!(verify_other(&name), (1.into(), 0.into()));
    check_sound(&loader);
}

#[test]
fn what_is_printed_cannot_steer_a_terminal_or_forge_a_line() {
    let loader = Loader::new();
    fill(&loader);
    let forged = "x\u{1b}[2J\nall is well: 40 events";
    loader
        .client()
        .execute(
            "update warehouse.dim_user set job = $1 where user_id = 1 and is_current",
            &[&forged],
        )
        .expect("the dimension can be changed");
    let odd = loader
        .inbox()
        .join("users")
        .join("y\u{1b}[2J\nall is well.json");
    fs::write(odd, "[").expect("the inbox can be written");
    pass_over(&loader);
    let (status, out) = verify(&loader);
    assert_eq!(status, 1);
    assert!(!out.contains('\u{1b}'), "{out:?}");
    assert!(
        out.lines().all(|line| !line.starts_with("all is well")),
        "{out}"
    );
    for words in [
        r#"found "x\u{1b}[2J\nall is well: 40 events""#,
        r"users/y\u{1b}[2J\nall is well.json: it changed",
    ] {
        assert!(out.contains(words), "{words} is missing:\n{out}");
    }
}

#[test]
fn what_is_advised_about_lost_events_helps() {
    let loader = Loader::new();
    fill(&loader);
    // Without this one, which repeats what was known, no version is another.
    let lost = "from landing.user_event where user_id = 1 and event_at = '2026-11-23 20:10:20+00'";
    let run_id = loader.value(&format!("select run_id {lost}"));
    loader
        .client()
        .batch_execute(&format!("delete {lost}"))
        .expect("landing can be changed");
    let (_, out) = verify(&loader);
    let said =
        format!("run {run_id}: it loaded 8 events, and landing has 7 of them; `etl run --since`");
    assert!(out.contains(&said), "{out}");
    assert_eq!(loader.run(&["--since", "1d"])["loaded"], 1);
    assert_eq!(verify(&loader).0, 1);
    let rebuilt = loader.etl(&["rebuild"]);
    assert!(
        rebuilt.status == 0
            && rebuilt
                .out
                .contains("loaded events deleted from landing: 1"),
        "{}{}",
        rebuilt.out,
        rebuilt.log
    );
    check_sound(&loader);
    assert_eq!(
        loader.query("select run_id, lost from etl.run where lost > 0"),
        [format!("{run_id}|1")]
    );
}

#[test]
fn runs_that_go_on_meanwhile_are_no_damage() {
    let loader = Loader::new();
    loader.run(&[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    number += 1;
                    let at = format!(
                        "2026-11-23 20:{:02}:{:02}",
                        number * 7 % 60,
                        number * 11 % 60
                    );
                    let event = card_event(
                        &event_id(number),
                        &at,
                        (number % 3) as i64,
                        1,
                        number % 2 == 0,
                    );
                    loader.put(&format!("cards/{number}.json"), event.to_string());
                }
                loader.run(&["--overlap", "100ms", "--batch-size", "7"]);
            }
        });
        for _ in 0..12 {
            let said = loader.etl(&["verify", "--overlap", "100ms"]);
            if said.status != 0 {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(said.status, 0, "{}{}", said.out, said.log);
        }
        done.store(true, Ordering::Relaxed);
    });
}
