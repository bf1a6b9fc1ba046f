//! Where the warehouse is and who asks: from `DATABASE_URL`, or from the parts in `database.env`.

use std::env;
use std::fmt;
use std::str::FromStr;

use postgres::Config;
use postgres::config::Host;

use crate::error::{Error, explain};

/// PostgreSQL's port unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// How the warehouse is reached. Displaying it shows no password.
#[derive(Clone)]
pub struct Address(Config);

impl Address {
    /// The address that a URL or the environment gives: the URL if there is one, else `DB_HOST`, `DB_PORT`,
    /// `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when nothing is set, or what is set makes no sense.
    pub fn find(url: Option<&str>) -> Result<Address, Error> {
        let mut config = match url {
            Some(url) => Config::from_str(url).map_err(|error| {
                Error::Setting(format!(
                    "DATABASE_URL (--database-url) cannot be read: {}",
                    explain(&error)
                ))
            })?,
            None => from_parts()?,
        };
        if config.get_application_name().is_none() {
            config.application_name("etl");
        }
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
            Some(Host::Tcp(host)) => host.clone(),
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
