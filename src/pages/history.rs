//! What happened to one user or card: its versions, the events behind each, and what was rejected
//! about it.

use std::fmt;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::Type;
use postgres::{IsolationLevel, Row, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;
use uuid::Uuid;

use crate::entity::{AttributeKind, Kind};
use crate::escape::printable;
use crate::pages::error::Error;
use crate::pages::terminal::{self, counted, fitted};
use crate::warehouse::error::Doing;
use crate::warehouse::{Warehouse, statement};

/// Columns before a field and before an event of a version.
const INDENT: usize = 2;

/// Columns of the name of a field; `created_by_name` is the longest.
const LABEL: usize = 15;

/// Columns between two things on a line.
const GAP: usize = 2;

const HEADING: Style = Style::new().bold();
const ASIDE: Style = Style::new().dimmed();
const LATE: Style = AnsiColor::Yellow.on_default();
const REJECTED: Style = AnsiColor::Red.on_default();

/// Everything known of one user or card at one moment.
#[derive(Debug, Serialize)]
pub struct History {
    /// What it is.
    pub entity: Kind,
    /// Its natural key.
    pub id: i64,
    /// Its versions, in order.
    pub versions: Vec<Version>,
    /// Rejected files about it, in the order of their modification times.
    pub rejected: Vec<RejectedFile>,
}

/// A stretch of time in which nothing tracked changed.
#[derive(Debug, Serialize)]
pub struct Version {
    /// Surrogate key.
    pub version_key: i64,
    /// Start of the effective period, inclusive.
    pub valid_from: DateTime<Utc>,
    /// Its end, exclusive; `None` while current.
    pub valid_to: Option<DateTime<Utc>>,
    /// The event that opened it.
    pub event_id: Uuid,
    /// Every attribute; of a card also `user_name`, the name that its owner had at `valid_from`,
    /// null if the owner was not known then.
    pub state: Map<String, Value>,
    /// What is different from the version before; of the first one, nothing.
    pub changes: Vec<Change>,
    /// The events within its period, in the order in which they count.
    pub events: Vec<Event>,
}

/// A tracked attribute that a version changed.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Its name.
    pub field: &'static str,
    /// Its value before.
    pub old: Value,
    /// Its value from then on.
    pub new: Value,
}

/// An accepted event.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Its identity.
    pub event_id: Uuid,
    /// When the entity came to be in this state.
    pub event_at: DateTime<Utc>,
    /// The file it came in.
    pub file_name: String,
    /// That file's modification time.
    pub file_modified_at: DateTime<Utc>,
    /// The run that loaded it.
    pub run_id: i64,
    /// When that run ended; `None` if its row is gone.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Whether an event after it was loaded by an earlier run.
    pub late: bool,
    /// What it did to the timeline.
    pub effect: Effect,
}

/// What an event did to the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It opened a version.
    Opened,
    /// It says what was known already.
    NoChange,
    /// Another event of the same moment counts in its place.
    Overruled,
}

