//! What can be wrong around the loader: one clear line, exit status 1, and the next run catches up.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::loader::{Loader, event_id, said, user_event};
use crate::proxy::{Cut, Proxy};
use crate::server::{PASSWORD, server};

/// Runs with other settings and expects one line that says all of this, and exit status `status`.
pub fn fails(loader: &Loader, status: i32, settings: &[(&str, &str)], words: &[&str]) {
    let output = loader
        .command(&["run", "--json"])
        .envs(settings.iter().copied())
        .output();
    let said = said(output.expect("etl can be started"));
    assert_eq!(said.status, status, "{}", said.log);
    assert_eq!(said.log.lines().count(), 1, "one line: {}", said.log);
    for word in words {
        assert!(said.log.contains(word), "{word:?} is missing: {}", said.log);
    }
    assert!(!said.log.contains(PASSWORD), "{}", said.log);
}

#[test]
fn the_warehouse_is_down() {
    let loader = Loader::new();
    loader.put_user(1);
    // A port that nobody listens on, since it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/x");
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url)],
        &["no connection", "refused", "the next run catches up"],
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn a_server_that_takes_the_connection_and_says_nothing_is_given_up() {
    let loader = Loader::new();
    // The system takes connections for a program that never asks for them, as it does for one that
    // hangs.
    let silent = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [one, other] = silent
        .each_ref()
        .map(|listener| listener.local_addr().expect("a port").port());
    // One that waits for ever is to fail, and not to wait for ever.
    thread::spawn(move || {
        sleep(Duration::from_secs(60));
        drop(silent);
    });
    let proxy = Proxy::start();
    proxy.cut(Cut::Silence);
    for (url, limit) in [
        (
            format!("postgresql://u@127.0.0.1:{one}/x?connect_timeout=1"),
            1,
        ),
        (
            format!("postgresql://u@127.0.0.1:{one}/x?connect_timeout=2&sslmode=disable"),
            2,
        ),
        (
            format!("postgresql://u@127.0.0.1:{one}/x?sslmode=require&connect_timeout=1"),
            1,
        ),
        // Whichever of several it is.
        (
            format!("postgresql://u@127.0.0.1:{one},127.0.0.1:{other}/x?connect_timeout=1"),
            1,
        ),
        (
            format!("postgresql://u@127.0.0.1:1,127.0.0.1:{other}/x?connect_timeout=1"),
            1,
        ),
        // Even once it has let the user in.
        (
            format!("{}?connect_timeout=1", proxy.url(&loader.database)),
            1,
        ),
    ] {
        let began = Instant::now();
        let words = format!("did not answer within {limit}s; look whether the server hangs");
        fails(
            &loader,
            1,
            &[("DATABASE_URL", &url)],
            &[
                "no connection to the warehouse (127.0.0.1:",
                "timed out",
                &words,
            ],
        );
        let took = began.elapsed();
        let limit = Duration::from_secs(limit);
        assert!(took >= limit && took < 3 * limit, "{took:?}: {url}");
    }
    let url = format!("postgresql://u@127.0.0.1:{one}/x?connect_timeout=1");
    for arguments in [["status", "--max-lag=5m"], ["rejected", "list"]] {
        let output = loader
            .command(&arguments)
            .env("DATABASE_URL", &url)
            .output();
        let said = said(output.expect("etl can be started"));
        assert_eq!(said.status, 1, "{}", said.log);
        assert!(said.log.contains("did not answer"), "{}", said.log);
    }
    proxy.cut(Cut::Nowhere);
    loader.put_user(1);
    let output = loader
        .command(&["run", "--json"])
        .env("DATABASE_URL", proxy.url(&loader.database))
        .output();
    let said = said(output.expect("etl can be started"));
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);
}

#[test]
fn the_password_is_wrong_or_the_database_is_not_there() {
    let loader = Loader::new();
    loader.put_user(1);
    let port = server().port;
    let url = |password: &str, database: &str| {
        format!("postgresql://postgres:{password}@127.0.0.1:{port}/{database}")
    };
    let wrong = url("wrong", &loader.database);
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &wrong)],
        &["password authentication failed", "POSTGRES_PASSWORD"],
    );
    let elsewhere = url(PASSWORD, "nowhere");
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &elsewhere)],
        &["\"nowhere\" does not exist", "create the database"],
    );
    let right = url(PASSWORD, &loader.database);
    let output = loader
        .command(&["run", "--json"])
        .env("DATABASE_URL", right)
        .output();
    assert!(
        said(output.expect("etl can be started"))
            .out
            .contains("\"loaded\":1")
    );
}

