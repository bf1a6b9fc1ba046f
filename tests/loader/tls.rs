//! Encrypted connections: `sslmode` and `sslrootcert` against servers with TLS and without.

use std::fs;
use std::sync::OnceLock;

use postgres::{Client, NoTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::failures::fails;
use crate::loader::{Loader, Said, said};
use crate::server::{PASSWORD, Server, server};

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

/// An authority of its own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new([]).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    KeyPair::generate()
        .and_then(|key| CertifiedIssuer::self_signed(parameters, key))
        .expect("an authority can be made")
}

/// The server with TLS. Beside its data are `authority.crt`, which vouches for it, and
/// `stranger.crt`, which does not.
fn tls_server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (authority, stranger) = (authority("authority"), authority("stranger"));
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = CertificateParams::new([HOST.to_owned()])
            .and_then(|parameters| parameters.signed_by(&key, &authority))
            .expect("a certificate can be made");
        let server = Server::start(
            &[
                ("authority.crt", &authority.pem()),
                ("stranger.crt", &stranger.pem()),
                ("server.crt", &certificate.pem()),
                ("server.key", &key.serialize_pem()),
                ("rules", RULES),
            ],
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
    })
}

/// Where a database of the server with TLS is, under a host name, with more parameters.
fn url(database: &str, host: &str, parameters: &[&str]) -> String {
    let port = tls_server().port;
    let url = format!(
        "postgresql://postgres:{PASSWORD}@/{database}?hostaddr=127.0.0.1&port={port}&host={host}"
    );
    [&[url.as_str()], parameters].concat().join("&")
}

/// The parameter that names a file beside the server's data.
fn root_certificate(file: &str) -> String {
    let path = tls_server().path(file).display().to_string();
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

#[test]
fn a_server_that_its_authority_vouches_for_is_trusted() {
    let loader = Loader::new();
    let root = root_certificate("authority.crt");
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let mode = format!("sslmode={mode}");
        succeeds(&loader, &url(SEALED, HOST, &[&mode, &root]));
    }
    let path = tls_server().path("authority.crt").display().to_string();
    let environment = [
        ("DATABASE_URL", url(SEALED, HOST, &[])),
        ("PGSSLMODE", "verify-full".to_owned()),
        ("PGSSLROOTCERT", path),
    ];
    let said = run(
        &loader,
        &environment
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    );
    assert_eq!(said.status, 0, "{}", said.log);
}

#[test]
fn a_wrong_host_name_is_refused_where_names_are_compared() {
    let loader = Loader::new();
    let root = root_certificate("authority.crt");
    for mode in ["sslmode=require", "sslmode=verify-ca"] {
        succeeds(&loader, &url(SEALED, OTHER_HOST, &[mode, &root]));
    }
    fails(
        &loader,
        1,
        &[(
            "DATABASE_URL",
            &url(SEALED, OTHER_HOST, &["sslmode=verify-full", &root]),
        )],
        &[
            "is one for dwh.example, and",
            OTHER_HOST,
            "sslmode=verify-ca",
        ],
    );
}

#[test]
fn a_server_that_no_trusted_authority_vouches_for_is_refused() {
    let loader = Loader::new();
    let root = root_certificate("stranger.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        let mode = format!("sslmode={mode}");
        fails(
            &loader,
            1,
            &[("DATABASE_URL", &url(SEALED, HOST, &[&mode, &root]))],
            &["no authority in", "stranger.crt", "sslrootcert"],
        );
    }
    // Without certificates of authorities, there is nothing to verify with.
    succeeds(&loader, &url(SEALED, HOST, &["sslmode=require"]));
    let missing = root_certificate("missing.crt");
    let url = url(SEALED, HOST, &["sslmode=require", &missing]);
    let said = run(&loader, &[("DATABASE_URL", &url)]);
    assert_eq!(said.status, 0, "{}", said.log);
    assert!(said.log.contains("is not verified"), "{}", said.log);
}

