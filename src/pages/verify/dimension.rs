//! Dimensions against the events in landing.

use postgres::types::Type;
use postgres::{Row, Transaction};
use serde_json::Value;
use uuid::Uuid;

use super::finding::{Check, Finding, Findings, LIMIT};
use crate::entity::{AttributeKind, Kind};
use crate::warehouse::error::{Doing, Error};
use crate::warehouse::{rebuild, statement};

/// Characters of a text that are shown.
const SHOWN: usize = 60;

/// Compares the dimensions with the versions that the events in landing make by the rule of the
/// contract, as one SQL statement has it that shares nothing with the loader.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub(super) fn verify(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    for kind in rebuild::requested(snapshot)? {
        findings.add(
            kind.name(),
            Finding {
                check: Check::Dimensions,
                subject: format!("warehouse.dim_{kind}"),
                problem: "a migration has requested to rebuild it, and that is not done".to_owned(),
                advice: "`etl migrate` or the next `etl run` does it".to_owned(),
            },
        );
    }
    for kind in Kind::ALL.iter().copied() {
        compare_versions(snapshot, kind, findings)?;
        find_shared_keys(snapshot, kind, findings)?;
    }
    Ok(())
}

/// The first rows of a statement about the versions of an entity.
fn at_most(
    limit: i64,
    snapshot: &mut Transaction<'_>,
    template: &str,
    kind: Kind,
) -> Result<Vec<Row>, postgres::Error> {
    let sql = statement::fill(template, kind);
    snapshot.query_typed(&sql, &[(&limit, Type::INT8)])
}

fn compare_versions(
    snapshot: &mut Transaction<'_>,
    kind: Kind,
    findings: &mut Findings,
) -> Result<(), Error> {
    let rows = at_most(LIMIT, snapshot, statement::VERIFY_DIMENSION, kind)
        .doing("comparing a dimension with its events")?;
    findings.add_rows(kind.name(), &rows, |row| difference(kind, row));
    Ok(())
}

fn difference(kind: Kind, row: &Row) -> Finding {
    let id: i64 = row.get("entity_id");
    let begins: &str = row.get("begins");
    let (key, event): (Option<i64>, Option<Uuid>) =
        (row.get("version_key"), row.get("expected_event_id"));
    let (expected, found): (Option<Value>, Option<Value>) = (row.get("expected"), row.get("found"));
    let rebuild = format!("`etl rebuild {kind} {id}`");
    let (problem, advice) = match (key, event) {
        (Some(key), None) => (
            format!("no event in landing opens the version from {begins} ({kind}_key {key})"),
            format!(
                "{rebuild} removes it; if its events were deleted from landing by mistake, restore them first"
            ),
        ),
        (Some(key), Some(_)) => (
            format!(
                "the version from {begins} ({kind}_key {key}) differs from its events: {}",
                differences(
                    kind,
                    &expected.unwrap_or_default(),
                    &found.unwrap_or_default()
                )
            ),
            format!("{rebuild} repairs it"),
        ),
        (None, event) => (
            format!(
                "the version from {begins}, which the event {} opens, is missing",
                event.unwrap_or_default()
            ),
            format!("{rebuild} adds it"),
        ),
    };
    Finding {
        check: Check::Dimensions,
        subject: format!("{kind} {id}"),
        problem,
        advice,
    }
}

/// The columns in which a version is not what was expected.
fn differences(kind: Kind, expected: &Value, found: &Value) -> String {
    let attributes = kind
        .attributes()
        .iter()
        .map(|attribute| (attribute.name, attribute.kind));
    let columns = [
        ("valid_to", AttributeKind::Time),
        ("event_id", AttributeKind::Text),
    ];
    let differences: Vec<String> = columns
        .into_iter()
        .chain(attributes)
        .filter(|(name, _)| expected[name] != found[name])
        .map(|(name, column)| {
            format!(
                "{name}: expected {}, found {}",
                shown(column, &expected[name]),
                shown(column, &found[name])
            )
        })
        .collect();
    match differences.is_empty() {
        // Nothing but the generated column is left.
        true => "is_current contradicts valid_to".to_owned(),
        false => differences.join("; "),
    }
}

/// A value as PostgreSQL writes it, a text in quotation marks.
fn shown(column: AttributeKind, value: &Value) -> String {
    match (column, value) {
        (_, Value::Null) => "null".to_owned(),
        (_, Value::Bool(true)) => "t".to_owned(),
        (_, Value::Bool(false)) => "f".to_owned(),
        (AttributeKind::Time, Value::String(time)) => match time.strip_suffix("+00:00") {
            Some(time) => format!("{} UTC", time.replacen('T', " ", 1)),
            None => time.clone(),
        },
        (AttributeKind::Text, Value::String(text)) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("\"{}…\"", &text[..end]),
            None => format!("\"{text}\""),
        },
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

fn find_shared_keys(
    snapshot: &mut Transaction<'_>,
    kind: Kind,
    findings: &mut Findings,
) -> Result<(), Error> {
    let rows = at_most(LIMIT, snapshot, statement::VERIFY_SHARED_KEYS, kind)
        .doing("looking for surrogate keys that were given twice")?;
    findings.add_rows(kind.name(), &rows, |row| {
        let ids: Vec<i64> = row.get("entity_ids");
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let versions: i64 = row.get("versions");
        let (more, rebuilt) = match versions > ids.len() as i64 {
            true => (" and others", String::new()),
            false => ("", format!(" {}", ids.join(" "))),
        };
        Finding {
            check: Check::SurrogateKeys,
            subject: format!("{kind}_key {}", row.get::<_, i64>("version_key")),
            problem: format!(
                "it identifies {versions} versions, of {kind} {}{more}",
                ids.join(", ")
            ),
            advice: format!(
                "`etl rebuild {kind}{rebuilt}` leaves it to the version that was loaded first and gives the others new \
                 ones; then correct the facts that refer to it"
            ),
        }
    });
    Ok(())
}
