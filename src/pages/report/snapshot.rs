//! The snapshot of the warehouse from which the report is read.

use postgres::types::{ToSql, Type};
use postgres::{Row, Transaction};

use super::chart::TimeAxis;
use crate::pages::error::Error;
use crate::warehouse::Warehouse;
use crate::warehouse::error::Doing;

/// Continues "failed while" in an error.
const READING: &str = "reading the report";

/// A parameter of a statement, with its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A read-only transaction: all its statements see the same data.
pub struct Snapshot<'a>(Transaction<'a>);

impl Snapshot<'_> {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when the connection fails.
    pub fn take(warehouse: &mut Warehouse) -> Result<Snapshot<'_>, Error> {
        Ok(Snapshot(warehouse.snapshot(READING)?))
    }

    /// Executes a statement.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it fails.
    pub fn query(&mut self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        Ok(self.0.query_typed(sql, parameters).doing(READING)?)
    }

    /// Executes a statement without parameters that always returns one row.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it fails.
    pub fn row(&mut self, sql: &str) -> Result<Row, Error> {
        let row = self.query(sql, &[])?.into_iter().next();
        Ok(row.expect("a select without from returns one row"))
    }

    /// Executes a statement that aggregates by bucket of an axis: `$1` is the width of a bucket in
    /// seconds, `$2` the start of the first bucket and `$3` the end of the last. Returns each row
    /// with the number of its bucket, or `None` where the column `bucket` is null.
    ///
    /// # Errors
    ///
    /// [`Error::Warehouse`] when it fails.
    pub fn buckets(
        &mut self,
        sql: &str,
        axis: &TimeAxis,
    ) -> Result<Vec<(Option<usize>, Row)>, Error> {
        let (width, end) = (axis.width as f64, axis.end());
        let parameters: [Parameter<'_>; 3] = [
            (&width, Type::FLOAT8),
            (&axis.start, Type::TIMESTAMPTZ),
            (&end, Type::TIMESTAMPTZ),
        ];
        let rows = self.query(sql, &parameters)?;
        let bucket = |row: &Row| axis.bucket(row.get::<_, Option<_>>("bucket")?);
        Ok(rows.into_iter().map(|row| (bucket(&row), row)).collect())
    }
}
