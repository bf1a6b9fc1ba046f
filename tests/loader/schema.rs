//! What the database itself promises, and what runs may do to it.

use std::thread;
use std::time::Duration;

use postgres::error::SqlState;

use crate::loader::{Loader, card_event, event_id, user_event};

fn loaded() -> Loader {
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

#[test]
fn the_database_refuses_what_no_timeline_has() {
    let loader = loaded();
    let version = "insert into warehouse.dim_card
                   (card_id, user_id, created_by_name, active, created_at, updated_at, valid_from, valid_to, event_id)
                   values (7, 1, 'Eve', true, now(), now(), ";
    let id = "'00000000-0000-4000-8000-000000000009')";
    let at = |second: &str| format!("'2026-11-23 20:10:{second}+00'");
    for (what, sql) in [
        (
            "an overlap",
            format!("{version} {}, {}, {id}", at("21"), at("22")),
        ),
        (
            "an overlap across a version",
            format!("{version} {}, {}, {id}", at("19"), at("24")),
        ),
        (
            "a second current version",
            format!("{version} {}, null, {id}", at("30")),
        ),
        (
            "an empty period",
            format!("{version} {}, {}, {id}", at("19"), at("19")),
        ),
        (
            "an end before the start",
            format!("{version} {}, {}, {id}", at("20"), at("19")),
        ),
        (
            "a gap",
            format!("{version} {}, {}, {id}", at("10"), at("19")),
        ),
        (
            "a gap left by a deletion",
            format!(
                "delete from warehouse.dim_card where valid_from = {}",
                at("22")
            ),
        ),
        (
            "no current version",
            "delete from warehouse.dim_card where valid_to is null".to_owned(),
        ),
        (
            "a version that ends late",
            format!(
                "update warehouse.dim_card set valid_to = {} where valid_from = {}",
                at("24"),
                at("20")
            ),
        ),
        (
            "a version that begins late",
            format!(
                "update warehouse.dim_card set valid_from = {} where valid_from = {}",
                at("23"),
                at("22")
            ),
        ),
        (
            "a lie about being current",
            "update warehouse.dim_card set is_current = true".to_owned(),
        ),
    ] {
        let error = loader.client().batch_execute(&sql).expect_err(what);
        let code = error
            .code()
            .cloned()
            .unwrap_or_else(|| panic!("{what}: {error:?}"));
        let refusals = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::CHECK_VIOLATION,
            SqlState::FOREIGN_KEY_VIOLATION,
            SqlState::GENERATED_ALWAYS,
        ];
        assert!(refusals.contains(&code), "{what}: {error:?}");
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
    for (moment, expected) in [
        ("20:10:19", vec![]),
        ("20:10:22", vec!["7|false"]),
        ("20:10:23.9", vec!["7|false"]),
    ] {
        let sql =
            format!("select card_id, active from warehouse.card_as_of('2026-11-23 {moment}+00')");
        assert_eq!(loader.query(&sql), expected);
    }
    assert_eq!(
        loader.query("select name from warehouse.user_as_of(now())"),
        ["Ann"]
    );
}

#[test]
fn first_runs_at_once_do_not_collide() {
    let loader = Loader::new();
    for number in 0..50 {
        loader.put_user(number);
    }
    let sets: [&[&str]; 3] = [&[], &["--source", "users"], &["--source", "cards"]];
    let loaded: i64 = thread::scope(|scope| {
        let runs: Vec<_> = (0..12)
            .map(|number| {
                let (loader, set) = (&loader, sets[number % sets.len()]);
                scope.spawn(move || loader.run(set)["loaded"].as_i64().expect("a number"))
            })
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("the run succeeds"))
            .sum()
    });
    let rest = loader.run(&[])["loaded"].as_i64().expect("a number");
    assert_eq!(loaded + rest, 50);
    assert_eq!(
        loader.value("select count(*) from warehouse.dim_user"),
        "50"
    );
    loader.wait_for_free_locks();
}

#[test]
fn a_run_creates_no_objects_and_with_nothing_new_writes_one_row_at_the_most() {
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
    let before = settled(&loader, writes);
    loader.run(&[]);
    assert_eq!(settled(&loader, writes), before + 1);
    loader.run(&[]);
    assert_eq!(settled(&loader, writes), before + 2);
}

/// A statistic once the backends that are gone have reported: the same twice in a row.
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
    panic!("{sql} never comes to rest");
}
