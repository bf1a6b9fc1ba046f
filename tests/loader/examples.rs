//! The queries in `sql/examples`: their answers over a set of events small enough to be checked by
//! eye, and over the services' real output, worked out from the files.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use postgres::SimpleQueryMessage;
use serde_json::Value;

use crate::fixture::unpack;
use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model;
use crate::roles::member;
use crate::server::server;
use crate::tables::Tables;

/// The answers, by the name of the query.
type Answers = BTreeMap<String, Vec<String>>;

/// The queries in `sql/examples`, by name.
fn queries() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/examples");
    files(&folder)
        .into_iter()
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let sql = fs::read_to_string(&path).expect("a query");
            assert!(sql.starts_with("-- "), "{name} begins with no question");
            (name.into_owned(), sql)
        })
        .collect()
}

/// Where a query has its parameters.
const PARAMETERS: &str = "params as (\n";

/// The query with the parameters that it proposes to put instead of those that it takes from the
/// data, if it has any.
fn with_own_parameters(name: &str, sql: &str) -> String {
    let Some((before, from)) = sql.split_once(PARAMETERS) else {
        return sql.to_owned();
    };
    let (parameters, after) = from.split_once("\n),\n").expect("the end of a step");
    let own = parameters
        .lines()
        .find_map(|line| line.strip_prefix("  -- select "))
        .unwrap_or_else(|| panic!("{name} says not how to put one's own parameters"));
    format!("{before}{PARAMETERS}  select {own}\n),\n{after}")
}

/// Asks every query, changed like this.
fn asked(tables: &Tables, change: fn(&str, &str) -> String) -> Answers {
    queries()
        .into_iter()
        .map(|(name, sql)| {
            let sql = change(&name, &sql);
            let rows = tables.query(sql.trim_end().trim_end_matches(';'));
            let rows = comparable(&name, rows);
            (name, rows)
        })
        .collect()
}

/// Asks every query as it stands in its file.
fn asked_as_they_are(tables: &Tables) -> Answers {
    asked(tables, |_, sql| sql.to_owned())
}

/// Takes out of an answer what depends on when the test runs, and how a number is spelled.
fn comparable(name: &str, rows: Vec<String>) -> Vec<String> {
    let column = |row: &str, change: fn(&str) -> String, index: usize| {
        let mut columns: Vec<String> = row.split('|').map(str::to_owned).collect();
        columns[index] = change(&columns[index]);
        columns.join("|")
    };
    let change: fn(&str) -> String = match name {
        "users_as_of" => |score| score.parse::<f64>().expect("a number").to_string(),
        "late_events" => |_| "age".to_owned(),
        "cards_with_owners" => |key| if key.is_empty() { "" } else { "key" }.to_owned(),
        _ => return rows,
    };
    let index = match name {
        "users_as_of" => 3,
        "late_events" => 5,
        _ => 6,
    };
    rows.iter().map(|row| column(row, change, index)).collect()
}

/// The first answer, and the first row of it, that differs.
fn check(found: &Answers, expected: &Answers) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, rows) in found {
        let expected = &expected[name];
        for row in 0..rows.len().max(expected.len()) {
            assert_eq!(rows.get(row), expected.get(row), "row {row} of {name}");
        }
    }
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    files.sort();
    files
}

