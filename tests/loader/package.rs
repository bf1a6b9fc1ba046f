//! What Debian's package is made of: the files that Cargo.toml names, and the units of systemd.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_files_of_the_package_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = include_str!("../../Cargo.toml");
    let (_, assets) = manifest.split_once("\nassets = [").expect("assets");
    let assets: Vec<&str> = assets
        .lines()
        .map_while(|line| (line != "]").then_some(line))
        .filter_map(|line| line.strip_prefix("  [\"")?.split('"').next())
        .collect();
    assert!(assets.len() > 10, "{assets:?}");
    // Those below target are made with the package.
    for asset in assets.iter().filter(|asset| !asset.starts_with("target/")) {
        let path = root.join(asset.trim_end_matches('*'));
        assert!(path.exists(), "{asset}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package/systemd");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for unit in fs::read_dir(units).expect("the units") {
        let unit = unit.expect("a unit");
        let text = fs::read_to_string(unit.path()).expect("the unit can be read");
        let path = folder.path().join(unit.file_name());
        let text = text.replace("/usr/bin/etl", env!("CARGO_BIN_EXE_etl"));
        fs::write(&path, text).expect("the folder can be written");
        verify.arg(path);
    }
    let Ok(output) = verify.output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let found = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && found.is_empty(), "{found}");
}
