//! The address of the warehouse, and connecting to it: one clear line, and never for ever.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::failures::fails;
use crate::loader::{Loader, said};
use crate::proxy::{Cut, Proxy};
use crate::server::{PASSWORD, server};

#[test]
fn the_warehouse_is_down() {
    let loader = Loader::new();
    loader.put_user(1);
    // A port that nobody listens on, since it was free just now.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/x");
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url)],
        &[
            "no connection",
            "refused",
            "nothing was committed, and the next run does the rest",
        ],
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
        fails(
            &loader,
            1,
            &[("DATABASE_URL", &url)],
            &[
                "no connection to the warehouse (127.0.0.1:",
                &format!("timed out after {limit}s; check whether the server hangs"),
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
        assert!(said.log.contains("timed out after 1s"), "{}", said.log);
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

/// An address that leads nowhere: a listener whose queue is full, so that the system leaves the next
/// client without an answer. It does while what this returns lives.
fn nowhere() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    let mut clients = Vec::new();
    // A connection over loopback takes far less than that.
    while let Ok(client) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        clients.push(client);
    }
    (address, listener, clients)
}

#[test]
fn an_address_that_leads_nowhere_leaves_time_for_the_next() {
    let loader = Loader::new();
    let (address, _listener, _clients) = nowhere();
    let url = |hosts: &str| {
        let database = &loader.database;
        format!("postgresql://postgres:{PASSWORD}@{hosts}/{database}?connect_timeout=4")
    };
    let server = format!("127.0.0.1:{}", server().port);
    let output = loader
        .command(&["run"])
        .env("DATABASE_URL", url(&format!("{address},{server}")))
        .output();
    let said = said(output.expect("etl can be started"));
    assert_eq!(said.status, 0, "{}", said.log);
    let began = Instant::now();
    let alone = address.to_string();
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url(&alone))],
        &[&alone, "timed out", "correct the address"],
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn special_characters_in_a_password_are_percent_encoded() {
    let loader = Loader::new();
    let role = format!("special_{}", loader.database);
    loader.execute(&format!(
        "create role {role} superuser login password 'a@b:c/d?e#f%g&h=i j'"
    ));
    let encoded = "a%40b%3Ac%2Fd%3Fe%23f%25g%26h%3Di%20j";
    let (port, database) = (server().port, &loader.database);
    for url in [
        format!("postgresql://{role}:{encoded}@127.0.0.1:{port}/{database}"),
        format!("postgres://127.0.0.1:{port}/{database}?user={role}&password={encoded}"),
    ] {
        let output = loader.command(&["run"]).env("DATABASE_URL", &url).output();
        let said = said(output.expect("etl can be started"));
        assert_eq!(said.status, 0, "{url}: {}", said.log);
    }
    loader.execute(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn an_address_that_makes_no_sense_is_wrong_usage() {
    let loader = Loader::new();
    let encoding = "write @ as %40, / as %2F";
    let form = "postgresql://user:password@host:port/database";
    for (url, words) in [
        ("postgresql://", &["DATABASE_URL", "names no host"][..]),
        (
            "postgresql://u:not-a-secret@/x?hostaddr=127.0.0.1",
            &["names no host"],
        ),
        ("mysql://u:not-a-secret@h/x", &["DATABASE_URL", form]),
        (
            "host=h user=u password=not-a-secret",
            &["DATABASE_URL", form],
        ),
        // What comes after an @, / or ? in a password must not be taken for something to show.
        ("postgresql://u:p@not-a-secret@127.0.0.1:1/x", &[encoding]),
        ("postgresql://u:p@h/not-a-secret@127.0.0.1:1/x", &[encoding]),
        ("postgresql://u:p@h?not-a-secret@127.0.0.1:1/x", &[encoding]),
        ("postgresql://u:p/not-a-secret@127.0.0.1:1/x", &[encoding]),
        ("postgresql://u:p?not-a-secret@127.0.0.1:1/x", &[encoding]),
        (
            "postgresql://127.0.0.1:1/x?user=u&password=p@not-a-secret",
            &[encoding],
        ),
        (
            "postgresql://u:not-a-secret@h:port/x",
            &["DATABASE_URL", "invalid value for option `port`"],
        ),
        (
            "postgresql://u:not-a-secret@h:70000/x",
            &["invalid value for option `port`"],
        ),
        (
            "postgresql://u:not-a-secret@h/x?connect_timeout=10s",
            &["invalid value for option `connect_timeout`"],
        ),
        (
            "postgresql://u:not-a-secret@h/x?timeout=10",
            &["unknown option `timeout`"],
        ),
    ] {
        println!("{url}");
        fails(&loader, 2, &[("DATABASE_URL", url)], words);
    }
    for port in ["port", "0", "70000", "-1", "54 32"] {
        let settings = [("DATABASE_URL", ""), ("DB_HOST", "h"), ("DB_PORT", port)];
        let named = format!("DB_PORT is {port:?}; it must be a number from 1 to 65535");
        fails(&loader, 2, &settings, &[&named]);
    }
    fails(&loader, 2, &[("DATABASE_URL", "")], &["set DATABASE_URL"]);
}

#[test]
fn a_password_that_the_server_asks_for_is_missed() {
    let loader = Loader::new();
    let port = server().port;
    fails(
        &loader,
        1,
        &[(
            "DATABASE_URL",
            &format!("postgresql://postgres@127.0.0.1:{port}/x"),
        )],
        &[
            "password missing",
            "set a password in DATABASE_URL",
            "see `etl explain 28P01`",
        ],
    );
}