/// A rejected file about the entity.
#[derive(Debug, Serialize)]
pub struct RejectedFile {
    /// Folder of the inbox.
    pub source: String,
    /// Its name there.
    pub file_name: String,
    /// Its modification time.
    pub file_modified_at: DateTime<Utc>,
    /// Reason code.
    pub reason: String,
    /// The reason as a sentence.
    pub detail: String,
    /// The run that rejected it.
    pub run_id: i64,
    /// When.
    pub rejected_at: DateTime<Utc>,
    /// When a good version of the file was loaded.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// Reads the history of an entity from one snapshot of the warehouse.
///
/// All rejected documents are searched, one at a time. Found are those that can be read as JSON and
/// have the id as their `payload.id`, as a number or as a string; a truncated document is not.
///
/// # Errors
///
/// [`Error::UnknownEntity`] when nothing is known of it; [`Error::NoSchema`] before the first run;
/// [`Error::Database`] when it cannot be read.
pub fn read(warehouse: &mut Warehouse, entity: Kind, id: i64) -> Result<History, Error> {
    warehouse.require_schema()?;
    let mut snapshot = warehouse
        .client()
        .build_transaction()
        .read_only(true)
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .doing(READING)?;
    let history = History {
        entity,
        id,
        versions: versions(&mut snapshot, entity, id)?,
        rejected: rejected(&mut snapshot, entity, id)?,
    };
    if history.versions.is_empty() && history.rejected.is_empty() {
        return Err(Error::UnknownEntity { entity, id });
    }
    Ok(history)
}

/// What is done here, as it continues "failed while".
const READING: &str = "reading the history";

fn versions(snapshot: &mut Transaction<'_>, entity: Kind, id: i64) -> Result<Vec<Version>, Error> {
    let mut query = |template| {
        snapshot
            .query_typed(&statement::fill(template, entity), &[(&id, Type::INT8)])
            .doing(READING)
    };
    let mut versions: Vec<Version> = query(statement::HISTORY_VERSIONS)?
        .iter()
        .map(|row| version(entity, row))
        .collect();
    let events = query(statement::HISTORY_EVENTS)?;
    for later in 1..versions.len() {
        let (before, version) = (&versions[later - 1].state, &versions[later].state);
        versions[later].changes = entity
            .tracked()
            .map(|attribute| attribute.name)
            .filter(|field| before[*field] != version[*field])
            .map(|field| Change {
                field,
                old: before[field].clone(),
                new: version[field].clone(),
            })
            .collect();
    }
    let mut current = 0;
    for row in &events {
        let mut event = event(row);
        while versions
            .get(current)
            .and_then(|version| version.valid_to)
            .is_some_and(|end| end <= event.event_at)
        {
            current += 1;
        }
        if let Some(version) = versions.get_mut(current) {
            if version.event_id == event.event_id {
                event.effect = Effect::Opened;
            }
            version.events.push(event);
        }
    }
    Ok(versions)
}

fn version(entity: Kind, row: &Row) -> Version {
    let state = entity.attributes().iter().map(|attribute| {
        let name = attribute.name;
        let value = match attribute.kind {
            AttributeKind::Integer => json!(row.get::<_, Option<i64>>(name)),
            AttributeKind::Number => json!(row.get::<_, Option<f64>>(name)),
            AttributeKind::Boolean => json!(row.get::<_, Option<bool>>(name)),
            AttributeKind::Text => json!(row.get::<_, Option<String>>(name)),
            AttributeKind::Time => json!(row.get::<_, Option<DateTime<Utc>>>(name)),
        };
        (name.to_owned(), value)
    });
    Version {
        version_key: row.get("version_key"),
        valid_from: row.get("valid_from"),
        valid_to: row.get("valid_to"),
        event_id: row.get("event_id"),
        state: state.collect(),
        changes: Vec::new(),
        events: Vec::new(),
    }
}

fn event(row: &Row) -> Event {
    Event {
        event_id: row.get("event_id"),
        event_at: row.get("event_at"),
        file_name: row.get("file_name"),
        file_modified_at: row.get("file_modified_at"),
        run_id: row.get("run_id"),
        loaded_at: row.get("loaded_at"),
        late: row.get("is_late"),
        effect: match row.get("is_overruled") {
            true => Effect::Overruled,
            false => Effect::NoChange,
        },
    }
}

/// Searches the rejected documents. They come one at a time, so that memory holds no more than what
/// was found and the largest of them.
fn rejected(
    snapshot: &mut Transaction<'_>,
    entity: Kind,
    id: i64,
) -> Result<Vec<RejectedFile>, Error> {
    let digits = id.to_string();
    let mut candidates = snapshot
        .query_typed_raw(
            include_str!("../../sql/history/rejected.sql"),
            [(digits.as_bytes(), Type::BYTEA)],
        )
        .doing(READING)?;
    let mut found = Vec::new();
    while let Some(row) = candidates.next().doing(READING)? {
        let source: String = row.get("source");
        if !is_about(row.get("document"), &source, entity, &digits) {
            continue;
        }
        found.push(RejectedFile {
            source,
            file_name: row.get("file_name"),
            file_modified_at: row.get("file_modified_at"),
            reason: row.get("reason"),
            detail: row.get("detail"),
            run_id: row.get("run_id"),
            rejected_at: row.get("rejected_at"),
            resolved_at: row.get("resolved_at"),
        });
    }
    found.sort_by(|one, other| {
        (one.file_modified_at, &one.file_name).cmp(&(other.file_modified_at, &other.file_name))
    });
    Ok(found)
}

/// Whether a rejected document is about an entity, as far as it can be told.
fn is_about(document: &[u8], source: &str, entity: Kind, id: &str) -> bool {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        metadata: Option<&'a RawValue>,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, rename = "type")]
        kind: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    /// An object alone: a list would be taken for one that leaves out the names.
    fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
        text.starts_with('{')
            .then(|| serde_json::from_str(text).ok())
            .flatten()
    }

