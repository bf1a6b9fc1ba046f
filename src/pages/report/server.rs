//! Which warehouse the report is about.

use maud::{Markup, Render, html};

use super::snapshot::Snapshot;
use super::untrusted::Untrusted;
use crate::escape::printable;
use crate::pages::error::Error;

/// The database and its server, as the server names them.
#[derive(Debug)]
pub struct Server {
    database: String,
    /// `None` for a connection by a Unix socket.
    address: Option<String>,
    port: i32,
    version: String,
    /// The host that made the report: a socket or 127.0.0.1 is on it.
    host: String,
}

impl Server {
    /// Reads it from the server.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it cannot be read.
    pub fn read(snapshot: &mut Snapshot<'_>) -> Result<Server, Error> {
        let row = snapshot.row(include_str!("../../../sql/report/server.sql"))?;
        Ok(Server {
            database: row.get("database"),
            address: row.get("address"),
            port: row.get("port"),
            version: row.get("version"),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        })
    }

    /// Database and server in few words, for the title of the window.
    pub fn short(&self) -> String {
        let server = self.address.as_ref().unwrap_or(&self.host);
        format!(
            "{} on {}",
            printable(&self.database, &[]),
            printable(server, &[])
        )
    }
}

impl Render for Server {
    fn render(&self) -> Markup {
        html! {
            "Database " strong { (Untrusted(&self.database)) }
            " on "
            @match &self.address {
                Some(address) => { strong { (address) } ", port " (self.port) }
                None => { strong { (Untrusted(&self.host)) } ", by the socket of port " (self.port) }
            }
            ", PostgreSQL " (self.version)
            @if self.address.is_some() { "; read from " (Untrusted(&self.host)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use maud::Render;

    use super::Server;

    #[test]
    fn a_warehouse_is_named_by_its_database_and_server() {
        let mut server = Server {
            database: "dwh\u{202e}<b>".to_owned(),
            address: Some("10.0.0.5".to_owned()),
            port: 5433,
            version: "15.9".to_owned(),
            host: "reports".to_owned(),
        };
        assert_eq!(server.short(), "dwh\\u{202e}<b> on 10.0.0.5");
        assert_eq!(
            server.render().into_string(),
            "Database <strong><bdi>dwh\\u{202e}&lt;b&gt;</bdi></strong> on <strong>10.0.0.5</strong>, port 5433, \
             PostgreSQL 15.9; read from <bdi>reports</bdi>"
        );
        // A socket is on the host that made the report.
        server.address = None;
        assert_eq!(server.short(), "dwh\\u{202e}<b> on reports");
        assert!(
            server
                .render()
                .into_string()
                .contains("on <strong><bdi>reports</bdi></strong>, by the socket of port 5433")
        );
    }
}
