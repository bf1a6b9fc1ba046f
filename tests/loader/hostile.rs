//! Input that somebody has thought about: names, kinds of files, sizes, and what stands in them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::json;

use crate::books;
use crate::loader::{Loader, card_event, event_id, numbered_user, said, user_event};
use crate::server::is_root;

/// What a careless program would carry out.
const SQL: &str = "x'); drop table landing.user_event; -- \" $1 %s {} \\' \u{202e}";

#[test]
fn a_folder_that_is_a_link_is_read_and_links_devices_and_sockets_in_it_are_not() {
    let loader = Loader::new();
    // The operator's own link, to another disk say.
    let elsewhere = loader.path("elsewhere");
    fs::rename(loader.path("users"), &elsewhere).expect("the inbox can be changed");
    symlink(&elsewhere, loader.path("users")).expect("a link can be made");
    loader.put_user(1);

    let secret = loader.path("secret.json");
    fs::write(
        &secret,
        user_event(&event_id(2), "2026-11-23 20:10:20", 2, "Secret", 1.0).to_string(),
    )
    .expect("the temporary folder can be written");
    let mut strange = vec!["link", "dangling", "zero", "loop", "to_event", "socket"];
    for (name, target) in [
        ("link", secret.as_path()),
        ("dangling", "/nowhere".as_ref()),
        ("zero", "/dev/zero".as_ref()),
        ("loop", "loop.json".as_ref()),
        ("to_event", "1.json".as_ref()),
    ] {
        symlink(target, loader.path(&format!("users/{name}.json"))).expect("a link can be made");
    }
    let _socket =
        UnixListener::bind(loader.path("users/socket.json")).expect("a socket can be made");
    let device = loader.path("users/device.json");
    let mknod = Command::new("mknod")
        .arg(&device)
        .args(["c", "1", "5"])
        .output();
    if is_root() && mknod.is_ok_and(|output| output.status.success()) {
        strange.push("device");
    } else {
        println!("without a device, which this user cannot make");
    }

    let said = loader.etl(&["run", "--json", "--settle", "0s"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"files\":1"), "{}", said.out);
    assert_eq!(
        said.log.matches("] ignored: ").count(),
        strange.len(),
        "{}",
        said.log
    );
    for name in &strange {
        assert!(
            said.tells("ignored", &format!("users/{name}.json")),
            "{}",
            said.log
        );
    }
    let held = loader.query(
        "select name from landing.user_event union all select name from warehouse.dim_user
         union all select file_name from landing.rejected_event",
    );
    assert_eq!(held, ["Ann", "Ann"]);
    assert_eq!(loader.run(&[])["files"], 0);
    for name in &strange {
        fs::remove_file(loader.path(&format!("users/{name}.json"))).expect("the inbox is ours");
    }
    books::check(&loader);
}

#[test]
fn files_of_a_gigabyte_are_rejected_unread_in_little_memory() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(0);
    for number in 1..=50 {
        File::create(loader.path(&format!("users/{number}.json")))
            .and_then(|file| file.set_len(1 << 30))
            .expect("the inbox can be written");
    }
    // 256 MiB of addresses, of which the program itself takes some.
    let run = loader.command(&["run", "--json"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -v 262144; exec \"$@\"", "sh"])
        .arg(run.get_program())
        .args(run.get_args());
    for (name, value) in run.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let said = said(limited.output().expect("sh can be started"));
    assert_eq!(said.status, 0, "{}", said.log);
    for counted in ["\"loaded\":1", "\"rejected\":50"] {
        assert!(said.out.contains(counted), "{}", said.out);
    }
    assert_eq!(
        loader.query(
            "select distinct reason, file_size, document is null from landing.rejected_event"
        ),
        [format!("too_large|{}|true", 1 << 30)]
    );
}

#[test]
fn a_file_may_have_any_name() {
    let loader = Loader::new();
    let longest = ["x".repeat(250), ".json".to_owned()].concat();
    let names: Vec<&[u8]> = vec![
        b"two\nlines.json",
        b"\xff\xfe not utf-8.json",
        b"\\xFF\\xFE not utf-8.json",
        b"\x1b[31mred\x07.json",
        b"'; drop table etl.checkpoint; --.json",
        b"%s $1 {} \t\r\".json",
        " \u{202e}\u{9b}nosj.json".as_bytes(),
        longest.as_bytes(),
        b"-rf.json",
    ];
    for (number, name) in names.iter().enumerate() {
        let folder = loader.path("users");
        fs::write(
            folder.join(OsStr::from_bytes(name)),
            numbered_user(number as u64).to_string(),
        )
        .expect("the inbox can be written");
        let folder = loader.path("cards");
        fs::write(folder.join(OsStr::from_bytes(name)), "[]").expect("the inbox can be written");
    }
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"loaded\":9"), "{}", said.out);
    // A line of the log is one file's, whatever its name.
    let rejections = said
        .log
        .lines()
        .filter(|line| line.contains("] rejected: ") && line.contains("/cards/"));
    assert_eq!(rejections.count(), names.len(), "{}", said.log);
    assert!(
        !said.log.contains(['\x1b', '\x07', '\r', '\t', '\u{202e}']),
        "{}",
        said.log
    );
    assert_eq!(
        loader.value("select count(distinct file_name) from landing.user_event"),
        "9"
    );
    assert_eq!(
        loader.value("select file_name from landing.user_event where user_id = 1"),
        "\\xFF\\xFE not utf-8.json"
    );
    assert_eq!(loader.run(&[])["files"], 0);
    books::check(&loader);
}