#[test]
fn the_usual_places_of_authorities_are_known() {
    let loader = Loader::new();
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join(".postgresql");
    fs::create_dir(&folder).expect("the temporary folder can be written");
    let put = |file: &str| {
        fs::copy(tls_server().path(file), folder.join("root.crt")).expect("it can be copied");
    };
    let home = home.path().display().to_string();
    put("authority.crt");
    let verified = url(SEALED, HOST, &["sslmode=verify-full"]);
    let settings = [("DATABASE_URL", verified.as_str()), ("HOME", home.as_str())];
    let said = run(&loader, &settings);
    assert_eq!(said.status, 0, "{}", said.log);
    put("stranger.crt");
    let required = url(SEALED, HOST, &["sslmode=require"]);
    let settings = [("DATABASE_URL", required.as_str()), ("HOME", home.as_str())];
    fails(&loader, 1, &settings, &["~/.postgresql/root.crt"]);

    // The system's own list verifies the name too.
    let path = |file: &str| tls_server().path(file).display().to_string();
    let by_system = |host, file| {
        let url = url(SEALED, host, &["sslrootcert=system"]);
        let authorities = path(file);
        let settings = [
            ("DATABASE_URL", url.as_str()),
            ("SSL_CERT_FILE", authorities.as_str()),
        ];
        run(&loader, &settings)
    };
    let said = by_system(HOST, "authority.crt");
    assert_eq!(said.status, 0, "{}", said.log);
    let said = by_system(OTHER_HOST, "authority.crt");
    assert!(said.log.contains("verify-full"), "{}", said.log);
    let said = by_system(HOST, "stranger.crt");
    assert!(said.log.contains("the system's list"), "{}", said.log);
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let loader = Loader::new();
    let plain = server().tcp_url(&loader.database);
    for url in [plain.clone(), format!("{plain}?sslmode=prefer")] {
        succeeds(&loader, &url);
    }
    let root = root_certificate("authority.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        fails(
            &loader,
            1,
            &[("DATABASE_URL", &format!("{plain}?sslmode={mode}&{root}"))],
            &["the server has no TLS", mode, "ssl = on"],
        );
    }
}

#[test]
fn encryption_is_preferred_and_done_without_if_it_fails() {
    let loader = Loader::new();
    for database in [SEALED, PLAIN] {
        succeeds(&loader, &url(database, HOST, &[]));
    }
    let stranger = root_certificate("stranger.crt");
    succeeds(&loader, &url(PLAIN, HOST, &[&stranger]));
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url(SEALED, HOST, &[&stranger]))],
        &["no encryption", "and with TLS: no authority in"],
    );
}

#[test]
fn disabled_is_plain() {
    let loader = Loader::new();
    succeeds(&loader, &url(PLAIN, HOST, &["sslmode=disable"]));
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url(SEALED, HOST, &["sslmode=disable"]))],
        &["no encryption"],
    );
    fails(
        &loader,
        1,
        &[("DATABASE_URL", &url(PLAIN, HOST, &["sslmode=require"]))],
        &["SSL encryption"],
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
fn settings_of_encryption_that_make_no_sense_are_wrong_usage() {
    let loader = Loader::new();
    let junk = root_certificate("rules");
    for (parameters, words) in [
        (
            ["sslmode=allow", ""],
            ["sslmode", "\"allow\"", "verify-full"],
        ),
        (
            ["sslmode=verify-ca", "sslrootcert=/nowhere/root.crt"],
            ["/nowhere/root.crt", "No such file", "sslrootcert"],
        ),
        (
            ["sslmode=verify-full", ""],
            [".postgresql/root.crt", "No such file", "sslrootcert"],
        ),
        (
            ["sslmode=verify-ca", &junk],
            ["rules", "holds no certificate", "PEM"],
        ),
        (
            ["sslmode=require", "sslrootcert=system"],
            ["sslrootcert=system", "verify-full", "require"],
        ),
    ] {
        let parameters: Vec<&str> = parameters
            .into_iter()
            .filter(|parameter| !parameter.is_empty())
            .collect();
        let url = url(SEALED, HOST, &parameters);
        let settings = [("DATABASE_URL", url.as_str()), ("HOME", "/nowhere")];
        fails(&loader, 2, &settings, &words);
    }
}
