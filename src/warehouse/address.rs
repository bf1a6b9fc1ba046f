//! Where the warehouse is and who asks: from `DATABASE_URL`, or from the parts in `database.env`;
//! and connecting to it within a limit.

use std::env;
use std::error::Error as _;
use std::fmt;
use std::io;
use std::num::NonZeroU16;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use postgres::config::Host;
use postgres::error::SqlState;
use postgres::{Client, Config};
use thiserror::Error;

use super::explain::{advice, explain};
use super::tls::{self, Tls, TlsError};
use super::warnings;

/// PostgreSQL's port unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// How long connecting may take as a whole, unless the URL says otherwise (`connect_timeout`):
/// names, network, TLS, login and the set-up of the session. The next run from cron is not far.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may be silent before it is probed, and how long the other side may leave
/// data unacknowledged: much shorter than the system's two hours, for which a vanished machine
/// would keep the lock of its run.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// The database client's message when it stops by itself since the server has no TLS.
const NO_TLS: &str = "server does not support TLS";

/// Its message when it has no password and the server requires one.
const NO_PASSWORD: &str = "password missing";

/// What to do when the server is not there, or another one is.
const START_OR_CORRECT: &str = "start the server, or correct the address";

/// A setting that makes no sense, so that nothing was tried. The text never holds a password.
#[derive(Debug, Error)]
pub enum AddressError {
    /// Nothing is set.
    #[error(
        "no warehouse is named: set DATABASE_URL (postgresql://user:password@host:port/database), or DB_HOST, DB_PORT, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"
    )]
    Missing,

    /// The URL is of another kind, or none.
    #[error(
        "DATABASE_URL (--database-url) must have the form postgresql://user:password@host:port/database"
    )]
    NotUrl,

    /// The parts of the URL cannot be told from each other.
    #[error(
        "DATABASE_URL (--database-url) has more than one @, or a / or ? before the @: in a user, a password or a parameter, write @ as %40, / as %2F, ? as %3F, : as %3A and % as %25"
    )]
    NotEncoded,

    /// The URL has a parameter that does not exist, or a value that makes no sense.
    #[error("DATABASE_URL (--database-url) cannot be read: {}", explain(.source))]
    Url {
        /// What the database client says.
        source: postgres::Error,
    },

    /// The URL names no host.
    #[error(
        "DATABASE_URL (--database-url) names no host: write postgresql://user:password@host:port/database, or ?host=FOLDER for a socket"
    )]
    NoHost,

    /// The port is no number, or too large a one.
    #[error("DB_PORT is {0:?}; it must be a number from 1 to 65535, usually {DEFAULT_PORT}")]
    Port(String),

    /// The settings of TLS make no sense.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why there is no connection to the warehouse. The text never holds a password.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The network, TLS or the server refused it.
    #[error("no connection to the warehouse ({address}): {}; {advice}; see `etl explain {code}`", explain(.source))]
    Refused {
        /// Where the warehouse should be.
        address: String,
        /// What the database client says.
        source: postgres::Error,
        /// What to do.
        advice: &'static str,
        /// The code that `etl explain` has more about.
        code: String,
    },

    /// It took too long.
    #[error(
        "no connection to the warehouse ({address}): timed out after {limit}; check whether the server hangs, or a proxy before it; see `etl explain connection`",
        limit = humantime::format_duration(*.limit)
    )]
    TimedOut {
        /// Where the warehouse should be.
        address: String,
        /// How long connecting may take.
        limit: Duration,
    },

    /// The system starts no thread.
    #[error(
        "no connection to the warehouse ({address}): the system starts no thread for it: {source}; this user or machine runs too many"
    )]
    NoThread {
        /// Where the warehouse should be.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// How the warehouse is reached. Displaying it shows no password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    tls: Tls,
    limit: Duration,
}

impl Address {
    /// The address that a URL or the environment gives: the URL if there is one, else `DB_HOST`,
    /// `DB_PORT`, `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`. `PGSSLMODE` and
    /// `PGSSLROOTCERT` hold where the URL has no `sslmode` and `sslrootcert`.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if nothing is set, or what is set makes no sense.
    pub fn find(url: Option<&str>) -> Result<Address, AddressError> {
        let (mut config, tls) = match url.filter(|url| !url.is_empty()) {
            Some(url) => from_url(url)?,
            None => (from_parts()?, TlsParameters::default()),
        };
        let mode = match is_local(&config) {
            true => Some("disable".to_owned()),
            false => tls.mode.or_else(|| variable("PGSSLMODE")),
        };
        let authorities = tls.authorities.or_else(|| variable("PGSSLROOTCERT"));
        let tls = Tls::new(mode.as_deref(), authorities.as_deref())?;
        if config.get_application_name().is_none() {
            config.application_name("etl");
        }
        let limit = config.get_connect_timeout().copied();
        let limit = limit.unwrap_or(CONNECT_LIMIT);
        config
            // A host may have several addresses: one that leads nowhere leaves time for the next.
            .connect_timeout(limit / 2)
            .keepalives_idle(SILENCE_LIMIT)
            .tcp_user_timeout(SILENCE_LIMIT)
            .notice_callback(|notice| warnings::notice(&notice));
        Ok(Address { config, tls, limit })
    }

