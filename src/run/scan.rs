//! The scan of a folder: which of its files this run reads, by the plan of its checkpoint.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use postgres::Client;

use super::claim::while_renewing;
use super::error::Error;
use super::options::Options;
use super::warnings::FileWarnings;
use crate::checkpoint::{Checkpoint, Progress, Rescan, plan};
use crate::inbox::listing::Listing;
use crate::inbox::name::{name_bytes, name_text};
use crate::inbox::{Folder, FolderError};
use crate::inbox_name::InboxName;
use crate::source::Source;
use crate::stamp::{FileStamp, FolderIdentity};
use crate::warehouse;
use crate::warehouse::names::unknown_names;
use crate::warehouse::processed_files::{PendingFile, RecentFile, each_recent_file, pending_names};

/// Recently processed files that are probed in a folder which may be another one: if it is the same,
/// the first one is found.
const PROBED: usize = 1_000;

/// Files that a run processes before it forgets those that changed before the range that is scanned again.
/// Forgetting reads all remembered files, so it costs little if it is this rare. If the run is killed, the
/// next one has at most that many more to read, and keeps 16 bytes of each in memory.
pub(super) const FORGET_AFTER: usize = 1_000_000;

/// A scanned folder.
pub(crate) struct FolderScan {
    pub(crate) folder: Folder,
    pub(crate) identity: FolderIdentity,
    pub(crate) listing: Listing,
    /// The checkpoint as it was before the run.
    pub(crate) checkpoint: Checkpoint,
    /// How long the scan took.
    pub(crate) took: Duration,
}

/// How far a run has come in a scanned folder, as it is committed.
#[derive(Clone)]
pub(super) struct FolderState {
    pub(super) progress: Progress,
    /// The checkpoint as it was last saved.
    pub(super) saved: Checkpoint,
    /// Whether the files that are remembered as processed are those of another folder.
    pub(super) forgets_all: bool,
    /// Files that are to be remembered as processed, with the next chunk that has work or when the
    /// checkpoint is saved.
    pub(super) recent: Vec<RecentFile>,
    /// Files that were processed since files were last forgotten.
    pub(super) unforgotten: usize,
    /// Links and the like, which are never read, and which do not count as processed yet; the latest
    /// first.
    pub(super) ignored: Vec<RecentFile>,
    /// Files that were left pending.
    pub(super) pending: Vec<PendingFile>,
}

/// Scans the folder of a checkpoint.
///
/// # Errors
///
/// [`Error::Folder`] when the folder cannot be scanned, which is no reason to leave the others;
/// anything else ends the run.
pub(super) fn scan(
    client: &mut Client,
    run_id: i64,
    checkpoint: Checkpoint,
    options: &Options,
    warnings: &mut FileWarnings,
) -> Result<(FolderScan, FolderState), Error> {
    let began = Instant::now();
    let source = checkpoint.source;
    let scanned_at = options.clock.now().into();
    let folder = Folder::open(&options.inbox, source, &options.clock)?;
    let identity = folder.identity()?;
    let recent = RecentFiles::read(client, source, &options.inbox_name)?;
    let is_same_folder = checkpoint.is_certainly_of(identity)
        || while_renewing(client, run_id, || recent.has_one_in(&folder))?;
    let plan = plan(
        &checkpoint,
        options.start(),
        is_same_folder,
        options.overlap,
        scanned_at,
    );
    match plan.rescan {
        // Without a birth time nobody knows, and an emptied folder has no file to recognise it by.
        Some(Rescan::OtherFolder) if checkpoint.folder == Some(identity) => {
            log::debug!("{} may be another folder", folder.path().display());
        }
        Some(Rescan::OtherFolder) => log::warn!(
            "{} is not the folder that the checkpoint of {source} belongs to: every file in it is read, and loaded \
             events are skipped as duplicates",
            folder.path().display()
        ),
        Some(Rescan::ClockSetBack) => log::warn!(
            "the clock is before the checkpoint of {source}, so it was set back: every file in the folder is read"
        ),
        None => {}
    }
    let unknown = match plan.skips_known_names {
        true => {
            let names = while_renewing(client, run_id, || all_names(&folder))??;
            let inbox = &options.inbox_name;
            Some(unknown_names(client, run_id, source, inbox, &names)?.ok_or(Error::ClaimLost)?)
        }
        false => None,
    };
    // A backfill may have left files pending that are older than the offset.
    let pending_names = match plan.advances && checkpoint.has_pending_files() {
        true => pending_names(client, source, &options.inbox_name)?,
        false => HashSet::new(),
    };
    let keeps = |name: &[u8], stamp: &FileStamp| {
        let is_in_range = plan.from.is_none_or(|from| stamp.changed >= from);
        if !is_in_range && pending_names.is_empty() {
            return false;
        }
        let name = name_text(name);
        if !is_in_range && !pending_names.contains(name.as_ref()) {
            return false;
        }
        unknown
            .as_ref()
            .is_none_or(|unknown| unknown.contains(name.as_ref()))
            && !(plan.skips_recent && recent.contains(&name, stamp))
    };
    let mut listing = while_renewing(client, run_id, || folder.scan(keeps))??;
    let mut progress = Progress::new(
        plan,
        scanned_at,
        listing.len() + listing.not_regular.len() + listing.faults.len(),
    );
    let mut ignored = Vec::with_capacity(listing.not_regular.len());
    for (name, stamp) in std::mem::take(&mut listing.not_regular) {
        let name = name_text(&name).into_owned();
        warnings.not_regular(folder.path(), &name);
        ignored.push(RecentFile { name, stamp });
    }
    ignored.sort_by_key(|file| Reverse(file.stamp.changed));
    let mut pending = Vec::with_capacity(listing.faults.len());
    for (name, cause) in std::mem::take(&mut listing.faults) {
        let name = name_text(&name).into_owned();
        let reason = format!("the file cannot be statted: {cause}");
        warnings.fault(folder.path(), &name, &reason, plan);
        progress.leave_pending(None);
        pending.push(PendingFile {
            name,
            reason,
            is_behind: true,
        });
    }
    log::debug!(
        "{} files to read in {}",
        listing.len(),
        folder.path().display()
    );
    let mut state = FolderState {
        progress,
        saved: checkpoint,
        forgets_all: !is_same_folder && !recent.files.is_empty(),
        recent: Vec::new(),
        // The last run did not finish, and so may have left files that are to be forgotten.
        unforgotten: match checkpoint.remaining {
            0 => 0,
            _ => FORGET_AFTER,
        },
        ignored,
        pending,
    };
    state.pass_ignored(None);
    let scan = FolderScan {
        folder,
        identity,
        listing,
        checkpoint,
        took: began.elapsed(),
    };
    Ok((scan, state))
}

