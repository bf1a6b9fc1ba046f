//! The explanation of codes that the program prints: reasons of rejections, problems of the status,
//! words of the log, and errors of PostgreSQL.

use std::fmt;

use super::status::PROBLEMS;
use super::table::HEADING;
use super::terminal::{self, fitted, wrapped};
use crate::archive::outcome::LEFT;
use crate::event::Reason;
use crate::explanation::Explanation;
use crate::warehouse::explain::SQLSTATES;

/// Codes of one kind.
pub struct Group {
    title: &'static str,
    codes: &'static [Explanation],
}

/// All codes.
pub const GROUPS: [Group; 5] = [
    Group {
        title: "reasons of rejections",
        codes: Reason::EXPLANATIONS,
    },
    Group {
        title: "problems that etl status reports",
        codes: PROBLEMS,
    },
    Group {
        title: "why etl archive leaves a file in the inbox",
        codes: LEFT,
    },
    Group {
        title: "words of the log",
        codes: LOG,
    },
    Group {
        title: "errors of PostgreSQL, by SQLSTATE",
        codes: SQLSTATES,
    },
];

/// Outcomes of runs, what a line is about, and what the program needs of its surroundings.
const LOG: &[Explanation] = &[
    Explanation {
        code: "partial",
        meaning: "A run could not scan every folder; the others are loaded.",
        advice: "Its other line names the folder: create it, name the inbox, or grant the right to list it.",
    },
    Explanation {
        code: "rolled_back",
        meaning: "A dry run did everything and rolled it back.",
        advice: "Nothing: run it without --dry-run to keep what it did.",
    },
    Explanation {
        code: "busy",
        meaning: "Other runs were loading these sources (`another run is loading`), or took them over because this run \
                  was suspended or did not reach the server for 15 s (`another run has taken over`).",
        advice: "Nothing. If it stays, `select source, inbox, claimed_by, claimed_pid from etl.checkpoint` prints the \
                 run and its server process.",
    },
    Explanation {
        code: "interrupted",
        meaning: "Ctrl-C or SIGTERM ended the run after its current step. The counts are what is committed.",
        advice: "Run the command that the line has, if it has one; else the next run does the rest.",
    },
    Explanation {
        code: "failed",
        meaning: "The run failed. Its unfinished batch is rolled back; the counts are what is committed.",
        advice: "The line has the cause and what to do. Once the cause is gone, run the command that the line has, if it \
                 has one; else the next run does the rest.",
    },
    Explanation {
        code: "pending",
        meaning: "A file is not read to its end yet: it is still being written, may not be read, or the file system \
                  fails at it. The offset waits for it.",
        advice: "Nothing while it is written. Once it blocks the checkpoint, fix it or take it out of the inbox.",
    },
    Explanation {
        code: "ignored",
        meaning: "A name in the inbox is a link, a folder, a FIFO, a socket or a device, and not a regular file.",
        advice: "Take it out of the inbox. Links are not followed: move the file itself into the inbox.",
    },
    Explanation {
        code: "vanished",
        meaning: "A file was in the folder at the scan and was gone when it was to be read. Its event is not loaded.",
        advice: "Nothing if `etl archive` was at work: it takes loaded files alone. Else find out who removes files from \
                 the inbox, and put the file back.",
    },
    Explanation {
        code: "folder",
        meaning: "A folder of the inbox cannot be read, or is not the folder that the checkpoint belongs to: it was \
                  replaced, restored or moved. Such a folder is read as a whole; loaded events are skipped.",
        advice: "Create the folder, name the inbox (--inbox), or grant the right to list it. If two inboxes take turns \
                 under one name, give each a name (--inbox-name).",
    },
    Explanation {
        code: "clock",
        meaning: "The clock is before the checkpoint, because it was set back, or a sequence was behind, because a \
                  restore left it so.",
        advice: "Nothing: the run has scanned everything, or brought the sequence forward.",
    },
    Explanation {
        code: "connection",
        meaning: "There is no connection to the warehouse: refused, timed out, or the host's name is unknown.",
        advice: "Start the server or correct the address in DATABASE_URL. If it hangs, check the server and any proxy \
                 before it; connect_timeout= in the URL is in seconds (10).",
    },
    Explanation {
        code: "tls",
        meaning: "The server has no TLS and the settings require it, or its certificate does not prove who it is.",
        advice: "No TLS: set ssl = on at the server, or sslmode=prefer. UnknownIssuer: name the authority's file in \
                 sslrootcert. Not valid for name: connect to a name in the certificate \
                 (host=NAME&hostaddr=ADDRESS). Else renew it: of X.509 version 3, with the host in subjectAltName and, \
                 even if self-signed, CA:FALSE.",
    },
    Explanation {
        code: "schema",
        meaning: "The warehouse has no schema, an older one, or one of a newer etl.",
        advice: "Run `etl migrate` as the owner, or install the newer program. One from before the first release cannot \
                 be migrated: drop the schemas etl, landing and warehouse, and load the inbox anew.",
    },
    Explanation {
        code: "rights",
        meaning: "The user has no rights on the metadata tables, or a role is missing.",
        advice: "Run `etl migrate` as the owner; `grant etl_loader to` who runs, `grant dwh_reader to` who reads. An \
                 administrator creates a role that is missing; then migrate again.",
    },
];

