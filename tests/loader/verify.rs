//! `etl verify`: silent about what is right, and it finds and names every kind of damage.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::loader::{Loader, card_event, event_id, finish, said, user_event};
use crate::lost_files::pass_over;
use crate::obstacle::Obstacle;
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
    loader.execute("truncate etl.recent_file");
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

/// What a run has committed before the snapshot is not after the clock.
#[test]
fn the_clock_is_read_once_there_is_a_snapshot() {
    let loader = Loader::new();
    fill(&loader);
    let mut obstacle = Obstacle::table(&loader, "landing.user_event", "access exclusive");
    let verifying = loader.start(&["verify", "--json"]);
    obstacle.wait_for_runs(1);
    let waited_at = Utc::now();
    drop(obstacle);
    let said = finish(verifying);
    let found: Value = serde_json::from_str(&said.out).expect("the result is JSON");
    let verified_at = found["verified_at"].as_str().expect("a time");
    let verified_at: DateTime<Utc> = verified_at.parse().expect("a time");
    assert!(verified_at >= waited_at, "{verified_at}, {waited_at}");
}

#[test]
fn a_reader_can_verify() {
    let loader = Loader::new();
    fill(&loader);
    let reader = format!("{}_verifier", loader.database);
    loader.execute(&format!("create role {reader} login in role dwh_reader"));
    let mut command = loader.command(&["verify", "--overlap", "0s"]);
    command.env("DATABASE_URL", server().url_as(&reader, &loader.database));
    let said = said(command.output().expect("etl can be started"));
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
}

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
    loader.execute(&format!("delete {lost}"));
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
