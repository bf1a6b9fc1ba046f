//! Locks of others: a run waits for each with a limit, and names what is in the way.

use std::time::{Duration, Instant};

use crate::books;
use crate::database_faults::{assert_failed, loader_with_a_user};
use crate::loader::{Loader, finish, start};
use crate::obstacle::Obstacle;
use crate::server::server;

/// Sets `lock_timeout` for a database.
fn set_lock_timeout(loader: &Loader, value: &str) {
    let sql = format!(
        "alter database {} set lock_timeout = {value}",
        loader.database
    );
    loader.execute(&sql);
}

#[test]
fn a_run_waits_for_nothing_without_a_limit() {
    let loader = loader_with_a_user();
    // What a session has for limits, said by itself whenever it writes.
    let tables = ["landing.user_event", "warehouse.dim_user", "etl.checkpoint"];
    loader.execute(
        "create table public.found (relation text, name text, setting text);
         create function public.found() returns trigger language plpgsql as $$
           begin
             insert into public.found
             select tg_table_name, name, setting
             from pg_settings where name in ('lock_timeout', 'tcp_keepalives_idle');
             return null;
           end $$",
    );
    for table in tables {
        loader.execute(&format!(
            "create trigger found after insert or update on {table}
             for each statement execute function public.found()"
        ));
    }
    let mut run = loader.command(&["run"]);
    run.env("DATABASE_URL", server().tcp_url(&loader.database));
    let said = finish(start(&mut run));
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    assert_eq!(
        loader.query("select distinct relation, name, setting from public.found order by 1, 2"),
        [
            "checkpoint|lock_timeout|30000",
            "checkpoint|tcp_keepalives_idle|30",
            "dim_user|lock_timeout|30000",
            "dim_user|tcp_keepalives_idle|30",
            "user_event|lock_timeout|30000",
            "user_event|tcp_keepalives_idle|30",
        ]
    );
    // Those that somebody has set for the database hold, at every table that a run needs.
    set_lock_timeout(&loader, "'300ms'");
    loader.put_user(2);
    for (table, mode, doing) in [
        ("etl.checkpoint", "exclusive", "claiming the checkpoints"),
        (
            "etl.recent_file",
            "access exclusive",
            "reading the recently processed files",
        ),
        ("landing.user_event", "exclusive", "loading the events"),
        ("warehouse.dim_user", "exclusive", "opening versions"),
        ("etl.run", "exclusive", "recording the run"),
    ] {
        let obstacle = Obstacle::table(&loader, table, mode);
        let began = Instant::now();
        assert_failed(&loader.etl(&["run"]), &["SQLSTATE 55P03", doing]);
        assert!(began.elapsed() < Duration::from_secs(10), "{table}");
        drop(obstacle);
        loader.wait_for_free_locks();
    }
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}

#[test]
fn a_table_that_somebody_has_locked_is_waited_for_in_bounds() {
    let loader = loader_with_a_user();
    set_lock_timeout(&loader, "'500ms'");
    let mut obstacle = Obstacle::table(&loader, "warehouse.dim_user", "exclusive");
    // An analyst who holds cards is in nobody's way as long as there are only users.
    let other = Obstacle::table(&loader, "warehouse.dim_card", "exclusive");
    let said = loader.etl(&["run"]);
    assert_failed(
        &said,
        &[
            "SQLSTATE 55P03",
            "lock_timeout",
            "usename",
            "`etl explain 55P03`",
        ],
    );
    let failing = "select count(*) from etl.checkpoint
                   where failing_since is not null and last_failure like '%SQLSTATE 55P03%'";
    assert_eq!(loader.value(failing), "2");
    // A run that is killed while it waits leaves a server process that waits no longer either.
    let mut killed = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    killed.kill().expect("etl is ours");
    killed.wait().expect("etl is ours");
    loader.wait_for_free_locks();
    // The query that the line advises names the session that is in the way.
    set_lock_timeout(&loader, "default");
    let run = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    let (_, after) = said.log.split_once(" names it: ").expect("a query");
    let (query, _) = after.split_once(';').expect("an end of it");
    let held = loader.query(query);
    assert!(
        held.len() == 1
            && held[0].contains("|begin; lock table warehouse.dim_user in exclusive mode|"),
        "{held:?}"
    );
    drop(obstacle);
    let said = finish(run);
    assert!(said.log.contains("loaded=1"), "{}", said.log);
    assert_eq!(loader.value(failing), "0");
    drop(other);
    books::check(&loader);
}

#[test]
fn the_lock_of_a_migration_and_that_of_a_dimension_are_waited_for_in_bounds() {
    let loader = loader_with_a_user();
    let empty = Loader::new();
    for (loader, lock, doing) in [
        (&empty, 0, "waiting for another migration"),
        (&loader, 101, "waiting for the dimension's lock"),
    ] {
        set_lock_timeout(loader, "'300ms'");
        let mut other = loader.client();
        other
            .batch_execute(&format!("select pg_advisory_lock(6648940, {lock})"))
            .expect("the lock is free");
        assert_failed(&loader.etl(&["run"]), &[doing, "SQLSTATE 55P03"]);
        drop(other);
        loader.wait_for_free_locks();
    }
    assert_eq!(empty.run(&[])["files"], 0);
    assert_eq!(loader.run(&[])["loaded"], 1);
    books::check(&loader);
}