#[test]
fn the_examples_answer_their_questions() {
    let loader = Loader::new();
    let user = |number, at: &str, id, name| {
        let event = user_event(&event_id(number), at, id, name, 0.5);
        loader.put(&format!("users/{number}.json"), event.to_string());
    };
    let card = |number, at: &str, id, user_id, active| {
        let event = card_event(&event_id(number), at, id, user_id, active);
        loader.put(&format!("cards/{number}.json"), event.to_string());
    };
    user(1, "2026-11-20 08:00:00", 1, "Ann Ash");
    user(2, "2026-11-23 20:12:30", 1, "Ann Oak");
    user(3, "2026-11-23 20:11:30", 2, "Bob Box");
    card(11, "2026-11-21 10:00:00", 8, 1, true);
    card(13, "2026-11-23 20:10:05", 8, 2, true);
    card(14, "2026-11-23 20:12:00", 8, 1, true);
    card(15, "2026-11-23 20:13:00", 9, 5, false);
    card(16, "2026-11-23 20:14:00", 9, 5, false);
    card(17, "2026-11-20 09:00:00", 10, 2, true);
    let mut nameless = card_event(&event_id(21), "2026-11-23 20:10:00", 11, 1, true);
    nameless["payload"]["user_id"].take();
    loader.put("cards/21.json", nameless.to_string());
    for file in ["22.json", "23.json"] {
        let payload = nameless["payload"].as_object_mut().expect("an object");
        payload.remove("user_id");
        loader.put(&format!("cards/{file}"), nameless.to_string());
    }
    loader.put("users/24.json", b"\xff");
    let mut files_of_runs = vec![names(&loader)];
    loader.run(&["--settle", "0s"]);
    card(12, "2026-11-22 10:00:00", 8, 1, false);
    files_of_runs.push(names(&loader));
    loader.run(&[]);

    let files = Files::read(&loader, &files_of_runs);
    let found = asked(&loader, with_own_parameters);
    check(&found, &worked_out(&files, &Parameters::own()));
    let known = |name: &str, rows: &[&str]| {
        (
            name.to_owned(),
            rows.iter().map(|row| row.to_string()).collect(),
        )
    };
    let expected = Answers::from([
        known(
            "active_cards_by_day",
            &[
                "2026-11-20|1",
                "2026-11-21|2",
                "2026-11-22|1",
                "2026-11-23|2",
                "2026-11-24|2",
            ],
        ),
        known(
            "card_history",
            &[
                "2026-11-21T10:00:00+00:00|2026-11-22T10:00:00+00:00|86400|true|1|11.json",
                "2026-11-22T10:00:00+00:00|2026-11-23T20:10:05+00:00|123005|false|1|12.json",
                "2026-11-23T20:10:05+00:00|2026-11-23T20:12:00+00:00|115|true|2|13.json",
                "2026-11-23T20:12:00+00:00|||true|1|14.json",
            ],
        ),
        known(
            "cards_with_owners",
            &[
                "8|2026-11-21T10:00:00+00:00|2026-11-22T10:00:00+00:00|true|1|Ann Ash|key",
                "8|2026-11-22T10:00:00+00:00|2026-11-23T20:10:05+00:00|false|1|Ann Ash|key",
                "8|2026-11-23T20:10:05+00:00|2026-11-23T20:12:00+00:00|true|2||",
                "8|2026-11-23T20:12:00+00:00||true|1|Ann Ash|key",
                "9|2026-11-23T20:13:00+00:00||false|5||",
                "10|2026-11-20T09:00:00+00:00||true|2||",
            ],
        ),
        known("cards_with_unknown_users", &["5|1|0|9"]),
        known(
            "events_per_minute",
            &[
                "2026-11-23T20:10:00+00:00|0|1",
                "2026-11-23T20:11:00+00:00|1|0",
                "2026-11-23T20:12:00+00:00|1|1",
                "2026-11-23T20:13:00+00:00|0|1",
                "2026-11-23T20:14:00+00:00|0|1",
                "2026-11-23T20:15:00+00:00|0|0",
                "2026-11-23T20:16:00+00:00|0|0",
                "2026-11-23T20:17:00+00:00|0|0",
                "2026-11-23T20:18:00+00:00|0|0",
                "2026-11-23T20:19:00+00:00|0|0",
            ],
        ),
        known(
            "late_events",
            &["card|8|2026-11-22T10:00:00+00:00|12.json|2|age"],
        ),
        known(
            "owner_changes",
            &[
                "8|2026-11-23T20:10:05+00:00|1|2",
                "8|2026-11-23T20:12:00+00:00|2|1",
            ],
        ),
        known(
            "rejected_fields",
            &[
                "cards|payload.user_id|missing_field|2|22.json",
                "cards|payload.user_id|wrong_type|1|21.json",
                "users|the document|not_utf8|1|24.json",
            ],
        ),
        known("time_inactive", &["8|123005|58.6", "9|240|100.0"]),
        known(
            "users_as_of",
            &[
                "1|Ann Ash|Baker|0.5|2026-11-20T08:00:00+00:00",
                "2|Bob Box|Baker|0.5|2026-11-23T20:11:30+00:00",
            ],
        ),
    ]);
    check(&found, &expected);

    // What the parameters are that the queries take from the data, the others having none.
    let found = asked_as_they_are(&loader);
    check(&found, &worked_out(&files, &Parameters::of(&files)));
    let mut expected = expected;
    expected.extend([
        known(
            "active_cards_by_day",
            &[
                "2026-11-20|1",
                "2026-11-21|2",
                "2026-11-22|1",
                "2026-11-23|2",
            ],
        ),
        known(
            "events_per_minute",
            &[
                "2026-11-23T20:00:00+00:00|0|0",
                "2026-11-23T20:01:00+00:00|0|0",
                "2026-11-23T20:02:00+00:00|0|0",
                "2026-11-23T20:03:00+00:00|0|0",
                "2026-11-23T20:04:00+00:00|0|0",
                "2026-11-23T20:05:00+00:00|0|0",
                "2026-11-23T20:06:00+00:00|0|0",
                "2026-11-23T20:07:00+00:00|0|0",
                "2026-11-23T20:08:00+00:00|0|0",
                "2026-11-23T20:09:00+00:00|0|0",
                "2026-11-23T20:10:00+00:00|0|1",
                "2026-11-23T20:11:00+00:00|1|0",
                "2026-11-23T20:12:00+00:00|1|1",
                "2026-11-23T20:13:00+00:00|0|1",
                "2026-11-23T20:14:00+00:00|0|1",
            ],
        ),
        known("time_inactive", &["8|123005|58.7"]),
        known(
            "users_as_of",
            &["1|Ann Ash|Baker|0.5|2026-11-20T08:00:00+00:00"],
        ),
    ]);
    check(&found, &expected);

    // An analyst gets the same.
    let reader = Tables {
        url: server().url_as(&member(&loader, "dwh_reader"), &loader.database),
    };
    check(&asked_as_they_are(&reader), &expected);
    for (name, sql) in queries() {
        // The whole file, comments and semicolon included, as a client sends it.
        let rows = reader
            .client()
            .simple_query(&sql)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let is_row = |answer: &&SimpleQueryMessage| matches!(answer, SimpleQueryMessage::Row(_));
        let rows = rows.iter().filter(is_row).count();
        assert_eq!(rows, expected[&name].len(), "{name}");
    }
}

