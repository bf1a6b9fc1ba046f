//! Who may do what: the owner migrates, `etl_loader` runs, `dwh_reader` reads.

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use crate::loader::{Loader, Said, event_id, said, user_event};
use crate::server::server;

/// Runs the command on a database of the common server as a user of it.
pub fn etl_as(loader: &Loader, user: &str, arguments: &[&str]) -> Said {
    etl_at(loader, &server().url_as(user, &loader.database), arguments)
}

pub fn etl_at(loader: &Loader, url: &str, arguments: &[&str]) -> Said {
    let mut command = loader.command(arguments);
    command.env("DATABASE_URL", url);
    said(command.output().expect("etl can be started"))
}

/// A user of the common server who is a member of a role, for one database.
pub fn member(loader: &Loader, role: &str) -> String {
    let name = format!("{}_{role}", loader.database);
    loader.execute(&format!("create role {name} login in role {role}"));
    name
}

pub fn migrated() -> Loader {
    let loader = Loader::new();
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    loader
}

/// Runs each of these statements as a user, who has no right to any.
pub fn may_not(loader: &Loader, user: &str, statements: &[String]) {
    let mut client = Client::connect(&server().url_as(user, &loader.database), NoTls)
        .expect("the user may connect");
    for statement in statements {
        match client.batch_execute(statement) {
            Ok(()) => panic!("{user} may: {statement}"),
            Err(error) => assert_eq!(
                error.code(),
                Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                "{statement}: {error:?}"
            ),
        }
    }
}

/// The tables of some schemas, or their views too.
fn relations(loader: &Loader, schemas: &str, kinds: &str) -> Vec<String> {
    let found = loader.query(&format!(
        "select format('%I.%I', nspname, relname)
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where nspname = any('{{{schemas}}}') and relkind = any('{{{kinds}}}')
         order by 1"
    ));
    assert!(!found.is_empty(), "{schemas} have nothing");
    found
}

