//! Encrypted connections: `sslmode` and `sslrootcert` against servers with TLS and without.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::thread;

use postgres::{Client, NoTls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::failures::fails;
use crate::loader::{Loader, Said, said};
use crate::server::{PASSWORD, Server, Shutdown, server};

/// The host in the server's certificate, and one that is not.
const HOST: &str = "dwh.example";
const OTHER_HOST: &str = "elsewhere.example";

/// A database that is open with TLS alone, and one that is open without it alone.
const SEALED: &str = "sealed";
const PLAIN: &str = "plain";

const RULES: &str = "local all all trust
hostssl sealed all 127.0.0.1/32 scram-sha-256
hostnossl plain all 127.0.0.1/32 scram-sha-256
";

/// A certificate of X.509 version 1 and its key, which protects nothing. `openssl x509 -req` makes
/// such a certificate unless it is given extensions, and rustls cannot parse it.
const VERSION_1_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBJjCBzQIUdzPWUlum74LJ0EVyC6C31qdNqu8wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjEzNTA0MVoYDzIxMjYxMTAyMTM1MDQx
WjAWMRQwEgYDVQQDDAtkd2guZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABOU+V5kWd0oex3t/8pkMptQ/ncKCO0M0GjH55riRsMlDUhRu6jaXMu9ry4Zj
tTSMa7lMhkuryzSF6SiV5gYXXiUwCgYIKoZIzj0EAwIDSAAwRQIgRNZVOilhM+op
N8F+6KNtJk4BnXCCY09FEQlBSpjXXh8CIQCBlURVjG4EPHlPWUX+EP13wngqsWmx
806IqbTEVE2a0A==
-----END CERTIFICATE-----
";
const VERSION_1_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjhB59N3ho01lz/0X
QcjnCNV0smvHlnAiedq7hpxxcO+hRANCAATlPleZFndKHsd7f/KZDKbUP53CgjtD
NBox+ea4kbDJQ1IUbuo2lzLva8uGY7U0jGu5TIZLq8s0hekoleYGF14l
-----END PRIVATE KEY-----
";

/// An authority of its own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new([]).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    KeyPair::generate()
        .and_then(|key| CertifiedIssuer::self_signed(parameters, key))
        .expect("an authority can be made")
}

/// Whether the installed PostgreSQL has TLS; if not, says that the test is skipped.
fn has_tls() -> bool {
    let library: String = Client::connect(&server().url("postgres"), NoTls)
        .and_then(|mut client| client.query_one("select current_setting('ssl_library')", &[]))
        .expect("the server is up")
        .get(0);
    if library.is_empty() {
        println!("skipped: this PostgreSQL is built without TLS");
    }
    !library.is_empty()
}

/// Starts a server with TLS and these files beside its data, among them `server.crt` and
/// `server.key`.
fn start(files: &[(&str, &str)]) -> Server {
    let server = Server::start(
        &[files, &[("rules", RULES)]].concat(),
        &[
            "ssl=on",
            "ssl_cert_file=../server.crt",
            "ssl_key_file=../server.key",
            "hba_file=../rules",
        ],
    );
    let mut client = Client::connect(&server.url("postgres"), NoTls).expect("a connection");
    for database in [SEALED, PLAIN] {
        client
            .batch_execute(&format!("create database {database}"))
            .expect("a database can be made");
    }
    server
}

/// The server with TLS that the tests share. Beside its data are `authority.crt`, which has issued
/// its certificate, and `stranger.crt`, which has not. `None` if PostgreSQL has no TLS.
fn tls_server() -> Option<&'static Server> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    if !has_tls() {
        return None;
    }
    Some(SERVER.get_or_init(|| {
        let (authority, stranger) = (authority("authority"), authority("stranger"));
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = CertificateParams::new([HOST.to_owned()])
            .and_then(|parameters| parameters.signed_by(&key, &authority))
            .expect("a certificate can be made");
        start(&[
            ("authority.crt", &authority.pem()),
            ("stranger.crt", &stranger.pem()),
            ("server.crt", &certificate.pem()),
            ("server.key", &key.serialize_pem()),
        ])
    }))
}

/// Where a database of a server with TLS is, under a host name, with more parameters.
fn url(server: &Server, database: &str, host: &str, parameters: &[&str]) -> String {
    let port = server.port;
    let url = format!(
        "postgresql://postgres:{PASSWORD}@/{database}?hostaddr=127.0.0.1&port={port}&host={host}"
    );
    [&[url.as_str()], parameters].concat().join("&")
}

/// The parameter that names a file beside a server's data.
fn authorities(server: &Server, file: &str) -> String {
    let path = server.path(file).display().to_string();
    format!("sslrootcert={}", path.replace('/', "%2F"))
}

fn run(loader: &Loader, settings: &[(&str, &str)]) -> Said {
    let output = loader
        .command(&["run"])
        .envs(settings.iter().copied())
        .output();
    said(output.expect("etl can be started"))
}

fn succeeds(loader: &Loader, url: &str) {
    let said = run(loader, &[("DATABASE_URL", url)]);
    assert_eq!(said.status, 0, "{url}: {}", said.log);
}

