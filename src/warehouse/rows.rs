//! Rows on their way to the database, as a stream that `copy` writes to a table or as parallel
//! arrays that a statement turns into rows with `unnest`, and rows on their way back.

use std::io::{self, Write};

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use postgres::types::{FromSql, ToSql, Type};
use postgres::{Row, Transaction};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::error::{Doing, Error};
use crate::entity::{AttributeKind, Entity, Reader, Value};

/// First bytes of a stream in the binary format (PostgreSQL's documentation, "COPY", "Binary
/// Format"): its signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In the place of a number of columns: there are no more rows.
const TRAILER: i16 = -1;

/// In the place of a length: the value is null.
const NULL: i32 = -1;

/// First byte of a `jsonb` in the binary format: its version.
const JSONB_VERSION: u8 = 1;

/// Microseconds from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Bytes that are sent to the server at once. The database client's own writer sends 4 KiB, and
/// each time the server is woken up for it.
const CHUNK: usize = 64 << 10;

/// One row of a stream, in the binary format.
pub struct RowEncoder<'b> {
    buffer: &'b mut BytesMut,
    columns: i16,
}

impl RowEncoder<'_> {
    fn column(&mut self, length: usize) {
        self.columns += 1;
        // Longer values do not exist: a file is far smaller.
        self.buffer
            .put_i32(i32::try_from(length).unwrap_or(i32::MAX));
    }

    /// Adds a null.
    pub fn null(&mut self) {
        self.columns += 1;
        self.buffer.put_i32(NULL);
    }

    /// Adds a `bigint`.
    pub fn integer(&mut self, integer: i64) {
        self.column(size_of::<i64>());
        self.buffer.put_i64(integer);
    }

    /// Adds a `text`.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds a `bytea`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.column(bytes.len());
        self.buffer.put_slice(bytes);
    }

    /// Adds a `uuid`.
    pub fn uuid(&mut self, uuid: Uuid) {
        self.bytes(uuid.as_bytes());
    }

    /// Adds a `timestamptz`.
    pub fn time(&mut self, time: DateTime<Utc>) {
        self.integer(time.timestamp_micros() - POSTGRES_EPOCH);
    }

    /// Adds a `jsonb`.
    pub fn json(&mut self, json: &RawValue) {
        self.column(1 + json.get().len());
        self.buffer.put_u8(JSONB_VERSION);
        self.buffer.put_slice(json.get().as_bytes());
    }

    /// Adds a value, or a null.
    pub fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => add(self, value),
            None => self.null(),
        }
    }

    /// Adds the attributes of an entity.
    pub fn attributes<E: Entity>(&mut self, state: &E) {
        for position in 0..E::ATTRIBUTES.len() {
            match state.value(position) {
                Value::Integer(value) => self.optional(value, RowEncoder::integer),
                Value::Text(value) => self.optional(value, RowEncoder::text),
                Value::Time(value) => self.optional(value, RowEncoder::time),
                Value::Number(value) => self.optional(value, |row, number| {
                    row.column(size_of::<f64>());
                    row.buffer.put_f64(number);
                }),
                Value::Boolean(value) => self.optional(value, |row, boolean| {
                    row.column(size_of::<bool>());
                    row.buffer.put_u8(boolean.into());
                }),
            }
        }
    }
}

/// The position of an array's element that a row is about; `with ordinality` counts from one.
pub(super) fn position(row: &Row) -> usize {
    usize::try_from(row.get::<_, i64>("position")).map_or(0, |position| position - 1)
}

