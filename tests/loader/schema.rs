//! The schema: what the constraints refuse, and what runs may do to it.

use std::thread;
use std::time::Duration;

use postgres::error::SqlState;

use crate::loader::{Loader, card_event, event_id, user_event};

pub fn loaded() -> Loader {
    let loader = Loader::new();
    for (number, (second, active)) in [(20, true), (22, false), (24, true)]
        .into_iter()
        .enumerate()
    {
        let event = card_event(
            &event_id(number as u64),
            &format!("2026-11-23 20:10:{second}"),
            7,
            1000,
            active,
        );
        loader.put(&format!("cards/{number}.json"), event.to_string());
    }
    let event = user_event(&event_id(1), "2026-11-23 20:10:20", 3, "Ann", 1.0);
    loader.put("users/1.json", event.to_string());
    loader.run(&[]);
    loader
}

#[test]
fn every_table_and_column_carries_a_comment() {
    let loader = loaded();
    let bare = loader.query(
        "select class.oid::regclass as relation, attribute.attname
         from pg_class as class
         join pg_namespace as namespace on namespace.oid = class.relnamespace
         left join pg_attribute as attribute
           on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
         where namespace.nspname in ('warehouse', 'landing', 'etl')
           and class.relkind in ('r', 'v', 'p')
           and (obj_description(class.oid, 'pg_class') is null
                or col_description(class.oid, attribute.attnum) is null)
         order by 1, 2",
    );
    assert_eq!(bare, Vec::<String>::new());
    let bare = loader.query(
        "select proname from pg_proc where pronamespace = 'warehouse'::regnamespace
         and obj_description(oid, 'pg_proc') is null
         union all
         select nspname from pg_namespace where nspname in ('warehouse', 'landing', 'etl')
         and obj_description(oid, 'pg_namespace') is null",
    );
    assert_eq!(bare, Vec::<String>::new());
}

/// A dimension whose key 7 has the versions 20 to 22, 22 to 24, and 24 until now, each time a
/// second of one minute.
struct Chain {
    table: &'static str,
    key: &'static str,
    state: &'static str,
}

const CHAINS: [Chain; 2] = [
    Chain {
        table: "warehouse.dim_user",
        key: "user_id",
        state: "name, address, job, score, event_id",
    },
    Chain {
        table: "warehouse.dim_card",
        key: "card_id",
        state: "user_id, created_by_name, active, created_at, updated_at, event_id",
    },
];

impl Chain {
    fn loaded() -> Loader {
        let loader = Loader::new();
        for (second, active) in [(20, true), (22, false), (24, true)] {
            let at = format!("2026-11-23 20:10:{second}");
            let card = card_event(&event_id(second), &at, 7, 1000, active);
            loader.put(&format!("cards/{second}.json"), card.to_string());
            let user = user_event(&event_id(second), &at, 7, "Ann", second as f64);
            loader.put(&format!("users/{second}.json"), user.to_string());
        }
        loader.run(&[]);
        loader
    }

    fn insert(&self, key: i64, from: &str, to: &str) -> String {
        let Chain {
            table,
            key: column,
            state,
        } = self;
        format!(
            "insert into {table} ({column}, {state}, valid_from, valid_to)
             select {key}, {state}, {}, {} from {table} limit 1;",
            at(from),
            at(to)
        )
    }

    fn update(&self, from: &str, set: &str) -> String {
        let Chain { table, key, .. } = self;
        let from = at(from);
        format!("update {table} set {set} where {key} = 7 and valid_from = {from};")
    }

    fn delete(&self, from: &str) -> String {
        let Chain { table, key, .. } = self;
        let from = at(from);
        format!("delete from {table} where {key} = 7 and valid_from = {from};")
    }

    fn end(&self, from: &str, to: &str) -> String {
        self.update(from, &format!("valid_to = {}", at(to)))
    }

    fn begin(&self, from: &str, later: &str) -> String {
        self.update(from, &format!("valid_from = {}", at(later)))
    }