/// Whether a folder is the one that its checkpoint belongs to.
///
/// # Errors
///
/// When the warehouse fails.
pub(crate) fn is_same_folder(
    client: &mut Client,
    checkpoint: &Checkpoint,
    inbox: &InboxName,
    folder: &Folder,
    identity: FolderIdentity,
) -> Result<bool, warehouse::error::Error> {
    Ok(checkpoint.is_certainly_of(identity)
        || RecentFiles::read(client, checkpoint.source, inbox)?.has_one_in(folder))
}

/// The names of all event files in a folder.
fn all_names(folder: &Folder) -> Result<Vec<String>, FolderError> {
    let mut names = Vec::new();
    folder.each_name(|name| {
        names.push(name_text(name).into_owned());
        Ok::<(), FolderError>(())
    })?;
    Ok(names)
}

/// The files of a folder that were processed recently.
///
/// After a burst there are a hundred thousand, so each is kept as a fingerprint of its name and
/// stamp: 128 bits of keyed hashes, by which a new file is taken for one of a million known ones with
/// a chance of one in 10^32.
struct RecentFiles {
    hashers: [RandomState; 2],
    files: HashSet<[u64; 2]>,
    /// The first [`PROBED`] of them.
    probed: Vec<RecentFile>,
}

impl RecentFiles {
    fn read(
        client: &mut Client,
        source: Source,
        inbox: &InboxName,
    ) -> Result<RecentFiles, warehouse::error::Error> {
        let mut recent = RecentFiles {
            hashers: [RandomState::new(), RandomState::new()],
            files: HashSet::new(),
            probed: Vec::new(),
        };
        each_recent_file(client, source, inbox, |name, stamp| {
            if recent.probed.len() < PROBED {
                let name = name.to_owned();
                recent.probed.push(RecentFile { name, stamp });
            }
            recent.files.insert(recent.fingerprint(name, &stamp));
        })?;
        Ok(recent)
    }

    /// Whether one of them is in this folder as it was, so that they are those of this folder. On a slow
    /// share that takes its time.
    fn has_one_in(&self, folder: &Folder) -> bool {
        let is_in = |file: &RecentFile| folder.stamp(&name_bytes(&file.name)) == Some(file.stamp);
        self.probed.iter().any(is_in)
    }

    fn fingerprint(&self, name: &str, stamp: &FileStamp) -> [u64; 2] {
        self.hashers
            .each_ref()
            .map(|hasher| hasher.hash_one((name, stamp)))
    }

    fn contains(&self, name: &str, stamp: &FileStamp) -> bool {
        self.files.contains(&self.fingerprint(name, stamp))
    }
}