/// Streams one row for each item into the `copy … from stdin with (format binary)` that `sql` is;
/// for no item there is no statement.
///
/// # Errors
///
/// [`Error::Database`] when the server refuses them; `doing` is what that was for, as it continues
/// "failed while".
pub fn copy<'a, T: 'a>(
    transaction: &mut Transaction<'_>,
    sql: &str,
    items: impl IntoIterator<Item = &'a T>,
    encode: impl Fn(&'a T, &mut RowEncoder<'_>),
    doing: &'static str,
) -> Result<(), Error> {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    let mut stream = transaction.copy_in(sql).doing(doing)?;
    let mut send = |bytes: &[u8]| {
        stream
            .write_all(bytes)
            .map_err(|cause| broken(cause, doing))
    };
    let mut buffer = BytesMut::with_capacity(CHUNK * 2);
    buffer.put_slice(HEADER);
    for item in items {
        let start = buffer.len();
        buffer.put_i16(0);
        let mut row = RowEncoder {
            buffer: &mut buffer,
            columns: 0,
        };
        encode(item, &mut row);
        let columns = row.columns;
        buffer[start..start + size_of::<i16>()].copy_from_slice(&columns.to_be_bytes());
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

/// What broke a stream: what the server says, where it says something.
fn broken(cause: io::Error, doing: &'static str) -> Error {
    match cause.downcast::<postgres::Error>() {
        Ok(cause) => Error::Database { doing, cause },
        Err(cause) => Error::Stream { doing, cause },
    }
}

/// The parameters of one statement, in order, each with its type: a statement whose types are known
/// takes one round trip and not two.
#[derive(Default)]
pub struct Columns<'a>(Vec<(Box<dyn ToSql + Sync + 'a>, Type)>);

impl<'a> Columns<'a> {
    /// Adds a parameter: a single value, or an array.
    pub fn push(&mut self, kind: Type, values: impl ToSql + Sync + 'a) {
        self.0.push((Box::new(values), kind));
    }

    /// Adds an array of `kind` with one value of each item.
    pub fn push_each<T, V>(
        &mut self,
        kind: Type,
        items: impl IntoIterator<Item = T>,
        value: impl FnMut(T) -> V,
    ) where
        Vec<V>: ToSql + Sync + 'a,
    {
        self.push(kind, items.into_iter().map(value).collect::<Vec<V>>());
    }

    /// Adds an array for each attribute of these states.
    pub fn push_attributes<E: Entity>(&mut self, states: &[&'a E]) {
        for (position, attribute) in E::ATTRIBUTES.iter().enumerate() {
            let values = states.iter().map(|state| state.value(position));
            match attribute.kind {
                AttributeKind::Integer => self.push_each(Type::INT8_ARRAY, values, |value| {
                    let Value::Integer(value) = value else {
                        return None;
                    };
                    value
                }),
                AttributeKind::Number => self.push_each(Type::FLOAT8_ARRAY, values, |value| {
                    let Value::Number(value) = value else {
                        return None;
                    };
                    value
                }),
                AttributeKind::Boolean => self.push_each(Type::BOOL_ARRAY, values, |value| {
                    let Value::Boolean(value) = value else {
                        return None;
                    };
                    value
                }),
                AttributeKind::Text => self.push_each(Type::TEXT_ARRAY, values, |value| {
                    let Value::Text(value) = value else {
                        return None;
                    };
                    value
                }),
                AttributeKind::Time => self.push_each(Type::TIMESTAMPTZ_ARRAY, values, |value| {
                    let Value::Time(value) = value else {
                        return None;
                    };
                    value
                }),
            }
        }
    }

    /// The parameters as the client takes them.
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0
            .iter()
            .map(|(values, kind)| (values.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect()
    }
}

/// Reads the attributes of an entity from a row, by the names of its columns. A value that the
/// program cannot represent, such as an infinite time, is an error and no panic.
pub struct RowReader<'r>(pub &'r Row);

impl RowReader<'_> {
    /// Reads a column.
    ///
    /// # Errors
    ///
    /// When there is no such column, or its value cannot be represented.
    pub fn column<'r, T: FromSql<'r>>(&'r self, name: &str) -> Result<T, postgres::Error> {
        self.0.try_get(name)
    }
}

/// Any value, of which only whether it is null matters.
struct Present;

impl FromSql<'_> for Present {
    fn from_sql(_: &Type, _: &[u8]) -> Result<Present, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Present)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Reader for RowReader<'_> {
    type Error = postgres::Error;

    fn has(&mut self, name: &'static str) -> bool {
        matches!(self.column::<Option<Present>>(name), Ok(Some(Present)))
    }

    fn integer(&mut self, name: &'static str) -> Result<i64, postgres::Error> {
        self.column(name)
    }

    fn number(&mut self, name: &'static str) -> Result<f64, postgres::Error> {
        self.column(name)
    }

    fn boolean(&mut self, name: &'static str) -> Result<bool, postgres::Error> {
        self.column(name)
    }

    fn text(&mut self, name: &'static str) -> Result<String, postgres::Error> {
        self.column(name)
    }

    fn time(&mut self, name: &'static str) -> Result<DateTime<Utc>, postgres::Error> {
        self.column(name)
    }
}
