//! The queries in `sql/examples`: their answers about a set of events small enough to be checked by
//! eye, which are written down in `examples.expected`, and about the services' real output, where each
//! has a sum that a plainer query gives too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDateTime;
use postgres::SimpleQueryMessage;
use serde_json::json;

use crate::fixture::unpack;
use crate::loader::{Loader, card_event, event_id, user_event};
use crate::roles::member;
use crate::server::server;
use crate::tables::Tables;

/// Rows by the name of the query.
type Answers = BTreeMap<String, Vec<String>>;

/// The queries in `sql/examples`, by name.
fn queries() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/examples");
    fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            (
                name.into_owned(),
                fs::read_to_string(&path).expect("a query"),
            )
        })
        .collect()
}

/// Where a query has its parameters.
const PARAMETERS: &str = "params as (\n";

/// The query with the parameters that it proposes to put instead of its own; `None` if it has none.
fn with_proposed_parameters(name: &str, sql: &str) -> Option<String> {
    let (before, from) = sql.split_once(PARAMETERS)?;
    let (parameters, after) = from.split_once("\n),\n").expect("the end of a step");
    let proposed = parameters
        .lines()
        .find_map(|line| line.strip_prefix("  -- select "))
        .unwrap_or_else(|| panic!("{name} does not say how to put other parameters"));
    Some(format!(
        "{before}{PARAMETERS}  select {proposed}\n),\n{after}"
    ))
}

/// The rows of a query, without what depends on when the test runs.
fn answer(tables: &Tables, name: &str, sql: &str) -> Vec<String> {
    let rows = tables.query(sql.trim_end().trim_end_matches(';'));
    let changing = match name {
        "late_events" => "age",
        "cards_with_owners" => "key",
        _ => return rows,
    };
    rows.iter()
        .map(|row| match row.rsplit_once('|') {
            Some((rest, value)) if !value.is_empty() => format!("{rest}|{changing}"),
            _ => row.clone(),
        })
        .collect()
}

/// The answers in `examples.expected`: as the queries are, and with the parameters that they propose.
fn expected() -> (Answers, Answers) {
    let (mut as_they_are, mut proposed) = (Answers::new(), Answers::new());
    for section in include_str!("examples.expected").split("== ").skip(1) {
        let (name, rows) = section.split_once('\n').expect("a name and rows");
        let lines = |rows: &str| rows.trim_end().lines().map(str::to_owned).collect();
        let rows = match rows.split_once("-- with the parameters that it proposes\n") {
            Some((rows, other)) => {
                proposed.insert(name.to_owned(), lines(other));
                rows
            }
            None => rows,
        };
        as_they_are.insert(name.to_owned(), lines(rows));
    }
    (as_they_are, proposed)
}

/// Loads the set of events that `examples.expected` is about. Each file was last written at the time
/// that its event has.
fn loaded() -> Loader {
    let loader = Loader::new();
    load(&loader);
    loader
}