#[test]
fn the_parts_of_the_address_are_read_from_the_environment() {
    let loader = Loader::new();
    loader.put_user(1);
    let mut command = loader.command(&["run", "--json"]);
    // An empty setting is none, as compose files make them.
    command
        .env("DATABASE_URL", "")
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", server().port.to_string())
        .env("POSTGRES_USER", "postgres")
        .env("POSTGRES_PASSWORD", PASSWORD)
        .env("POSTGRES_DB", &loader.database);
    let said = said(command.output().expect("etl can be started"));
    assert!(said.out.contains("\"loaded\":1"), "{}", said.log);
}

#[test]
fn settings_that_make_no_sense_are_wrong_usage() {
    let loader = Loader::new();
    fails(
        &loader,
        2,
        &[("DATABASE_URL", "postgresql://")],
        &["DATABASE_URL", "names no host"],
    );
    // An @ in a password has to be written %40; what comes after it must not be taken for something
    // to show.
    fails(
        &loader,
        1,
        &[(
            "DATABASE_URL",
            &format!("postgresql://u:p@{PASSWORD}@127.0.0.1:1/x"),
        )],
        &["no connection"],
    );
    fails(
        &loader,
        2,
        &[("DATABASE_URL", "postgresql://u:not-a-secret@h:port/x")],
        &["DATABASE_URL"],
    );
    for arguments in [
        vec!["run", "--since", "yesterday"],
        vec!["run", "--since", "2999-01-01 12:00", "--dry-run"],
        vec!["rejected", "list", "--since", "2999-01-01"],
        vec!["run", "--source", "accounts"],
        vec!["run", "--batch-size", "0"],
        vec!["runn"],
        vec![],
    ] {
        assert_eq!(loader.etl(&arguments).status, 2, "{arguments:?}");
    }
    let output = loader.command(&["run"]).env_remove("DATABASE_URL").output();
    let said = said(output.expect("etl can be started"));
    assert_eq!(said.status, 2);
    assert!(said.log.contains("set DATABASE_URL"), "{}", said.log);
}

#[test]
fn a_checkpoint_that_is_gone_is_no_reason_to_load_nothing_in_silence() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    loader
        .client()
        .batch_execute("delete from etl.checkpoint where source = 'users'")
        .expect("the books");
    fails(
        &loader,
        1,
        &[],
        &["no row for users", "insert into etl.checkpoint"],
    );
    loader
        .client()
        .batch_execute("insert into etl.checkpoint (source) values ('users')")
        .expect("the books");
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn a_missing_folder_stops_its_source_and_no_other() {
    let loader = Loader::new();
    loader.put_user(1);
    fs::remove_dir(loader.path("cards")).expect("the inbox can be changed");
    let said = loader.etl(&["run", "--json"]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(said.out.contains("\"loaded\":1"), "{}", said.out);
    let errors: Vec<&str> = said
        .log
        .lines()
        .filter(|line| line.contains("ERROR"))
        .collect();
    let [error] = errors.as_slice() else {
        panic!("{}", said.log);
    };
    assert!(
        error.contains("/cards") && error.contains("--inbox"),
        "{error}"
    );
    fs::create_dir(loader.path("cards")).expect("the inbox can be changed");
    loader.put(
        "cards/2.json",
        user_event(&event_id(2), "2026-11-23 20:10:20", 2, "Bob", 1.0).to_string(),
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
}

#[test]
fn a_folder_that_may_not_be_listed_stops_its_source() {
    let loader = Loader::new();
    let permit = |mode| fs::set_permissions(loader.path("users"), fs::Permissions::from_mode(mode));
    loader.put_user(1);
    permit(0o300).expect("the folder is ours");
    let said = loader.etl_unprivileged(&["run"]);
    permit(0o755).expect("the folder is ours");
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(
        said.log.contains("/users") && said.log.contains("the right to list it"),
        "{}",
        said.log
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
}
