//! A line of the log, as text for people or as a JSON object for programs. Both are one line and do
//! nothing to a terminal, whatever the names and messages in them hold.

use std::borrow::Cow;

use anstyle::Style;
use chrono::{DateTime, SecondsFormat, Utc};
use log::kv::{self, Key, VisitSource, VisitValue};
use log::{Level, Record};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::escape::printable;

/// A line of the log.
pub(super) struct Line {
    pub(super) time: DateTime<Utc>,
    pub(super) level: Level,
    /// Number of the run, null if it has none yet; `None` if the command is no run.
    pub(super) run: Option<Value>,
    pub(super) message: String,
    /// In order.
    pub(super) fields: Vec<(String, Value)>,
}

impl Line {
    /// The line of a record.
    pub(super) fn of(record: &Record<'_>, run: Option<Value>) -> Line {
        let mut fields = Fields(Vec::new());
        // It fails only if the visitor does, which never fails.
        let _ = record.key_values().visit(&mut fields);
        Line {
            time: Utc::now(),
            level: record.level(),
            run,
            message: record.args().to_string(),
            fields: fields.0,
        }
    }

    /// The line as text, the level in its style.
    pub(super) fn to_text(&self, style: Style) -> String {
        let time = self.time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let mut line = format!("[{time} {style}{:<5}{style:#}", self.level);
        if let Some(run) = &self.run {
            line.push_str(&format!(" run={}", as_text(run)));
        }
        // A statement has several lines, and each line of the log has a time.
        let parts: Vec<&str> = self.message.lines().map(str::trim).collect();
        line.push_str(&format!("] {}", printable(&parts.join(" "), &[])));
        for (name, value) in &self.fields {
            line.push_str(&format!(" {name}={}", as_text(value)));
        }
        line
    }
}

/// The line as a JSON object, its members in order.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = self.time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let level = self.level.as_str().to_ascii_lowercase();
        let mut members = vec![("time", json!(time)), ("level", json!(level))];
        members.extend(self.run.clone().map(|run| ("run", run)));
        members.push(("message", json!(self.message)));
        let fields = self.fields.iter();
        members.extend(fields.map(|(name, value)| (name.as_str(), value.clone())));
        serializer.collect_map(members)
    }
}

/// A value that can be distinguished from its surroundings.
fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if is_plain(text) => text.into(),
        Value::String(text) => format!("{text:?}").into(),
        value => value.to_string().into(),
    }
}

fn is_plain(text: &str) -> bool {
    let is_separator = |character: char| character.is_whitespace() || character == '=';
    !text.is_empty()
        && text != "-"
        && !text.contains(is_separator)
        && text.escape_debug().eq(text.chars())
}

/// Collects the fields of a record.
struct Fields(Vec<(String, Value)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut field = Field(Value::Null);
        value.visit(&mut field)?;
        self.0.push((key.to_string(), field.0));
        Ok(())
    }
}

/// Takes the value of one field.
struct Field(Value);

impl<'v> VisitValue<'v> for Field {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = json!(value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = json!(null);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = json!(value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = json!(value);
        Ok(())
    }
}
