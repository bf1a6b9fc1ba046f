//! The name of the user to whom an entity belongs: the one place where one entity is explained by
//! another.

use chrono::{DateTime, Utc};
use postgres::Transaction;
use postgres::types::Type;
use serde_json::{Value, json};

use super::VersionEntry;
use crate::entity::Kind;
use crate::warehouse::error::{Doing, Error};

/// The attribute that names the owner.
pub(super) const OWNER_ID: &str = "user_id";

/// What the owner's name is called beside it.
const OWNER_NAME: &str = "user_name";

/// Whether an attribute of an entity names its owner.
pub(super) fn is_owner(entity: Kind, attribute: &str) -> bool {
    entity != Kind::User && attribute == OWNER_ID
}

/// The name of a version's owner; `None` if the owner was not known when the version began.
pub(super) fn name(version: &VersionEntry) -> Option<&str> {
    version.state.get(OWNER_NAME)?.as_str()
}

/// Adds to each version the name that its owner had when it began, null if the owner was not known
/// then.
///
/// # Errors
///
/// [`Error::Database`] when the names cannot be read.
pub(super) fn add_names(
    snapshot: &mut Transaction<'_>,
    versions: &mut [VersionEntry],
) -> Result<(), Error> {
    let (owners, times): (Vec<Option<i64>>, Vec<DateTime<Utc>>) = versions
        .iter()
        .map(|version| (version.state[OWNER_ID].as_i64(), version.valid_from))
        .unzip();
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/history/owners.sql"),
            &[
                (&owners, Type::INT8_ARRAY),
                (&times, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .doing("reading the names of owners")?;
    for version in versions.iter_mut() {
        version.state.insert(OWNER_NAME.to_owned(), Value::Null);
    }
    for row in &rows {
        let position = usize::try_from(row.get::<_, i64>("position")).unwrap_or_default();
        if let Some(version) = position.checked_sub(1).and_then(|at| versions.get_mut(at)) {
            let name: String = row.get("name");
            version.state.insert(OWNER_NAME.to_owned(), json!(name));
        }
    }
    Ok(())
}