/// The same into a warehouse that is empty.
pub fn load(loader: &Loader) {
    let put = |file: &str, at: &str, content: &[u8]| {
        let at = NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S").expect("a time");
        loader.put_modified(file, content, at.and_utc().timestamp_micros() as u64);
    };
    let user = |number, at: &str, id, name, score| {
        let event = user_event(&event_id(number), at, id, name, score).to_string();
        put(&format!("users/{number}.json"), at, event.as_bytes());
    };
    let card = |number, at: &str, id, user_id, active| {
        let event = card_event(&event_id(number), at, id, user_id, active).to_string();
        put(&format!("cards/{number}.json"), at, event.as_bytes());
    };
    user(1, "2026-11-20 08:00:00", 1, "Ann Ash", 0.5);
    user(2, "2026-11-23 20:12:30", 1, "Ann Oak", 0.5);
    user(3, "2026-11-23 20:11:30", 2, "Bob Box", 0.5);
    user(4, "2026-11-23 20:13:30", 2, "Bob Box", 0.7);
    user(5, "2026-11-23 20:14:30", 2, "Bob Box", 0.5);
    card(11, "2026-11-21 10:00:00", 8, 1, true);
    card(13, "2026-11-23 20:10:05", 8, 2, true);
    card(14, "2026-11-23 20:12:00", 8, 1, true);
    card(15, "2026-11-23 20:13:00", 9, 5, false);
    card(16, "2026-11-23 20:14:00", 9, 5, false);
    card(17, "2026-11-20 09:00:00", 10, 2, true);
    card(18, "2026-11-23 20:10:20", 10, 2, false);
    card(19, "2026-11-23 20:10:40", 10, 1, false);
    card(20, "2026-11-23 20:10:50", 10, 1, true);
    let mut nobodys = card_event(&event_id(21), "2026-11-23 20:10:00", 11, 1, true);
    nobodys["payload"]["user_id"].take();
    let bad = |file: &str, at: &str, content: &str| put(file, at, content.as_bytes());
    bad("cards/21.json", "2026-11-23 20:10:00", &nobodys.to_string());
    nobodys["payload"]
        .as_object_mut()
        .expect("an object")
        .remove("user_id");
    bad("cards/22.json", "2026-11-23 20:15:00", &nobodys.to_string());
    bad("cards/23.json", "2026-11-23 20:15:00", &nobodys.to_string());
    put("users/24.json", "2026-11-23 19:30:00", b"\xff");
    bad(
        "cards/25.json",
        "2026-11-23 19:30:00",
        "{\"metadata\": {}, \"metadata\": {}}",
    );
    let mut odd = user_event(&event_id(26), "2200-01-01 00:00:00", 3, "Eve", 0.5);
    bad("users/27.json", "2026-11-23 19:30:00", &odd.to_string());
    odd["payload"]["name"] = json!("\0");
    bad("users/26.json", "2026-11-23 19:30:00", &odd.to_string());
    bad("users/28.json", "2026-11-23 19:30:00", "[]");
    loader.run(&["--settle", "0s"]);
    card(12, "2026-11-22 10:00:00", 8, 1, false);
    loader.run(&[]);
}

#[test]
fn the_examples_answer_their_questions() {
    let loader = loaded();
    // As an analyst.
    let reader = Tables {
        url: server().url_as(&member(&loader, "dwh_reader"), &loader.database),
    };
    check_answers(&reader);
}

/// Checks the answers about the events of [`load`].
pub fn check_answers(reader: &Tables) {
    let (as_they_are, proposed) = expected();
    let queries = queries();
    let names = |answers: &Answers| answers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        queries.keys().cloned().collect::<Vec<_>>(),
        names(&as_they_are)
    );
    let mut with_parameters = Answers::new();
    for (name, sql) in &queries {
        assert_eq!(answer(reader, name, sql), as_they_are[name], "{name}");
        if let Some(sql) = with_proposed_parameters(name, sql) {
            with_parameters.insert(name.clone(), answer(reader, name, &sql));
        }
        // The whole file, comments and semicolon included, as a client sends it.
        let messages = reader.client().simple_query(sql).expect("a query");
        let is_row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        assert_eq!(
            messages.iter().filter(is_row).count(),
            as_they_are[name].len(),
            "{name}"
        );
    }
    assert_eq!(with_parameters, proposed);
}

#[test]
fn the_examples_answer_alike_in_every_time_zone() {
    let loader = loaded();
    for (name, sql) in queries() {
        // A zone ahead of UTC, one behind it, and one whose hours do not begin with those of UTC.
        let answers = ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu"].map(|zone| {
            let mut client = loader.client();
            client
                .batch_execute(&format!(
                    "set timezone = '{zone}';
                     create temporary table answer as {sql}
                     set timezone = 'UTC'"
                ))
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let rows = client
                .query("select answer::text from answer", &[])
                .expect("ours");
            rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
        });
        let [utc, others @ ..] = &answers;
        assert!(!utc.is_empty(), "{name}");
        for other in others {
            assert_eq!(other, utc, "{name}");
        }
    }
}