/// A run does not connect, and says why.
fn is_refused(loader: &Loader, url: &str, words: &[&str]) {
    fails(loader, 1, &[("DATABASE_URL", url)], words);
}

#[test]
fn a_server_whose_certificate_a_trusted_authority_has_issued_is_trusted() {
    let Some(server) = tls_server() else { return };
    let loader = Loader::new();
    let trusted = authorities(server, "authority.crt");
    for mode in ["sslmode=verify-ca", "sslmode=verify-full"] {
        succeeds(&loader, &url(server, SEALED, HOST, &[mode, &trusted]));
    }
    let path = server.path("authority.crt").display().to_string();
    for mode in ["verify-full", "verify-ca", ""] {
        let said = run(
            &loader,
            &[
                ("DATABASE_URL", &url(server, SEALED, HOST, &[])),
                ("PGSSLMODE", mode),
                ("PGSSLROOTCERT", &path),
            ],
        );
        assert_eq!(said.status, 0, "{mode}: {}", said.log);
    }
    // The URL goes before the environment.
    let said = run(
        &loader,
        &[
            (
                "DATABASE_URL",
                &url(server, PLAIN, HOST, &["sslmode=disable"]),
            ),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &path),
        ],
    );
    assert_eq!(said.status, 0, "{}", said.log);
}

#[test]
fn a_wrong_host_is_refused_where_hosts_are_compared() {
    let Some(server) = tls_server() else { return };
    let loader = Loader::new();
    let trusted = authorities(server, "authority.crt");
    for mode in [&["sslmode=require"][..], &["sslmode=verify-ca", &trusted]] {
        succeeds(&loader, &url(server, SEALED, OTHER_HOST, mode));
    }
    // Whoever names authorities wants the server verified, whole.
    for mode in [&["sslmode=verify-full", &trusted][..], &[&trusted]] {
        is_refused(
            &loader,
            &url(server, SEALED, OTHER_HOST, mode),
            &["valid for", HOST, OTHER_HOST, "sslmode=verify-ca"],
        );
    }
}

#[test]
fn a_server_whose_certificate_a_stranger_has_issued_is_refused() {
    let Some(server) = tls_server() else { return };
    let loader = Loader::new();
    let stranger = authorities(server, "stranger.crt");
    for mode in ["sslmode=verify-ca", "sslmode=verify-full"] {
        for host in [HOST, OTHER_HOST] {
            is_refused(
                &loader,
                &url(server, SEALED, host, &[mode, &stranger]),
                &["UnknownIssuer", "sslrootcert", "this is not that server"],
            );
        }
    }
}

/// Starts a server that shows a certificate and signs with another key than that of the certificate,
/// and returns its port.
fn impostor(
    certificate: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> u16 {
    let key = KeyPair::generate().expect("a key can be made");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let key = ring::sign::any_ecdsa_type(&key).expect("a key");
    let settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("ring has it")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(
            vec![certificate],
            key,
        ))));
    let settings = Arc::new(settings);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 8];
            let mut tls = ServerConnection::new(Arc::clone(&settings)).expect("a connection");
            // The client leaves in the middle of it.
            let _ = client
                .read_exact(&mut request)
                .and_then(|()| client.write_all(b"S"))
                .and_then(|()| tls.complete_io(&mut client));
        }
    });
    port
}

#[test]
fn a_certificate_is_worth_nothing_without_its_key() {
    let loader = Loader::new();
    let authority = authority("authority");
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, &authority))
        .expect("a certificate can be made");
    let file = loader.put("authority.crt", authority.pem());
    for version in [&TLS12, &TLS13] {
        let port = impostor(certificate.der().clone(), version);
        for mode in ["verify-ca", "verify-full"] {
            let url = format!(
                "postgresql://postgres:{PASSWORD}@localhost:{port}/x?sslmode={mode}&sslrootcert={}",
                file.display()
            );
            is_refused(&loader, &url, &["BadSignature"]);
        }
    }
}

#[test]
fn the_authorities_of_the_system_are_trusted_if_they_are_named() {
    let Some(server) = tls_server() else { return };
    let loader = Loader::new();
    let by_system = |host, file| {
        let url = url(server, SEALED, host, &["sslrootcert=system"]);
        let authorities = server.path(file).display().to_string();
        run(
            &loader,
            &[("DATABASE_URL", &url), ("SSL_CERT_FILE", &authorities)],
        )
    };
    let said = by_system(HOST, "authority.crt");
    assert_eq!(said.status, 0, "{}", said.log);
    let said = by_system(OTHER_HOST, "authority.crt");
    assert!(said.log.contains("valid for"), "{}", said.log);
    let said = by_system(HOST, "stranger.crt");
    assert!(said.log.contains("UnknownIssuer"), "{}", said.log);
}

