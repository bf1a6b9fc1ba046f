//! Whether the connection is encrypted and whom it trusts: `sslmode` and `sslrootcert`, with the
//! meaning that libpq gives them.
//!
//! Nothing of TLS is set up for a connection that cannot use it.

use std::env;
use std::error::Error as _;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::tls::MakeTlsConnect;
use postgres::{Client, Config, NoTls, Socket};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, advice, explain};

/// Where libpq looks for the certificates of authorities unless told otherwise, in the home folder.
const DEFAULT_ROOT_CERTIFICATE: &str = ".postgresql/root.crt";

/// The value of `sslrootcert` that means the authorities that the system trusts.
const SYSTEM: &str = "system";

/// The protocol as servers from PostgreSQL 17 on want it named when TLS begins without being asked
/// for (`sslnegotiation=direct`); others do not look at it.
const PROTOCOL: &[u8] = b"postgresql";

/// What the client says of a server that refuses TLS.
const TLS_REFUSED: &str = "server does not support TLS";

/// How much is asked of TLS, least first: `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// No TLS.
    Disable,
    /// TLS if the server has it.
    Prefer,
    /// TLS; an authority has to vouch for the server if the certificates of any are there.
    Require,
    /// TLS, and an authority has to vouch for the server.
    VerifyCa,
    /// TLS, and an authority has to vouch that the server is the host that was asked for.
    VerifyFull,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Mode, Error> {
        match text {
            "disable" => Ok(Mode::Disable),
            "prefer" => Ok(Mode::Prefer),
            "require" => Ok(Mode::Require),
            "verify-ca" => Ok(Mode::VerifyCa),
            "verify-full" => Ok(Mode::VerifyFull),
            _ => Err(Error::Setting(format!(
                "sslmode (PGSSLMODE) is {text:?}; it is one of disable, prefer, require, verify-ca and verify-full"
            ))),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Disable => "disable",
            Mode::Prefer => "prefer",
            Mode::Require => "require",
            Mode::VerifyCa => "verify-ca",
            Mode::VerifyFull => "verify-full",
        })
    }
}

/// Where the certificates of the trusted authorities are: `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RootCertificates {
    /// In the usual file, if it is there.
    Usual,
    /// In a file that was named.
    File(PathBuf),
    /// Where the system keeps them.
    System,
}

/// What a connection asks of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encryption {
    mode: Mode,
    root_certificates: RootCertificates,
}

impl Encryption {
    /// What these settings ask for; one that is missing is taken from the environment
    /// (`PGSSLMODE`, `PGSSLROOTCERT`).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when they make no sense.
    pub(super) fn find(
        mode: Option<String>,
        root_certificate: Option<String>,
    ) -> Result<Encryption, Error> {
        let or_environment = |value: Option<String>, name| {
            value
                .or_else(|| env::var(name).ok())
                .filter(|value| !value.is_empty())
        };
        Encryption::new(
            or_environment(mode, "PGSSLMODE").as_deref(),
            or_environment(root_certificate, "PGSSLROOTCERT").as_deref(),
        )
    }

    fn new(mode: Option<&str>, root_certificate: Option<&str>) -> Result<Encryption, Error> {
        let root_certificates = match root_certificate {
            None => RootCertificates::Usual,
            Some(SYSTEM) => RootCertificates::System,
            Some(path) => RootCertificates::File(path.into()),
        };
        let mode = match (mode, &root_certificates) {
            (Some(mode), _) => mode.parse()?,
            (None, RootCertificates::System) => Mode::VerifyFull,
            (None, _) => Mode::Prefer,
        };
        // Anybody can have a certificate of a public authority, for a host of their own.
        if root_certificates == RootCertificates::System && mode != Mode::VerifyFull {
            return Err(Error::Setting(format!(
                "sslrootcert=system needs sslmode=verify-full, and sslmode (PGSSLMODE) is {mode}"
            )));
        }
        Ok(Encryption {
            mode,
            root_certificates,
        })
    }

