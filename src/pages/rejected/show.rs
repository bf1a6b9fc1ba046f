//! One rejected file with its content.

use std::fmt::{self, Write as _};

use postgres::types::Type;
use serde::Serialize;

use super::RejectionEntry;
use crate::escape::printable;
use crate::pages::error::Error;
use crate::pages::terminal::with_fraction;
use crate::warehouse::Warehouse;
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::rows::RowReader;

/// What is done here, as it continues "failed while".
const READING: &str = "reading a rejection";

/// Characters of a document that a terminal can show as they are.
const LAYOUT: &[char] = &['\n', '\t'];

/// A rejection with the content of its file. In JSON, the content is in `document` if it is UTF-8
/// and in `document_hex` if it is not.
#[derive(Debug, Serialize)]
pub struct RejectionPage {
    /// What is known of the file.
    #[serde(flatten)]
    pub entry: RejectionEntry,
    /// Its content.
    #[serde(flatten)]
    pub content: DocumentContent,
}

/// The content of a rejected file.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DocumentContent {
    /// The file was not read.
    None {
        /// Always null.
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

impl DocumentContent {
    fn of(document: Option<Vec<u8>>) -> DocumentContent {
        match document.map(String::from_utf8) {
            None => DocumentContent::None { document: () },
            Some(Ok(document)) => DocumentContent::Text { document },
            Some(Err(error)) => DocumentContent::Bytes {
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
/// [`WarehouseError::UnknownRejections`] when there is none with this number, another
/// [`Error::Warehouse`] when it cannot be read.
pub fn show(warehouse: &mut Warehouse, id: i64) -> Result<RejectionPage, Error> {
    warehouse.require_schema()?;
    let row = warehouse
        .client()
        .query_typed_opt(
            include_str!("../../../sql/rejection/show.sql"),
            &[(&id, Type::INT8)],
        )
        .doing(READING)?
        .ok_or_else(|| WarehouseError::UnknownRejections(vec![id]))?;
    Ok(RejectionPage {
        entry: RejectionEntry::from_row(&row)?,
        content: DocumentContent::of(RowReader(&row).column("document").doing(READING)?),
    })
}

impl fmt::Display for RejectionPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RejectionPage { entry, content } = self;
        let mut line = |name: &str, value: &str| writeln!(f, "{name:<9} {value}");
        line("rejection", &entry.rejected_id.to_string())?;
        line("file", &entry.path())?;
        line("inbox", &printable(&entry.inbox, &[]))?;
        line("about", entry.subject().as_deref().unwrap_or("-"))?;
        line("size", &format!("{} bytes", entry.file_size))?;
        line("changed", &with_fraction(entry.file_changed_at))?;
        line("modified", &with_fraction(entry.file_modified_at))?;
        line("reason", &printable(&entry.reason, &[]))?;
        line("detail", &printable(&entry.detail, &[]))?;
        let rejected_at = with_fraction(entry.rejected_at);
        line(
            "rejected",
            &format!("{rejected_at} by run {}", entry.run_id),
        )?;
        line("state", &entry.state.to_string())?;
        match content {
            DocumentContent::None { .. } => writeln!(f, "\nThe file was not read."),
            DocumentContent::Text { document } => {
                writeln!(f, "\n{}", printable(document, LAYOUT))
            }
            DocumentContent::Bytes { document } => {
                let mut text = String::with_capacity(document.len());
                for chunk in document.utf8_chunks() {
                    text.push_str(&printable(chunk.valid(), LAYOUT));
                    for byte in chunk.invalid() {
                        let _ = write!(text, "\\x{byte:02x}");
                    }
                }
                writeln!(f, "\n{text}")
            }
        }
    }
}
