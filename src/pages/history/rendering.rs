//! A history as a person reads it: lines that fit the terminal, with escape sequences for colour;
//! who prints them takes those out where they are not wanted.

use std::fmt;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{Effect, EventEntry, History, VersionEntry, owner};
use crate::entity::{Attribute, AttributeKind, Kind};
use crate::escape::printable;
use crate::pages::table::HEADING;
use crate::pages::terminal::{self, counted, fitted, whole_seconds, with_fraction};

/// Columns before an attribute and before an event of a version.
const INDENT: usize = 2;

/// Columns between two things on a line.
const GAP: usize = 2;

const ASIDE: Style = Style::new().dimmed();
const LATE: Style = AnsiColor::Yellow.on_default();
const REJECTED: Style = AnsiColor::Red.on_default();

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = Page {
            history: self,
            width: terminal::width(),
        };
        page.write_summary(f)?;
        for (index, version) in self.versions.iter().enumerate() {
            writeln!(f)?;
            page.write_period(f, version)?;
            page.write_attributes(f, version, index == 0)?;
            for event in &version.events {
                page.write_event(f, event)?;
            }
        }
        page.write_events_without_version(f)?;
        page.write_rejected(f)
    }
}

struct Page<'h> {
    history: &'h History,
    /// Columns that a line may have.
    width: usize,
}