    let Some(document) = str::from_utf8(document)
        .ok()
        .and_then(|text| object::<Document>(text.trim_start()))
    else {
        return false;
    };
    let kind = document
        .metadata
        .and_then(|metadata| object::<Metadata>(metadata.get()))
        .map(|metadata| metadata.kind.get());
    let is_of_kind = match kind {
        Some("\"user\"") => entity == Kind::User,
        Some("\"card\"") => entity == Kind::Card,
        _ => source == entity.source().name(),
    };
    is_of_kind
        && object::<Payload>(document.payload.get()).is_some_and(|payload| {
            let text = payload.id.get();
            text == id
                || text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'))
                    == Some(id)
        })
}

impl fmt::Display for History {
    /// Lines that fit the terminal, with escape sequences for colour; who prints them takes those
    /// out where they are not wanted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = terminal::width();
        let events = || self.versions.iter().flat_map(|version| &version.events);
        let late = match events().filter(|event| event.late).count() {
            0 => String::new(),
            late => format!(" ({late} late)"),
        };
        writeln!(
            f,
            "{HEADING}{} {}{HEADING:#}: {}, {}{late}, {}",
            self.entity,
            self.id,
            counted(self.versions.len(), "version"),
            counted(events().count(), "event"),
            counted(self.rejected.len(), "rejected file"),
        )?;
        for (index, version) in self.versions.iter().enumerate() {
            writeln!(f)?;
            version.write(f, self.entity, index == 0, width)?;
        }
        if !self.rejected.is_empty() {
            writeln!(f, "\n{REJECTED}rejected{REJECTED:#}")?;
        }
        for file in &self.rejected {
            write_file(f, file.file_modified_at, &file.file_name, "", width)?;
            let resolved = match file.resolved_at {
                Some(moment) => format!("; good since {}", shown(moment)),
                None => String::new(),
            };
            write_remark(f, REJECTED, &format!("{}{resolved}", file.detail), width)?;
        }
        Ok(())
    }
}

impl Version {
    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        entity: Kind,
        is_first: bool,
        width: usize,
    ) -> fmt::Result {
        let (from, key) = (shown(self.valid_from), self.version_key);
        match self.valid_to.map(shown) {
            Some(to) => write!(f, "{HEADING}{from} to {to}{HEADING:#}")?,
            None => write!(f, "{HEADING}{from} until now{HEADING:#}")?,
        }
        writeln!(f, "{ASIDE}, version {key}{ASIDE:#}")?;
        for field in entity.tracked() {
            let owner = match (field, &self.state.get("user_name")) {
                ("user_id", Some(Value::String(name))) => format!(" ({})", printable(name, &[])),
                ("user_id", _) => " (not known then)".to_owned(),
                _ => String::new(),
            };
            let change = self.changes.iter().find(|change| change.field == field);
            let new = text(field, &self.state[field]) + &owner;
            match change {
                Some(change) => {
                    let old = text(field, &change.old);
                    let label = format!("{:INDENT$}{field:LABEL$}", "");
                    let line = format!("{label}  {old} → {new}");
                    if line.width() <= width {
                        writeln!(f, "{line}")?;
                    } else {
                        writeln!(f, "{}", fitted(&format!("{label}  {old}"), width))?;
                        let arrow = " ".repeat(INDENT + LABEL + GAP - "→ ".width());
                        writeln!(f, "{}", fitted(&format!("{arrow}→ {new}"), width))?;
                    }
                }
                // The owner stands at each version: the name may have changed in between.
                None if is_first || field == "user_id" => {
                    let line = fitted(&format!("{:INDENT$}{field:LABEL$}  {new}", ""), width);
                    match is_first {
                        true => writeln!(f, "{line}")?,
                        false => writeln!(f, "{ASIDE}{line}{ASIDE:#}")?,
                    }
                }
                None => {}
            }
        }
        for event in &self.events {
            let remark = match event.effect {
                Effect::Opened => "",
                Effect::NoChange => "no change",
                Effect::Overruled => "overruled",
            };
            write_file(f, event.event_at, &event.file_name, remark, width)?;
            if event.late {
                let remark = match event.loaded_at {
                    Some(moment) => format!("late: loaded at {}", shown(moment)),
                    None => "late".to_owned(),
                };
                write_remark(f, LATE, &remark, width)?;
            }
        }
        Ok(())
    }
}

