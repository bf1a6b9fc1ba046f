//! Errors of PostgreSQL in words: what it says, and what to do about it.

use std::error::Error as _;
use std::io;

use postgres::error::{DbError, SqlState};

use crate::escape::printable;

/// What to do when the server ends a session, or the connection ends without a word.
pub const SESSION_ENDED: &str = "the server is stopping or starting, somebody ended the session \
                                 (pg_terminate_backend), or the network failed; the next run catches up";

/// What to do when a worker of a cluster does not do its part.
pub const WORKER_FAILED: &str = "a worker of the cluster failed or cannot be reached, and its own log says why: \
                                 `etl status` names one that does not answer; the next run catches up";

/// Codes that get lost on the way from a worker of a cluster, where rows are copied to it, by what is
/// left of the error: a part of the worker's own message.
const LOST_CODES: [(&str, SqlState); 9] = [
    ("violates unique constraint", SqlState::UNIQUE_VIOLATION),
    ("violates check constraint", SqlState::CHECK_VIOLATION),
    ("violates not-null constraint", SqlState::NOT_NULL_VIOLATION),
    (
        "violates foreign key constraint",
        SqlState::FOREIGN_KEY_VIOLATION,
    ),
    ("due to lock timeout", SqlState::LOCK_NOT_AVAILABLE),
    ("canceling statement due to", SqlState::QUERY_CANCELED),
    (
        "terminating connection due to administrator command",
        SqlState::ADMIN_SHUTDOWN,
    ),
    ("No space left on device", SqlState::DISK_FULL),
    (
        "could not commit transaction for shard",
        SqlState::CONNECTION_FAILURE,
    ),
];

/// The code of an error of the server, or that which it had at a worker.
pub(super) fn code(error: &postgres::Error) -> Option<SqlState> {
    let database = error.as_db_error()?;
    if *database.code() != SqlState::INTERNAL_ERROR {
        return Some(database.code().clone());
    }
    let lost = LOST_CODES
        .iter()
        .find(|(text, _)| database.message().contains(text));
    Some(lost.map_or(SqlState::INTERNAL_ERROR, |(_, code)| code.clone()))
}

/// Everything PostgreSQL says of an error on one line: message, detail, hint and code; or what broke
/// the connection. Escaped, since it can quote what a file said.
pub fn explain(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(database), _) => one_line(database),
        (None, Some(cause)) => printable(&format!("{error}: {cause}").replace('\n', " "), &[]),
        (None, None) => error.to_string(),
    }
}

/// What the server says, on one line.
pub(super) fn one_line(database: &DbError) -> String {
    let mut text = database.message().to_owned();
    for more in [database.detail(), database.hint(), database.where_()]
        .into_iter()
        .flatten()
    {
        text.push_str("; ");
        text.push_str(more);
    }
    let text = text.replace('\n', " ");
    format!(
        "{} (SQLSTATE {})",
        printable(&text, &[]),
        database.code().code()
    )
}

/// What [`explain`] says, and what to do where that is known.
pub fn explain_with_advice(error: &postgres::Error) -> String {
    // What the server said last can be lost with the connection.
    let is_broken =
        error.is_closed() || error.source().is_some_and(|cause| cause.is::<io::Error>());
    match advice(error).or(is_broken.then_some(SESSION_ENDED)) {
        Some(advice) => format!("{}; {advice}", explain(error)),
        None => explain(error),
    }
}

/// What to do about an error, by its SQLSTATE, where that is known.
pub fn advice(error: &postgres::Error) -> Option<&'static str> {
    Some(match code(error)? {
        SqlState::INVALID_PASSWORD => {
            "check the user and the password in DATABASE_URL, or in POSTGRES_USER and POSTGRES_PASSWORD"
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user in DATABASE_URL (POSTGRES_USER), and the server's pg_hba.conf, which may require TLS \
             (sslmode=require) or none (sslmode=disable)"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database, or name another one",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant that right to this user; `etl migrate`, run as the owner, gives both roles theirs anew"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            "pg_stat_activity lists who holds the connections; max_connections of the server, or the CONNECTION LIMIT \
             of this user or database, is how many there can be"
        }
        SqlState::LOCK_NOT_AVAILABLE => {
            "another session held what was needed for longer than lock_timeout; while it does, this names it: \
             select pid, usename, query, pg_blocking_pids(pid) from pg_stat_activity \
             where pid in (select unnest(pg_blocking_pids(pid)) from pg_stat_activity \
             where datname = current_database())"
        }
        SqlState::DISK_FULL => "make room on the disk of the server",
        SqlState::QUERY_CANCELED => {
            "somebody cancelled it (pg_cancel_backend), or a statement_timeout is set for this user or database and a \
             batch takes longer"
        }
        // Of a statement: no connection of the program's own has such a code.
        SqlState::CONNECTION_FAILURE
        | SqlState::CONNECTION_EXCEPTION
        | SqlState::SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION => WORKER_FAILED,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            SESSION_ENDED
        }
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            "the program was stopped in the middle of a transaction; the next run catches up"
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "this is a standby, or default_transaction_read_only is on: name the server that can be written to"
        }
        SqlState::UNIQUE_VIOLATION
        | SqlState::FOREIGN_KEY_VIOLATION
        | SqlState::RESTRICT_VIOLATION => {
            "somebody else writes to these tables: `etl verify` says which rows are wrong, and `etl rebuild` repairs \
             the dimensions"
        }
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
            "a publication or a subscription forbids the change: give the table a replica identity \
             (alter table … replica identity full)"
        }
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => {
            "another session was in the way; the next run catches up"
        }
        _ => return None,
    })
}
