//! A file that is rejected and then changes: at most one rejection of a file is open, with the latest
//! content.

use std::fs;

use serde_json::Value;

use crate::books;
use crate::loader::{Loader, numbered_user};
use crate::lost_files::pass_over;
use crate::verify::check_sound;

/// A run for which every file has settled.
fn run(loader: &Loader) -> Value {
    loader.run(&["--settle", "0s"])
}

/// Writes to a file of the users as it is.
fn write(loader: &Loader, name: &str, content: impl AsRef<[u8]>) {
    fs::write(loader.path(&format!("users/{name}")), content).expect("the inbox can be written");
}

/// What there is of rejections: the file, the reason, the resolution, and the content.
fn rejections(loader: &Loader) -> Vec<String> {
    loader.query(
        "select file_name, reason, resolution, convert_from(document, 'UTF8') as content
         from landing.rejected_event order by rejected_id",
    )
}

#[test]
fn a_file_to_which_events_are_appended_is_one_rejection_with_its_latest_content() {
    let loader = Loader::new();
    let mut content = String::new();
    for number in 1..=8 {
        content.push_str(&numbered_user(number).to_string());
        content.push('\n');
        write(&loader, "all.json", &content);
        let summary = run(&loader);
        let counts = ["files", "loaded", "rejected"].map(|field| &summary[field]);
        match number {
            1 => assert_eq!(counts, [1, 1, 0]),
            _ => assert_eq!(counts, [1, 0, 1]),
        }
    }
    assert_eq!(
        loader.query(
            "select rejected_id, resolved_at, run_id, file_size, octet_length(document) from landing.rejected_event"
        ),
        [format!("1||8|{0}|{0}", content.len())]
    );
    // The first event alone stays, and a good version of the file closes the rejection.
    write(&loader, "all.json", numbered_user(9).to_string());
    assert_eq!(run(&loader)["loaded"], 1);
    assert_eq!(
        loader.query("select resolution, resolved_run_id from landing.rejected_event"),
        ["accepted|9"]
    );
    books::verify(&loader);
}

#[test]
fn a_file_that_is_written_slowly_is_one_rejection_until_it_is_whole() {
    let loader = Loader::new();
    let whole = numbered_user(1).to_string();
    for end in [0, 10, 60, 120] {
        write(&loader, "slow.json", &whole[..end]);
        assert_eq!(run(&loader)["rejected"], 1, "{end}");
        assert_eq!(run(&loader)["files"], 0, "{end}");
    }
    assert_eq!(
        rejections(&loader),
        [format!("slow.json|truncated||{}", &whole[..120])]
    );
    write(&loader, "slow.json", &whole);
    assert_eq!(run(&loader)["loaded"], 1);
    books::settle(&loader);
    assert_eq!(
        loader.query("select resolution from landing.rejected_event"),
        ["accepted"]
    );
}

#[test]
fn other_content_supersedes_an_earlier_rejection() {
    let loader = Loader::new();
    for content in ["[1]", "[2]", "[2", "{}", "{} {}"] {
        write(&loader, "x.json", content);
        assert_eq!(run(&loader)["rejected"], 1, "{content}");
    }
    assert_eq!(
        rejections(&loader),
        [
            "x.json|not_an_object|superseded|[1]",
            "x.json|not_an_object|superseded|[2]",
            "x.json|truncated|superseded|[2",
            "x.json|invalid_json||{} {}",
        ]
    );
    // The same content again, by a backfill, is the same rejection.
    assert_eq!(
        loader.run(&["--since", "1d", "--settle", "0s"])["rejected"],
        1
    );
    assert_eq!(rejections(&loader).len(), 4);
}

#[test]
fn a_rejection_that_was_dismissed_is_open_again_only_with_other_content() {
    let loader = Loader::new();
    write(&loader, "x.json", "[1]");
    run(&loader);
    loader.execute(
        "update landing.rejected_event
         set resolved_at = now(), resolution = 'dismissed', dismissed_by = current_user, note = 'a test'",
    );
    // Read again, and counted, and nobody hears of it.
    assert_eq!(
        loader.run(&["--since", "1d", "--settle", "0s"])["rejected"],
        1
    );
    assert_eq!(rejections(&loader), ["x.json|not_an_object|dismissed|[1]"]);
    write(&loader, "x.json", "[1] ");
    assert_eq!(run(&loader)["rejected"], 1);
    assert_eq!(
        rejections(&loader),
        [
            "x.json|not_an_object|superseded|[1]",
            "x.json|not_an_object||[1] "
        ]
    );
    assert_eq!(
        loader.query("select note from landing.rejected_event order by rejected_id"),
        ["a test", ""]
    );
}

/// Of a file that is too large only the size is known.
#[test]
fn another_file_that_is_too_large_is_another_rejection() {
    let loader = Loader::new();
    let run_large = |size: usize| {
        loader.put("users/big.json", format!("[{}]", " ".repeat(size - 2)));
        assert_eq!(loader.run(&["--max-file-size", "50"])["rejected"], 1);
    };
    let rejections = || {
        loader.query(
            "select file_size, coalesce(resolution, 'open') from landing.rejected_event order by rejected_id",
        )
    };
    let dismiss = || {
        let said = loader.etl(&[
            "rejected",
            "dismiss",
            "--reason",
            "too_large",
            "--note",
            "a test",
        ]);
        assert_eq!(said.status, 0, "{}", said.log);
    };
    run_large(200);
    dismiss();
    run_large(200);
    assert_eq!(rejections(), ["200|dismissed"]);
    run_large(300);
    assert_eq!(rejections(), ["200|superseded", "300|open"]);
    // One that grows is the same file.
    run_large(400);
    assert_eq!(rejections(), ["200|superseded", "400|open"]);
    run_large(100);
    assert_eq!(
        rejections(),
        ["200|superseded", "400|superseded", "100|open"]
    );
    dismiss();
    run_large(150);
    assert_eq!(
        rejections(),
        [
            "200|superseded",
            "400|superseded",
            "100|superseded",
            "150|open"
        ]
    );
    pass_over(&loader);
    check_sound(&loader);
}

#[test]
fn a_backfill_in_small_batches_rejects_no_file_twice() {
    let loader = Loader::new();
    write(&loader, "x.json", "[1]");
    // In one batch with others, in several batches, and again in one batch for each.
    for number in 0..5 {
        write(&loader, &format!("{number}.json"), "[]");
    }
    loader.run(&["--settle", "0s", "--batch-size", "2"]);
    loader.run(&["--settle", "0s", "--batch-size", "1", "--since", "1d"]);
    assert_eq!(
        loader.query(
            "select file_name, count(*) from landing.rejected_event group by 1 having count(*) > 1"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        loader.value("select count(*) from landing.rejected_event"),
        "6"
    );
}