impl Page<'_> {
    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let History {
            entity,
            id,
            versions,
            events_without_version,
            rejected,
            ..
        } = self.history;
        let events = || {
            let of_versions = versions.iter().flat_map(|version| &version.events);
            of_versions.chain(events_without_version)
        };
        write!(
            f,
            "{HEADING}{entity} {id}{HEADING:#}: {}, {}",
            counted(versions.len(), "version"),
            counted(events().count(), "event"),
        )?;
        match events().filter(|event| event.late).count() {
            0 => {}
            late => write!(f, " ({late} late-arriving)")?,
        }
        write!(f, ", {}", counted(rejected.len(), "rejected file"))?;
        match rejected.iter().filter(|file| file.state.is_open()).count() {
            0 => writeln!(f),
            open => writeln!(f, " ({open} open)"),
        }
    }

    fn write_period(&self, f: &mut fmt::Formatter<'_>, version: &VersionEntry) -> fmt::Result {
        let from = with_fraction(version.valid_from);
        let to = version.valid_to.map(with_fraction);
        let has_begun = version.valid_from <= self.history.read_at;
        let period = match (to, has_begun) {
            (Some(to), true) => format!("{from} to {to}"),
            (Some(to), false) => format!("{from} to {to}, not begun yet"),
            (None, true) => format!("{from} until now"),
            (None, false) => format!("from {from} on, not begun yet"),
        };
        let (entity, key) = (self.history.entity, version.version_key);
        writeln!(
            f,
            "{HEADING}{period}{HEADING:#}{ASIDE}, {entity}_key {key}{ASIDE:#}"
        )
    }

    /// Writes the attributes of the first version, and of a later one what it changed.
    fn write_attributes(
        &self,
        f: &mut fmt::Formatter<'_>,
        version: &VersionEntry,
        is_first: bool,
    ) -> fmt::Result {
        let entity = self.history.entity;
        for attribute in entity.tracked() {
            let name = attribute.name;
            let is_owner = owner::is_owner(entity, name);
            let mut new = text(attribute, &version.state[name]);
            if is_owner && !version.state[name].is_null() {
                match owner::name(version) {
                    Some(owner) => new.push_str(&format!(" ({})", printable(owner, &[]))),
                    None => new.push_str(" (not known then)"),
                }
            }
            let change = version.changes.iter().find(|change| change.field == name);
            match change {
                Some(change) => self.write_change(f, name, &text(attribute, &change.old), &new)?,
                None if is_first => writeln!(f, "{}", self.attribute_line(name, &new))?,
                // The owner's name may have changed since the version before.
                None if is_owner => {
                    writeln!(f, "{ASIDE}{}{ASIDE:#}", self.attribute_line(name, &new))?
                }
                None => {}
            }
        }
        Ok(())
    }

    fn attribute_line(&self, name: &str, value: &str) -> String {
        let label = label_width(self.history.entity);
        let line = format!("{:INDENT$}{name:label$}{:GAP$}{value}", "", "");
        fitted(&line, self.width)
    }

    /// Writes a change on one line, or on two if one is too short for it.
    fn write_change(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        old: &str,
        new: &str,
    ) -> fmt::Result {
        let label = label_width(self.history.entity);
        let line = format!("{:INDENT$}{name:label$}{:GAP$}{old} → {new}", "", "");
        if line.width() <= self.width {
            return writeln!(f, "{line}");
        }
        writeln!(f, "{}", self.attribute_line(name, old))?;
        let indent = INDENT + label + GAP - "→ ".width();
        let line = format!("{:indent$}→ {new}", "");
        writeln!(f, "{}", fitted(&line, self.width))
    }

    fn write_event(&self, f: &mut fmt::Formatter<'_>, event: &EventEntry) -> fmt::Result {
        let effect = match event.effect {
            Effect::Opened => "",
            Effect::NoChange => "no change",
            Effect::Overruled => "overruled",
        };
        self.write_file(f, event.event_at, &event.file_name, effect)?;
        match (event.late, event.loaded_at) {
            (false, _) => Ok(()),
            (true, Some(loaded_at)) => {
                let note = format!("late-arriving: loaded at {}", with_fraction(loaded_at));
                self.write_note(f, LATE, &note)
            }
            (true, None) => self.write_note(f, LATE, "late-arriving"),
        }
    }

    fn write_events_without_version(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = &self.history.events_without_version;
        if !events.is_empty() {
            let Self { history, .. } = self;
            let (entity, id) = (history.entity, history.id);
            writeln!(
                f,
                "\n{REJECTED}without a version{REJECTED:#}: the versions contradict these events; `etl rebuild {entity} \
                 {id}` makes them anew"
            )?;
        }
        events
            .iter()
            .try_for_each(|event| self.write_event(f, event))
    }

    fn write_rejected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = &self.history.rejected;
        if !files.is_empty() {
            writeln!(f, "\n{REJECTED}rejected{REJECTED:#}")?;
        }
        for file in files {
            let number = format!("rejection {}", file.rejected_id);
            self.write_file(f, file.file_modified_at, &file.file_name, &number)?;
            self.write_note(f, REJECTED, &file.detail)?;
            if !file.state.is_open() {
                self.write_note(f, ASIDE, &file.state.to_string())?;
            }
        }
        Ok(())
    }

    /// Writes a file with a time, and a short note: on the same line if it leaves room.
    fn write_file(
        &self,
        f: &mut fmt::Formatter<'_>,
        time: DateTime<Utc>,
        file_name: &str,
        note: &str,
    ) -> fmt::Result {
        let (time, name) = (whole_seconds(time), printable(file_name, &[]));
        let line = format!("{:INDENT$}{time}{:GAP$}{name}", "", "");
        if line.width() + GAP + note.width() <= self.width {
            let line = format!("{line}{:GAP$}{note}", "");
            return writeln!(f, "{ASIDE}{}{ASIDE:#}", line.trim_end());
        }
        writeln!(f, "{ASIDE}{}{ASIDE:#}", fitted(&line, self.width))?;
        match note {
            "" => Ok(()),
            note => self.write_note(f, ASIDE, note),
        }
    }

    /// Writes a note below a file.
    fn write_note(&self, f: &mut fmt::Formatter<'_>, style: Style, note: &str) -> fmt::Result {
        let indent = INDENT + "2026-11-23 20:10:20".len() + GAP;
        let line = format!("{:indent$}{}", "", printable(note, &[]));
        writeln!(f, "{style}{}{style:#}", fitted(&line, self.width))
    }
}

/// Columns of an attribute's name: as many as the longest one has.
fn label_width(entity: Kind) -> usize {
    let names = entity.tracked().map(|attribute| attribute.name.width());
    names.max().unwrap_or_default()
}

/// The value of an attribute as a person reads it.
fn text(attribute: &Attribute, value: &Value) -> String {
    match (attribute.kind, value) {
        (AttributeKind::Time, Value::String(text)) => match text.parse() {
            Ok(time) => with_fraction(time),
            Err(_) => printable(text, &[]),
        },
        (_, Value::String(text)) => printable(text, &[]),
        (_, value) => value.to_string(),
    }
}
