//! Rejected files as a retry takes them up: which are open, their documents, and what becomes of them.
//! And which files of a folder are among them.

use chrono::{DateTime, Utc};
use postgres::types::Type;
use postgres::{GenericClient, Row};

use super::error::{Doing, Error};
use super::rows::{Columns, position};
use crate::clock::FileTime;
use crate::event::Rejection;
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::stamp::FileStamp;

/// Open rejections of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRejections {
    /// The source.
    pub source: Source,
    /// Name of the inbox.
    pub inbox: InboxName,
    /// How many have none, because their file was not read.
    pub without_document: i64,
}

/// Open rejections by folder, those with these numbers or all.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn open(
    client: &mut impl GenericClient,
    ids: Option<&[i64]>,
) -> Result<Vec<OpenRejections>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/rejection/open.sql"),
            &[(&ids, Type::INT8_ARRAY)],
        )
        .doing("counting open rejections")?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(OpenRejections {
                source: Source::named(row.get("source"))?,
                inbox: row.get::<_, &str>("inbox").parse().ok()?,
                without_document: row.get("without_document"),
            })
        })
        .collect())
}

/// Of the rejections with these numbers, those that are closed.
///
/// # Errors
///
/// [`Error::UnknownRejections`] when some do not exist, [`Error::Database`] when they cannot be
/// read.
pub fn closed(client: &mut impl GenericClient, ids: &[i64]) -> Result<Vec<i64>, Error> {
    let rows = client
        .query_typed(
            include_str!("../../sql/rejection/unknown_or_closed.sql"),
            &[(&ids, Type::INT8_ARRAY)],
        )
        .doing("looking up rejections")?;
    let (unknown, closed): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.get("is_unknown"));
    let ids = |rows: Vec<&Row>| {
        rows.into_iter()
            .map(|row| row.get("rejected_id"))
            .collect::<Vec<i64>>()
    };
    match unknown.is_empty() {
        true => Ok(ids(closed)),
        false => Err(Error::UnknownRejections(ids(unknown))),
    }
}

/// A rejected file as the database has it, to be validated again.
#[derive(Clone, Debug)]
pub struct KeptFile {
    /// Number of the rejection.
    pub rejected_id: i64,
    /// Name of the file as text.
    pub name: String,
    /// Its stamp when it was rejected, in whole microseconds and without an inode number.
    pub stamp: FileStamp,
    /// Content of the file.
    pub document: Vec<u8>,
}

/// How much of what is kept is read at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Most documents.
    pub documents: i64,
    /// Bytes of documents after which no other one is begun.
    pub bytes: i64,
}

/// The open rejections of a folder that have a document and a number after `after`, those with these
/// numbers or all, as many as there is room for; in the order in which their files changed.
///
/// # Errors
///
/// [`Error::Database`] when they cannot be read.
pub fn next_documents(
    client: &mut impl GenericClient,
    source: Source,
    inbox: &InboxName,
    ids: Option<&[i64]>,
    after: i64,
    room: Room,
) -> Result<Vec<KeptFile>, Error> {
    let doing = "reading rejected documents";
    let rows = client
        .query_typed(
            include_str!("../../sql/rejection/next_documents.sql"),
            &[
                (&source.name(), Type::TEXT),
                (&inbox.as_str(), Type::TEXT),
                (&ids, Type::INT8_ARRAY),
                (&after, Type::INT8),
                (&room.documents, Type::INT8),
                (&room.bytes, Type::INT8),
            ],
        )
        .doing(doing)?;
    rows.iter()
        .map(kept_file)
        .collect::<Result<_, _>>()
        .doing(doing)
}

fn kept_file(row: &Row) -> Result<KeptFile, postgres::Error> {
    // Somebody may have set a time that cannot be represented.
    let time = |column: &str| -> Result<FileTime, postgres::Error> {
        let time: DateTime<Utc> = row.try_get(column)?;
        Ok(time.into())
    };
    Ok(KeptFile {
        rejected_id: row.get("rejected_id"),
        name: row.get("file_name"),
        stamp: FileStamp {
            inode: 0,
            size: row.get::<_, i64>("file_size").cast_unsigned(),
            modified: time("file_modified_at")?,
            changed: time("file_changed_at")?,
        },
        document: row.get("document"),
    })
}

/// Closes rejections whose documents a retry has accepted.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn accept(
    transaction: &mut impl GenericClient,
    run_id: i64,
    rejected_ids: &[i64],
) -> Result<(), Error> {
    if rejected_ids.is_empty() {
        return Ok(());
    }
    transaction
        .execute_typed(
            include_str!("../../sql/rejection/accept.sql"),
            &[(&run_id, Type::INT8), (&rejected_ids, Type::INT8_ARRAY)],
        )
        .doing("resolving rejections")?;
    Ok(())
}

/// Gives rejections that stay the reason that they have now.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn revalidate(
    transaction: &mut impl GenericClient,
    run_id: i64,
    rejections: &[(i64, &Rejection)],
) -> Result<(), Error> {
    if rejections.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    columns.push(Type::INT8, run_id);
    columns.push_each(Type::INT8_ARRAY, rejections, |(id, _)| *id);
    columns.push_each(Type::TEXT_ARRAY, rejections, |(_, rejection)| {
        rejection.code()
    });
    columns.push_each(Type::TEXT_ARRAY, rejections, |(_, rejection)| {
        rejection.to_string()
    });
    transaction
        .execute_typed(
            include_str!("../../sql/rejection/revalidate.sql"),
            &columns.parameters(),
        )
        .doing("giving rejections their reason")?;
    Ok(())
}

/// A file that is looked for among the rejected ones.
#[derive(Clone, Copy, Debug)]
pub struct SoughtFile<'f> {
    /// Its name as text.
    pub name: &'f str,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// Its content, if it was read.
    pub document: Option<&'f [u8]>,
}

/// A rejection that has the content of a file, or of a file that was not read the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRejection {
    /// Position of the file.
    pub position: usize,
    /// The reason code.
    pub reason: String,
    /// Whether a person has dismissed it.
    pub is_dismissed: bool,
    /// Whether the content is in the table.
    pub has_document: bool,
}

/// Which rejections are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Searched {
    /// Those that are open or dismissed: what is wrong with the files of a folder now.
    Standing,
    /// All of them: what was wrong with files that are in an archive.
    All,
}

/// Finds the rejections of a folder that have the content of these files.
///
/// # Errors
///
/// [`Error::Database`] when the statement fails.
pub fn find(
    client: &mut impl GenericClient,
    source: Source,
    inbox: &InboxName,
    searched: Searched,
    files: &[SoughtFile<'_>],
) -> Result<Vec<FoundRejection>, Error> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns = Columns::default();
    columns.push(Type::TEXT, source.name());
    columns.push(Type::TEXT, inbox.as_str());
    columns.push_each(Type::TEXT_ARRAY, files, |file| file.name);
    columns.push_each(Type::INT8_ARRAY, files, |file| {
        file.size.map(u64::cast_signed)
    });
    columns.push_each(Type::BYTEA_ARRAY, files, |file| file.document);
    columns.push(Type::BOOL, searched == Searched::All);
    let rows = client
        .query_typed(
            include_str!("../../sql/rejection/find.sql"),
            &columns.parameters(),
        )
        .doing("looking for rejected files")?;
    Ok(rows
        .iter()
        .map(|row| FoundRejection {
            position: position(row),
            reason: row.get("reason"),
            is_dismissed: row.get("is_dismissed"),
            has_document: row.get("has_document"),
        })
        .collect())
}
