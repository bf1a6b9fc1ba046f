//! `etl report`: the page is self-contained, names its warehouse, its problems and its content, and no
//! text becomes markup.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::Command;

use serde_json::json;

use crate::loader::{Loader, card_event, event_id, said, user_event};
use crate::server::{is_root, server};

/// Writes the report to standard output.
fn page(loader: &Loader) -> String {
    let said = loader.etl(&["report", "-"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    check(&said.out);
    said.out
}

/// Every element is closed in its order, every attribute is in quotes and there once, every id is
/// there once, every chart has its words, and nothing asks for anything from elsewhere.
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
            "strong",
            "ul",
            "li",
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
        let mut attributes = Vec::new();
        for (place, attribute) in tag.match_indices("=\"") {
            let name = tag[..place].rsplit(' ').next().unwrap_or_default();
            assert!(
                !name.starts_with("on") && !["href", "src", "style"].contains(&name),
                "<{tag}>"
            );
            assert!(!attributes.contains(&name), "{name} twice: <{tag}>");
            attributes.push(name);
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

/// The figure of the chart with this id.
fn figure<'a>(page: &'a str, id: &str) -> &'a str {
    let title = format!("<title id=\"{id}-title\">");
    let at = page
        .find(&title)
        .unwrap_or_else(|| panic!("no chart {id} in {}", body(page)));
    let (before, behind) = page.split_at(at);
    let start = before.rfind("<figure>").expect("it is in a figure");
    let end = at + behind.find("</figure>").expect("the figure ends");
    &page[start..end]
}

/// The cells of the first table after a text, without markup.
fn table(page: &str, behind: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.split_once(behind).expect("the text before the table");
    let (_, rest) = rest.split_once("<tbody>").expect("a table");
    let (rows, _) = rest.split_once("</tbody>").expect("its end");
    let text = |cell: &str| {
        let (_, mut rest) = cell.split_once('>').expect("a cell begins");
        let mut text = String::new();
        while let Some((piece, tag)) = rest.split_once('<') {
            text.push_str(piece);
            rest = tag.split_once('>').map_or("", |(_, rest)| rest);
        }
        text
    };
    rows.split("<tr>")
        .skip(1)
        .map(|row| row.split("<td").skip(1).map(text).collect())
        .collect()
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
        "✓ Healthy",
        "No event has been loaded",
        "There are no active cards yet",
        "No file has been rejected",
        "No run has found a file yet",
    ] {
        assert!(page.contains(sentence), "{sentence}");
    }
}

#[test]
fn the_report_says_which_warehouse_it_is_of_and_what_is_wrong() {
    let loader = Loader::new();
    let migrated = loader.etl(&["migrate"]);
    assert_eq!(migrated.status, 0, "{}", migrated.log);
    let report = |url: &str| {
        let mut command = loader.command(&["report", "-"]);
        let output = command.env("DATABASE_URL", url).output();
        let written = said(output.expect("etl can be started"));
        assert_eq!((written.status, written.log.as_str()), (0, ""));
        check(&written.out);
        written.out
    };
    let page = report(&server().tcp_url(&loader.database));
    let database = &loader.database;
    let port = server().port;
    for words in [
        format!("<title>{database} on 127.0.0.1 – warehouse report</title>"),
        format!(
            "Database <strong><bdi>{database}</bdi></strong> on <strong>127.0.0.1</strong>, port {port}, PostgreSQL "
        ),
    ] {
        assert!(
            page.contains(&words),
            "{words} is missing in {}",
            body(&page)
        );
    }
    let by_socket = self::page(&loader);
    let words = format!(", by the socket of port {port}, PostgreSQL ");
    assert!(by_socket.contains(&words), "{}", body(&by_socket));

    // No run has scanned either source.
    let problems = page.split_once("2 problems").map(|(_, problems)| problems);
    let (problems, _) = problems
        .and_then(|problems| problems.split_once("</ul>"))
        .unwrap_or_else(|| panic!("no problems in {}", body(&page)));
    for source in ["users", "cards"] {
        assert!(
            problems.contains(source),
            "{source} is missing in {problems}"
        );
    }
    assert_eq!(problems.matches("<li>").count(), 2, "{problems}");
    let totals = page.find("<dl class=\"totals\">").expect("the totals");
    assert!(page.find("2 problems").expect("problems") < totals);
    loader.run(&[]);
    assert!(self::page(&loader).contains("✓ Healthy"));
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
        "The charts of events show 23\u{a0}Nov\u{a0}2026\u{a0}UTC. \
         Left out, far from the rest: 1 event of 442.",
        "<title id=\"card-events-title\">Card events per 10 seconds</title>",
        "at most 400 per",
        "<dt>Cards</dt><dd>5<small>41 versions</small>",
        "<dt>Active cards</dt><dd>1<small>of 5</small>",
        "<dt>Cards without user</dt><dd>1<",
        "<dt>Events loaded</dt><dd>442<",
        "<dt>Duplicates</dt><dd>0<",
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

    // One spike does not flatten the rest, four cards a minute.
    let cards = figure(&page, "card-events");
    assert!(cards.contains("↑ 400</text>"), "{cards}");
    assert!(cards.contains("higher than the chart"), "{cards}");
    assert_eq!(cards.matches("class=\"gap\"").count(), 1, "{cards}");
    assert!(cards.contains(">6</text>"), "{cards}");
    let users = figure(&page, "user-events");
    assert!(!users.contains("higher than the chart"), "{users}");

    // Newest first.
    let figures = table(&page, "id=\"card-events-title\"");
    let times: Vec<&String> = figures.iter().map(|row| &row[0]).collect();
    assert!(times.len() > 50, "{times:?}");
    assert!(times.is_sorted_by(|one, next| one > next), "{times:?}");
    let busiest = figures.iter().find(|row| row[0] == "2026-11-23 20:15:30");
    let busiest: Vec<&str> = busiest.expect("a row").iter().map(String::as_str).collect();
    assert_eq!(busiest, ["2026-11-23 20:15:30", "0", "400"]);
}

