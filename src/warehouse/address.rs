//! Where the warehouse is and who asks: from `DATABASE_URL`, or from the parts in `database.env`.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postgres::Config;
use postgres::config::Host;

use crate::error::{Error, explain};

/// PostgreSQL's port unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// How long to wait for the server to answer; cron's next run is not far.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may be silent before it is tried, and how long the other side may leave
/// data unacknowledged: much shorter than the system's two hours, for which a vanished machine
/// would keep the lock of its run.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How the warehouse is reached. Displaying it shows no password.
#[derive(Clone)]
pub struct Address(Config);

impl Address {
    /// The address that a URL or the environment gives: the URL if there is one, else `DB_HOST`,
    /// `DB_PORT`, `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when nothing is set, or what is set makes no sense.
    pub fn find(url: Option<&str>) -> Result<Address, Error> {
        let mut config = match url.filter(|url| !url.is_empty()) {
            Some(url) => from_url(url)?,
            None => from_parts()?,
        };
        if config.get_application_name().is_none() {
            config.application_name("etl");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_LIMIT);
        }
        config
            .keepalives_idle(SILENCE_LIMIT)
            .tcp_user_timeout(SILENCE_LIMIT);
        Ok(Address(config))
    }

    /// The settings of the client.
    pub(super) fn config(&self) -> &Config {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address(config) = self;
        let host = match config.get_hosts().first() {
            // A password with an @ that is not written %40 would end up in what is taken for the
            // host.
            Some(Host::Tcp(host)) => host.rsplit('@').next().unwrap_or_default().to_owned(),
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        let user = config.get_user().unwrap_or("the system user");
        write!(f, "{host}:{port}, user {user}")?;
        match config.get_dbname() {
            Some(database) => write!(f, ", database {database}"),
            None => Ok(()),
        }
    }
}

fn from_url(url: &str) -> Result<Config, Error> {
    let setting = |cause: &str| {
        Error::Setting(format!(
            "DATABASE_URL (--database-url) {cause}; its form is postgresql://user:password@host:port/database, with \
             %40 for an @ in a password and %2F for a /"
        ))
    };
    let config = Config::from_str(url)
        .map_err(|error| setting(&format!("cannot be read: {}", explain(&error))))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(setting("names no host"));
    }
    Ok(config)
}

fn from_parts() -> Result<Config, Error> {
    let [host, port, user, password, database] = [
        "DB_HOST",
        "DB_PORT",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "POSTGRES_DB",
    ]
    .map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    if host.is_none() && user.is_none() && database.is_none() {
        return Err(Error::Setting(
            "no warehouse is named: set DATABASE_URL (postgresql://user:password@host:port/database), or DB_HOST, \
             DB_PORT, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"
                .to_owned(),
        ));
    }
    let port = match port {
        Some(port) => port
            .parse()
            .map_err(|_| Error::Setting(format!("DB_PORT is {port:?}, which is no port number")))?,
        None => DEFAULT_PORT,
    };
    let user = user.as_deref().unwrap_or("postgres");
    let mut config = Config::new();
    config
        .host(host.as_deref().unwrap_or("localhost"))
        .port(port)
        .user(user)
        .dbname(database.as_deref().unwrap_or(user));
    if let Some(password) = password {
        config.password(password);
    }
    Ok(config)
}
