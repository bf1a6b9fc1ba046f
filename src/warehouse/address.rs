//! Where the warehouse is and who asks: from `DATABASE_URL`, or from the parts in `database.env`.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use postgres::config::{Host, SslMode};
use postgres::{Client, Config};

use super::encryption::Encryption;
use crate::error::{Error, explain};

/// PostgreSQL's port unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// How long to wait for the server to take a connection, and then for its answers until the session
/// is set up, unless the URL says otherwise (`connect_timeout`); cron's next run is not far.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may be silent before it is tried, and how long the other side may leave
/// data unacknowledged: much shorter than the system's two hours, for which a vanished machine
/// would keep the lock of its run.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How the warehouse is reached. Displaying it shows no password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    encryption: Encryption,
    limit: Duration,
}

/// What the thread that connects tells.
enum News<T> {
    /// A server has taken the connection.
    Taken,
    /// It has come to an end.
    Done(Result<T, Error>),
}

impl Address {
    /// The address that a URL or the environment gives: the URL if there is one, else `DB_HOST`,
    /// `DB_PORT`, `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`. What the URL does not say
    /// of encryption, `PGSSLMODE` and `PGSSLROOTCERT` do.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when nothing is set, or what is set makes no sense.
    pub fn find(url: Option<&str>) -> Result<Address, Error> {
        let (mut config, encryption) = match url.filter(|url| !url.is_empty()) {
            Some(url) => from_url(url)?,
            None => (from_parts()?, Encryption::find(None, None)?),
        };
        if config.get_application_name().is_none() {
            config.application_name("etl");
        }
        let limit = match config.get_connect_timeout() {
            Some(limit) => *limit,
            None => CONNECT_LIMIT,
        };
        config
            .connect_timeout(limit)
            .keepalives_idle(SILENCE_LIMIT)
            .tcp_user_timeout(SILENCE_LIMIT);
        Ok(Address {
            config,
            encryption,
            limit,
        })
    }

    /// Connects and sets the session up.
    ///
    /// The client's own limit ends once a server has taken the connection, which the system does
    /// for one that hangs. So what follows is done in a thread, and one that hears nothing is left
    /// behind: its client cannot be interrupted.
    ///
    /// # Errors
    ///
    /// As [`super::Warehouse::connect`], and those of `set_up`.
    pub(super) fn connect<T: Send + 'static>(
        &self,
        set_up: impl FnOnce(&mut Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Client, T), Error> {
        let (news, heard) = mpsc::channel();
        let address = self.clone();
        let connecting = thread::Builder::new().spawn(move || {
            let taken = news.clone();
            // Nobody hears them any more once the limit is over.
            let on_taken = move || drop(taken.send(News::Taken));
            let done = address
                .encryption
                .connect(&address.config, &address.to_string(), on_taken)
                .and_then(|mut client| set_up(&mut client).map(|made| (client, made)));
            drop(news.send(News::Done(done)));
        });
        if let Err(error) = connecting {
            return Err(self.no_connection(
                format!("no thread can be started for it: {error}"),
                "this user or machine runs too many; the next run catches up",
            ));
        }
        let mut deadline: Option<Instant> = None;
        loop {
            let next = match deadline {
                // Until then the client keeps to the limit, for each host and address in turn.
                None => heard.recv().map_err(RecvTimeoutError::from),
                Some(deadline) => {
                    heard.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                }
            };
            match next {
                Ok(News::Taken) => deadline = Instant::now().checked_add(self.limit),
                Ok(News::Done(done)) => return done,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.no_connection(
                        format!(
                            "timed out: the server took the connection and did not answer within {}",
                            humantime::format_duration(self.limit)
                        ),
                        "look whether the server hangs, or a proxy before it; the next run catches up",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the thread that connects tells how that ended")
                }
            }
        }
    }