#[test]
fn a_loader_runs_reads_the_status_and_verifies() {
    let loader = migrated();
    let user = member(&loader, "etl_loader");
    let run = |arguments: &[&str], words: &[&str]| {
        let said = etl_as(&loader, &user, &[&["run", "--json"], arguments].concat());
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
        for word in words {
            assert!(said.out.contains(word), "{word} is missing: {}", said.out);
        }
    };
    let user_at = |number, second: u32, score| {
        let at = format!("2026-11-23 20:10:{second:02}");
        user_event(&event_id(number), &at, 3, "Ann", score).to_string()
    };
    run(&[], &["\"files\":0"]);
    loader.put("users/1.json", user_at(1, 20, 1.0));
    loader.put("users/bad.json", "[]");
    loader.put_card(2);
    run(&["--dry-run"], &["\"loaded\":2", "\"rejected\":1"]);
    run(&[], &["\"loaded\":2", "\"rejected\":1"]);
    run(&[], &["\"files\":0"]);
    run(&["--since", "1d"], &["\"duplicates\":2"]);
    // Late events that split a version, take one away, and are older copies of what is there; and
    // a good version of the rejected file.
    loader.put("users/3.json", user_at(3, 30, 1.5));
    run(&[], &["\"versions_opened\":1"]);
    loader.put("users/bad.json", user_at(4, 25, 2.0));
    loader.put_modified("users/copy.json", user_at(1, 20, 1.0), 1_000_000);
    run(&[], &["\"loaded\":1", "\"duplicates\":1"]);
    loader.put("users/5.json", user_at(5, 25, 1.5));
    run(&[], &["\"loaded\":1"]);
    assert_eq!(
        loader.query("select score, is_current from warehouse.dim_user order by valid_from"),
        ["1|false", "1.5|true"]
    );
    assert_eq!(
        loader.value("select resolved_at is not null from landing.rejected_event"),
        "true"
    );
    let said = etl_as(&loader, &user, &["status"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    assert!(said.out.contains("dim_user"), "{}", said.out);
    loader.put("users/bad.json", "{}");
    run(&[], &["\"rejected\":1"]);
    for (arguments, word) in [
        (&["rejected", "list"][..], "missing_field"),
        (&["rejected", "retry"], "1 still rejected"),
        (&["verify", "--overlap", "0s"], "all is well"),
    ] {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
        assert!(said.out.contains(word), "{arguments:?}: {}", said.out);
        // A retry is a run, and has its line.
        match arguments {
            ["rejected", "retry"] => assert!(
                said.log.lines().count() == 1 && said.log.contains("] done outcome=done "),
                "{}",
                said.log
            ),
            _ => assert_eq!(said.log, "", "{arguments:?}"),
        }
    }
}

#[test]
fn a_loader_changes_no_definition_and_forgets_no_event() {
    let loader = migrated();
    let user = member(&loader, "etl_loader");
    let mut statements = vec![
        "create schema other".to_owned(),
        "update etl.schema_history set version = 1".to_owned(),
        "delete from etl.schema_history".to_owned(),
        "create or replace view warehouse.user_current as select 1".to_owned(),
        "drop function warehouse.user_as_of".to_owned(),
        "select etl.grant_rights()".to_owned(),
    ];
    for schema in ["etl", "landing", "warehouse"] {
        statements.push(format!("create table {schema}.other ()"));
        statements.push(format!(
            "create function {schema}.other() returns int return 1"
        ));
        statements.push(format!("drop schema {schema} cascade"));
    }
    for table in relations(&loader, "etl,landing,warehouse", "r") {
        statements.push(format!("alter table {table} add column other int"));
        statements.push(format!("create index on {table} ((1))"));
        statements.push(format!("drop table {table} cascade"));
        statements.push(format!("truncate {table} cascade"));
        statements.push(format!("alter table {table} disable trigger all"));
    }
    for table in relations(&loader, "landing", "r") {
        statements.push(format!("delete from {table}"));
    }
    // Of an accepted event, what a copy of its file can change and nothing else.
    let columns = loader.query(
        "select attrelid::regclass::text, attname
         from pg_attribute
         inner join pg_class on pg_class.oid = attrelid
         where relnamespace = 'landing'::regnamespace
           and relkind = 'r'
           and relname <> 'rejected_event'
           and attnum > 0
         order by attrelid, attnum",
    );
    let (may, must_not): (Vec<String>, Vec<String>) = columns
        .iter()
        .map(|column| {
            let (table, column) = column.split_once('|').expect("two columns");
            format!("update {table} set {column} = {column}")
        })
        .partition(|statement| {
            statement.ends_with("= file_name") || statement.ends_with("= file_modified_at")
        });
    assert_eq!(may.len(), 2 * 2, "{may:?}");
    statements.extend(must_not);
    may_not(&loader, &user, &statements);
    let mut client = Client::connect(&server().url_as(&user, &loader.database), NoTls)
        .expect("the user may connect");
    for statement in may {
        client
            .batch_execute(&statement)
            .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

/// Everything that the database holds: the rows of every table, and the state of the sequences.
fn content(loader: &Loader) -> Vec<String> {
    let schemas = "etl,landing,warehouse";
    let mut content: Vec<String> = relations(loader, schemas, "S")
        .iter()
        .map(|sequence| loader.value(&format!("select last_value, is_called from {sequence}")))
        .collect();
    for table in relations(loader, schemas, "r") {
        content.extend(loader.query(&format!(
            "select '{table}' as name, each::text as content from {table} as each order by 2"
        )));
    }
    content
}

/// A migrated database with an event, a rejection and a run, and a user of it who only reads.
fn loaded_with_reader() -> (Loader, String) {
    let loader = migrated();
    loader.put_user(1);
    loader.put("cards/bad.json", "[]");
    loader.run(&[]);
    let user = member(&loader, "dwh_reader");
    (loader, user)
}

#[test]
fn a_reader_reads_everything() {
    let (loader, user) = loaded_with_reader();
    let before = content(&loader);
    let mut client = Client::connect(&server().url_as(&user, &loader.database), NoTls)
        .expect("the user may connect");
    for relation in relations(&loader, "etl,landing,warehouse", "r,v") {
        client
            .batch_execute(&format!("select * from {relation}"))
            .unwrap_or_else(|error| panic!("{relation}: {error:?}"));
    }
    let names = client.query(
        "select name from warehouse.user_as_of(now())
         union all
         select created_by_name from warehouse.card_as_of(now())",
        &[],
    );
    assert_eq!(names.expect("the functions answer").len(), 1);

    for (arguments, word) in [
        (&["status"][..], "not_an_object"),
        (&["status", "--json"], "\"healthy\""),
        (&["status", "--max-lag", "1h"], "users"),
        (&["status", "--format", "prometheus"], "etl_healthy 1"),
        (&["history", "user", "1"], "user 1: 1 version"),
        (&["report", "-"], "<html"),
        (&["rejected", "list"], "cards/bad.json"),
        (&["rejected", "show", "1"], "rejection 1"),
        (&["verify", "--overlap", "0s"], "all is well: 1 event"),
    ] {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!((said.status, said.log.as_str()), (0, ""), "{arguments:?}");
        assert!(said.out.contains(word), "{arguments:?}: {}", said.out);
    }
    assert_eq!(content(&loader), before);
}

#[test]
fn a_reader_changes_nothing() {
    let (loader, user) = loaded_with_reader();
    let schemas = "etl,landing,warehouse";
    let mut statements = vec!["select etl.grant_rights()".to_owned()];
    for schema in schemas.split(',') {
        statements.push(format!("create table {schema}.other ()"));
        statements.push(format!(
            "create function {schema}.other() returns int return 1"
        ));
        statements.push(format!("drop schema {schema} cascade"));
    }
    let changeable = loader.query(&format!(
        "select format('%I.%I', nspname, relname)
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where nspname = any('{{{schemas}}}') and relkind = any('{{r,v}}')
           and pg_relation_is_updatable(pg_class.oid, false) <> 0"
    ));
    for relation in changeable {
        // Not the first one, which may be a key that is always generated.
        let column = loader.value(&format!(
            "select attname from pg_attribute where attrelid = '{relation}'::regclass and attnum = 2"
        ));
        statements.push(format!("insert into {relation} default values"));
        statements.push(format!("update {relation} set {column} = default"));
        statements.push(format!("delete from {relation}"));
        statements.push(format!("select from {relation} for key share"));
    }
    for table in relations(&loader, schemas, "r") {
        statements.push(format!("truncate {table} cascade"));
        statements.push(format!("alter table {table} add column other int"));
        statements.push(format!("drop table {table} cascade"));
        statements.push(format!("select; lock table {table} in share mode"));
        statements.push(format!("copy {table} from stdin"));
    }
    for sequence in relations(&loader, schemas, "S") {
        statements.push(format!("select nextval('{sequence}')"));
        statements.push(format!("select setval('{sequence}', 1)"));
        statements.push(format!("alter sequence {sequence} restart"));
    }
    let before = content(&loader);
    may_not(&loader, &user, &statements);

    loader.put_user(2);
    for arguments in [
        &["run"][..],
        &["run", "--dry-run"],
        &["run", "--since", "1d", "--source", "users"],
        &["rejected", "retry"],
        &["rejected", "retry", "--dry-run", "1"],
    ] {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(said.log.lines().count(), 1, "{}", said.log);
        assert!(said.log.contains("grant etl_loader"), "{}", said.log);
    }
    let said = etl_as(&loader, &user, &["migrate"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert_eq!(content(&loader), before);
    // The runs that failed keep nobody out.
    loader.wait_for_free_locks();
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn a_user_without_a_role_learns_of_both() {
    let (loader, user) = loaded_with_reader();
    loader.execute(&format!("revoke dwh_reader from {user}"));
    for arguments in [&["status"][..], &["history", "user", "1"], &["run"]] {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!(said.status, 1);
        for word in ["`grant etl_loader`", "`grant dwh_reader`"] {
            assert!(said.log.contains(word), "{word} is missing: {}", said.log);
        }
    }
}