    fn breaks(&self) -> Vec<(&'static str, String)> {
        let Chain { table, key, .. } = self;
        vec![
            ("an overlap", self.insert(7, "21", "22")),
            ("an overlap with two versions", self.insert(7, "21", "23")),
            ("an overlap within a version", self.insert(7, "22.1", "23")),
            ("an overlap across a version", self.insert(7, "19", "24")),
            (
                "an overlap with the current one",
                self.insert(7, "25", "26"),
            ),
            ("a version twice", self.insert(7, "20", "22")),
            (
                "a second chain into the first one",
                self.insert(7, "19", "21") + &self.insert(7, "21", "24"),
            ),
            (
                "a second chain to the present",
                self.insert(7, "19", "21") + &self.insert(7, "21", ""),
            ),
            ("a second current version", self.insert(7, "30", "")),
            ("a second current version, early", self.insert(7, "10", "")),
            ("a second current version, reopened", self.end("20", "")),
            ("an empty period", self.insert(7, "19", "19")),
            ("a period made empty", self.end("22", "22")),
            ("an end before the start", self.insert(7, "25", "24")),
            ("a gap after an early version", self.insert(7, "10", "19")),
            (
                "an end that another key begins at",
                self.insert(8, "10", "20"),
            ),
            ("a gap left by a deletion", self.delete("22")),
            ("no current version", self.delete("24")),
            ("no current version any more", self.end("24", "26")),
            (
                "a start that never comes",
                self.end("24", "infinity") + &self.insert(7, "infinity", ""),
            ),
            ("a start before all time", self.insert(7, "-infinity", "20")),
            (
                "nothing after the first version",
                self.delete("22") + &self.delete("24"),
            ),
            ("a version that ends late", self.end("20", "24")),
            ("a version that ends early", self.end("20", "21")),
            ("a version that begins late", self.begin("22", "23")),
            ("a version that begins early", self.begin("22", "21")),
            ("a current version that begins late", self.begin("24", "25")),
            (
                "a version given to another key",
                self.update("22", &format!("{key} = 8")),
            ),
            (
                "a current version given to another key",
                self.update("24", &format!("{key} = 8")),
            ),
            (
                "starts that move and ends that do not",
                format!("update {table} set valid_from = valid_from + interval '1 s';"),
            ),
            (
                "a version that trades places with the next",
                self.delete("20") + &self.delete("22") + &self.insert(7, "22", "20"),
            ),
            (
                "a split with a gap",
                self.end("22", "22.5") + &self.insert(7, "23", "24"),
            ),
            (
                "a split with an overlap",
                self.insert(7, "23", "24") + &self.end("22", "23.5"),
            ),
            (
                "a lie about being current",
                format!("update {table} set is_current = true;"),
            ),
        ]
    }

    /// What may be done by hand, so that a refusal is one of what is wrong.
    fn changes(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "a split, the new version first",
                self.insert(7, "23", "24.5") + &self.end("22", "23") + &self.begin("24", "24.5"),
            ),
            ("a merger", self.delete("23") + &self.end("22", "24.5")),
            ("an earlier beginning", self.insert(7, "19", "20")),
            ("a later beginning", self.delete("19")),
            (
                "a next version",
                self.end("24.5", "30") + &self.insert(7, "30", ""),
            ),
            ("another key", self.insert(8, "22.5", "")),
        ]
    }
}

/// A time of the minute, or null.
fn at(second: &str) -> String {
    match second {
        "" => "null::timestamptz".to_owned(),
        "infinity" | "-infinity" => format!("timestamptz '{second}'"),
        second => format!("timestamptz '2026-11-23 20:10:{second}+00'"),
    }
}

