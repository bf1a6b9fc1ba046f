//! Which files of a folder may have a rejection: a run that loads many files reads the names of all
//! rejected files once, and does not look up each of its files.
//!
//! Only the run that has claimed a folder rejects files of it, so no name is missing until the run ends.
//! If somebody resolves a rejection meanwhile, its file is looked up in vain.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use postgres::GenericClient;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};

use super::error::{Doing, Error};
use crate::inbox_name::InboxName;
use crate::source::Source;

/// Files of a run from which on the names are read; fewer files are looked up. If there are too many names,
/// the run tries again once it has seen twice as many files.
const MANY_FILES: usize = 4_096;

/// Most names that are kept, each as a fingerprint of 8 bytes. With more rejections every file is looked up.
const MOST_NAMES: usize = 1_000_000;

/// Most names that are read for each file that the run has seen, so that reading too many of them in vain
/// stays in proportion to looking the files up.
const NAMES_A_FILE: usize = 4;

/// The names of the rejected files of one folder, as far as they are known.
#[derive(Debug)]
pub struct RejectedNames {
    known: Known,
    /// Files that the run has seen so far.
    files: usize,
    /// Files from which on the names are read.
    read_from: usize,
    /// Makes the fingerprints. If two names have the same one, a file is looked up in vain.
    hasher: RandomState,
}

#[derive(Debug)]
enum Known {
    Nothing,
    /// There are some rejections.
    Some,
    /// The fingerprints of all names.
    All(HashSet<u64>),
}

impl Default for RejectedNames {
    fn default() -> RejectedNames {
        RejectedNames {
            known: Known::Nothing,
            files: 0,
            read_from: MANY_FILES,
            hasher: RandomState::new(),
        }
    }
}

impl RejectedNames {
    /// Counts so many more files of the run, and reads the names once there are many files.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when a statement fails.
    pub(super) fn learn(
        &mut self,
        client: &mut impl GenericClient,
        source: Source,
        inbox: &InboxName,
        files: usize,
    ) -> Result<(), Error> {
        if matches!(self.known, Known::Nothing) {
            let row = client
                .query_typed_one(
                    include_str!("../../sql/rejection/has_any.sql"),
                    &[(&source.name(), Type::TEXT), (&inbox.as_str(), Type::TEXT)],
                )
                .doing("looking for earlier rejections")?;
            self.known = match row.get("has_any") {
                true => Known::Some,
                false => Known::All(HashSet::new()),
            };
        }
        self.files += files;
        if matches!(self.known, Known::Some) && self.files > self.read_from {
            match self.read(client, source, inbox)? {
                Some(names) => self.known = Known::All(names),
                None => self.read_from = self.files * 2,
            }
        }
        Ok(())
    }

    /// Reads the names, if there are not too many.
    fn read(
        &self,
        client: &mut impl GenericClient,
        source: Source,
        inbox: &InboxName,
    ) -> Result<Option<HashSet<u64>>, Error> {
        let doing = "reading the names of rejected files";
        let most = MOST_NAMES.min(NAMES_A_FILE * self.files);
        let limit = most as i64 + 1;
        let mut rows = client
            .query_typed_raw(
                include_str!("../../sql/rejection/names.sql"),
                [
                    (&source.name() as &(dyn ToSql + Sync), Type::TEXT),
                    (&inbox.as_str(), Type::TEXT),
                    (&limit, Type::INT8),
                ],
            )
            .doing(doing)?;
        let (mut names, mut count) = (HashSet::new(), 0);
        while let Some(row) = rows.next().doing(doing)? {
            names.insert(self.hasher.hash_one(row.get::<_, &str>("file_name")));
            count += 1;
        }
        Ok((count <= most).then_some(names))
    }

    /// Whether a file may have a rejection.
    pub(super) fn may_have(&self, name: &str) -> bool {
        match &self.known {
            Known::All(names) => names.contains(&self.hasher.hash_one(name)),
            Known::Nothing | Known::Some => true,
        }
    }

    /// Notes that a file is rejected.
    pub(super) fn add(&mut self, name: &str) {
        if let Known::All(names) = &mut self.known {
            names.insert(self.hasher.hash_one(name));
        }
    }
}
