//! Rows on their way to the database: as parallel arrays that a statement turns into rows with
//! `unnest`, and as a stream that `copy` writes to a table.

use std::error::Error as StdError;
use std::io::{self, Write};

use bytes::{BufMut, BytesMut};
use postgres::Transaction;
use postgres::types::{IsNull, ToSql, Type};

use crate::error::{Doing, Error, explain_with_advice};

/// First bytes of a stream in the binary format (PostgreSQL's documentation, "COPY", "Binary
/// Format"): its signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In the place of a number of columns: there are no more rows.
const TRAILER: i16 = -1;

/// In the place of a length: the value is null.
const NULL: i32 = -1;

/// Bytes that are sent to the server in one go. The database client's own writer sends 4 KiB, and
/// each time the server is woken up for it.
const CHUNK: usize = 64 << 10;

/// The values of a row.
pub type Row<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// Streams one row for each item into the `copy … from stdin with (format binary)` that `sql` is;
/// for no item there is no statement.
///
/// # Errors
///
/// [`Error::Database`] when the server does not take them; `doing` is what that was for, as it
/// continues "failed while".
pub fn copy<'a, T>(
    transaction: &mut Transaction<'_>,
    sql: &str,
    types: &[Type],
    items: &'a [T],
    push_values: impl Fn(&'a T, &mut Row<'a>),
    doing: &'static str,
) -> Result<(), Error> {
    if items.is_empty() {
        return Ok(());
    }
    let failed = |cause: String| Error::Database { doing, cause };
    let mut stream = transaction.copy_in(sql).doing(doing)?;
    let mut send = |bytes: &[u8]| {
        stream
            .write_all(bytes)
            .map_err(|error| failed(broken(error)))
    };
    let mut buffer = BytesMut::with_capacity(CHUNK * 2);
    buffer.put_slice(HEADER);
    let mut row = Row::with_capacity(types.len());
    for item in items {
        row.clear();
        push_values(item, &mut row);
        encode(&row, types, &mut buffer).map_err(|error| failed(error.to_string()))?;
        if buffer.len() >= CHUNK {
            send(&buffer)?;
            buffer.clear();
        }
    }
    buffer.put_i16(TRAILER);
    send(&buffer)?;
    stream.finish().doing(doing)?;
    Ok(())
}

/// Appends a row in the binary format.
fn encode(
    row: &Row<'_>,
    types: &[Type],
    buffer: &mut BytesMut,
) -> Result<(), Box<dyn StdError + Sync + Send>> {
    buffer.put_i16(i16::try_from(row.len())?);
    for (value, kind) in row.iter().zip(types) {
        let place = buffer.len();
        buffer.put_i32(NULL);
        if let IsNull::No = value.to_sql_checked(kind, buffer)? {
            let start = place + size_of::<i32>();
            let length = i32::try_from(buffer.len() - start)?;
            buffer[place..start].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

/// What broke a stream: what the server says, where it says something.
fn broken(error: io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause.map_or_else(|| error.to_string(), explain_with_advice)
}

/// The parameters of one statement, in order, each with its type: a statement whose types are known
/// takes one round trip and not two.
#[derive(Default)]
pub struct Columns<'a>(Vec<(Box<dyn ToSql + Sync + 'a>, Type)>);

impl<'a> Columns<'a> {
    /// Adds a parameter: a single value, or an array that is there already.
    pub fn push(&mut self, kind: Type, values: impl ToSql + Sync + 'a) {
        self.0.push((Box::new(values), kind));
    }

    /// Adds an array of `kind` with one attribute of each item.
    pub fn push_each<T, V>(
        &mut self,
        kind: Type,
        items: impl IntoIterator<Item = T>,
        attribute: impl FnMut(T) -> V,
    ) where
        Vec<V>: ToSql + Sync + 'a,
    {
        self.push(kind, items.into_iter().map(attribute).collect::<Vec<V>>());
    }

    /// The parameters as the client takes them.
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0
            .iter()
            .map(|(values, kind)| (values.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect()
    }
}
