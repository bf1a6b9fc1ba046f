//! Rejected files as people look at them: a list, and one of them whole.
//!
//! How files are rejected and resolved is told in [`crate::run`] and [`crate::warehouse::rejected`].

use std::fmt::{self, Write as _};
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Row;
use postgres::types::Type;
use serde::Serialize;

use crate::clock;
use crate::escape::printable;
use crate::event::Reason;
use crate::pages::error::Error;
use crate::pages::status;
use crate::pages::terminal;
use crate::source::Source;
use crate::warehouse::Warehouse;
use crate::warehouse::error::Doing;

/// Columns beside the path of a file in the list: of 80, they leave it 47, which are a folder and
/// the name that the services give.
const BESIDE_PATH: usize = 33;

/// The same when the list says which rejections are resolved, too.
const BESIDE_PATH_AND_RESOLVED: usize = 43;

/// Characters of a path that are left on the narrowest terminal.
const LEAST_PATH: usize = 12;

/// Which rejections are listed.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Those rejected for this reason.
    pub reason: Option<Reason>,
    /// Those from this folder.
    pub source: Option<Source>,
    /// Those rejected at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Resolved ones too.
    pub all: bool,
    /// At most so many, the newest.
    pub limit: i64,
}

/// A rejected file.
#[derive(Debug, Serialize)]
pub struct Rejection {
    /// Its number.
    pub rejected_id: i64,
    /// The folder it was in.
    pub source: String,
    /// Its name in the folder, as text that loses nothing (see [`crate::inbox::name_text`]).
    pub file_name: String,
    /// Modification time of the file.
    pub file_modified_at: DateTime<Utc>,
    /// Inode change time of the file.
    pub file_changed_at: DateTime<Utc>,
    /// Length of the file in bytes.
    pub file_size: i64,
    /// The reason code.
    pub reason: String,
    /// The reason as a sentence.
    pub detail: String,
    /// Whether the database has its content.
    pub has_document: bool,
    /// The run that rejected it.
    pub run_id: i64,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
    /// When a good version of the file was loaded.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The run that loaded it.
    pub resolved_run_id: Option<i64>,
}

impl Rejection {
    fn from_row(row: &Row) -> Rejection {
        Rejection {
            rejected_id: row.get(0),
            source: row.get(1),
            file_name: row.get(2),
            file_modified_at: row.get(3),
            file_changed_at: row.get(4),
            file_size: row.get(5),
            reason: row.get(6),
            detail: row.get(7),
            has_document: row.get(8),
            run_id: row.get(9),
            rejected_at: row.get(10),
            resolved_at: row.get(11),
            resolved_run_id: row.get(12),
        }
    }

    /// Folder and name on one line.
    fn path(&self) -> String {
        format!("{}/{}", self.source, printable(&self.file_name, &[]))
    }
}

/// Some rejections, the newest first.
#[derive(Debug, Serialize)]
pub struct Rejections {
    /// How many there are, listed or not.
    pub total: i64,
    /// The newest of them.
    pub rejections: Vec<Rejection>,
    #[serde(skip)]
    all: bool,
    #[serde(skip)]
    read_at: DateTime<Utc>,
}

/// Lists rejections.
///
/// # Errors
///
/// [`Error::NoSchema`] before the first run; [`Error::Database`] when they cannot be read.
pub fn list(warehouse: &mut Warehouse, filter: &Filter) -> Result<Rejections, Error> {
    warehouse.require_schema()?;
    let rows = warehouse
        .client()
        .query_typed(
            include_str!("../../sql/rejection/list.sql"),
            &[
                (&filter.reason.map(Reason::code), Type::TEXT),
                (&filter.source.map(Source::name), Type::TEXT),
                (&filter.since, Type::TIMESTAMPTZ),
                (&filter.all, Type::BOOL),
                (&filter.limit, Type::INT8),
            ],
        )
        .doing("listing rejections")?;
    Ok(Rejections {
        total: rows.first().map_or(0, |row| row.get(13)),
        rejections: rows.iter().map(Rejection::from_row).collect(),
        all: filter.all,
        read_at: clock::now(),
    })
}

impl fmt::Display for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rejections.is_empty() {
            return writeln!(f, "no such rejection");
        }
        let mut header = vec!["id", "age", "file", "reason"];
        let mut beside_path = BESIDE_PATH;
        if self.all {
            header.push("resolved");
            beside_path = BESIDE_PATH_AND_RESOLVED;
        }
        let path_chars = terminal::width()
            .saturating_sub(beside_path)
            .max(LEAST_PATH);
        let mut table = status::table(&header);
        for rejection in &self.rejections {
            let mut row = vec![
                rejection.rejected_id.to_string(),
                age(self.read_at, rejection.rejected_at),
                shortened(&rejection.path(), path_chars),
                rejection.reason.clone(),
            ];
            if self.all {
                row.push(rejection.resolved_at.map_or("no", |_| "yes").to_owned());
            }
            table.add_row(row);
        }
        status::write_table(f, table, &[0, 1, 2, 3, 4])?;
        let more = self.total - self.rejections.len() as i64;
        if more > 0 {
            writeln!(f, "\nand {more} older ones (--limit)")?;
        }
        Ok(())
    }
}

