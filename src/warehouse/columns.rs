//! Parameters of a set-based statement: parallel arrays that `unnest` turns into rows.

use postgres::types::{ToSql, Type};

/// The parameters of one statement, in order, each with its type: a statement whose types are known
/// takes one round trip and not two.
#[derive(Default)]
pub struct Columns<'a>(Vec<(Box<dyn ToSql + Sync + 'a>, Type)>);

impl<'a> Columns<'a> {
    /// Adds a parameter: an array of `kind`, or a single value.
    pub fn push(&mut self, kind: Type, values: impl ToSql + Sync + 'a) {
        self.0.push((Box::new(values), kind));
    }

    /// The parameters as the client takes them.
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0
            .iter()
            .map(|(values, kind)| (values.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect()
    }
}
