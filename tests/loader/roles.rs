//! Who may do what: the owner migrates, `etl_loader` runs, `dwh_reader` reads.

use std::thread;

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use crate::loader::{Loader, Said, card_event, event_id, said, user_event};
use crate::server::{Server, server};

/// The schema before there were roles, as its migrations.
const BEFORE_ROLES: [&str; 4] = [
    include_str!("../../sql/migrations/V1__metadata.sql"),
    include_str!("../../sql/migrations/V2__landing.sql"),
    include_str!("../../sql/migrations/V3__warehouse.sql"),
    include_str!("../../sql/migrations/V4__views.sql"),
];

/// Runs the command on a database of the common server as a user of it.
fn etl_as(loader: &Loader, user: &str, arguments: &[&str]) -> Said {
    etl_at(loader, &server().url_as(user, &loader.database), arguments)
}

fn etl_at(loader: &Loader, url: &str, arguments: &[&str]) -> Said {
    let mut command = loader.command(arguments);
    command.env("DATABASE_URL", url);
    said(command.output().expect("etl can be started"))
}

/// A user of the common server who is a member of a role, for one database.
pub fn member(loader: &Loader, role: &str) -> String {
    let name = format!("{}_{role}", loader.database);
    loader
        .client()
        .batch_execute(&format!("create role {name} login in role {role}"))
        .expect("a user can be made");
    name
}

fn migrated() -> Loader {
    let loader = Loader::new();
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    loader
}

