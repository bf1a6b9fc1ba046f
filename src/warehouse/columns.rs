//! Parameters of a set-based statement: parallel arrays that `unnest` turns into rows.

use postgres::types::{ToSql, Type};

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
