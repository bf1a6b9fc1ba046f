//! `etl archive`: at any time every event is in the inbox, in a whole archive, or in both, and a
//! warehouse that is rebuilt from archives equals the lost one.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::books;
use crate::loader::{Loader, Said, event_id, numbered_user, said, user_event};
use crate::model::Dimensions;

/// How an archive of everything is asked for.
pub const EVERYTHING: [&str; 4] = ["archive", "--older-than", "0s", "--json"];

/// The folder of the archives in that of the inbox. Five folders are made durable before an archive.
pub const RELATIVE: &str = "data/events/archive";

/// A loader with its archives.
pub struct Archive {
    pub loader: Loader,
}

impl Archive {
    pub fn new() -> Archive {
        Archive {
            loader: Loader::new(),
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.loader.path(RELATIVE)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.loader.command(arguments);
        command.env("ETL_ARCHIVE", self.folder());
        command
    }

    pub fn said(&self, arguments: &[&str]) -> Said {
        said(
            self.command(arguments)
                .output()
                .expect("etl can be started"),
        )
    }

    /// Archives everything, and returns the summary, whose counts add up.
    pub fn archive(&self) -> Value {
        let said = self.said(&EVERYTHING);
        assert_eq!(said.status, 0, "{}", said.log);
        checked(&said)
    }

    /// The archives, in the order in which they were packed.
    pub fn archives(&self) -> Vec<PathBuf> {
        let mut archives = files_below(&self.folder());
        archives.retain(|path| !name(path).starts_with('.'));
        archives.sort_by_key(|path| name(path));
        archives
    }

    /// Unpacks all archives into an inbox, without a run between them.
    pub fn unpack(&self, inbox: &Path) {
        for archive in self.archives() {
            let source = archive
                .parent()
                .and_then(Path::parent)
                .expect("the folder of a source");
            let unpacked = Command::new("tar")
                .args(["--zstd", "-xpf"])
                .arg(&archive)
                .arg("-C")
                .arg(inbox.join(name(source)))
                .status()
                .expect("tar can be started");
            assert!(unpacked.success(), "{}", archive.display());
        }
    }

    /// Loads all archives with the commands that `etl archive --help` prints, in a folder where they
    /// find everything at its default place.
    pub fn restore(&self) {
        let program = Path::new(env!("CARGO_BIN_EXE_etl"));
        let help = said(
            self.command(&["archive", "--help"])
                .output()
                .expect("etl can be started"),
        )
        .out;
        let (_, commands) = help
            .split_once("For a lost warehouse:")
            .expect("the help has commands for a lost warehouse");
        let lines = commands
            .lines()
            .skip_while(|line| !line.starts_with("    "));
        let commands: Vec<&str> = lines.take_while(|line| line.starts_with("    ")).collect();
        let folder = self.loader.inbox();
        let inbox = folder.join("data/events/inbox");
        if !inbox.exists() {
            symlink(&folder, inbox).expect("the folder is ours");
        }
        let programs = std::env::var("PATH").unwrap_or_default();
        let own = program.parent().expect("a folder").display();
        let restored = Command::new("bash")
            .args(["-c", &commands.join("\n")])
            .env_clear()
            .env("PATH", format!("{own}:{programs}"))
            .env("DATABASE_URL", &self.loader.url)
            .current_dir(folder)
            .output()
            .expect("bash can be started");
        let restored = said(restored);
        assert_eq!(restored.status, 0, "{}", restored.log);
    }

    /// Loses the warehouse, restores it from the archives, and checks that it equals the lost one.
    pub fn lose_and_restore(&self) {
        let lost = Dimensions::of(&self.loader);
        self.loader
            .execute("drop schema etl, landing, warehouse cascade");
        self.restore();
        assert_eq!(Dimensions::of(&self.loader).difference(&lost), None);
    }
}

pub fn checked(said: &Said) -> Value {
    let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
    let add_up = |counts: &Value| {
        let left = counts["left"].as_object().expect("an object");
        let left: i64 = left.values().filter_map(Value::as_i64).sum();
        let archived = counts["archived"].as_i64().expect("a number");
        assert_eq!(counts["files"], archived + left, "{summary}");
    };
    add_up(&summary);
    let sources = summary["sources"].as_object().expect("an object");
    sources.values().for_each(add_up);
    summary
}

pub fn name(path: &Path) -> String {
    let name = path.file_name().expect("a name");
    name.to_str().expect("UTF-8").to_owned()
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries {
        let path = entry.expect("a folder of ours").path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

/// Files as they are compared: path, content, modification time to the nanosecond, rights.
pub fn described(inbox: &Path) -> BTreeSet<(String, Vec<u8>, i64, i64, u32)> {
    ["users", "cards"]
        .iter()
        .flat_map(|source| files_below(&inbox.join(source)))
        .map(|path| {
            let stat = fs::symlink_metadata(&path).expect("a file of ours");
            // A link may lead nowhere.
            let content = fs::read(&path).unwrap_or_default();
            let relative = path.strip_prefix(inbox).expect("a file of the inbox");
            let relative = relative.to_string_lossy().into_owned();
            (
                relative,
                content,
                stat.mtime(),
                stat.mtime_nsec(),
                stat.mode(),
            )
        })
        .collect()
}

/// An empty inbox.
pub fn inbox(folder: &Path) -> PathBuf {
    for source in ["users", "cards"] {
        fs::create_dir_all(folder.join(source)).expect("a folder of ours");
    }
    folder.to_owned()
}

#[test]
fn what_the_database_has_is_moved_and_everything_else_stays_for_a_reason() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.put_user(2);
    // Misfiled, and a name that is neither UTF-8 nor short.
    loader.put("cards/3.json", numbered_user(3).to_string());
    let odd = OsString::from_vec([&[0xff; 200][..], b".json"].concat());
    fs::write(loader.path("users").join(odd), numbered_user(4).to_string())
        .expect("the inbox can be written");
    loader.put("cards/bad.json", "{\"metadata\": {}}");
    loader.put("cards/conflict.json", {
        let mut event = numbered_user(1);
        event["payload"]["score"] = json!(9.5);
        event.to_string()
    });
    let future = user_event(&event_id(8), "2999-01-01 00:00:00", 8, "Ann", 1.0);
    loader.put("users/future.json", future.to_string());
    loader.put(
        "users/large.json",
        " ".repeat(2 << 20) + &numbered_user(9).to_string(),
    );
    symlink(loader.path("users/1.json"), loader.path("users/link.json")).expect("a link");
    fs::set_permissions(loader.path("users/1.json"), Permissions::from_mode(0o600))
        .expect("the file is ours");
    loader.run(&[]);
    // Never read by a run.
    loader.put_user(10);
    loader.put("users/half.json", "{\"metadata\": ");
    let before = described(&loader.inbox());

    // Everything is recent.
    let said = archive.said(&["archive", "--json"]);
    assert_eq!(checked(&said)["left"], json!({"recent": 11}));
    assert_eq!(checked(&said)["archived"], 0);

    // A dry run changes nothing.
    let said = archive.said(&[&EVERYTHING[..], &["--dry-run"]].concat());
    let dry = checked(&said);
    assert_eq!(dry["archived"], 6, "{dry}");
    assert!(archive.archives().is_empty());
    assert_eq!(described(&loader.inbox()), before);

    let summary = archive.archive();
    assert_eq!(
        summary["left"],
        json!({"not_loaded": 2, "not_stored": 1, "from_the_future": 1, "not_regular": 1})
    );
    assert_eq!(summary["archived"], 6);
    assert_eq!(summary["archives"], 3);
    let left: BTreeSet<String> = described(&loader.inbox())
        .into_iter()
        .map(|file| file.0)
        .collect();
    let expected =
        ["future", "half", "large", "link", "10"].map(|name| format!("users/{name}.json"));
    assert_eq!(left, BTreeSet::from(expected));
    assert!(
        files_below(&archive.folder())
            .iter()
            .all(|path| { fs::metadata(path).expect("an archive").mode() & 0o007 == 0 })
    );

    // They are what they were, to the nanosecond.
    let restored = inbox(&loader.path("restored"));
    archive.unpack(&restored);
    let gone: BTreeSet<_> = before
        .iter()
        .filter(|file| !left.contains(&file.0))
        .cloned()
        .collect();
    assert_eq!(described(&restored), gone);

    // A second call finds nothing to do. Its log says what stays.
    let said = archive.said(&EVERYTHING);
    assert_eq!(checked(&said)["archived"], 0);
    assert!(
        said.log.contains("files=5 archived=0 left=5 reasons=")
            && said.log.contains("not_stored: 1"),
        "{}",
        said.log
    );
    // A dismissed event of the future is nobody's any more.
    loader.etl(&[
        "rejected",
        "dismiss",
        "--reason",
        "from_the_future",
        "--note",
        "a test",
    ]);
    assert_eq!(archive.archive()["archived"], 1);
    books::verify(loader);
}

#[test]
fn an_inbox_that_may_not_be_written_is_left_alone() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    fs::set_permissions(loader.path("users"), Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(loader.path("users/1.json"), Permissions::from_mode(0o644))
        .expect("it is ours");
    if !crate::server::is_root() {
        fs::set_permissions(loader.path("users"), Permissions::from_mode(0o555))
            .expect("it is ours");
    }
    let to = archive.folder();
    let said = loader.etl_unprivileged(&[
        "archive",
        "--older-than",
        "0s",
        "--source",
        "users",
        "--to",
        to.to_str().expect("UTF-8"),
    ]);
    fs::set_permissions(loader.path("users"), Permissions::from_mode(0o755)).expect("it is ours");
    assert_eq!(said.status, 1, "{}", said.log);
    assert!(
        said.log.contains("no file can be removed from") && said.log.contains("outcome=partial"),
        "{}",
        said.log
    );
    assert!(loader.path("users/1.json").exists() && archive.archives().is_empty());
}

#[test]
fn folders_for_archives_are_made_wherever_they_are_named() {
    let archive = Archive::new();
    let loader = &archive.loader;
    for (number, to) in [(1, "new"), (2, "new/below"), (3, "./other/below"), (4, "")] {
        loader.put_user(number);
        loader.run(&[]);
        let folder = loader.path("current");
        fs::create_dir_all(&folder).expect("a folder of ours");
        let mut command = loader.command(&EVERYTHING);
        command.current_dir(&folder);
        // Without a setting they are in the current folder, too.
        if !to.is_empty() {
            command.args(["--to", to]);
        }
        let said = said(command.output().expect("etl can be started"));
        assert_eq!(said.status, 0, "{to}: {}", said.log);
        assert_eq!(checked(&said)["archived"], 1, "{to}");
        let to = if to.is_empty() {
            "data/events/archive"
        } else {
            to
        };
        assert!(!files_below(&folder.join(to)).is_empty(), "{to}");
    }
}

#[test]
fn status_counts_what_could_be_archived() {
    let archive = Archive::new();
    let loader = &archive.loader;
    loader.put_user(1);
    loader.run(&[]);
    let status = || loader.etl(&["status"]).out;
    assert!(!status().contains("last archive"), "{}", status());
    loader.execute(
        "update etl.checkpoint
         set listed = 3000000, archivable = 2990000, archivable_since = now() - interval '3 days', scan_ms = 3100
         where source = 'users'",
    );
    let page = status();
    assert!(
        page.contains("crowded: a scan of users takes 3.1 s, since the folder has 3000000 files"),
        "{page}"
    );
    assert!(
        page.contains("`etl archive` moves loaded files into archives"),
        "{page}"
    );
    assert!(
        page.contains("users: 2990000 files in the inbox changed over an hour ago, the oldest 3d ago; last archive never"),
        "{page}"
    );
    assert_eq!(loader.etl(&["status", "--check"]).status, 1);
    archive.archive();
    loader.run(&[]);
    let prometheus = loader.etl(&["status", "--format", "prometheus"]).out;
    for sample in [
        "etl_source_listed_files{source=\"users\",inbox=\"main\"} 0",
        "etl_archive_files_total{source=\"users\",inbox=\"main\"} 1",
        "etl_source_archivable_files{source=\"users\",inbox=\"main\"} 0",
    ] {
        assert!(prometheus.contains(sample), "{prometheus}");
    }
    assert_eq!(loader.etl(&["status", "--check"]).status, 0);
}