#[test]
fn the_examples_answer_about_an_empty_warehouse() {
    let loader = Loader::new();
    loader.run(&[]);
    for (name, rows) in asked_as_they_are(&loader) {
        assert_eq!(rows, [] as [&str; 0], "{name}");
    }
}

#[test]
fn the_examples_answer_their_questions_about_real_output() {
    let (loader, aside) = (Loader::new(), Loader::new());
    if !unpack(&aside) {
        return;
    }
    // Every other file by name, which is random, and then the rest: many events are late.
    let mut files_of_runs = Vec::new();
    for half in 0..2 {
        for folder in ["users", "cards"] {
            for path in files(&aside.path(folder)).iter().step_by(2 - half) {
                let place = path
                    .strip_prefix(aside.inbox())
                    .expect("a file of the fixture");
                fs::rename(path, loader.inbox().join(place)).expect("the inbox can be written");
            }
        }
        files_of_runs.push(names(&loader));
        loader.run(&[]);
    }
    let files = Files::read(&loader, &files_of_runs);
    for (found, parameters) in [
        (asked(&loader, with_own_parameters), Parameters::own()),
        (asked_as_they_are(&loader), Parameters::of(&files)),
    ] {
        let expected = worked_out(&files, &parameters);
        // Real output has no card that changes its owner.
        for (name, rows) in &expected {
            assert_eq!(rows.is_empty(), name == "owner_changes", "{name}");
        }
        check(&found, &expected);
    }
}

