//! `etl report`: the page stands alone, says what the warehouse holds, and no text becomes markup.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::loader::{Loader, card_event, event_id, user_event};
use crate::server::is_root;

/// Writes the report to standard output.
fn page(loader: &Loader) -> String {
    let said = loader.etl(&["report", "-"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    check(&said.out);
    said.out
}

/// Every element is closed in its order, every attribute is in quotes, every id is there once, every
/// chart has its words, and nothing asks for anything from elsewhere.
fn check(page: &str) {
    let (_, body) = page.split_once("<body>").expect("a body");
    let mut open = Vec::new();
    let mut ids = Vec::new();
    let mut rest = body;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, behind) = tag.split_once('>').expect("a tag ends");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(opened) => assert_eq!(opened, name),
                None => assert_eq!(name, "body"),
            }
            if name == "body" {
                break;
            }
            continue;
        }
        let name = tag.split(' ').next().unwrap_or_default();
        let known = [
            "main",
            "h1",
            "h2",
            "p",
            "dl",
            "div",
            "dt",
            "dd",
            "small",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "bdi",
            "figure",
            "figcaption",
            "span",
            "svg",
            "title",
            "desc",
            "g",
            "rect",
            "line",
            "path",
            "text",
            "details",
            "summary",
            "footer",
        ];
        assert!(known.contains(&name), "<{tag}>");
        open.push(name);
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        for (place, attribute) in tag.match_indices("=\"") {
            let name = tag[..place].rsplit(' ').next().unwrap_or_default();
            assert!(
                !name.starts_with("on") && !["href", "src", "style"].contains(&name),
                "<{tag}>"
            );
            if name == "id" {
                ids.push(tag[place + attribute.len()..].split('"').next());
            }
        }
    }
    assert_eq!(open, [] as [&str; 0]);
    let charts = page.matches("<svg class=").count();
    assert_eq!(ids.len(), 2 * charts, "a title and a description each");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2 * charts);
    for elsewhere in [
        "http:", "https:", "url(", "@import", "<script", "<link", "NaN", "inf",
    ] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn an_empty_warehouse_has_a_report_and_no_schema_has_none() {
    let loader = Loader::new();
    let said = loader.etl(&["report", "-"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.log.contains("no schema yet"), "{}", said.log);
    loader.run(&[]);
    let page = page(&loader);
    assert!(!page.contains("<svg"), "a chart of nothing");
    for sentence in [
        "No event has been loaded",
        "There are no cards yet",
        "No file has been rejected",
    ] {
        assert!(page.contains(sentence), "{sentence}");
    }
}

#[test]
fn the_report_counts_what_the_warehouse_holds() {
    let loader = Loader::new();
    for number in 0..40 {
        let at = format!("2026-11-23 20:{:02}:00", 10 + number / 4);
        let event = card_event(
            &event_id(number),
            &at,
            number as i64 % 4,
            7,
            number / 4 % 2 == 0,
        );
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    for number in 0..3 {
        loader.put(&format!("cards/bad{number}.json"), format!("[{number}]"));
    }
    loader.put_user(7);
    // A clock that was wrong once does not stretch the charts.
    for number in 100..500 {
        let event = card_event(&event_id(number), "2026-11-23 20:15:30", 9, 8, true);
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    let event = card_event(&event_id(500), "1970-01-01 00:00:00", 9, 8, true);
    loader.put("cards/500.json", event.to_string());
    loader.run(&[]);

    let page = page(&loader);
    let counts = [
        // Of 442 events one is outside, and so is half a per cent of the cards at either end.
        "The charts over time show 23\u{a0}Nov\u{a0}2026. Left out, far from the rest: 1 event.",
        "<title id=\"card-events-title\">Card events per 10 seconds</title>",
        "at most 400 per",
        "<dt>Cards</dt><dd>5<small>41 versions</small>",
        "<dt>Active cards</dt><dd>1<small>of 5</small>",
        "<dt>Cards without user</dt><dd>1<",
        "<dt>Events loaded</dt><dd>442<",
        "<dt>Files rejected</dt><dd>3<",
        "1: 1; 2: 0; 3: 0; 4: 0; 5: 0; 6 to 10: 4",
        "not_an_object",
        "From 1 to 1.",
    ];
    for count in counts {
        assert!(
            page.contains(count),
            "{count} is missing in {}",
            body(&page)
        );
    }
}

/// What stands on the page, for a message that can be read.
fn body(page: &str) -> &str {
    let (_, body) = page.split_once("<body>").unwrap_or_default();
    body.get(..3_000).unwrap_or(body)
}

#[test]
fn no_name_and_no_file_becomes_markup() {
    let hostile = "</td></svg><script>alert('1')</script><img src=x onerror=\"alert(2)\">&lt;{{style}}\u{202e}\u{7}";
    let loader = Loader::new();
    for number in 0..2 {
        let at = format!("2026-11-23 20:10:2{number}");
        let mut event = user_event(&event_id(number), &at, 7, hostile, number as f64);
        event["payload"]["job"] = json!(hostile);
        loader.put(&format!("users/{number}.json"), event.to_string());
        let event = card_event(&event_id(number), &at, 1, 7, number == 0);
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    let mut event = user_event(&event_id(9), "2026-11-23 20:10:20", 8, "Ann", 1.0);
    event["metadata"]["type"] = json!("<script>'\"&");
    loader.put("users/'\"<script>&.json", event.to_string());
    loader.run(&[]);
    let page = page(&loader);
    assert_eq!(
        page.matches("&lt;/td&gt;&lt;/svg&gt;&lt;script&gt;alert(&#39;1&#39;)")
            .count(),
        2
    );
    assert!(
        page.contains("&amp;lt;{{style}}\u{202e}\u{fffd}</bdi>"),
        "as it was, but for the bell"
    );
    assert!(
        page.contains("<bdi>&#39;&quot;&lt;script&gt;&amp;.json</bdi>"),
        "the file"
    );
}

#[test]
fn the_file_is_replaced_as_a_whole_and_nothing_is_left_aside() {
    let loader = Loader::new();
    loader.run(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("report.html");
    fs::write(&file, "old").expect("the folder is ours");
    let held_open = fs::File::open(&file).expect("the file is there");
    let path = file.to_str().expect("a plain path");
    let said = loader.etl(&["report", path]);
    assert_eq!(
        (said.status, said.out.as_str(), said.log.as_str()),
        (0, "", "")
    );
    check(&fs::read_to_string(&file).expect("the report"));
    // Who had the old page open still reads all of it.
    assert_eq!(
        std::io::read_to_string(held_open).expect("the old file"),
        "old"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    let mode = fs::metadata(&file)
        .expect("the report")
        .permissions()
        .mode();
    assert_eq!(mode & 0o600, 0o600, "{mode:o}");
    assert_eq!(mode & 0o111, 0, "{mode:o}");

    // Where it cannot be written, the sentence names the file and the old one stays.
    let missing = folder.path().join("missing/report.html");
    let said = loader.etl(&["report", missing.to_str().expect("a plain path")]);
    assert_eq!(said.status, 1);
    assert!(
        said.log
            .contains("missing/report.html could not be written"),
        "{}",
        said.log
    );
    if is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    } else {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).expect("ours");
    }
    fs::write(&file, "old").expect("the file is ours");
    let said = loader.etl_unprivileged(&["report", path]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert_eq!(fs::read_to_string(&file).expect("the old page"), "old");
}
