//! `etl archive` where something is in its way: files that cannot be removed or read, disks that fail,
//! a database that does not let it write, another one with the same folder of archives.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use chrono::Utc;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::archive::{Archive, EVERYTHING, checked, described, files_below};
use crate::loader::{Loader, said};
use crate::roles::{etl_as, member};
use crate::server::is_root;
use crate::system_calls::tampered;

/// A user who owns nothing, on every Linux.
const NOBODY: u32 = 65_534;

/// A call for one source as a user to whom permissions apply; into a folder that anyone may write.
fn archive_unprivileged(loader: &Loader, source: &str) -> crate::loader::Said {
    let to = loader.path("to");
    fs::create_dir_all(&to).expect("the folder is ours");
    fs::set_permissions(&to, Permissions::from_mode(0o777)).expect("the folder is ours");
    let to = to.to_str().expect("UTF-8");
    loader.etl_unprivileged(&[&EVERYTHING[..], &["--source", source, "--to", to]].concat())
}

/// As on a share that takes root for nobody.
#[test]
fn where_no_file_can_be_removed_no_archive_is_left() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=3).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let command = archive.command(&EVERYTHING);
    let Some(mut faulty) = tampered(&command, "unlinkat:error=EPERM", None) else {
        return;
    };
    for _ in 0..2 {
        let said = said(faulty.output().expect("strace can be started"));
        assert_eq!(said.status, 1, "{}", said.log);
        assert!(
            said.log.contains("and 2 other files cannot be removed"),
            "{}",
            said.log
        );
        let summary = checked(&said);
        assert_eq!(
            (&summary["archived"], &summary["archives"]),
            (&json!(0), &json!(0))
        );
    }
    assert_eq!(files_below(&archive.folder()).len(), 0);
    assert_eq!(archive.archive()["archived"], 3);
}

#[test]
fn a_file_that_cannot_be_removed_stops_no_other() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=5).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let command = archive.command(&EVERYTHING);
    let Some(mut faulty) = tampered(&command, "unlinkat:error=EPERM", Some("3.json")) else {
        return;
    };
    let said = said(faulty.output().expect("strace can be started"));
    assert_eq!(said.status, 1, "{}", said.log);
    let summary = checked(&said);
    assert_eq!(summary["archived"], 4, "{summary}");
    assert_eq!(summary["left"], json!({"not_removable": 1}));
    assert!(
        said.log
            .contains("users/3.json cannot be removed from the inbox: Operation not permitted"),
        "{}",
        said.log
    );
    assert!(
        said.log.contains("reasons=\"not_removable: 1\""),
        "{}",
        said.log
    );
    assert_eq!(
        loader.value(
            "select concat_ws(' ', archives, files, kept) from etl.archiving where source = 'users'"
        ),
        "1 4 1"
    );
    assert_eq!(archive.archive()["archived"], 1);
}

#[test]
fn an_immutable_file_is_not_packed_again_and_again() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=3).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let file = loader.path("users/2.json");
    let chattr = |flag: &str| {
        let said = Command::new("chattr").arg(flag).arg(&file).output();
        said.is_ok_and(|said| said.status.success())
    };
    if !chattr("+i") {
        println!("skipped: this user may not make a file immutable here");
        return;
    }
    let said = [archive.said(&EVERYTHING), archive.said(&EVERYTHING)];
    chattr("-i");
    for (said, archived) in said.iter().zip([2, 0]) {
        assert_eq!(said.status, 1, "{}", said.log);
        let summary = checked(said);
        assert_eq!(summary["archived"], archived, "{summary}");
        assert_eq!(summary["left"], json!({"not_removable": 1}));
        assert!(said.log.contains("users/2.json"), "{}", said.log);
    }
    assert_eq!(archive.archives().len(), 1);
    assert_eq!(archive.archive()["archived"], 1);
}

#[test]
fn files_of_others_in_a_sticky_folder_are_not_packed() {
    if !is_root() {
        println!("skipped: only root can make files of others");
        return;
    }
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=3).for_each(|number| loader.put_user(number));
    for number in 1..=3 {
        let file = loader.path(&format!("users/{number}.json"));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("the file is ours");
    }
    chown(loader.path("users/2.json"), Some(NOBODY), None).expect("the file is ours");
    fs::set_permissions(loader.path("users"), Permissions::from_mode(0o1777))
        .expect("the folder is ours");
    loader.run(&[]);
    for archived in [1, 0] {
        let said = archive_unprivileged(loader, "users");
        assert_eq!(said.status, 1, "{}", said.log);
        let summary = checked(&said);
        assert_eq!(summary["archived"], archived, "{summary}");
        assert_eq!(summary["archives"], archived);
        assert_eq!(summary["left"], json!({"not_removable": 2}));
        assert!(
            said.log
                .contains("users/1.json and 1 other file cannot be removed from the inbox")
                || said
                    .log
                    .contains("users/3.json and 1 other file cannot be removed from the inbox"),
            "{}",
            said.log
        );
    }
}

#[test]
fn a_file_that_this_user_may_not_read_is_unreadable() {
    if !is_root() {
        println!("skipped: only root can make files of others");
        return;
    }
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    fs::set_permissions(loader.path("users/1.json"), Permissions::from_mode(0o600))
        .expect("the file is ours");
    chown(loader.path("users"), Some(NOBODY), None).expect("the folder is ours");
    fs::set_permissions(loader.path("users"), Permissions::from_mode(0o755))
        .expect("the folder is ours");
    let said = archive_unprivileged(loader, "users");
    assert_eq!(said.status, 0, "{}", said.log);
    assert_eq!(checked(&said)["left"], json!({"unreadable": 1}));
}