#[test]
fn certificates_that_are_not_from_an_authority() {
    if !has_tls() {
        return;
    }
    let self_signed = |is_ca: IsCa, expires: i32| {
        let mut parameters = CertificateParams::new([HOST.to_owned()]).expect("a host name");
        parameters.is_ca = is_ca;
        parameters.not_after = date_time_ymd(expires, 1, 1);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = parameters.self_signed(&key);
        let certificate = certificate.expect("a certificate can be made").pem();
        (certificate, key.serialize_pem())
    };
    let (certificate, key) = self_signed(IsCa::ExplicitNoCa, 4000);
    let server = start(&[("server.crt", &certificate), ("server.key", &key)]);
    let loader = Loader::new();
    let itself = authorities(&server, "server.crt");
    let verified = ["sslmode=verify-ca", "sslmode=verify-full"]
        .map(|mode| url(&server, SEALED, HOST, &[mode, &itself]));
    let encrypted =
        ["sslmode=prefer", "sslmode=require"].map(|mode| url(&server, SEALED, HOST, &[mode]));
    for url in verified.iter().chain(&encrypted) {
        succeeds(&loader, url);
    }
    for (what, (certificate, key), words) in [
        // What `openssl req -x509` makes.
        (
            "an authority itself",
            self_signed(IsCa::Ca(BasicConstraints::Unconstrained), 4000),
            ["not that of an authority", "self-signed, with CA:FALSE"],
        ),
        (
            "out of date",
            self_signed(IsCa::ExplicitNoCa, 2020),
            ["expired", "renew the server's certificate, unless"],
        ),
        (
            "of version 1",
            (VERSION_1_CERTIFICATE.to_owned(), VERSION_1_KEY.to_owned()),
            ["UnsupportedCertVersion", "must be of X.509 version 3"],
        ),
    ] {
        println!("a certificate that is {what}");
        for (file, content) in [("server.crt", certificate), ("server.key", key)] {
            fs::write(server.path(file), content).expect("the file is there");
        }
        server.restart(Shutdown::Fast);
        for url in &verified {
            is_refused(&loader, url, &words);
        }
        for url in &encrypted {
            succeeds(&loader, url);
        }
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let Some(tls_server) = tls_server() else {
        return;
    };
    let loader = Loader::new();
    let plain = server().tcp_url(&loader.database);
    for url in [plain.clone(), format!("{plain}?sslmode=prefer")] {
        succeeds(&loader, &url);
    }
    let trusted = authorities(tls_server, "authority.crt");
    for parameters in [
        "sslmode=require",
        &format!("sslmode=verify-ca&{trusted}"),
        &format!("sslmode=verify-full&{trusted}"),
    ] {
        is_refused(
            &loader,
            &format!("{plain}?{parameters}"),
            &[
                "server does not support TLS",
                "set ssl = on at the server",
                "sslmode=prefer",
                "see `etl explain tls`",
            ],
        );
    }
}

#[test]
fn tls_is_used_if_the_server_has_it_and_never_given_up() {
    let Some(server) = tls_server() else { return };
    let loader = Loader::new();
    for parameters in [&[][..], &["sslmode=prefer"], &["sslmode=require"]] {
        succeeds(&loader, &url(server, SEALED, HOST, parameters));
        is_refused(
            &loader,
            &url(server, PLAIN, HOST, parameters),
            &["SSL encryption", "sslmode=disable"],
        );
    }
    succeeds(&loader, &url(server, PLAIN, HOST, &["sslmode=disable"]));
    is_refused(
        &loader,
        &url(server, SEALED, HOST, &["sslmode=disable"]),
        &["no encryption", "sslmode=require"],
    );
}

#[test]
fn a_socket_never_has_tls() {
    let loader = Loader::new();
    succeeds(
        &loader,
        &format!("{}&sslmode=verify-full&sslrootcert=/nowhere", loader.url),
    );
}

#[test]
fn settings_of_tls_that_make_no_sense_are_wrong_usage() {
    let loader = Loader::new();
    let junk = loader.put("junk", "no certificate");
    let junk = format!("sslrootcert={}", junk.display());
    for (parameters, words) in [
        (
            "sslmode=allow",
            &["sslmode", "\"allow\"", "verify-full"][..],
        ),
        (
            "sslmode=verify-ca&sslrootcert=/nowhere/root.crt",
            &["/nowhere/root.crt", "No such file", "sslrootcert"],
        ),
        (
            "sslmode=verify-full",
            &["sslmode=verify-full requires sslrootcert", "`system`"],
        ),
        (
            &format!("sslmode=verify-ca&{junk}"),
            &["junk", "no items found", "PEM"],
        ),
        (
            "sslmode=verify-ca&sslrootcert=system",
            &["sslrootcert=system requires sslmode=verify-full"],
        ),
        (
            &format!("sslmode=require&{junk}"),
            &["sslmode=require does not verify", "sslmode=verify-full"],
        ),
        (
            "sslmode=prefer&sslrootcert=system",
            &["sslmode=prefer does not verify", "sslmode=verify-full"],
        ),
    ] {
        let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:1/x?{parameters}");
        fails(&loader, 2, &[("DATABASE_URL", &url)], words);
    }
    // An authority that cannot be used is no setting, and never one that is left out.
    let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:1/x");
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("PGSSLROOTCERT", "system"),
        ("SSL_CERT_FILE", "/nowhere"),
    ];
    fails(&loader, 2, &settings, &["`system`", "ca-certificates"]);
}