/// Runs each of these statements as a user, who has no right to any.
fn may_not(loader: &Loader, user: &str, statements: &[String]) {
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
    let card = card_event(&event_id(2), "2026-11-23 20:10:20", 7, 3, true);
    loader.put("cards/2.json", card.to_string());
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
fn a_loader_reconciles_where_nobody_else_may_create_temporary_tables() {
    // The roles are those of the whole cluster.
    migrated();
    let loader = Loader::new();
    let database = &loader.database;
    // An owner of the schemas who does not own the database, and what PostgreSQL gives to everybody.
    let owner = format!("{database}_owner");
    loader
        .client()
        .batch_execute(&format!(
            "create role {owner} login;
             create schema etl authorization {owner};
             create schema landing authorization {owner};
             create schema warehouse authorization {owner};
             revoke temporary on database {database} from public"
        ))
        .expect("the superuser may");
    let said = etl_as(&loader, &owner, &["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    let words = format!(
        "missing: the right of etl_loader to create temporary tables in the database {database}; let somebody"
    );
    assert!(said.log.contains(&words), "{}", said.log);
    let user = member(&loader, "etl_loader");
    loader.put_user(1);
    let said = etl_as(&loader, &user, &["run", "--reconcile"]);
    assert_eq!(said.status, 1, "{}", said.log);
    for words in [
        "permission denied to create temporary tables",
        "`etl migrate`",
    ] {
        assert!(said.log.contains(words), "{words}: {}", said.log);
    }
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(!said.log.contains("missing"), "{}", said.log);
    let said = etl_as(&loader, &user, &["run", "--reconcile", "--json"]);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);
    // A reader needs none.
    let reader = member(&loader, "dwh_reader");
    let said = etl_as(&loader, &reader, &["verify", "--overlap", "0s"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
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
    loader
        .client()
        .batch_execute(&format!("revoke dwh_reader from {user}"))
        .expect("the owner may");
    for arguments in [&["status"][..], &["history", "user", "1"], &["run"]] {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!(said.status, 1);
        for word in ["`grant etl_loader`", "`grant dwh_reader`"] {
            assert!(said.log.contains(word), "{word} is missing: {}", said.log);
        }
    }
}

#[test]
fn a_migration_reports_what_it_did_and_gives_rights_on_what_was_created_later() {
    let loader = Loader::new();
    let said = loader.etl(&["migrate"]);
    assert_eq!((said.status, said.out.as_str()), (0, ""), "{}", said.log);
    for migration in [
        "V1__metadata",
        "V2__landing",
        "V3__warehouse",
        "V4__views",
        "V5__roles",
    ] {
        let words = format!("applied the migration {migration}");
        assert!(said.log.contains(&words), "{words}: {}", said.log);
    }
    loader
        .client()
        .batch_execute(
            "create table etl.later (); create table landing.later (); create table warehouse.later ()",
        )
        .expect("the owner may");
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("up to date, at version"), "{}", said.log);
    for (role, rights) in [
        ("etl_loader", ["true|true", "true|false", "true|true"]),
        ("dwh_reader", ["true|false", "true|false", "true|false"]),
    ] {
        for (schema, expected) in ["etl", "landing", "warehouse"].into_iter().zip(rights) {
            let rights =
                |right: &str| format!("has_table_privilege('{role}', '{schema}.later', '{right}')");
            let sql = format!(
                "select {} as reads, {} as deletes",
                rights("select"),
                rights("delete")
            );
            assert_eq!(loader.query(&sql), [expected], "{role} on {schema}");
        }
    }
}

#[test]
fn somebody_elses_table_in_the_schemas_is_left_alone() {
    let loader = migrated();
    let owner = format!("{}_owner", loader.database);
    let mut superuser = loader.client();
    superuser
        .batch_execute(&format!(
            "drop schema etl, landing, warehouse cascade;
             create role {owner} login;
             alter database {} owner to {owner};
             create schema warehouse authorization {owner};
             create table warehouse.theirs (salary bigint);
             create sequence warehouse.their_numbers",
            loader.database
        ))
        .expect("the superuser may");
    let rights =
        "select relname, relacl::text from pg_class where relname like 'their%' order by 1";
    let before = loader.query(rights);
    loader.put_user(1);
    let said = etl_as(&loader, &owner, &["run", "--json"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    for name in ["theirs", "their_numbers"] {
        let words = format!(
            "missing: rights on warehouse.{name}, which belongs to somebody else; let somebody"
        );
        assert!(said.log.contains(&words), "{words}: {}", said.log);
    }
    assert_eq!(loader.query(rights), before);
    // Everybody else has theirs.
    let user = member(&loader, "etl_loader");
    loader.put_user(2);
    let said = etl_as(&loader, &user, &["run", "--json"]);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);
    may_not(&loader, &user, &["select from warehouse.theirs".to_owned()]);
    let said = etl_as(&loader, &owner, &["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert_eq!(said.log.matches("WARN").count(), 2, "{}", said.log);
}

#[test]
fn a_loader_without_a_current_schema_learns_who_has_to_migrate_it() {
    let history = "select format('(%s, %L, %L, %L)', version, name, applied_on, checksum)
                   from etl.schema_history where version <= 4 order by version";
    let history = migrated().query(history).join(", ");
    let loader = Loader::new();
    let user = member(&loader, "etl_loader");
    let refused = |arguments: &[&str], word: &str| {
        let said = etl_as(&loader, &user, arguments);
        assert_eq!(said.status, 1, "{arguments:?}: {}", said.log);
        assert_eq!(said.log.lines().count(), 1, "{}", said.log);
        for word in [word, "run `etl migrate` as"] {
            assert!(said.log.contains(word), "{word} is missing: {}", said.log);
        }
    };
    let all = |word: &str| {
        for arguments in [&["run"][..], &["migrate"]] {
            refused(arguments, word);
        }
        refused(&["run", "--dry-run"], "no schema yet, or an older one");
    };
    // No schema.
    all("may not create or migrate the schema of the warehouse");
    refused(&["status"], "no schema yet");

    // The schema before there were roles, which leaves the loader no right, or as one that grants
    // what a run reads first.
    let mut owner = loader.client();
    owner
        .batch_execute(&format!(
            "create schema etl;
             create table etl.schema_history
               (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255));
             {};
             insert into etl.schema_history values {history}",
            BEFORE_ROLES.join(";\n")
        ))
        .expect("the migrations apply");
    refused(&["run"], "permission denied for schema etl");
    refused(&["status"], "permission denied for schema etl");
    owner
        .batch_execute(
            "grant usage on schema etl to etl_loader;
             grant select on all tables in schema etl to etl_loader",
        )
        .expect("the owner may grant");
    all("may not create or migrate the schema of the warehouse");
    refused(&["status"], "an older one");

    let said = loader.etl(&["migrate"]);
    assert!(
        said.log.contains("applied the migration V5__roles"),
        "{}",
        said.log
    );
    assert!(!said.log.contains("V4__views"), "{}", said.log);
    loader.put_user(1);
    let said = etl_as(&loader, &user, &["run", "--json"]);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);
}

#[test]
fn roles_of_a_new_cluster_are_made_once_by_one_who_may() {
    let loader = Loader::new();
    let server = Server::start(&[], &[]);
    let client =
        |database: &str| Client::connect(&server.url(database), NoTls).expect("a connection");
    let modest = server.create_database();
    client(&modest)
        .batch_execute(&format!(
            "create role modest login; alter database {modest} owner to modest; create role runner login"
        ))
        .expect("a user can be made");
    let modest_url = server.url_as("modest", &modest);

    // An owner who may not create roles has a schema and learns what is missing.
    let said = etl_at(&loader, &modest_url, &["run"]);
    assert_eq!(said.status, 0, "{}", said.log);
    for word in [
        "missing: the role etl_loader; ",
        "missing: the role dwh_reader; ",
        "run `etl migrate` again",
    ] {
        assert!(said.log.contains(word), "{word} is missing: {}", said.log);
    }
    assert_eq!(etl_at(&loader, &modest_url, &["run"]).log, "");

    // Databases of one cluster that are migrated at once.
    let databases: Vec<String> = (0..6).map(|_| server.create_database()).collect();
    thread::scope(|scope| {
        for database in &databases {
            let url = server.url(database);
            let loader = &loader;
            scope.spawn(move || {
                let said = etl_at(loader, &url, &["migrate"]);
                assert_eq!(said.status, 0, "{}", said.log);
                assert!(!said.log.contains("WARN"), "{}", said.log);
            });
        }
    });
    let granted = "select has_table_privilege('etl_loader', 'etl.checkpoint', 'update')";
    for database in &databases {
        let row = client(database)
            .query_one(granted, &[])
            .expect("the roles are there");
        assert!(row.get::<_, bool>(0), "{database}");
    }

    let said = etl_at(&loader, &modest_url, &["migrate"]);
    assert!(!said.log.contains("WARN"), "{}", said.log);
    client(&modest)
        .batch_execute("grant etl_loader to runner")
        .expect("a superuser may grant");
    loader.put_user(1);
    let said = etl_at(
        &loader,
        &server.url_as("runner", &modest),
        &["run", "--json"],
    );
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);

    // None of it left a failed statement in the server's log, as long as nobody lacked a right.
    let log = std::fs::read_to_string(server.path("log")).expect("the log is ours");
    assert!(!log.contains("does not exist"), "{log}");
}
