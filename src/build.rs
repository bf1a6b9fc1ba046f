//! Build script: tells the program which commit it was built from, as `ETL_VERSION`, and the number of
//! its newest migration, as `ETL_SCHEMA_VERSION`.
//!
//! The commit is `ETL_COMMIT` where that is set, which a build in a container does that is given
//! the sources without their history; else what Git says of the checkout; else what
//! `git archive` wrote into the file `commit` when it packed the sources. Where none of them knows,
//! the version stands alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Digits of a commit's name: enough to stay unique in a repository of any size.
const DIGITS: usize = 12;

/// What the program is built from, apart from `src/commit`: a change makes the commit a modified
/// one.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "sql", "src"];

fn main() {
    println!("cargo::rerun-if-env-changed=ETL_COMMIT");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    println!(
        "cargo::rustc-env=ETL_SCHEMA_VERSION={}",
        newest_migration(&root)
    );
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = given_commit()
        .or_else(|| checked_out_commit(&root))
        .or_else(|| packed_commit(&root));
    match commit {
        Some(commit) => println!("cargo::rustc-env=ETL_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=ETL_VERSION={version}"),
    }
}

/// The highest number of a migration; zero where there are none.
fn newest_migration(root: &Path) -> i32 {
    let files = fs::read_dir(root.join("sql/migrations"))
        .into_iter()
        .flatten();
    let number = |name: &str| name.strip_prefix('V')?.split_once("__")?.0.parse().ok();
    files
        .filter_map(|file| number(file.ok()?.file_name().to_str()?))
        .max()
        .unwrap_or(0)
}

/// The commit that the environment names.
fn given_commit() -> Option<String> {
    named(&env::var("ETL_COMMIT").ok()?)
}

/// The commit of the checkout, and whether its sources were modified since. Nothing if this is no
/// checkout of its own but lies in somebody else's.
fn checked_out_commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("--no-optional-locks")
            .args(arguments)
            .current_dir(root)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?) != root.canonicalize().ok()? {
        return None;
    }
    // Every commit and checkout writes to the log of HEAD, wherever this worktree keeps it.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if root.join(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = named(&git(&["rev-parse", "HEAD"])?)?;
    let changes = git(&[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat())?;
    Some(match changes.is_empty() {
        true => commit,
        false => format!("{commit}, modified"),
    })
}

/// The commit that the sources were packed from.
fn packed_commit(root: &Path) -> Option<String> {
    named(&fs::read_to_string(root.join("src/commit")).ok()?)
}

/// The short name of a commit, if this is the name of one.
fn named(commit: &str) -> Option<String> {
    let digits = commit.trim().get(..DIGITS)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| digits.to_owned())
}
