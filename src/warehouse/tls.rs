//! TLS to the warehouse: `sslmode` and `sslrootcert`, with libpq's names.
//!
//! Simpler than libpq: `prefer` and `require` encrypt and verify nothing, a failed handshake is
//! never retried without TLS, and no certificate is read that no setting names.

use std::path::PathBuf;
use std::sync::Arc;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use thiserror::Error;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The value of `sslrootcert` that means the authorities that the system trusts.
const SYSTEM: &str = "system";

/// PostgreSQL 17 and later require this name if TLS starts at once (`sslnegotiation=direct`).
const PROTOCOL: &[u8] = b"postgresql";

/// A TLS setting that makes no sense.
#[derive(Debug, Error)]
pub enum TlsError {
    /// There is no such mode.
    #[error(
        "sslmode (PGSSLMODE) is {0:?}; it must be disable, prefer, require, verify-ca or verify-full"
    )]
    UnknownMode(String),

    /// The mode verifies the server, and no authority is trusted.
    #[error(
        "sslmode={0} requires sslrootcert (PGSSLROOTCERT): a PEM file with the certificates of the trusted authorities, or, with verify-full, `system`"
    )]
    NoAuthorities(String),

    /// The mode does not verify the server, and yet authorities are given.
    #[error(
        "sslmode={0} does not verify the server, and sslrootcert (PGSSLROOTCERT) is set: set sslmode=verify-full, or remove sslrootcert"
    )]
    NotVerified(String),

    /// Anybody can get a certificate from a public authority, for a host of their own.
    #[error(
        "sslrootcert=system requires sslmode=verify-full: with verify-ca, every host with a public certificate would be trusted"
    )]
    PublicAuthorities,

    /// The file of authorities cannot be used.
    #[error(
        "the file {path} of sslrootcert (PGSSLROOTCERT) cannot be used: {source}; it must be PEM, with the certificates of the trusted authorities",
        path = .path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        source: pem::Error,
    },

    /// The system trusts no authority.
    #[error(
        "sslrootcert is `system`, and the system has no certificates: install them (on Debian the package ca-certificates), or set sslrootcert to a file"
    )]
    NoSystemAuthorities,
}

/// How a connection uses TLS.
#[derive(Clone)]
pub(super) struct Tls {
    /// What the database client asks of the server.
    mode: SslMode,
    /// `None` without TLS.
    connector: Option<MakeRustlsConnect>,
}

impl Tls {
    /// TLS by the values of `sslmode` and `sslrootcert`. Without a mode it is `verify-full` if
    /// authorities are given, and `prefer` otherwise.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if they make no sense or the authorities cannot be read.
    pub(super) fn new(mode: Option<&str>, authorities: Option<&str>) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for TLS 1.2 and 1.3");
        let without_host = |authorities| {
            Arc::new(VerifierWithoutHost {
                authorities,
                algorithms,
            })
        };
        let default = authorities.map_or("prefer", |_| "verify-full");
        let mode = mode.unwrap_or(default);
        let client = match (mode, authorities) {
            ("disable", _) => {
                return Ok(Tls {
                    mode: SslMode::Disable,
                    connector: None,
                });
            }
            ("prefer" | "require", None) => client
                .dangerous()
                .with_custom_certificate_verifier(without_host(None)),
            ("prefer" | "require", Some(_)) => return Err(TlsError::NotVerified(mode.to_owned())),
            ("verify-ca" | "verify-full", None) => {
                return Err(TlsError::NoAuthorities(mode.to_owned()));
            }
            ("verify-ca", Some(SYSTEM)) => return Err(TlsError::PublicAuthorities),
            ("verify-ca", Some(file)) => client
                .dangerous()
                .with_custom_certificate_verifier(without_host(Some(read_authorities(file)?))),
            ("verify-full", Some(SYSTEM)) => client.with_root_certificates(system_authorities()?),
            ("verify-full", Some(file)) => client.with_root_certificates(read_authorities(file)?),
            _ => return Err(TlsError::UnknownMode(mode.to_owned())),
        };
        let mut client = client.with_no_client_auth();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Tls {
            mode: match mode {
                "prefer" => SslMode::Prefer,
                _ => SslMode::Require,
            },
            connector: Some(MakeRustlsConnect::new(client)),
        })
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of the database client.
    pub(super) fn connect(&self, mut config: Config) -> Result<Client, postgres::Error> {
        config.ssl_mode(self.mode);
        match self.connector.clone() {
            None => config.connect(NoTls),
            Some(connector) => config.connect(connector),
        }
    }
}

/// What to do about a failed handshake.
pub(super) fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "set sslrootcert (PGSSLROOTCERT) to a PEM file with the certificate of the authority that issued the \
             server's; if it is that file, this is not that server"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            "connect to a name in the certificate (host=NAME&hostaddr=ADDRESS in the URL connects to it at an address), \
             or set sslmode=verify-ca, which does not compare names"
        }
        // Among others: an authority's own certificate, which `openssl req -x509` makes by default.
        rustls::Error::InvalidCertificate(CertificateError::Other(_)) => {
            "the server's certificate must be of X.509 version 3 and not that of an authority: make another, with the \
             host in subjectAltName and, even if it is self-signed, with CA:FALSE in basicConstraints"
        }
        rustls::Error::InvalidCertificate(_) => {
            "renew the server's certificate, unless it is another server that answers"
        }
        _ => "see the server's log; sslmode=disable connects without TLS",
    }
}

fn read_authorities(file: &str) -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(
            |certificates| match authorities.add_parsable_certificates(certificates) {
                (0, _) => Err(pem::Error::NoItemsFound),
                _ => Ok(authorities),
            },
        )
        .map_err(|source| TlsError::File {
            path: file.into(),
            source,
        })
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match authorities.is_empty() {
        true => Err(TlsError::NoSystemAuthorities),
        false => Ok(authorities),
    }
}

/// Verifies less than rustls does by itself: the issuer of a certificate and not its host, or
/// without authorities nothing.
#[derive(Debug)]
struct VerifierWithoutHost {
    authorities: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for VerifierWithoutHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(authorities) = &self.authorities {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                authorities,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    // A signature proves nothing if every certificate is accepted, and rustls could not check one
    // by a certificate of X.509 version 1, which the instructions of PostgreSQL's manual produce.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.authorities {
            Some(_) => verify_tls12_signature(message, certificate, signature, &self.algorithms),
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
            Some(_) => verify_tls13_signature(message, certificate, signature, &self.algorithms),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
