//! The rights that a migration gives: to roles that it creates if it may, on what is there, and not on
//! what belongs to somebody else.

use std::thread;

use postgres::{Client, NoTls};

use crate::loader::Loader;
use crate::roles::{etl_as, etl_at, may_not, member, migrated};
use crate::server::Server;

#[test]
fn a_loader_reconciles_where_nobody_else_may_create_temporary_tables() {
    // The roles are those of the whole cluster.
    migrated();
    let loader = Loader::new();
    let database = &loader.database;
    // An owner of the schemas who does not own the database, and what PostgreSQL gives to everybody.
    let owner = format!("{database}_owner");
    loader.execute(&format!(
        "create role {owner} login;
         create schema etl authorization {owner};
         create schema landing authorization {owner};
         create schema warehouse authorization {owner};
         revoke temporary on database {database} from public"
    ));
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
    loader.execute(
        "create table etl.later (); create table landing.later (); create table warehouse.later ()",
    );
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

#[test]
fn procedures_aggregates_and_foreign_tables_of_the_owner_get_their_rights() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    loader.execute(
        "create procedure warehouse.refresh() language sql as 'select 1';
         create aggregate warehouse.total(bigint) (sfunc = int8pl, stype = bigint);
         create foreign data wrapper nowhere;
         create server nowhere foreign data wrapper nowhere;
         create foreign table warehouse.elsewhere (id bigint) server nowhere;
         revoke execute on all routines in schema warehouse from public",
    );
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert_eq!(
        loader.query(
            "select
               has_function_privilege('dwh_reader', 'warehouse.refresh()', 'execute'),
               has_function_privilege('dwh_reader', 'warehouse.total(bigint)', 'execute'),
               has_table_privilege('dwh_reader', 'warehouse.elsewhere', 'select'),
               has_table_privilege('etl_loader', 'warehouse.elsewhere', 'insert')"
        ),
        ["true|true|true|true"]
    );
}