    /// Connects as the mode says; `shown` is the address without a password. `on_taken` is called
    /// whenever a server has taken a connection, before anything is asked of it.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] when there is no connection, [`Error::Setting`] when the certificates
    /// of the authorities cannot be read.
    pub(super) fn connect(
        &self,
        config: &Config,
        shown: &str,
        on_taken: impl Fn() + Clone + Send + 'static,
    ) -> Result<Client, Error> {
        let mut config = config.clone();
        let failure = |(cause, advice)| Error::Connection {
            address: shown.to_owned(),
            cause,
            advice,
        };
        let without_tls = Announced {
            tls: NoTls,
            on_taken: on_taken.clone(),
        };
        if self.mode == Mode::Disable || is_local(&config) {
            config.ssl_mode(SslMode::Disable);
            return config
                .connect(without_tls)
                .map_err(|error| failure(self.explain(&error)));
        }
        let tls = Announced {
            tls: MakeRustlsConnect::new(self.client()?),
            on_taken,
        };
        config.ssl_mode(match self.mode {
            Mode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        let refused = match config.connect(tls) {
            Err(error) if self.mode == Mode::Prefer && is_worth_a_try_without(&error) => error,
            done => return done.map_err(|error| failure(self.explain(&error))),
        };
        let (with_tls, _) = self.explain(&refused);
        log::debug!("going on without TLS, as sslmode=prefer allows: {with_tls}");
        config
            .ssl_mode(SslMode::Disable)
            .connect(without_tls)
            .map_err(|error| {
                let (cause, advice) = self.explain(&error);
                match cause == with_tls {
                    true => failure((cause, advice)),
                    false => failure((format!("{cause}; and with TLS: {with_tls}"), advice)),
                }
            })
    }

    /// The settings of the TLS client.
    fn client(&self) -> Result<ClientConfig, Error> {
        let mut provider = ring::default_provider();
        // Until version 18 a server takes this one curve alone unless told otherwise, and to guess
        // another costs a round trip.
        provider.kx_groups = vec![
            ring::kx_group::SECP256R1,
            ring::kx_group::X25519,
            ring::kx_group::SECP384R1,
        ];
        let verifier = Verifier {
            authorities: self.authorities()?,
            compares_names: self.mode == Mode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Setting(format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(client)
    }

    /// The trusted authorities, none when nothing is to be verified.
    fn authorities(&self) -> Result<Option<Authorities>, Error> {
        let certificates = match &self.root_certificates {
            RootCertificates::System => rustls_native_certs::load_native_certs().certs,
            RootCertificates::File(path) => match self.read_file(path)? {
                Some(certificates) => certificates,
                None => {
                    log::warn!(
                        "sslrootcert (PGSSLROOTCERT) names {}, which is not there: the server's certificate is not verified",
                        path.display()
                    );
                    return Ok(None);
                }
            },
            RootCertificates::Usual => {
                let usual = env::home_dir().map(|home| home.join(DEFAULT_ROOT_CERTIFICATE));
                match usual
                    .map(|path| self.read_file(&path))
                    .transpose()?
                    .flatten()
                {
                    Some(certificates) => certificates,
                    None => return Ok(None),
                }
            }
        };
        let mut roots = RootCertStore::empty();
        let (understood, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if understood == 0 {
            return Err(Error::Setting(match &self.root_certificates {
                RootCertificates::System => {
                    "sslrootcert is system, and the system has no certificates of authorities: install them (on \
                     Debian the package ca-certificates), or name a file"
                        .to_owned()
                }
                _ => format!(
                    "{} holds no certificate: sslrootcert (PGSSLROOTCERT) wants those of the trusted authorities, as PEM",
                    self.root_certificates
                ),
            }));
        }
        Ok(Some(Authorities {
            certificates,
            roots,
        }))
    }

    /// The certificates in a file, `None` when it is not there and need not be.
    fn read_file(&self, path: &Path) -> Result<Option<Vec<CertificateDer<'static>>>, Error> {
        // As libpq has it, a file in a folder that is closed to this user is not there either.
        if self.mode < Mode::VerifyCa && !path.exists() {
            return Ok(None);
        }
        let text = fs::read(path).map_err(|error| {
            Error::Setting(format!(
                "the root certificate {} cannot be read: {error}; sslmode={} verifies the server with it: put it \
                 there, or name another file with sslrootcert (PGSSLROOTCERT)",
                path.display(),
                self.mode
            ))
        })?;
        CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(|error| {
                Error::Setting(format!(
                    "the root certificate {} is no PEM: {error}; name another file with sslrootcert (PGSSLROOTCERT)",
                    path.display()
                ))
            })
    }

    /// Why there is no connection, and what to do.
    fn explain(&self, error: &postgres::Error) -> (String, &'static str) {
        if let Some(advice) = advice(error) {
            return (explain(error), advice);
        }
        if error
            .source()
            .is_some_and(|cause| cause.to_string() == TLS_REFUSED)
        {
            return (
                format!("the server has no TLS, and sslmode={} needs it", self.mode),
                "set ssl = on at the server, or sslmode=prefer",
            );
        }
        match tls_error(error) {
            None => (
                explain(error),
                "start the server, or correct the address; the next run catches up",
            ),
            Some(rustls::Error::InvalidCertificate(reason)) => self.explain_certificate(reason),
            Some(error) => (
                format!("TLS failed: {error}"),
                "the server's log may say more",
            ),
        }
    }

    fn explain_certificate(&self, reason: &CertificateError) -> (String, &'static str) {
        match reason {
            CertificateError::UnknownIssuer => (
                format!(
                    "no authority in {} has issued the server's certificate",
                    self.root_certificates
                ),
                "name the file with the certificate of its authority with sslrootcert (PGSSLROOTCERT)",
            ),
            CertificateError::NotValidForNameContext {
                presented,
                expected,
            } => {
                let names = match presented.as_slice() {
                    [] => "names no host in its subjectAltName".to_owned(),
                    names => {
                        let names: Vec<&str> = names.iter().map(|name| bare(name)).collect();
                        format!("is one for {}", names.join(", "))
                    }
                };
                (
                    format!(
                        "the server's certificate {names}, and sslmode=verify-full wants one for {}",
                        expected.to_str()
                    ),
                    "connect by a name that is in the certificate, have it renewed with this one, or set \
                     sslmode=verify-ca, which compares no names",
                )
            }
            reason => (
                format!("the server's certificate cannot be verified: {reason}"),
                "have it renewed, as one of X.509 version 3 with a subjectAltName",
            ),
        }
    }
}

impl fmt::Display for RootCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootCertificates::Usual => write!(f, "~/{DEFAULT_ROOT_CERTIFICATE}"),
            RootCertificates::File(path) => write!(f, "{}", path.display()),
            RootCertificates::System => f.write_str("the system's list"),
        }
    }
}

/// A name of a certificate without the kind that is written around it: `DnsName("dwh.example")`.
fn bare(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, inner)| {
        inner.trim_end_matches(')').trim_matches('"')
    })
}