#[test]
fn users_and_cards_have_their_colours_and_nothing_else_has_them() {
    let loader = Loader::new();
    loader.put_user(7);
    for number in 0..2 {
        let at = format!("2026-11-23 20:10:2{number}");
        let event = card_event(&event_id(20 + number), &at, 1, 7, number == 0);
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    loader.put("cards/bad.json", "[]");
    loader.run(&[]);
    loader.run(&["--since", "7d"]);
    let page = page(&loader);
    for (hue, ids) in [
        ("users", ["user-events", "user-versions"].as_slice()),
        ("cards", &["card-events", "card-versions", "active-cards"]),
        ("rejected", &["rejected-share", "rejected-files", "reasons"]),
        (
            "everything",
            &[
                "delay",
                "to-file",
                "to-warehouse",
                "run-durations",
                "run-rates",
                "duplicates",
            ],
        ),
    ] {
        let rule = format!(".{hue} {{ --hue: ");
        assert_eq!(
            page.matches(&rule).count(),
            2,
            "{hue} in the light and the dark"
        );
        for id in ids {
            let figure = figure(&page, id);
            for other in ["users", "cards", "rejected", "everything"] {
                let is_there = figure.contains(&format!("class=\"{other}"));
                assert_eq!(is_there, other == hue, "{other} in {figure}");
            }
        }
    }

    // The key is above the chart, in the colour and the order of the lines; no name covers a line.
    for id in ["delay", "run-durations"] {
        let figure = figure(&page, id);
        let (caption, chart) = figure.split_once("</figcaption>").expect("a caption");
        let high = caption.find("<span class=\"everything key broken\">95th percentile</span>");
        let median = caption.find("<span class=\"everything key whole\">median</span>");
        assert!(high.is_some() && high < median, "{caption}");
        let svg = chart.split("<details>").next().unwrap_or_default();
        assert!(
            !svg.contains(">95th percentile<") && !svg.contains(">median<"),
            "{svg}"
        );
    }
}

#[test]
fn the_share_of_rejected_files_has_its_denominator() {
    let loader = Loader::new();
    let at = |second: u64| (1_795_464_620 + second) * 1_000_000;
    let put = |name: &str, content: &str, second| {
        loader.put_modified(&format!("cards/{name}.json"), content, at(second));
    };
    for number in 0..8 {
        let event = card_event(
            &event_id(number),
            "2026-11-23 20:10:20",
            number as i64,
            7,
            true,
        );
        // Three files in the first second and five in the tenth.
        put(
            &number.to_string(),
            &event.to_string(),
            if number < 3 { 0 } else { 9 },
        );
    }
    put("bad", "[]", 0);
    put("worse", "[1]", 4);
    loader.run(&[]);
    // The rejected and the good version of a file both count.
    let event = card_event(&event_id(50), "2026-11-23 20:10:20", 50, 7, true);
    put("worse", &event.to_string(), 9);
    loader.run(&[]);

    let page = page(&loader);
    assert!(
        page.contains("18% of 11 files: 2 rejected, including those resolved since."),
        "{}",
        body(&page)
    );
    let rows: Vec<Vec<String>> = table(&page, "id=\"rejected-files-title\"")
        .into_iter()
        .filter(|row| row[3] != "0")
        .collect();
    let shown: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| row.iter().map(String::as_str).collect())
        .collect();
    assert_eq!(
        shown,
        [
            ["2026-11-23 20:10:29", "0%", "0", "6"],
            ["2026-11-23 20:10:24", "100%", "1", "1"],
            ["2026-11-23 20:10:20", "25%", "1", "4"],
        ]
    );
    let share = figure(&page, "rejected-share");
    assert!(share.contains(">100%</text>"), "{share}");
    assert!(share.contains("at most 100% per second."), "{share}");
}

