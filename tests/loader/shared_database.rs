//! A database that belongs to others too: their publications, their schemas, their tables and columns,
//! and their encoding.

use postgres::error::SqlState;

use crate::books;
use crate::loader::{Loader, Said, card_event, event_id, said, user_event};
use crate::server::server;

/// Runs the command as a user of the common server.
fn etl_as(loader: &Loader, user: &str, arguments: &[&str]) -> Said {
    let mut command = loader.command(arguments);
    command.env("DATABASE_URL", server().url_as(user, &loader.database));
    said(command.output().expect("etl can be started"))
}

#[test]
fn a_publication_for_all_tables_stops_no_run() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.execute(
        "create publication everything for all tables; create table public.witness (number integer)",
    );
    // Such a publication does forbid changes of a table whose rows it cannot identify.
    let refused = loader.client().batch_execute(
        "insert into public.witness values (1); update public.witness set number = 2",
    );
    assert_eq!(
        refused.expect_err("it cannot be published").code(),
        Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
    );
    // Everything that runs insert, update and delete: versions that are opened, changed and merged away,
    // copies, rejections that are renewed, superseded and resolved, pending files, recent files.
    let run = ["--settle", "0s", "--overlap", "1ms"];
    for (number, hour, active) in [(1, 10, true), (2, 11, false), (3, 12, true)] {
        loader.put_card_event(number, 1, &format!("2026-11-20 {hour}:00:00"), active);
        loader.put("users/bad.json", "[".repeat(number as usize));
        loader.run(&run);
    }
    loader.put_card_event(4, 1, "2026-11-20 11:00:00", true);
    loader.put("users/bad.json", "{}");
    loader.put("users/half.json", "{");
    assert_eq!(loader.run(&["--settle", "1h"])["versions_changed"], 3);
    let copy = card_event(&event_id(4), "2026-11-20 11:00:00", 1, 7, true).to_string();
    loader.put_modified("cards/copy.json", copy, 1_700_000_000_000_001);
    loader.put(
        "users/bad.json",
        user_event(&event_id(5), "2026-11-20 11:00:00", 1, "Ann", 1.0).to_string(),
    );
    loader.run(&run);
    loader.run(&["--since", "1d"]);
    loader.run(&["--reconcile"]);
    for arguments in [&["rejected", "retry"][..], &["migrate"]] {
        let said = loader.etl(arguments);
        assert_eq!(said.status, 0, "{}", said.log);
    }
    books::settle(&loader);
    let without = "select class.oid::regclass from pg_class as class
                   where relnamespace in ('etl'::regnamespace, 'landing'::regnamespace, 'warehouse'::regnamespace)
                     and relkind = 'r' and relreplident <> 'f'
                     and not exists (select from pg_index where indrelid = class.oid and indisprimary)";
    assert_eq!(loader.query(without), Vec::<String>::new());
}