    /// Connects and sets the session up.
    ///
    /// The client has a limit for the network alone, and waits for ever for a server that takes the
    /// connection and says nothing. So it works in a thread, which is left behind when the limit is
    /// over: the client cannot be interrupted.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the network, TLS or the server refuses, or the limit is over.
    pub(super) fn connect<T: Send + 'static>(
        &self,
        set_up: fn(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<(Client, T), ConnectError> {
        let (sender, receiver) = mpsc::channel();
        let Address { config, tls, limit } = self.clone();
        thread::Builder::new()
            .spawn(move || {
                let connected = tls
                    .connect(config)
                    .and_then(|mut client| set_up(&mut client).map(|made| (client, made)));
                // Once the limit is over, nobody receives it.
                drop(sender.send(connected));
            })
            .map_err(|source| ConnectError::NoThread {
                address: self.to_string(),
                source,
            })?;
        match receiver.recv_timeout(limit) {
            Ok(connected) => connected.map_err(|source| self.refused(source)),
            Err(RecvTimeoutError::Timeout) => Err(ConnectError::TimedOut {
                address: self.to_string(),
                limit,
            }),
            Err(RecvTimeoutError::Disconnected) => panic!("the database client panicked"),
        }
    }

    fn refused(&self, source: postgres::Error) -> ConnectError {
        let cause = source.source();
        let network = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
        let handshake = network.and_then(|error| error.get_ref()?.downcast_ref());
        let is_from_outside = network.is_some() || source.is_closed();
        let cause = cause.map(ToString::to_string);
        let (code, advice) = match (source.code(), handshake, cause.as_deref()) {
            (Some(code), _, _) => (code.code(), advice(&source).unwrap_or(START_OR_CORRECT)),
            (None, Some(handshake), _) => ("tls", tls::advice(handshake)),
            (None, None, _) if is_from_outside => ("connection", START_OR_CORRECT),
            // The client stops by itself: the settings and the server do not fit.
            (None, None, Some(NO_TLS)) => ("tls", "set ssl = on at the server, or sslmode=prefer"),
            (None, None, Some(NO_PASSWORD)) => (
                SqlState::INVALID_PASSWORD.code(),
                "set a password in DATABASE_URL or POSTGRES_PASSWORD",
            ),
            (None, None, _) => (
                "connection",
                "correct DATABASE_URL or the server's pg_hba.conf",
            ),
        };
        ConnectError::Refused {
            address: self.to_string(),
            code: code.to_owned(),
            source,
            advice,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match host {
                Host::Tcp(name) => write!(f, "{separator}{name}")?,
                Host::Unix(folder) => write!(f, "{separator}{}", folder.display())?,
            }
            let port = ports.get(index).or_else(|| ports.first());
            write!(f, ":{}", port.unwrap_or(&DEFAULT_PORT))?;
        }
        let user = self.config.get_user().unwrap_or("the system user");
        write!(f, ", user {user}")?;
        match self.config.get_dbname() {
            Some(database) => write!(f, ", database {database}"),
            None => Ok(()),
        }
    }
}

/// Whether every host is a folder with a socket, where there is no TLS.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts();
    config.get_hostaddrs().is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_)))
}

/// The parameters of a URL that are not left to the database client: it knows three modes and no
/// authorities.
#[derive(Debug, Default, PartialEq, Eq)]
struct TlsParameters {
    mode: Option<String>,
    authorities: Option<String>,
}

fn from_url(url: &str) -> Result<(Config, TlsParameters), AddressError> {
    let rest = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or(AddressError::NotUrl)?;
    // The client takes everything up to the first @ for the user and the password, wherever it is,
    // and would show the rest of a password as a host.
    let (credentials, place) = rest.split_once('@').unwrap_or(("", rest));
    if credentials.contains(['/', '?']) || place.contains('@') {
        return Err(AddressError::NotEncoded);
    }
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let mut tls = TlsParameters::default();
    let mut others = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let value = |text| Some(percent_decode_str(text).decode_utf8_lossy().into_owned());
        match parameter.split_once('=') {
            Some(("sslmode", text)) => tls.mode = value(text),
            Some(("sslrootcert", text)) => tls.authorities = value(text),
            _ => others.push(parameter),
        }
    }
    let config: Config = format!("{before}?{}", others.join("&"))
        .parse()
        .map_err(|source| AddressError::Url { source })?;
    match config.get_hosts().is_empty() {
        true => Err(AddressError::NoHost),
        false => Ok((config, tls)),
    }
}

fn from_parts() -> Result<Config, AddressError> {
    let [host, user, database] = ["DB_HOST", "POSTGRES_USER", "POSTGRES_DB"].map(variable);
    if host.is_none() && user.is_none() && database.is_none() {
        return Err(AddressError::Missing);
    }
    let port = match variable("DB_PORT") {
        Some(port) => match port.parse::<NonZeroU16>() {
            Ok(number) => number.get(),
            Err(_) => return Err(AddressError::Port(port)),
        },
        None => DEFAULT_PORT,
    };
    let user = user.as_deref().unwrap_or("postgres");
    let mut config = Config::new();
    config
        .host(host.as_deref().unwrap_or("localhost"))
        .port(port)
        .user(user)
        .dbname(database.as_deref().unwrap_or(user));
    if let Some(password) = variable("POSTGRES_PASSWORD") {
        config.password(password);
    }
    Ok(config)
}

/// A variable of the environment; an empty one is not set, as compose files make them.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