/// What every SQLSTATE means that has no explanation of its own, and what to do.
const OTHER_SQLSTATE: (&str, &str) = (
    "An error of PostgreSQL about which etl has no advice of its own.",
    "The line that has it has PostgreSQL's message too. All codes are in its manual: \
     https://www.postgresql.org/docs/current/errcodes-appendix.html",
);

/// What codes mean.
pub struct Explanations {
    codes: Vec<String>,
}

/// Explains these codes, or lists all of them if there is none.
pub fn explain(codes: &[String]) -> Explanations {
    Explanations {
        codes: codes.to_vec(),
    }
}

/// All codes, as they are printed.
pub fn codes() -> impl Iterator<Item = &'static str> {
    GROUPS
        .iter()
        .flat_map(|group| group.codes)
        .map(|known| known.code)
}

impl fmt::Display for Explanations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = terminal::width();
        if self.codes.is_empty() {
            return write_list(f, width);
        }
        for (index, code) in self.codes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let known = GROUPS.iter().flat_map(|group| group.codes);
            let mut known = known
                .filter(|known| known.code.eq_ignore_ascii_case(code))
                .peekable();
            if known.peek().is_none() {
                write_whole(f, code, OTHER_SQLSTATE, width)?;
            }
            for known in known {
                write_whole(f, known.code, (known.meaning, known.advice), width)?;
            }
        }
        Ok(())
    }
}

/// Writes a code, what it means and what to do.
fn write_whole(
    f: &mut fmt::Formatter<'_>,
    code: &str,
    (meaning, advice): (&str, &str),
    width: usize,
) -> fmt::Result {
    writeln!(f, "{HEADING}{code}{HEADING:#}")?;
    for (name, text) in [("meaning", meaning), ("what to do", advice)] {
        let lines = wrapped(text, width.saturating_sub(LABEL));
        for (number, line) in lines.iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(f, "{name:<LABEL$}{line}")?;
        }
    }
    Ok(())
}

/// Columns of the names of the two parts.
const LABEL: usize = 12;

fn write_list(f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
    let label = codes().map(str::len).max().unwrap_or_default() + 2;
    for (number, Group { title, codes }) in GROUPS.iter().enumerate() {
        if number > 0 {
            writeln!(f)?;
        }
        writeln!(f, "{HEADING}{title}{HEADING:#}")?;
        for known in *codes {
            let line = format!("{:<label$}{}", known.code, known.meaning);
            writeln!(f, "{}", fitted(&line, width))?;
        }
    }
    Ok(())
}