#[test]
fn the_owner_of_schemas_that_a_dba_has_created_needs_no_right_to_create_schemas() {
    let loader = Loader::new();
    let owner = format!("owner_of_{}", loader.database);
    loader.execute(&format!(
        "create role {owner} login;
         revoke create on database {} from public;
         create schema etl authorization {owner};
         create schema landing authorization {owner};
         create schema warehouse authorization {owner}",
        loader.database
    ));
    loader.put_card_event(1, 1, "2026-11-20 10:00:00", true);
    for arguments in [&["migrate"][..], &["run"], &["migrate"]] {
        let said = etl_as(&loader, &owner, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
    }
    books::check(&loader);
    let others = format!(
        "select relname from pg_class
         where relnamespace in ('etl'::regnamespace, 'landing'::regnamespace, 'warehouse'::regnamespace)
           and relowner <> '{owner}'::regrole"
    );
    assert_eq!(loader.query(&others), Vec::<String>::new());
}

#[test]
fn a_table_of_somebody_else_in_the_schemas_is_left_alone_and_named() {
    let loader = Loader::new();
    let (owner, other) = (
        format!("owner_of_{}", loader.database),
        format!("other_of_{}", loader.database),
    );
    loader.execute(&format!(
        "create role {owner} login;
         create role {other};
         grant create on database {} to {owner}",
        loader.database
    ));
    assert_eq!(etl_as(&loader, &owner, &["migrate"]).status, 0);
    loader.execute(&format!(
        "grant create on schema landing, warehouse to {other};
         set role {other};
         create table landing.copied_by_hand (a integer);
         create view warehouse.of_theirs as select 1 as a;
         create function warehouse.of_theirs_too() returns integer language sql as 'select 1'"
    ));
    let said = etl_as(&loader, &owner, &["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    for name in ["landing.copied_by_hand", "warehouse.of_theirs"] {
        let words = format!("rights on {name}, which belongs to somebody else");
        assert!(
            said.log.contains(&words),
            "{words:?} is missing: {}",
            said.log
        );
    }
    assert_eq!(
        loader.value("select count(*) from information_schema.role_table_grants
                      where grantee in ('dwh_reader', 'etl_loader') and table_name in ('copied_by_hand', 'of_theirs')"),
        "0"
    );
    loader.put_card_event(1, 1, "2026-11-20 10:00:00", true);
    assert_eq!(etl_as(&loader, &owner, &["run"]).status, 0);
}

#[test]
fn a_database_in_another_encoding_is_refused_in_words_that_fit_it() {
    let loader = Loader::new();
    let name = format!("latin_{}", loader.database);
    loader.execute(&format!(
        "create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"
    ));
    for arguments in ["migrate", "run"] {
        let mut command = loader.command(&[arguments]);
        command.env("DATABASE_URL", server().url(&name));
        let said = said(command.output().expect("etl can be started"));
        assert_eq!(said.status, 1, "{}", said.log);
        for words in [
            "the database has the encoding LATIN1",
            "create database NAME encoding 'UTF8' template template0",
        ] {
            assert!(
                said.log.contains(words),
                "{words:?} is missing: {}",
                said.log
            );
        }
    }
    let mut client =
        postgres::Client::connect(&server().url(&name), postgres::NoTls).expect("a connection");
    let tables = client
        .query_one(
            "select count(*) from pg_class where relnamespace = to_regnamespace('warehouse')",
            &[],
        )
        .expect("the catalogue can be read");
    assert_eq!(tables.get::<_, i64>(0), 0);
}

#[test]
fn a_column_that_an_analyst_adds_breaks_nothing() {
    let loader = Loader::new();
    loader.put_card_event(1, 1, "2026-11-20 10:00:00", true);
    loader.run(&[]);
    loader.execute(
        "alter table warehouse.dim_card add column segment text;
         alter table warehouse.dim_user add column region text not null default 'north';
         alter table landing.card_event add column noted_at timestamptz default now();
         alter table landing.rejected_event add column owner text;
         alter table etl.checkpoint add column note text;
         update warehouse.dim_card set segment = 'gold'",
    );
    for name in [
        "card_as_of(now())",
        "card_current",
        "user_as_of(now())",
        "card_without_user",
    ] {
        loader.query(&format!("select * from warehouse.{name}"));
    }
    loader.put_card_event(2, 1, "2026-11-20 11:00:00", true);
    loader.put_card_event(3, 1, "2026-11-20 12:00:00", false);
    loader.put_card_event(4, 1, "2026-11-20 10:30:00", false);
    loader.put("cards/bad.json", "[]");
    loader.put_user_event(5, 1, "2026-11-20 11:00:00", 1.0);
    assert_eq!(loader.run(&[])["loaded"], 4);
    assert_eq!(
        loader.query("select active, segment from warehouse.dim_card order by valid_from"),
        ["true|gold", "false|", "true|", "false|"],
        "a version that is kept keeps what was noted of it"
    );
    assert_eq!(
        loader.value("select count(*) from warehouse.card_as_of(now())"),
        "1"
    );
    for arguments in [&["migrate"][..], &["rejected", "retry"]] {
        assert_eq!(loader.etl(arguments).status, 0);
    }
    books::check(&loader);
    books::verify(&loader);
}