/// Names of the files in the inbox.
fn names(loader: &Loader) -> Vec<String> {
    ["users", "cards"]
        .iter()
        .flat_map(|folder| files(&loader.path(folder)))
        .map(|path| name(&path))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// An accepted event.
struct Event {
    entity: &'static str,
    id: i64,
    at: NaiveDateTime,
    modified_micros: u128,
    event_id: String,
    file: String,
    run: usize,
}

/// A version, with what the examples ask of it.
struct Version {
    id: i64,
    /// Of a card.
    user_id: i64,
    active: bool,
    /// Of a user.
    name: String,
    job: String,
    score: f64,
    from: NaiveDateTime,
    to: Option<NaiveDateTime>,
    event_id: String,
}

impl Version {
    fn holds(&self, moment: NaiveDateTime) -> bool {
        self.from <= moment && self.to.is_none_or(|to| to > moment)
    }
}

/// A row of [`model::Dimensions::cards`].
fn card_version(row: &str) -> Version {
    let columns: Vec<&str> = row.split('|').collect();
    Version {
        id: columns[0].parse().expect("an id"),
        user_id: columns[1].parse().expect("an id"),
        active: columns[3] == "true",
        name: String::new(),
        job: String::new(),
        score: 0.0,
        from: time(columns[6]).expect("a time"),
        to: time(columns[7]),
        event_id: columns[9].to_owned(),
    }
}

/// A row of [`model::Dimensions::users`].
fn user_version(row: &str) -> Version {
    let columns: Vec<&str> = row.split('|').collect();
    Version {
        id: columns[0].parse().expect("an id"),
        user_id: 0,
        active: false,
        name: columns[1].to_owned(),
        job: columns[3].to_owned(),
        score: f64::from_bits(u64::from_str_radix(columns[4], 16).expect("bits")),
        from: time(columns[5]).expect("a time"),
        to: time(columns[6]),
        event_id: columns[8].to_owned(),
    }
}

fn time(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text.trim_end_matches("+00"), "%Y-%m-%d %H:%M:%S").ok()
}

fn at(text: &str) -> NaiveDateTime {
    time(text).expect("a time")
}

fn shown(moment: NaiveDateTime) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn shown_end(version: &Version) -> String {
    version.to.map(shown).unwrap_or_default()
}

/// What the files in the inbox hold.
struct Files {
    events: Vec<Event>,
    /// Source, field, reason and name of each.
    rejections: Vec<(&'static str, &'static str, &'static str, String)>,
    users: Vec<Version>,
    cards: Vec<Version>,
}

impl Files {
    /// Each file came with the first run whose list has it.
    fn read(loader: &Loader, files_of_runs: &[Vec<String>]) -> Files {
        let (mut events, mut rejections) = (Vec::new(), Vec::new());
        for folder in ["users", "cards"] {
            for path in files(&loader.path(folder)) {
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let file = name(&path);
                let run = 1 + files_of_runs
                    .iter()
                    .position(|files| files.contains(&file))
                    .expect("a file of a run");
                let Ok(document) =
                    serde_json::from_slice::<Value>(&fs::read(&path).expect("a file"))
                else {
                    rejections.push((folder, "the document", "not_utf8", file));
                    continue;
                };
                let (metadata, payload) = (&document["metadata"], &document["payload"]);
                let is_user = metadata["type"] == "user";
                match payload.get("user_id") {
                    None if !is_user => {
                        rejections.push((folder, "payload.user_id", "missing_field", file));
                        continue;
                    }
                    Some(Value::Null) => {
                        rejections.push((folder, "payload.user_id", "wrong_type", file));
                        continue;
                    }
                    _ => {}
                }
                events.push(Event {
                    entity: if is_user { "user" } else { "card" },
                    id: payload["id"].as_i64().expect("an id"),
                    at: at(metadata["event_at"].as_str().expect("a time")),
                    modified_micros: fs::metadata(&path)
                        .and_then(|file| file.modified())
                        .expect("a time")
                        .duration_since(UNIX_EPOCH)
                        .expect("after 1970")
                        .as_micros(),
                    event_id: metadata["event_id"].as_str().expect("an id").to_owned(),
                    file,
                    run,
                });
            }
        }
        let dimensions = model::dimensions(&loader.inbox());
        let users = dimensions.users.iter().map(|row| user_version(row));
        let cards = dimensions.cards.iter().map(|row| card_version(row));
        Files {
            events,
            rejections,
            users: users.collect(),
            cards: cards.collect(),
        }
    }
}

/// The parameters of the queries.
struct Parameters {
    card_id: i64,
    moment: NaiveDateTime,
    days: RangeInclusive<NaiveDate>,
    until: NaiveDateTime,
    /// Start of the first minute, and how many there are.
    minutes: (NaiveDateTime, i64),
}

impl Parameters {
    /// Those that the queries propose to put instead.
    fn own() -> Parameters {
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a day");
        Parameters {
            card_id: 8,
            moment: at("2026-11-23 20:12:00"),
            days: day(20)..=day(24),
            until: at("2026-11-23 20:17:00"),
            minutes: (at("2026-11-23 20:10:00"), 10),
        }
    }

