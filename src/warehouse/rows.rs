//! Rows on their way to the database: as parallel arrays that a statement turns into rows with
//! `unnest`, and as a stream that `copy` writes to a table.

use postgres::Transaction;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};

/// The values of a row.
pub type Row<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// Streams one row for each item into the `copy … from stdin` that `sql` is, for which no row is
/// no statement.
///
/// # Errors
///
/// What the database client says.
pub fn copy<'a, T>(
    transaction: &mut Transaction<'_>,
    sql: &str,
    types: &[Type],
    items: &'a [T],
    push_values: impl Fn(&'a T, &mut Row<'a>),
) -> Result<(), postgres::Error> {
    if items.is_empty() {
        return Ok(());
    }
    let mut writer = BinaryCopyInWriter::new(transaction.copy_in(sql)?, types);
    let mut row = Row::with_capacity(types.len());
    for item in items {
        row.clear();
        push_values(item, &mut row);
        writer.write(&row)?;
    }
    writer.finish()?;
    Ok(())
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