/// How long before `now` a moment was, in its largest unit.
fn age(now: DateTime<Utc>, moment: DateTime<Utc>) -> String {
    let seconds = (now - moment).num_seconds().max(0);
    let whole = match seconds {
        0..60 => seconds,
        60..3_600 => seconds - seconds % 60,
        3_600..86_400 => seconds - seconds % 3_600,
        _ => return format!("{}d", seconds / 86_400),
    };
    humantime::format_duration(Duration::from_secs(whole.unsigned_abs())).to_string()
}

/// A text of at most so many characters, the middle left out where it is longer.
fn shortened(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let head = (limit - 1) / 2;
    let tail = limit - 1 - head;
    text.chars()
        .take(head)
        .chain(['…'])
        .chain(text.chars().skip(length - tail))
        .collect()
}

/// A rejection with the content of its file. As JSON, the content stands in `document` if it is a
/// text and in `document_hex` if it is not UTF-8.
#[derive(Debug, Serialize)]
pub struct Whole {
    /// What is known of the file.
    #[serde(flatten)]
    pub rejection: Rejection,
    /// Its content.
    #[serde(flatten)]
    pub content: Content,
}

/// The content of a rejected file.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// The file was not read.
    None {
        /// Always nothing.
        document: (),
    },
    /// It is UTF-8.
    Text {
        /// The text, untouched.
        document: String,
    },
    /// It is not UTF-8.
    Bytes {
        /// The bytes, two hexadecimal digits each.
        #[serde(rename = "document_hex", serialize_with = "as_hex")]
        document: Vec<u8>,
    },
}

impl Content {
    fn of(document: Option<Vec<u8>>) -> Content {
        match document.map(String::from_utf8) {
            None => Content::None { document: () },
            Some(Ok(document)) => Content::Text { document },
            Some(Err(error)) => Content::Bytes {
                document: error.into_bytes(),
            },
        }
    }
}

fn as_hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    serializer.serialize_str(&hex)
}

/// Reads one rejection with its document.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when there is none with this number; [`Error::NoSchema`] before the
/// first run; [`Error::Database`] when it cannot be read.
pub fn show(warehouse: &mut Warehouse, id: i64) -> Result<Whole, Error> {
    warehouse.require_schema()?;
    let row = warehouse
        .client()
        .query_typed_opt(
            include_str!("../../sql/rejection/show.sql"),
            &[(&id, Type::INT8)],
        )
        .doing("reading a rejection")?
        .ok_or_else(|| Error::UnknownRejections(vec![id]))?;
    Ok(Whole {
        rejection: Rejection::from_row(&row),
        content: Content::of(row.get(13)),
    })
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Whole { rejection, content } = self;
        let moment = |moment: DateTime<Utc>| moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let mut line = |name: &str, value: &str| writeln!(f, "{name:<9} {value}");
        line("rejection", &rejection.rejected_id.to_string())?;
        line("file", &rejection.path())?;
        line("size", &format!("{} bytes", rejection.file_size))?;
        line("changed", &moment(rejection.file_changed_at))?;
        line("modified", &moment(rejection.file_modified_at))?;
        line("reason", &rejection.reason)?;
        line("detail", &printable(&rejection.detail, &[]))?;
        line(
            "rejected",
            &format!(
                "{} by run {}",
                moment(rejection.rejected_at),
                rejection.run_id
            ),
        )?;
        let resolved = match (rejection.resolved_at, rejection.resolved_run_id) {
            (Some(at), Some(run_id)) => format!("{} by run {run_id}", moment(at)),
            _ => "no".to_owned(),
        };
        line("resolved", &resolved)?;
        match content {
            Content::None { .. } => writeln!(f, "\nThe file was not read."),
            Content::Text { document } => writeln!(f, "\n{}", printable(document, &['\n', '\t'])),
            Content::Bytes { document } => {
                let mut text = String::with_capacity(document.len());
                for chunk in document.utf8_chunks() {
                    text.push_str(&printable(chunk.valid(), &['\n', '\t']));
                    for byte in chunk.invalid() {
                        let _ = write!(text, "\\x{byte:02x}");
                    }
                }
                writeln!(f, "\n{text}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_path_loses_its_middle() {
        assert_eq!(shortened("cards/1.json", 12), "cards/1.json");
        assert_eq!(shortened("cards/12345.json", 12), "cards…5.json");
    }
}