#[test]
fn the_database_refuses_what_no_timeline_has() {
    let loader = Chain::loaded();
    let mut client = loader.client();
    let refusals = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::CHECK_VIOLATION,
        SqlState::FOREIGN_KEY_VIOLATION,
        SqlState::GENERATED_ALWAYS,
    ];
    for chain in &CHAINS {
        // As it is typed, and with all that can wait left to the commit.
        for begin in ["begin;", "begin; set constraints all deferred;"] {
            for (what, sql) in chain.breaks() {
                let what = format!("{what} in {}: {sql}", chain.table);
                let Err(error) = client.batch_execute(&format!("{begin} {sql} commit;")) else {
                    panic!("{what}");
                };
                assert!(
                    error.code().is_some_and(|code| refusals.contains(code)),
                    "{what}: {error:?}"
                );
                client
                    .batch_execute("rollback")
                    .expect("what failed is rolled back");
            }
        }
        for (what, sql) in chain.changes() {
            client
                .batch_execute(&format!("begin; {sql} commit;"))
                .unwrap_or_else(|error| panic!("{what} in {}: {error:?}", chain.table));
        }
    }
}

#[test]
fn two_transactions_do_not_break_together_what_neither_breaks_alone() {
    let loader = Chain::loaded();
    for chain in &CHAINS {
        let mut first = loader.client();
        first
            .batch_execute(&format!("begin; {}", chain.delete("20")))
            .expect("a timeline may begin later");
        let predecessor = chain.insert(7, "10", "20");
        thread::scope(|scope| {
            let second = scope.spawn(|| loader.client().batch_execute(&predecessor));
            let waiting = "select count(*) from pg_stat_activity
                           where datname = current_database() and wait_event_type = 'Lock'";
            while loader.value(waiting) == "0" && !second.is_finished() {
                thread::sleep(Duration::from_millis(10));
            }
            first.batch_execute("commit").expect("it was first");
            let error = second
                .join()
                .expect("the statement ends")
                .expect_err("what it leads to is gone");
            assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
        });
    }
}

#[test]
fn views_and_functions_answer() {
    let loader = loaded();
    assert_eq!(
        loader.query("select card_id, active from warehouse.card_current"),
        ["7|true"]
    );
    assert_eq!(
        loader.query("select card_id, user_id from warehouse.card_without_user"),
        ["7|1000"]
    );
    assert_eq!(
        loader.query("select name from warehouse.user_current"),
        ["Ann"]
    );
    for (time, expected) in [
        ("20:10:19", vec![]),
        ("20:10:22", vec!["7|false"]),
        ("20:10:23.9", vec!["7|false"]),
    ] {
        let sql =
            format!("select card_id, active from warehouse.card_as_of('2026-11-23 {time}+00')");
        assert_eq!(loader.query(&sql), expected);
    }
    assert_eq!(
        loader.query("select name from warehouse.user_as_of(now())"),
        ["Ann"]
    );
}

#[test]
fn a_run_creates_no_objects_and_with_nothing_new_writes_its_claims_alone() {
    let loader = loaded();
    let objects = "select count(*) from pg_class";
    let writes = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables";
    let before = loader.value(objects);
    let catalog_writes = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_sys_tables
                          where relname in ('pg_class', 'pg_type', 'pg_attribute')";
    let catalog_before = settled(&loader, catalog_writes);
    for number in 10..13 {
        loader.put_user(number);
        loader.run(&[]);
    }
    assert_eq!(loader.value(objects), before);
    assert_eq!(settled(&loader, catalog_writes), catalog_before);
    // Two checkpoints are claimed and given back.
    let before = settled(&loader, writes);
    loader.run(&[]);
    assert_eq!(settled(&loader, writes), before + 4);
    loader.run(&[]);
    assert_eq!(settled(&loader, writes), before + 8);
}

/// A statistic once the server processes that are gone have reported: the same twice in a row.
fn settled(loader: &Loader, sql: &str) -> i64 {
    let mut last = -1;
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(300));
        let now = loader.value(sql).parse().expect("a number");
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("{sql} keeps changing");
}
