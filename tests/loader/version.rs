//! What `etl --version` prints, which the build script finds out.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::loader::said;

/// Runs a program that must succeed, in a folder.
fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let somebody = [
        "-c",
        "user.name=Ann Ash",
        "-c",
        "user.email=ann@example.org",
    ];
    run_in(folder, "git", &[&somebody, arguments].concat())
}

#[test]
fn the_version_names_the_commit_wherever_the_sources_come_from() {
    let version = run_in(Path::new("/"), env!("CARGO_BIN_EXE_etl"), &["--version"]);
    assert!(
        version.starts_with(concat!("etl ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let place = |name: &str| here.join(name).to_str().expect("UTF-8").to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("src/build.rs");
    let script = script.to_str().expect("UTF-8");
    run_in(
        here,
        "rustc",
        &["--edition=2024", "-o", &place("script"), script],
    );
    let version_of = |folder: &Path, commit: &str| {
        let mut command = Command::new(place("script"));
        command
            .current_dir(folder)
            .env("CARGO_MANIFEST_DIR", folder)
            .env("CARGO_PKG_VERSION", "9.9.9")
            .env("ETL_COMMIT", commit)
            // Git knows of no checkout around the temporary folder.
            .env("GIT_CEILING_DIRECTORIES", here);
        let out = said(command.output().expect("it can be started")).out;
        let version = out.split_once("ETL_VERSION=").expect(&out).1;
        version.lines().next().unwrap_or_default().to_owned()
    };

    // Sources without a history, as in an image.
    let sources = here.join("sources");
    fs::create_dir_all(sources.join("src")).expect("the temporary folder can be written");
    for file in ["src/commit", "src/.gitattributes"] {
        fs::copy(root.join(file), sources.join(file)).expect("the sources are here");
    }
    assert_eq!(version_of(&sources, ""), "9.9.9");
    let given = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(version_of(&sources, given), "9.9.9 (0123456789ab)");

    // A checkout, as it was committed and with a change.
    git(&sources, &["init", "--quiet"]);
    git(&sources, &["add", "."]);
    git(&sources, &["commit", "--quiet", "-m", "x"]);
    let commit = git(&sources, &["rev-parse", "HEAD"])[..12].to_owned();
    assert_eq!(version_of(&sources, ""), format!("9.9.9 ({commit})"));
    git(
        &sources,
        &["archive", "--prefix=packed/", "-o", "../packed.tar", "HEAD"],
    );
    fs::write(sources.join("src/main.rs"), "").expect("the temporary folder can be written");
    assert_eq!(
        version_of(&sources, ""),
        format!("9.9.9 ({commit}, modified)")
    );

    // An archive, on its own and in a checkout of something else.
    run_in(here, "tar", &["-xf", "packed.tar"]);
    assert_eq!(
        version_of(&here.join("packed"), ""),
        format!("9.9.9 ({commit})")
    );
    run_in(&sources, "tar", &["-xf", "../packed.tar"]);
    git(&sources, &["commit", "--quiet", "--allow-empty", "-m", "y"]);
    assert_eq!(
        version_of(&sources.join("packed"), ""),
        format!("9.9.9 ({commit})")
    );
}
