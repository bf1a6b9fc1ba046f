//! Migrations: at once, in halves, by users who may not, and over what another program made.

use std::fs;
use std::path::Path;
use std::thread;

use crate::loader::Loader;
use crate::roles::{etl_as, member, migrated};
use crate::schema::loaded;

/// The schema before there were roles, as its migrations.
const BEFORE_ROLES: [&str; 4] = [
    include_str!("../../sql/migrations/V1__metadata.sql"),
    include_str!("../../sql/migrations/V2__landing.sql"),
    include_str!("../../sql/migrations/V3__warehouse.sql"),
    include_str!("../../sql/migrations/V4__views.sql"),
];

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
fn migrations_at_once_apply_each_once() {
    let loader = Loader::new();
    let logs: Vec<String> = thread::scope(|scope| {
        let migrations: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| loader.etl(&["migrate"])))
            .collect();
        migrations
            .into_iter()
            .map(|migration| {
                let said = migration.join().expect("it ends");
                assert_eq!(said.status, 0, "{}", said.log);
                said.log
            })
            .collect()
    });
    let with = |words: &str| logs.iter().filter(|log| log.contains(words)).count();
    assert_eq!(with("applied the migration V1__metadata"), 1);
    assert_eq!(with("the schema is up to date, at version "), 7);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|file| file.expect("the folder can be listed").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    let applied =
        "select format('V%s__%s.sql', version, name) from etl.schema_history order by version";
    assert_eq!(loader.query(applied), names);
    loader.wait_for_free_locks();
}

#[test]
fn a_migration_that_ends_in_the_middle_leaves_nothing() {
    let loader = Loader::new();
    let mut client = loader.client();
    client
        .batch_execute(
            "create function public.wait() returns event_trigger language plpgsql as $$
               begin perform pg_advisory_xact_lock(42); end $$;
             create event trigger wait on ddl_command_end when tag in ('CREATE VIEW')
               execute function public.wait();
             select pg_advisory_lock(42)",
        )
        .expect("a trigger can be made");
    let waiting = "select count(*) = 1 from pg_stat_activity
                   where datname = current_database() and application_name = 'etl' and wait_event_type = 'Lock'";
    let nothing = "select to_regnamespace('etl') is null and to_regnamespace('landing') is null
                      and to_regnamespace('warehouse') is null and count(*) = 0
                   from pg_stat_activity where datname = current_database() and application_name = 'etl'";
    for command in ["migrate", "run"] {
        let mut killed = loader.start(&[command]);
        loader.wait_until("the migration is in the middle", waiting);
        killed.kill().expect("etl is ours");
        killed.wait().expect("etl is ours");
        client
            .batch_execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                            where datname = current_database() and application_name = 'etl'",
            )
            .expect("the superuser may");
        loader.wait_until("nothing is left", nothing);
    }
    // One that the database refuses.
    client
        .batch_execute(
            "create or replace function public.wait() returns event_trigger language plpgsql as $$
               begin raise 'no views here'; end $$",
        )
        .expect("ours");
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 1, "{}", said.log);
    for words in [
        "the schema of the warehouse could not be migrated: no views here",
        "it is as it was before",
    ] {
        assert!(said.log.contains(words), "{}", said.log);
    }
    loader.wait_until("nothing is left", nothing);
    client
        .batch_execute("drop event trigger wait")
        .expect("ours");
    loader.put_user(1);
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn a_schema_of_another_program_is_named_as_such() {
    let loader = loaded();
    let mut client = loader.client();
    let mut refused = |change: &str, words: &[&str]| {
        client.batch_execute(change).expect("the superuser may");
        for arguments in [&["run"][..], &["run", "--dry-run"], &["migrate"]] {
            let said = loader.etl(arguments);
            assert_eq!(said.status, 1, "{arguments:?}: {}", said.log);
            assert_eq!(said.log.lines().count(), 1, "{}", said.log);
            for words in words {
                assert!(said.log.contains(words), "{words}: {}", said.log);
            }
        }
    };
    refused(
        "insert into etl.schema_history values (1000, 'later', '', '')",
        &[
            "the schema of the warehouse is at version 1000, and this program knows ",
            "install the newer program",
        ],
    );
    refused(
        "delete from etl.schema_history where version = 1000;
         update etl.schema_history set name = 'etl' where version = 1",
        &[
            "is from before the first release of etl and cannot be migrated",
            "drop the schemas etl, landing and warehouse, or name another database",
        ],
    );
    client
        .batch_execute(
            "update etl.schema_history set name = 'metadata' where version = 1;
             update etl.schema_history set checksum = '1' where version = 3;
             delete from etl.schema_history where version > 4",
        )
        .expect("the superuser may");
    let said = loader.etl(&["migrate"]);
    assert_eq!(said.status, 1, "{}", said.log);
    let words = "V3__warehouse has another text than the one that was applied";
    assert!(said.log.contains(words), "{}", said.log);
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