/// Whether every host is a folder with a socket, where there is no TLS.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().is_empty()
        && config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)))
}

/// Whether a connection that failed with TLS may come about without it, as libpq tries: TLS itself
/// failed, or the server's rules have no place for this user with TLS.
fn is_worth_a_try_without(error: &postgres::Error) -> bool {
    tls_error(error).is_some()
        || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// The error of TLS that is behind an error of the client.
fn tls_error(error: &postgres::Error) -> Option<&rustls::Error> {
    error
        .source()?
        .downcast_ref::<io::Error>()?
        .get_ref()?
        .downcast_ref()
}

/// Sets up TLS, or none, and tells that the time for it has come: a server has taken the connection.
/// The client asks for it even where there is to be no TLS.
struct Announced<T, F> {
    tls: T,
    on_taken: F,
}

impl<T: MakeTlsConnect<Socket>, F: Fn()> MakeTlsConnect<Socket> for Announced<T, F> {
    type Stream = T::Stream;
    type TlsConnect = T::TlsConnect;
    type Error = T::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<T::TlsConnect, T::Error> {
        (self.on_taken)();
        self.tls.make_tls_connect(host)
    }
}

/// Who is trusted to vouch for a server.
#[derive(Debug)]
struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
}

/// Verifies the server's certificate as far as the mode asks for, which may be not at all.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Authorities>,
    compares_names: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(authorities) = &self.authorities {
            let parsed = ParsedCertificate::try_from(certificate)?;
            // A certificate that is trusted by itself needs nobody to vouch for it. Most that are
            // signed by their own key call themselves an authority, which no chain may end with.
            if !authorities.certificates.contains(certificate) {
                verify_server_cert_signed_by_trust_anchor(
                    &parsed,
                    &authorities.roots,
                    intermediates,
                    now,
                    self.algorithms.all,
                )?;
            }
            if self.compares_names {
                verify_server_name(&parsed, host)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.authorities {
            Some(_) => {
                crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
            }
            // Whose signature it is was not asked, and the certificate may be of a kind that
            // cannot be read.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.authorities {
            Some(_) => {
                crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
            }
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::crypto::ring;

    use super::*;

    /// A certificate for a host, signed by its own key, that calls itself an authority: what
    /// `openssl req -x509` makes.
    fn certificate(host: &str) -> CertificateDer<'static> {
        let mut parameters = CertificateParams::new([host.to_owned()]).expect("a host name");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        KeyPair::generate()
            .and_then(|key| parameters.self_signed(&key))
            .expect("a certificate can be made")
            .der()
            .clone()
    }

    #[test]
    fn a_certificate_can_be_trusted_by_itself() {
        let (trusted, other) = (certificate("dwh.example"), certificate("dwh.example"));
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("a certificate");
        let verifier = Verifier {
            authorities: Some(Authorities {
                certificates: vec![trusted.clone()],
                roots,
            }),
            compares_names: true,
            algorithms: ring::default_provider().signature_verification_algorithms,
        };
        let verify = |certificate, host: &'static str| {
            let host = ServerName::try_from(host).expect("a host name");
            verifier
                .verify_server_cert(certificate, &[], &host, &[], UnixTime::now())
                .is_ok()
        };
        assert!(verify(&trusted, "dwh.example"));
        assert!(!verify(&trusted, "elsewhere.example"));
        assert!(!verify(&other, "dwh.example"));
    }
}