/// The folder of today's archives is not durable: neither is the name of the archive in it.
#[test]
fn an_archive_without_a_durable_name_is_removed_again() {
    let archive = Archive::new();
    let loader = &archive.loader;
    (1..=3).for_each(|number| loader.put_user(number));
    loader.run(&[]);
    let before = described(&loader.inbox());
    let day = archive
        .folder()
        .join("users")
        .join(Utc::now().date_naive().to_string());
    let day = day.to_str().expect("UTF-8");
    for (errno, status, archived) in [("EIO", 1, 0), ("ENOSPC", 1, 0), ("EINVAL", 0, 3)] {
        let command = archive.command(&EVERYTHING);
        let Some(mut failing) = tampered(&command, &format!("fsync:error={errno}"), Some(day))
        else {
            return;
        };
        let said = said(failing.output().expect("strace can be started"));
        assert_eq!(said.status, status, "{errno}: {}", said.log);
        assert_eq!(checked(&said)["archived"], archived, "{errno}");
        if archived == 0 {
            assert!(files_below(&archive.folder()).is_empty(), "{errno}");
            assert_eq!(described(&loader.inbox()), before, "{errno}");
        }
    }
    assert_eq!(archive.archives().len(), 1);
}

/// A killed program may have made a folder whose name is not durable yet.
#[test]
fn folders_that_are_there_already_are_made_durable_again() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let source = archive.folder().join("users");
    for number in 1..=2 {
        loader.put_user(number);
        loader.run(&[]);
        let command = archive.command(&EVERYTHING);
        let path = source.to_str().expect("UTF-8");
        let Some(mut failing) = tampered(&command, "fsync:error=EIO", Some(path)) else {
            return;
        };
        let said = said(failing.output().expect("strace can be started"));
        assert_eq!(said.status, 1, "{}", said.log);
        assert!(files_below(&archive.folder()).is_empty() || number == 2);
        assert_eq!(archive.archive()["archived"], 1);
    }
}

#[test]
fn who_may_not_record_it_archives_nothing() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    let reader = member(loader, "dwh_reader");
    let to = archive.folder();
    let to = to.to_str().expect("UTF-8");
    for more in [&["--dry-run"][..], &[]] {
        let said = etl_as(
            loader,
            &reader,
            &[&EVERYTHING[..], &["--to", to], more].concat(),
        );
        assert_eq!(said.status, 1, "{more:?}: {}", said.log);
        assert!(
            said.log.contains("`grant etl_loader` to this user"),
            "{}",
            said.log
        );
        assert_eq!(checked(&said)["archived"], 0);
    }
    assert!(archive.archives().is_empty() && loader.path("users/1.json").exists());
    let loads = member(loader, "etl_loader");
    let said = etl_as(loader, &loads, &[&EVERYTHING[..], &["--to", to]].concat());
    assert_eq!(said.status, 0, "{}", said.log);
}

#[test]
fn what_was_archived_before_a_fault_is_recorded() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.put("users/bad.json", "[]");
    loader.run(&[]);
    let command = archive.command(&EVERYTHING);
    // The second archive, that of the rejected file, gets no name.
    let Some(mut failing) = tampered(&command, "renameat2:error=EIO:when=2", None) else {
        return;
    };
    let said = said(failing.output().expect("strace can be started"));
    assert_eq!(said.status, 1, "{}", said.log);
    let recorded =
        "select concat_ws(' ', archives, files) from etl.archiving where source = 'users'";
    assert_eq!(loader.value(recorded), "1 1");
    archive.archive();
    assert_eq!(loader.value(recorded), "2 2");
    loader.put_user(2);
    loader.run(&[]);
    let kept =
        "select concat_ws(' ', last_archived_at, kept) from etl.archiving where source = 'users'";
    let before = loader.value(kept);
    let Some(mut failing) = tampered(&command, "renameat2:error=EIO", None) else {
        return;
    };
    failing.output().expect("strace can be started");
    assert_eq!(loader.value(kept), before);
}

#[test]
fn an_unfinished_archive_of_a_living_program_is_left_alone() {
    let archive = Archive::new();
    let loader = &archive.loader;
    let day = archive.folder().join("users/2026-11-20");
    fs::create_dir_all(&day).expect("the folder is ours");
    let unfinished = day.join(".20261120T100000.000000Z-main.tar.zst.unfinished");
    let file = File::create(&unfinished).expect("the folder is ours");
    flock(&file, FlockOperation::LockExclusive).expect("the file system has locks");
    // No day, so no archives are in it.
    let other = archive.folder().join("users/lost+found");
    fs::create_dir_all(&other).expect("the folder is ours");
    let other = other.join(".20261120T100000.000000Z-main.tar.zst.unfinished");
    fs::write(&other, "").expect("the folder is ours");
    loader.put_user(1);
    loader.run(&[]);
    assert_eq!(archive.archive()["archived"], 1);
    assert!(unfinished.exists());
    drop(file);
    archive.archive();
    assert!(!unfinished.exists() && other.exists());
    // Its archives would have the names of other ones.
    let said = archive.said(&["archive", "--inbox-name", "main-rejected"]);
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(said.log.contains("give it another name"), "{}", said.log);
}