#[test]
fn runs_are_listed_newest_first_with_their_duplicates() {
    let loader = Loader::new();
    for number in 0..3 {
        loader.put_user(number);
    }
    loader.put("users/bad.json", "[]");
    loader.run(&[]);
    loader.put_user(3);
    loader.run(&[]);
    loader.run(&["--since", "7d"]);

    let page = page(&loader);
    assert!(
        page.contains("<dt>Duplicates</dt><dd>4<"),
        "{}",
        body(&page)
    );
    let runs = table(&page, "The newest runs that found something");
    // Number, start, duration and rate differ from test to test.
    let counts: Vec<Vec<&str>> = runs
        .iter()
        .map(|run| {
            let cells = [2, 5, 6, 7, 8, 9].iter();
            cells.map(|cell| run[*cell].as_str()).collect()
        })
        .collect();
    assert_eq!(
        counts,
        [
            ["users, cards (backfill)", "5", "0", "4", "1", "0"],
            ["users, cards", "1", "1", "0", "0", "0"],
            ["users, cards", "4", "3", "0", "1", "0"],
        ]
    );
    for run in &runs {
        assert!(run[3].ends_with('s') && run[3] != "0 s", "{run:?}");
        assert!(run[4].replace(',', "").parse::<u64>().is_ok(), "{run:?}");
    }
    let figures = table(&page, "id=\"duplicates-title\"");
    let sum = |column: usize| -> u64 {
        let cells = figures.iter().map(|row| row[column].parse::<u64>());
        cells.map(|number| number.expect("a number")).sum()
    };
    // Runs, files and duplicates.
    assert_eq!([sum(1), sum(5), sum(6)], [3, 10, 4]);
}

#[test]
fn each_inbox_has_its_row_of_freshness() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    assert!(!page(&loader).contains(">Inbox<"));
    loader.run(&["--inbox-name", "host-2"]);
    let page = page(&loader);
    assert!(page.contains(">Inbox<"), "{}", body(&page));
    let rows = table(&page, "Freshness of the sources");
    let counts: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            let cells = [0, 1, 5, 6].iter();
            cells.map(|cell| row[*cell].as_str()).collect()
        })
        .collect();
    assert_eq!(
        counts,
        [
            ["users", "host-2", "0", "1"],
            ["users", "main", "1", "0"],
            ["cards", "host-2", "0", "0"],
            ["cards", "main", "0", "0"],
        ]
    );
}

/// The beginning of the page, for a readable message.
fn body(page: &str) -> &str {
    let (_, body) = page.split_once("<body>").unwrap_or_default();
    let end = body
        .char_indices()
        .nth(3_000)
        .map_or(body.len(), |(end, _)| end);
    &body[..end]
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
    // A reversed direction of writing cannot disguise a file.
    loader.put("cards/gnp\u{202e}fdp.\u{2066}json.json", "[]");
    loader.put("cards/שלום.json", "{}");
    loader.run(&[]);
    let page = page(&loader);
    assert_eq!(
        page.matches("&lt;/td&gt;&lt;/svg&gt;&lt;script&gt;alert('1')")
            .count(),
        2
    );
    assert!(
        page.contains("&amp;lt;{{style}}\\u{202e}\\u{7}</bdi>"),
        "the name, with escapes"
    );
    for file in [
        "<bdi>'&quot;&lt;script&gt;&amp;.json</bdi>",
        "<bdi>gnp\\u{202e}fdp.\\u{2066}json.json</bdi>",
        "<bdi>שלום.json</bdi>",
    ] {
        assert!(page.contains(file), "{file}");
    }
    let unseen = page.chars().find(|character| {
        character.is_control() && *character != '\n'
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(unseen, None);
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

#[test]
fn a_link_is_followed_and_a_pipe_is_written_to() {
    let loader = Loader::new();
    loader.run(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str| {
        let said = loader.etl(&["report", path(name).to_str().expect("a plain path")]);
        assert_eq!((said.status, said.log.as_str()), (0, ""), "{name}");
    };
    fs::create_dir(path("site")).expect("the folder is ours");
    fs::write(path("site/old.html"), "old").expect("the folder is ours");
    for page in ["old.html", "new.html"] {
        symlink(format!("site/{page}"), path(page)).expect("the folder is ours");
        write(page);
        assert!(path(page).is_symlink(), "{page}");
        check(&fs::read_to_string(path("site").join(page)).expect("the report"));
    }
    assert_eq!(fs::read_dir(path("site")).expect("the folder").count(), 2);

    let pipe = path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo can be started").success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).expect("the report"))
    };
    write("pipe");
    check(&reader.join().expect("the reader ends"));
    let kind = fs::metadata(&pipe).expect("the pipe").file_type();
    assert!(kind.is_fifo(), "{kind:?}");
}