/// A file with its time, and a short remark if it leaves room.
fn write_file(
    f: &mut fmt::Formatter<'_>,
    moment: DateTime<Utc>,
    file_name: &str,
    remark: &str,
    width: usize,
) -> fmt::Result {
    let line = format!(
        "{:INDENT$}{}  {}",
        "",
        shown_whole(moment),
        printable(file_name, &[])
    );
    if line.width() + GAP + remark.width() <= width {
        writeln!(
            f,
            "{ASIDE}{}{ASIDE:#}",
            format!("{line}  {remark}").trim_end()
        )
    } else {
        writeln!(f, "{ASIDE}{}{ASIDE:#}", fitted(&line, width))?;
        match remark {
            "" => Ok(()),
            remark => write_remark(f, ASIDE, remark, width),
        }
    }
}

/// A remark below a file.
fn write_remark(
    f: &mut fmt::Formatter<'_>,
    style: Style,
    remark: &str,
    width: usize,
) -> fmt::Result {
    let indent = INDENT + "2026-11-23 20:10:20".len() + GAP;
    let line = fitted(&format!("{:indent$}{}", "", printable(remark, &[])), width);
    writeln!(f, "{style}{line}{style:#}")
}

/// The value of a field as a person reads it.
fn text(field: &str, value: &Value) -> String {
    match value {
        Value::String(text) => match text.parse() {
            Ok(moment) if field == "created_at" => shown(moment),
            _ => printable(text, &[]),
        },
        value => value.to_string(),
    }
}

/// A moment, UTC, with as many digits of its second as it has.
fn shown(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// A moment, UTC, in whole seconds.
fn shown_whole(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn a_document_is_about_the_entity_that_it_names() {
        let is_about = |document: &str| is_about(document.as_bytes(), "cards", Kind::Card, "42");
        let yes = [
            r#"{"payload": {"id": 42}}"#,
            r#" {"payload": {"active": [{"id": 1}], "id" : "42"}, "metadata": 1}"#,
            r#"{"payload": {"id": 42}, "metadata": {"type": "card"}}"#,
            r#"{"payload": {"id": 42}, "metadata": {"type": "cart"}}"#,
        ];
        for document in yes {
            assert!(is_about(document), "{document}");
        }
        let no = [
            "42",
            "[42]",
            r#"{"payload": [42]}"#,
            r#"{"payload": {"id": 421}}"#,
            r#"{"payload": {"id": 42, "id": 42}}"#,
            r#"{"payload": {"user_id": 42, "id": 7}, "id": 42}"#,
            r#"{"payload": {"id": 42}, "metadata": {"type": "user"}}"#,
            r#"{"payload": {"id": 42}"#,
        ];
        for document in no {
            assert!(!is_about(document), "{document}");
        }
        assert!(!super::is_about(b"\xff42", "cards", Kind::Card, "42"));
    }
}