    /// Those that the queries take from the data.
    fn of(files: &Files) -> Parameters {
        let mut versions: BTreeMap<i64, usize> = BTreeMap::new();
        for card in &files.cards {
            *versions.entry(card.id).or_default() += 1;
        }
        let most = versions.values().max().expect("a card");
        let card_id = versions.iter().find(|(_, count)| *count == most);
        let (oldest, newest) = ends(
            files
                .users
                .iter()
                .chain(&files.cards)
                .map(|version| version.from),
        );
        let (oldest_card, newest_card) = ends(files.cards.iter().map(|card| card.from));
        let (_, newest_event) = ends(files.events.iter().map(|event| event.at));
        let last_minute = newest_event.with_second(0).expect("a minute");
        Parameters {
            card_id: *card_id.expect("a card").0,
            moment: (newest - TimeDelta::minutes(5)).max(oldest + (newest - oldest) / 2),
            days: oldest_card.date()..=newest_card.date(),
            until: newest_card,
            minutes: (last_minute - TimeDelta::minutes(14), 15),
        }
    }
}

/// The first and the last of some times.
fn ends(times: impl Iterator<Item = NaiveDateTime> + Clone) -> (NaiveDateTime, NaiveDateTime) {
    let (first, last) = (times.clone().min(), times.max());
    (first.expect("a time"), last.expect("a time"))
}

/// The answers that the files give.
fn worked_out(files: &Files, parameters: &Parameters) -> Answers {
    let Files {
        events,
        rejections,
        users,
        cards,
    } = files;
    let owner_then = |card: &Version, moment| {
        users
            .iter()
            .find(|user| user.id == card.user_id && user.holds(moment))
    };

    let (first_day, last_day) = (parameters.days.start(), parameters.days.end());
    let active_cards_by_day = first_day
        .iter_days()
        .take_while(|day| day <= last_day)
        .map(|day| {
            let midnight = day.succ_opt().expect("a day").and_time(Default::default());
            // The last moment of the day that the database can tell.
            let last = midnight - TimeDelta::microseconds(1);
            let active = cards.iter().filter(|card| card.active && card.holds(last));
            format!("{day}|{}", active.count())
        })
        .collect();

    let card_history = cards
        .iter()
        .filter(|card| card.id == parameters.card_id)
        .map(|card| {
            let file = events
                .iter()
                .find(|event| event.entity == "card" && event.event_id == card.event_id)
                .map(|event| event.file.as_str());
            format!(
                "{}|{}|{}|{}|{}|{}",
                shown(card.from),
                shown_end(card),
                card.to.map_or(String::new(), |to| (to - card.from)
                    .num_seconds()
                    .to_string()),
                card.active,
                card.user_id,
                file.expect("the file that opened it")
            )
        })
        .collect();

    let cards_with_owners = cards
        .iter()
        .map(|card| {
            let owner = owner_then(card, card.from);
            format!(
                "{}|{}|{}|{}|{}|{}|{}",
                card.id,
                shown(card.from),
                shown_end(card),
                card.active,
                card.user_id,
                owner.map_or("", |owner| &owner.name),
                owner.map_or("", |_| "key")
            )
        })
        .collect();

    let mut unknown: BTreeMap<i64, Vec<&Version>> = BTreeMap::new();
    for card in cards.iter().filter(|card| card.to.is_none()) {
        if !users.iter().any(|user| user.id == card.user_id) {
            unknown.entry(card.user_id).or_default().push(card);
        }
    }
    let mut unknown: Vec<_> = unknown.into_iter().collect();
    unknown.sort_by_key(|(_, cards)| std::cmp::Reverse(cards.len()));
    let cards_with_unknown_users = unknown
        .iter()
        .map(|(user, cards)| {
            let ids: Vec<String> = cards.iter().map(|card| card.id.to_string()).collect();
            let active = cards.iter().filter(|card| card.active).count();
            format!("{user}|{}|{active}|{}", cards.len(), ids.join(" "))
        })
        .collect();

    let (first_minute, minutes) = parameters.minutes;
    let events_per_minute = (0..minutes)
        .map(|minute| {
            let from = first_minute + TimeDelta::minutes(minute);
            let count = |entity| {
                let within = |event: &&Event| {
                    event.entity == entity
                        && event.at >= from
                        && event.at < from + TimeDelta::minutes(1)
                };
                events.iter().filter(within).count()
            };
            format!("{}|{}|{}", shown(from), count("user"), count("card"))
        })
        .collect();

    let mut late: Vec<&Event> = events
        .iter()
        .filter(|event| {
            let place = |event: &Event| (event.at, event.modified_micros, event.event_id.clone());
            events.iter().any(|other| {
                (other.entity, other.id) == (event.entity, event.id)
                    && place(other) > place(event)
                    && other.run < event.run
            })
        })
        .collect();
    late.sort_by_key(|event| (event.at, event.entity, event.id, event.file.clone()));
    let late_events = late
        .iter()
        .map(|event| {
            let Event {
                entity,
                id,
                at,
                file,
                run,
                ..
            } = event;
            format!("{entity}|{id}|{}|{file}|{run}|age", shown(*at))
        })
        .collect();

    let owner_changes = cards
        .windows(2)
        .filter(|pair| pair[0].id == pair[1].id && pair[0].user_id != pair[1].user_id)
        .map(|pair| {
            let (id, from) = (pair[1].id, shown(pair[1].from));
            format!("{id}|{from}|{}|{}", pair[0].user_id, pair[1].user_id)
        })
        .collect();

    let mut by_field: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (source, field, reason, file) in rejections {
        by_field
            .entry((source, field, reason))
            .or_default()
            .push(file);
    }
    let mut by_field: Vec<_> = by_field.into_iter().collect();
    by_field.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
    let rejected_fields = by_field
        .iter()
        .map(|((source, field, reason), files)| {
            let example = files.iter().min().expect("a file");
            format!("{source}|{field}|{reason}|{}|{example}", files.len())
        })
        .collect();

    let until = parameters.until;
    let mut lives: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for card in cards.iter().filter(|card| card.from < until) {
        let to = card.to.map_or(until, |to| to.min(until));
        let seconds = (to - card.from).num_seconds();
        let (life, inactive) = lives.entry(card.id).or_default();
        *life += seconds;
        *inactive += if card.active { 0 } else { seconds };
    }
    let mut lives: Vec<_> = lives
        .into_iter()
        .filter(|(_, (_, inactive))| *inactive > 0)
        .collect();
    lives.sort_by_key(|(_, (_, inactive))| -inactive);
    let time_inactive = lives
        .iter()
        .map(|(id, (life, inactive))| {
            let tenths = (2_000 * inactive + life) / (2 * life);
            format!("{id}|{inactive}|{}.{}", tenths / 10, tenths % 10)
        })
        .collect();

    let users_as_of = users
        .iter()
        .filter(|user| user.holds(parameters.moment))
        .map(|user| {
            let Version {
                id,
                name,
                job,
                score,
                from,
                ..
            } = user;
            format!("{id}|{name}|{job}|{score}|{}", shown(*from))
        })
        .collect();

    Answers::from(
        [
            ("active_cards_by_day", active_cards_by_day),
            ("card_history", card_history),
            ("cards_with_owners", cards_with_owners),
            ("cards_with_unknown_users", cards_with_unknown_users),
            ("events_per_minute", events_per_minute),
            ("late_events", late_events),
            ("owner_changes", owner_changes),
            ("rejected_fields", rejected_fields),
            ("time_inactive", time_inactive),
            ("users_as_of", users_as_of),
        ]
        .map(|(name, rows): (&str, Vec<String>)| (name.to_owned(), rows)),
    )
}