#[test]
fn sql_in_any_string_is_text() {
    let loader = Loader::new();
    let strings = [
        ("user", "name"),
        ("user", "address"),
        ("user", "job"),
        ("card", "created_by_name"),
    ];
    for (number, (kind, field)) in (1..).zip(strings) {
        let mut event = match kind {
            "user" => numbered_user(number),
            _ => card_event(
                &event_id(number),
                "2026-11-23 20:10:20",
                number as i64,
                3,
                true,
            ),
        };
        event["payload"][field] = json!(SQL);
        event["payload"]["unknown"] = json!({ SQL: SQL });
        loader.put(&format!("users/{number}.json"), event.to_string());
    }
    // Where no such text is allowed, it is named and kept.
    let others = [
        ("metadata", "type"),
        ("metadata", "event_id"),
        ("metadata", "event_at"),
        ("payload", "id"),
        ("payload", "score"),
    ];
    for (number, (part, field)) in others.iter().enumerate() {
        let mut event = numbered_user(100);
        event[part][field] = json!(SQL);
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    let summary = loader.run(&[]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&json!(4), &json!(5))
    );
    let mut client = loader.client();
    let texts: Vec<String> = client
        .query(
            "select name from landing.user_event where user_id = 1
             union all select address from warehouse.dim_user where user_id = 2
             union all select job from warehouse.user_current where user_id = 3
             union all select created_by_name from warehouse.dim_card
             union all select extra -> 'payload' -> 'unknown' ->> $1 from landing.card_event",
            &[&SQL],
        )
        .expect("the tables are there")
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(texts, [SQL; 5]);
    for (_, field) in others {
        let of_field =
            format!("select count(*) from landing.rejected_event where detail like '%.{field} %'");
        assert_eq!(loader.value(&of_field), "1", "{field}");
    }
    assert_eq!(loader.run(&["--since", "1d"])["duplicates"], 4);
}

#[test]
fn no_document_breaks_a_run() {
    let loader = Loader::new();
    let good = numbered_user(0).to_string();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replacen(from, to, 1).into_bytes()
    };
    let lists = "[".repeat(500_000);
    let objects = "{\"a\":".repeat(170_000);
    let digits = "9".repeat(1_000_000);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut documents: Vec<(Vec<u8>, &str)> = vec![
        (lists.clone().into_bytes(), "truncated"),
        (objects.into_bytes(), "truncated"),
        (
            with(
                "\"metadata\":{",
                &format!("\"metadata\":{{\"x\":{},", deep(100_000)),
            ),
            "too_deep",
        ),
        (
            with(
                "\"metadata\":",
                &format!("\"x\":{},\"metadata\":", deep(100_000)),
            ),
            "too_deep",
        ),
        (with("\"Ann\"", &deep(100_000)), "wrong_type"),
        (
            with("\"id\":0", &format!("\"id\":{digits}")),
            "out_of_range",
        ),
        (
            with("\"id\":0", &format!("\"id\":-{digits}")),
            "out_of_range",
        ),
        (with("\"id\":0", "\"id\":1e400"), "wrong_type"),
        (
            with("\"id\":0", &format!("\"id\":0,\"x\":{digits}")),
            "out_of_range",
        ),
        (with("\"id\":0", "\"id\":0,\"x\":1e-20000"), "out_of_range"),
        (with("1.0", &format!("1{digits}")), "out_of_range"),
        (with("1.0", "-1e999999999999"), "out_of_range"),
        (
            with("\"metadata\"", "\"metadata\":{},\"metadata\""),
            "duplicate_field",
        ),
        (
            with("\"payload\"", "\"payload\":1,\"payload\""),
            "duplicate_field",
        ),
        (
            with("\"type\"", "\"type\":\"card\",\"type\""),
            "duplicate_field",
        ),
        (
            with("\"id\":0", "\"id\":0,\"x\":1,\"x\":1"),
            "duplicate_field",
        ),
        (
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "not_utf8",
        ),
        (vec![0; 4096], "invalid_json"),
        (vec![0xff; 4096], "not_utf8"),
        (with("\"Ann\"", "\"A\u{1}n\""), "invalid_json"),
    ];
    // Half of a surrogate pair, and NUL, in every string.
    for field in ["name", "address", "job", "type", "event_at", "event_id"] {
        for half in [
            "\\ud800",
            "\\udc00",
            "\\ud800\\ud800",
            "\\udc00\\ud800",
            "\\u0000",
        ] {
            documents.push((
                with(&format!("\"{field}\":\""), &format!("\"{field}\":\"{half}")),
                "invalid_text",
            ));
        }
    }
    for (number, (document, _)) in documents.iter().enumerate() {
        loader.put(&format!("users/{number:03}.json"), document);
    }
    loader.put("users/good.json", &good);
    let summary = loader.run(&["--settle", "0s"]);
    assert_eq!(
        (&summary["loaded"], &summary["rejected"]),
        (&json!(1), &json!(documents.len()))
    );
    let reasons = loader
        .query("select reason, left(detail, 99) from landing.rejected_event order by file_name");
    for (number, (reason, (document, expected))) in reasons.iter().zip(&documents).enumerate() {
        let begin = String::from_utf8_lossy(&document[..document.len().min(99)]);
        assert_eq!(
            reason.split('|').next(),
            Some(*expected),
            "{number}: {reason}: {begin}"
        );
    }
}
