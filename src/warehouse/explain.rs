//! Errors of PostgreSQL in words: what it says, and what to do about it.

use std::error::Error as _;
use std::io;

use postgres::error::{DbError, SqlState};

use crate::escape::printable;
use crate::explanation::Explanation;

/// What to do when the server ends a session, or the connection ends without a word.
pub const SESSION_ENDED: &str = "the server is stopping or starting, somebody ended the session \
                                 (pg_terminate_backend), or the network failed";

/// What to do when a worker of a cluster does not do its part.
pub const WORKER_FAILED: &str = "a worker of the cluster failed or cannot be reached, and its own log says why: \
                                 `etl status` names one that does not answer";

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
    match (advice(error), code(error)) {
        (Some(advice), Some(code)) => {
            let code = code.code();
            format!("{}; {advice}; see `etl explain {code}`", explain(error))
        }
        _ if is_broken => format!("{}; {SESSION_ENDED}", explain(error)),
        _ => explain(error),
    }
}

/// What to do about an error, by its SQLSTATE, where that is known.
pub fn advice(error: &postgres::Error) -> Option<&'static str> {
    let code = code(error)?;
    let known = SQLSTATES.iter().find(|known| known.code == code.code())?;
    Some(known.advice)
}

/// Whether a text has the form of a SQLSTATE, in letters of either case. All of PostgreSQL's have a
/// digit, which words do not.
pub fn is_sqlstate(text: &str) -> bool {
    text.len() == 5
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Errors of PostgreSQL with what to do about them, by SQLSTATE.
pub const SQLSTATES: &[Explanation] = &[
    // Of a statement: no connection of the program's own has such a code.
    Explanation {
        code: "08000",
        meaning: "connection_exception: the coordinator of a cluster has lost its connection to a worker.",
        advice: WORKER_FAILED,
    },
    Explanation {
        code: "08001",
        meaning: "sqlclient_unable_to_establish_sqlconnection: the coordinator of a cluster does not reach a worker.",
        advice: WORKER_FAILED,
    },
    Explanation {
        code: "08006",
        meaning: "connection_failure: the coordinator of a cluster has lost its connection to a worker.",
        advice: WORKER_FAILED,
    },
    Explanation {
        code: "23001",
        meaning: "restrict_violation: another table refers to a version that has to change.",
        advice: FOREIGN_CHANGES,
    },
    Explanation {
        code: "23503",
        meaning: "foreign_key_violation: another table refers to a version that has to change, or an end of a version \
                  has no start that follows it.",
        advice: FOREIGN_CHANGES,
    },
    Explanation {
        code: "23505",
        meaning: "unique_violation: a key exists already, or a user or card would have two versions of one time. Of one \
                  user or card, its events are rejected as broken_timeline; of a metadata table, the run fails.",
        advice: FOREIGN_CHANGES,
    },
    Explanation {
        code: "25006",
        meaning: "read_only_sql_transaction: the server cannot be written to.",
        advice: "this is a standby, or default_transaction_read_only is on: name the server that can be written to",
    },
    Explanation {
        code: "25P03",
        meaning: "idle_in_transaction_session_timeout: a transaction was idle for too long.",
        advice: "the program was stopped in the middle of a transaction: run it again",
    },
    Explanation {
        code: "28000",
        meaning: "invalid_authorization_specification: the server does not let this user in from this machine.",
        advice: "check the user in DATABASE_URL (POSTGRES_USER), and the server's pg_hba.conf, which may require TLS \
                 (sslmode=require) or none (sslmode=disable)",
    },
    Explanation {
        code: "28P01",
        meaning: "invalid_password: the password is wrong, or there is no such user.",
        advice: "check the user and the password in DATABASE_URL, or in POSTGRES_USER and POSTGRES_PASSWORD",
    },
    Explanation {
        code: "3D000",
        meaning: "invalid_catalog_name: there is no such database.",
        advice: "create the database, or name another one",
    },
    Explanation {
        code: "3F000",
        meaning: "invalid_schema_name: somebody dropped or renamed a schema that the program needs.",
        advice: PUT_BACK,
    },
    Explanation {
        code: "40001",
        meaning: "serialization_failure: another session changed what this one read.",
        advice: "another session was in the way: run it again",
    },
    Explanation {
        code: "40P01",
        meaning: "deadlock_detected: another session waited for this one, and this one for it.",
        advice: "another session was in the way: run it again",
    },
    Explanation {
        code: "42501",
        meaning: "insufficient_privilege: the user lacks a right.",
        advice: "grant that right to this user; `etl migrate`, run as the owner, gives both roles theirs anew",
    },
    Explanation {
        code: "42703",
        meaning: "undefined_column: somebody dropped or renamed a column that the program needs.",
        advice: PUT_BACK,
    },
    Explanation {
        code: "42P01",
        meaning: "undefined_table: somebody dropped or renamed a table that the program needs.",
        advice: PUT_BACK,
    },
    Explanation {
        code: "42P07",
        meaning: "duplicate_table: a table, index or view that a migration creates exists already, and not by this \
                  program.",
        advice: "drop or rename what the message names, then run `etl migrate` again, as the owner; or name another \
                 database",
    },
    Explanation {
        code: "53100",
        meaning: "disk_full: the server has no room to write.",
        advice: "make room on the disk of the server",
    },
    Explanation {
        code: "53300",
        meaning: "too_many_connections: the server accepts no more connections, of this user or at all.",
        advice: "pg_stat_activity lists who holds the connections; max_connections of the server, or the CONNECTION \
                 LIMIT of this user or database, is how many there can be",
    },
    Explanation {
        code: "55000",
        meaning: "object_not_in_prerequisite_state: the table is in a publication and has no replica identity.",
        advice: "a publication or a subscription forbids the change: give the table a replica identity \
                 (alter table … replica identity full)",
    },
    Explanation {
        code: "55P03",
        meaning: "lock_not_available: a lock was not free within lock_timeout, half a minute unless `alter role … set \
                  lock_timeout` sets another limit.",
        advice: "another session held what was needed for longer than lock_timeout; while it does, this names it: \
                 select pid, usename, query, pg_blocking_pids(pid) from pg_stat_activity \
                 where pid in (select unnest(pg_blocking_pids(pid)) from pg_stat_activity \
                 where datname = current_database())",
    },
    Explanation {
        code: "57014",
        meaning: "query_canceled: a statement was cancelled.",
        advice: "somebody cancelled it (pg_cancel_backend), or a statement_timeout is set for this user or database \
                 and a batch takes longer",
    },
    Explanation {
        code: "57P01",
        meaning: "admin_shutdown: the server ended the session.",
        advice: SESSION_ENDED,
    },
    Explanation {
        code: "57P02",
        meaning: "crash_shutdown: a process of the server crashed, and it ended all sessions.",
        advice: SESSION_ENDED,
    },
    Explanation {
        code: "57P03",
        meaning: "cannot_connect_now: the server is starting or stopping.",
        advice: SESSION_ENDED,
    },
    Explanation {
        code: "P0001",
        meaning: "raise_exception: a trigger, a function or a migration refused something; the message is its own.",
        advice: "do what the message asks for; if a trigger or a function of somebody else refused it, change that",
    },
];

/// What to do when rows are not as the program wrote them.
const FOREIGN_CHANGES: &str = "somebody else writes to these tables: `etl verify` prints which rows are wrong, and \
                               `etl rebuild` repairs the dimensions";

/// What to do when a part of the schema is gone.
const PUT_BACK: &str = "put back what was dropped or renamed, or restore the schema from a backup";
