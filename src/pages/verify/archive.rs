//! Archives: whether each is whole, and the database has the content of each file in it.

use std::fs::{self, DirEntry, File as Archive};
use std::io;
use std::path::{Path, PathBuf};

use postgres::Client;

use super::finding::{Check, Finding, Findings};
use super::{Figures, VerifyOptions};
use crate::archive::member::{self, Member};
use crate::archive::packing::{days, is_archive};
use crate::clock;
use crate::inbox::name::name_text;
use crate::inbox::reading::Reading;
use crate::inbox_name::InboxName;
use crate::pages::error::Error;
use crate::run::File;
use crate::run::options::Options;
use crate::run::stored::{self, Stored, StoredFile};
use crate::source::Source;
use crate::stamp::FileStamp;
use crate::warehouse::error::{Doing, Error as WarehouseError};
use crate::warehouse::kept_files::Searched;
use crate::warehouse::{self, archiving};

/// Members that are looked for together.
const MEMBERS: usize = 4_096;

/// Why an archive was not read to its end.
enum Failure {
    Archive(io::Error),
    Warehouse(WarehouseError),
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Failure {
        Failure::Archive(cause)
    }
}

/// Verifies the archives of an inbox in a folder, those of all sources.
///
/// # Errors
///
/// When the warehouse fails.
pub(super) fn verify(
    client: &mut Client,
    folder: &Path,
    options: &VerifyOptions,
    figures: &mut Figures,
    findings: &mut Findings,
) -> Result<(), Error> {
    for source in Source::ALL.iter().copied() {
        let path = folder.join(source.name());
        let days = match days(&path) {
            Ok(days) => days,
            // Nothing has been archived of this source.
            Err(cause)
                if cause.kind() == io::ErrorKind::NotFound
                    && folder.is_dir()
                    && !archiving::has_archives(client, source, &options.inbox_name)? =>
            {
                continue;
            }
            Err(cause) => {
                findings.add(source.name(), unreadable(&path, &cause));
                continue;
            }
        };
        let paths = archives(days, &options.inbox_name, |day, cause| {
            findings.add(source.name(), unreadable(day, &cause));
        });
        let mut archives = Archives {
            client: &mut *client,
            source,
            reading: Options::for_reading(
                options.inbox.clone(),
                options.inbox_name.clone(),
                vec![source],
            ),
            findings: &mut *findings,
        };
        for path in paths {
            figures.archives += 1;
            match archives.verify(&path) {
                Ok(files) => figures.archived_files += files,
                Err(Failure::Archive(cause)) => {
                    archives
                        .findings
                        .add(source.name(), unreadable(&path, &cause));
                }
                Err(Failure::Warehouse(error)) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The archives of an inbox in the folders of these days, in the order in which they were packed.
fn archives(
    days: Vec<PathBuf>,
    inbox: &InboxName,
    mut fault: impl FnMut(&Path, io::Error),
) -> Vec<PathBuf> {
    let mut archives = Vec::new();
    for day in days {
        match fs::read_dir(&day).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => archives.extend(entries.iter().map(DirEntry::path)),
            Err(cause) => fault(&day, cause),
        }
    }
    archives.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        is_archive(&name.to_string_lossy(), inbox)
    });
    archives.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    archives
}

fn unreadable(path: &Path, cause: &io::Error) -> Finding {
    let advice = match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user the right to read it, and to enter its folders (r and x)"
        }
        io::ErrorKind::NotFound => "name the folder of the archives, or restore it from a backup",
        _ if member::is_damage(cause) => {
            "restore it from a backup, or unpack what `tar --zstd` still reads of it"
        }
        _ => "verify it again; if that fails too, check the disk",
    };
    Finding {
        check: Check::Archives,
        subject: path.display().to_string(),
        problem: format!("it cannot be read: {cause}"),
        advice: advice.to_owned(),
    }
}

/// The archives of a source that are verified.
struct Archives<'v> {
    client: &'v mut Client,
    source: Source,
    reading: Options,
    findings: &'v mut Findings,
}

impl Archives<'_> {
    /// Verifies an archive; returns how many files it has.
    fn verify(&mut self, path: &Path) -> Result<i64, Failure> {
        let mut files = 0;
        let mut members = Vec::new();
        member::each(Archive::open(path)?, |member| {
            files += 1;
            members.push(member);
            match members.len() < MEMBERS {
                true => Ok(()),
                false => self.look_for(path, std::mem::take(&mut members)),
            }
        })?;
        self.look_for(path, members)?;
        Ok(files)
    }

    fn look_for(&mut self, path: &Path, members: Vec<Member>) -> Result<(), Failure> {
        let files: Vec<File> = members
            .into_iter()
            .map(|member| self.file(member))
            .collect();
        for StoredFile { file, stored, .. } in self.find(files).map_err(Failure::Warehouse)? {
            let (problem, advice) = match stored {
                Stored::Event {
                    precedes: false, ..
                } => continue,
                Stored::Event { precedes: true, .. } => (
                    "landing has its event with a later modification time".to_owned(),
                    "unpack it into the inbox, and the next run compares the two",
                ),
                Stored::Rejection(rejection) if rejection.has_document => continue,
                Stored::Rejection(rejection) => (
                    format!(
                        "it is in no table: its rejection ({}) does not have the content",
                        rejection.reason
                    ),
                    "unpack it into the inbox, and load it with a run that may read it (--max-file-size)",
                ),
                Stored::Nowhere(why) => (
                    format!("it is in no table: {why}"),
                    "unpack it into the inbox, and the next run loads it",
                ),
            };
            let finding = Finding {
                check: Check::Archives,
                subject: format!("{} in {}", file.name, path.display()),
                problem,
                advice: advice.to_owned(),
            };
            self.findings.add(self.source.name(), finding);
        }
        Ok(())
    }

    fn find(&mut self, files: Vec<File>) -> Result<Vec<StoredFile>, WarehouseError> {
        let mut transaction = warehouse::begin(self.client)?;
        let inbox = &self.reading.inbox_name;
        let found = stored::find(&mut transaction, self.source, inbox, Searched::All, files)?;
        transaction.rollback().doing("ending to look for files")?;
        Ok(found)
    }

    /// A member as a run would read it.
    fn file(&self, member: Member) -> File {
        let now = clock::now().into();
        let stamp = FileStamp {
            inode: 0,
            size: member.document.len() as u64,
            modified: member.modified,
            changed: now,
        };
        File::validate(
            name_text(&member.name).into_owned(),
            now,
            Reading::Document(stamp, member.document),
            &self.reading,
            now,
        )
    }
}
