//! The dead-letter table: rejected files, kept whole with a reason until a good version of the file
//! arrives or a retry accepts their document.
//!
//! A file has at most one rejection that is open. Rejected again with the same content or a longer
//! one, it stays that rejection; with other content, the earlier one is superseded.

use std::collections::HashSet;

use postgres::types::Type;
use postgres::{GenericClient, Transaction};

use super::error::{Doing, Error};
use super::rejected_names::RejectedNames;
use super::rows::{self, Columns, position};
use crate::entity::Kind;
use crate::event::{Rejection, subject};
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::stamp::FileStamp;

/// A file that is not an event.
#[derive(Debug)]
pub struct RejectedFile<'a> {
    /// Its name as text.
    pub name: &'a str,
    /// Its stamp when it was read.
    pub stamp: FileStamp,
    /// Why.
    pub rejection: &'a Rejection,
    /// Its content, `None` if it was not read.
    pub document: Option<&'a [u8]>,
}

/// The rejections of one folder in a batch.
#[derive(Debug)]
pub struct FolderRejections {
    run_id: i64,
    source: Source,
    inbox: InboxName,
    /// Files that may have a rejection.
    names: RejectedNames,
    /// Whether the sequence of numbers is known not to be behind.
    is_sequence_checked: bool,
    /// What is to be logged when the transaction has ended.
    pub notes: Vec<String>,
}

/// How the content of a file compares with that of its earlier rejection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Same,
    Grown,
    Other,
}

impl FolderRejections {
    /// Those of a folder, in a batch of this run, which knows these names from the batches before.
    pub fn new(
        run_id: i64,
        source: Source,
        inbox: &InboxName,
        names: RejectedNames,
    ) -> FolderRejections {
        FolderRejections {
            run_id,
            source,
            inbox: inbox.clone(),
            names,
            is_sequence_checked: false,
            notes: Vec::new(),
        }
    }

    /// What the run knows of rejected files after the batch.
    pub fn into_names(self) -> RejectedNames {
        self.names
    }