    fn no_connection(&self, cause: String, advice: &'static str) -> Error {
        Error::Connection {
            address: self.to_string(),
            cause,
            advice,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
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

fn from_url(url: &str) -> Result<(Config, Encryption), Error> {
    let setting = |cause: &str| {
        Error::Setting(format!(
            "DATABASE_URL (--database-url) {cause}; its form is postgresql://user:password@host:port/database, with \
             %40 for an @ in a password and %2F for a /"
        ))
    };
    let mut parameters = Parameters::take(url);
    let mut config = Config::from_str(&parameters.rest)
        .map_err(|error| setting(&format!("cannot be read: {}", explain(&error))))?;
    // The client's other form, host=… port=…, is its own to read.
    parameters.mode = parameters.mode.or(match config.get_ssl_mode() {
        SslMode::Disable => Some("disable".to_owned()),
        SslMode::Require => Some("require".to_owned()),
        _ => None,
    });
    if config.get_hosts().is_empty() {
        // TLS wants a name to ask for.
        for address in config.get_hostaddrs().to_vec() {
            config.host(&address.to_string());
        }
    }
    if config.get_hosts().is_empty() {
        return Err(setting("names no host"));
    }
    let encryption = Encryption::find(parameters.mode, parameters.root_certificate)?;
    Ok((config, encryption))
}

/// The parameters of a URL that the client does not read as libpq does, and the URL without them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    mode: Option<String>,
    root_certificate: Option<String>,
    rest: String,
}

impl Parameters {
    fn take(url: &str) -> Parameters {
        // The client takes all before the first @ for the user and the password, and may find a ?
        // in them.
        let credentials = url.find('@').map_or(0, |at| at + 1);
        let query = url[credentials..]
            .find('?')
            .map_or(url.len(), |mark| credentials + mark);
        let mut taken = Parameters {
            rest: url[..query].to_owned(),
            ..Parameters::default()
        };
        let mut separator = '?';
        for parameter in url[query..]
            .strip_prefix('?')
            .into_iter()
            .flat_map(|query| query.split('&'))
        {
            let value = |text| Some(percent_decode_str(text).decode_utf8_lossy().into_owned());
            match parameter.split_once('=') {
                Some(("sslmode", text)) => taken.mode = value(text),
                Some(("sslrootcert", text)) => taken.root_certificate = value(text),
                _ => {
                    taken.rest.push(separator);
                    taken.rest.push_str(parameter);
                    separator = '&';
                }
            }
        }
        taken
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
        Some(port) => port.parse().map_err(|_| {
            Error::Setting(format!(
                "DB_PORT is {port:?}, which is no port number: {DEFAULT_PORT} is the usual one"
            ))
        })?,
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

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn parameters_of_encryption_are_taken_out_of_a_url() {
        let taken = |rest: &str, mode: Option<&str>, root_certificate: Option<&str>| Parameters {
            mode: mode.map(str::to_owned),
            root_certificate: root_certificate.map(str::to_owned),
            rest: rest.to_owned(),
        };
        for (url, expected) in [
            (
                "postgresql://u:p@h/d",
                taken("postgresql://u:p@h/d", None, None),
            ),
            (
                "postgresql://u:p@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fetc%2Froot%20ca.crt",
                taken(
                    "postgresql://u:p@h/d?connect_timeout=3",
                    Some("verify-full"),
                    Some("/etc/root ca.crt"),
                ),
            ),
            (
                "postgresql://h/d?sslmode=disable",
                taken("postgresql://h/d", Some("disable"), None),
            ),
            // A password may look like parameters.
            (
                "postgresql://u:a?sslmode=disable@h/d?sslmode=require",
                taken(
                    "postgresql://u:a?sslmode=disable@h/d",
                    Some("require"),
                    None,
                ),
            ),
            (
                "host=h password=a?b",
                taken("host=h password=a?b", None, None),
            ),
        ] {
            assert_eq!(Parameters::take(url), expected, "{url}");
        }
    }
}