#[test]
fn each_example_begins_with_its_question_and_is_listed() {
    let list = include_str!("../../sql/examples/README.md");
    let names: Vec<String> = queries().into_keys().collect();
    for (name, sql) in queries() {
        let question = sql.lines().next().unwrap_or_default();
        assert!(
            question.starts_with("-- ") && question.ends_with('?'),
            "{name}: {question}"
        );
        assert!(
            list.contains(&format!("| `{name}` |")),
            "{name} is not listed"
        );
    }
    assert_eq!(list.matches("\n| `").count(), names.len(), "{names:?}");
}

#[test]
fn the_examples_answer_about_an_empty_warehouse() {
    let loader = Loader::new();
    loader.run(&[]);
    for (name, sql) in queries() {
        let rows = answer(&loader, &name, &sql);
        match name.as_str() {
            "inactive_spells" => assert!(rows.iter().all(|row| row.ends_with("|0||")), "{rows:?}"),
            _ => assert_eq!(rows, [] as [&str; 0], "{name}"),
        }
    }
}

#[test]
fn the_examples_add_up_about_real_output() {
    let loader = Loader::new();
    if !unpack(&loader) {
        return;
    }
    loader.run(&[]);
    let queries = queries();
    let sums = [
        (
            "active_cards_by_day",
            "(array_agg(active_cards order by day desc))[1]",
            "select count(*) from warehouse.dim_card where active and is_current",
        ),
        (
            "card_history",
            "count(*)",
            "select max(versions) from
             (select count(*) as versions from warehouse.dim_card group by card_id) as card",
        ),
        (
            "cards_with_owners",
            "count(*) || ' ' || count(user_key)",
            "select count(*) || ' ' || count(*) filter (where exists (
               select from warehouse.dim_user as owner
               where owner.user_id = card.user_id
                 and tstzrange(owner.valid_from, owner.valid_to) @> card.valid_from
             )) from warehouse.dim_card as card",
        ),
        (
            "cards_with_unknown_users",
            "sum(cards)",
            "select count(*) from warehouse.dim_card as card
             where is_current and user_id not in (select user_id from warehouse.dim_user)",
        ),
        (
            "events_per_minute",
            "sum(user_events) || ' ' || sum(card_events)",
            "select (select count(*) from landing.user_event) || ' ' || (select count(*) from landing.card_event)",
        ),
        // No card of the services changes anything else.
        (
            "inactive_spells",
            "sum(spells) || ' ' || max(percent_so_far)",
            "select count(*) || ' 100.0' from warehouse.dim_card where not active and not is_current",
        ),
        ("late_events", "count(*)", "select 0"),
        (
            "most_changed_users",
            "coalesce(max(changes), 0)",
            "select max(versions) - 1 from
             (select count(*) as versions from warehouse.dim_user group by user_id) as owner",
        ),
        ("owner_changes", "count(*)", "select 0"),
        (
            "rejected_fields",
            "sum(files)",
            "select count(*) from landing.rejected_event where resolved_at is null",
        ),
        (
            "rejected_share_by_hour",
            "sum(files) || ' ' || sum(bad_files)",
            "select 2851 || ' ' || count(*) from landing.rejected_event",
        ),
        (
            "time_inactive",
            "sum(inactive_seconds)",
            "select sum(extract(epoch from least(valid_to, newest) - valid_from))::bigint
             from warehouse.dim_card, (select max(valid_from) as newest from warehouse.dim_card) as card
             where not active and valid_from < newest",
        ),
        (
            "users_as_of",
            "count(*)",
            "select count(distinct user_id) from warehouse.dim_user,
             (select max(valid_from) - interval '5 minutes' as then from warehouse.dim_card) as card
             where valid_from <= card.then",
        ),
    ];
    assert_eq!(
        sums.map(|(name, ..)| name).to_vec(),
        queries.keys().collect::<Vec<_>>()
    );
    for (name, sum, plain) in sums {
        let sql = queries[name].trim_end().trim_end_matches(';');
        assert_eq!(
            loader.value(&format!("select {sum} as sum from ({sql}) as answer")),
            loader.value(plain),
            "{name}"
        );
    }
}