    /// Closes the open rejections of these files: a good version of each was loaded.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the statement fails.
    pub fn resolve<'n>(
        &mut self,
        transaction: &mut impl GenericClient,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), Error> {
        let mut names: Vec<&str> = names.collect();
        self.names
            .learn(transaction, self.source, &self.inbox, names.len())?;
        names.retain(|name| self.names.may_have(name));
        if names.is_empty() {
            return Ok(());
        }
        transaction
            .execute_typed(
                include_str!("../../sql/rejection/resolve.sql"),
                &[
                    (&self.run_id, Type::INT8),
                    (&self.source.name(), Type::TEXT),
                    (&self.inbox.as_str(), Type::TEXT),
                    (&names, Type::TEXT_ARRAY),
                ],
            )
            .doing("resolving rejections")?;
        Ok(())
    }

    /// Keeps rejected files. If a file is among them more than once, the last one counts.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub fn keep(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut files: Vec<RejectedFile<'_>>,
    ) -> Result<(), Error> {
        let mut names = HashSet::with_capacity(files.len());
        files.reverse();
        files.retain(|file| names.insert(file.name));
        files.reverse();
        self.names
            .learn(transaction, self.source, &self.inbox, files.len())?;
        let (standing, mut new): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| self.names.may_have(file.name));
        new.extend(self.keep_standing(transaction, standing)?);
        self.copy(transaction, &new)?;
        new.iter().for_each(|file| self.names.add(file.name));
        Ok(())
    }

    /// Renews or closes the earlier rejections of these files, and returns the files that need one
    /// of their own.
    fn keep_standing<'f>(
        &self,
        transaction: &mut Transaction<'_>,
        files: Vec<RejectedFile<'f>>,
    ) -> Result<Vec<RejectedFile<'f>>, Error> {
        if files.is_empty() {
            return Ok(files);
        }
        let mut columns = Columns::default();
        columns.push(Type::TEXT, self.source.name());
        columns.push(Type::TEXT, self.inbox.as_str());
        columns.push_each(Type::TEXT_ARRAY, &files, |file| file.name);
        columns.push_each(Type::INT8_ARRAY, &files, |file| {
            file.stamp.size.cast_signed()
        });
        columns.push_each(Type::BYTEA_ARRAY, &files, |file| file.document);
        let rows = transaction
            .query_typed(
                include_str!("../../sql/rejection/standing.sql"),
                &columns.parameters(),
            )
            .doing("comparing files with their earlier rejections")?;
        let (mut renewed, mut superseded) = (Vec::new(), Vec::new());
        let mut needs_own = vec![true; files.len()];
        for row in &rows {
            let position = position(row);
            let rejected_id: i64 = row.get("rejected_id");
            let content = match row.get("content") {
                "same" => Content::Same,
                "grown" => Content::Grown,
                _ => Content::Other,
            };
            match (content, row.get::<_, bool>("is_dismissed")) {
                // Nobody wants to hear of the same document again.
                (Content::Same, true) => needs_own[position] = false,
                (Content::Same | Content::Grown, false) => {
                    needs_own[position] = false;
                    renewed.push((rejected_id, &files[position]));
                }
                (Content::Grown, true) | (Content::Other, _) => superseded.push(rejected_id),
            }
        }
        self.renew(transaction, &renewed)?;
        if !superseded.is_empty() {
            transaction
                .execute_typed(
                    include_str!("../../sql/rejection/supersede.sql"),
                    &[(&self.run_id, Type::INT8), (&superseded, Type::INT8_ARRAY)],
                )
                .doing("superseding rejections")?;
        }
        let mut needs_own = needs_own.into_iter();
        let mut files = files;
        files.retain(|_| needs_own.next().unwrap_or(true));
        Ok(files)
    }

    fn renew(
        &self,
        transaction: &mut Transaction<'_>,
        files: &[(i64, &RejectedFile<'_>)],
    ) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let subjects: Vec<Option<(Kind, i64)>> = files
            .iter()
            .map(|(_, file)| self.subject_of(file))
            .collect();
        let mut columns = Columns::default();
        columns.push(Type::INT8, self.run_id);
        columns.push_each(Type::INT8_ARRAY, files, |(id, _)| *id);
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, files, |(_, file)| {
            file.stamp.modified.to_utc()
        });
        columns.push_each(Type::TIMESTAMPTZ_ARRAY, files, |(_, file)| {
            file.stamp.changed.to_utc()
        });
        columns.push_each(Type::INT8_ARRAY, files, |(_, file)| {
            file.stamp.size.cast_signed()
        });
        columns.push_each(Type::TEXT_ARRAY, files, |(_, file)| file.rejection.code());
        columns.push_each(Type::TEXT_ARRAY, files, |(_, file)| {
            file.rejection.to_string()
        });
        columns.push_each(Type::TEXT_ARRAY, &subjects, |subject| {
            subject.map(|(kind, _)| kind.name())
        });
        columns.push_each(Type::INT8_ARRAY, &subjects, |subject| {
            subject.map(|(_, id)| id)
        });
        columns.push_each(Type::BYTEA_ARRAY, files, |(_, file)| file.document);
        transaction
            .execute_typed(
                include_str!("../../sql/rejection/renew.sql"),
                &columns.parameters(),
            )
            .doing("renewing rejections")?;
        Ok(())
    }

    fn copy(
        &mut self,
        transaction: &mut Transaction<'_>,
        files: &[RejectedFile<'_>],
    ) -> Result<(), Error> {
        if !files.is_empty() && !self.is_sequence_checked {
            self.advance_sequence(transaction)?;
            self.is_sequence_checked = true;
        }
        rows::copy(
            transaction,
            include_str!("../../sql/rejection/copy.sql"),
            files,
            |file, row| {
                let subject = self.subject_of(file);
                row.text(self.source.name());
                row.text(self.inbox.as_str());
                row.text(file.name);
                row.time(file.stamp.modified.to_utc());
                row.time(file.stamp.changed.to_utc());
                row.integer(file.stamp.size.cast_signed());
                row.text(file.rejection.code());
                row.text(&file.rejection.to_string());
                row.optional(subject, |row, (kind, _)| row.text(kind.name()));
                row.optional(subject, |row, (_, id)| row.integer(id));
                row.optional(file.document, |row, document| row.bytes(document));
                row.integer(self.run_id);
            },
            "keeping rejected files",
        )
    }

    /// A sequence of numbers that a restore has left behind is advanced.
    fn advance_sequence(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        let behind = transaction
            .query_typed_opt(
                include_str!("../../sql/rejection/advance_sequence.sql"),
                &[],
            )
            .doing("comparing numbers of rejections with their sequence")?;
        if let Some(row) = behind {
            let (highest, last_given): (i64, i64) = (row.get("highest"), row.get("last_given"));
            self.notes.push(format!(
                "the sequence of landing.rejected_event.rejected_id was behind, at {last_given} where {highest} exists, \
                 as after a restore or a move by replication: it goes on after {highest}"
            ));
        }
        Ok(())
    }

    fn subject_of(&self, file: &RejectedFile<'_>) -> Option<(Kind, i64)> {
        subject(file.document?, self.source)
    }
}
