//! The programs of the services, which are a package of their own: Cargo builds the programs of
//! this package for its tests and no others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program of a service, `users` or `cards`, as its sources are now.
pub fn program(service: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    Path::new(env!("CARGO_BIN_EXE_etl")).with_file_name(service)
}

/// Builds both services with the profile of this test, beside `etl`.
fn build() {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--package", "services", "--locked", "--quiet"])
        .args(["--profile", profile, "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cargo builds the services"
    );
}
