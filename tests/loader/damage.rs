//! What somebody else can do to the tables of one key, and the way back.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::loader::Loader;

/// What makes the rest of a transaction free of constraints, on a cluster at its workers too. There,
/// each `set local` has to be a command of its own.
const WITHOUT_CONSTRAINTS: &str = "do $$ begin
                                     set local citus.propagate_set_commands = 'local';
                                     set local session_replication_role = replica;
                                   end $$";

/// A user or a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub is_card: bool,
    pub id: i64,
}

impl Key {
    /// Its name in the names of tables.
    pub fn entity(self) -> &'static str {
        if self.is_card { "card" } else { "user" }
    }

    /// Whether a row of [`crate::model::Dimensions`] is of this key.
    pub fn is_of(self, row: &str) -> bool {
        row.split('|').next() == Some(self.id.to_string().as_str())
    }
}

/// What is done to a row of landing or of a dimension. The database lets it pass without its
/// constraints.
#[derive(Clone, Copy, Debug)]
enum Change {
    DeleteEvent,
    DeleteEvents,
    AlterEvent,
    DeleteVersion,
    DeleteVersions,
    AlterVersion,
    AlterOpener,
    MakeUnreadable,
}

/// A change of the tables of one key.
#[derive(Clone, Debug)]
pub struct Damage {
    pub key: Key,
    change: Change,
    row: Index,
}

impl Damage {
    /// Any damage to one of these keys.
    pub fn any(key: impl Strategy<Value = Key>) -> impl Strategy<Value = Damage> {
        let change = prop::sample::select(vec![
            Change::DeleteEvent,
            Change::DeleteEvents,
            Change::AlterEvent,
            Change::DeleteVersion,
            Change::DeleteVersions,
            Change::AlterVersion,
            Change::AlterOpener,
            Change::MakeUnreadable,
        ]);
        (key, change, any::<Index>()).prop_map(|(key, change, row)| Damage { key, change, row })
    }

    /// Does it, if there is such a row.
    pub fn inflict(&self, loader: &Loader) {
        let (entity, id) = (self.key.entity(), self.key.id);
        let landing = format!("landing.{entity}_event");
        let dimension = format!("warehouse.dim_{entity}");
        let tracked = match self.key.is_card {
            true => "created_by_name",
            false => "name",
        };
        let is_of_key = format!("{entity}_id = {id}");
        let one = |table: &str| {
            let count = loader.value(&format!("select count(*) from {table} where {is_of_key}"));
            let count: usize = count.parse().expect("a number");
            let offset = match count {
                0 => 0,
                count => self.row.index(count),
            };
            format!(
                "{is_of_key} and ctid = (
                   select ctid from {table} where {is_of_key} order by event_id offset {offset} limit 1
                 )"
            )
        };
        let statement = match self.change {
            Change::DeleteEvent => format!("delete from {landing} where {}", one(&landing)),
            Change::DeleteEvents => format!("delete from {landing} where {is_of_key}"),
            Change::AlterEvent => {
                format!(
                    "update {landing} set {tracked} = 'Eve' where {}",
                    one(&landing)
                )
            }
            Change::DeleteVersion => format!("delete from {dimension} where {}", one(&dimension)),
            Change::DeleteVersions => format!("delete from {dimension} where {is_of_key}"),
            Change::AlterVersion => {
                format!(
                    "update {dimension} set {tracked} = 'Eve' where {}",
                    one(&dimension)
                )
            }
            Change::AlterOpener => format!(
                "update {dimension} set event_id = 'ffffffff-0000-4000-8000-000000000000' where {}",
                one(&dimension)
            ),
            Change::MakeUnreadable => format!(
                "update {dimension} set valid_to = 'infinity' where valid_to is not null and {}",
                one(&dimension)
            ),
        };
        loader.execute(&format!(
            "begin; {WITHOUT_CONSTRAINTS}; {statement}; commit"
        ));
    }
}

/// The way back: everything in the inboxes is read again, which `read_again` does, and the versions of
/// these keys are made anew.
pub fn repair(loader: &Loader, keys: &BTreeSet<Key>, read_again: impl Fn()) {
    let has_rebuild = loader.etl(&["rebuild", "--help"]).status == 0;
    for key in keys {
        let (entity, id) = (key.entity(), key.id);
        // An event that was changed in landing is none of those in the inbox any more: it has to go.
        let delete_versions = match has_rebuild {
            true => String::new(),
            false => format!("delete from warehouse.dim_{entity} where {entity}_id = {id};"),
        };
        let delete = format!(
            "begin; {WITHOUT_CONSTRAINTS};
             {delete_versions}
             delete from landing.{entity}_event where {entity}_id = {id};
             commit"
        );
        loader.execute(&delete);
    }
    if !has_rebuild {
        read_again();
        return;
    }
    // Without events there are no versions; then the files bring the events back.
    for arguments in [&["rebuild"][..], &["rejected", "retry"]] {
        let said = loader.etl(arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.log);
        read_again();
    }
}
