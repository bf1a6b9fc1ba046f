//! Seven minutes of real output of both services, where it is there: the file that `ETL_FIXTURE`
//! names.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::loader::Loader;
use crate::model::{self, Dimensions};

/// Unpacks the fixture into the inbox with its times, or says that it is not there.
pub fn unpack(loader: &Loader) -> bool {
    let Some(archive) = std::env::var_os("ETL_FIXTURE").filter(|path| Path::new(path).exists())
    else {
        println!("skipped: ETL_FIXTURE names no archive of the services' real output");
        return false;
    };
    let status = Command::new("tar")
        .arg("-xpzf")
        .arg(archive)
        .arg("-C")
        .arg(loader.inbox())
        .status();
    assert!(status.expect("tar can be started").success());
    true
}

#[test]
fn real_output_loads_alike_in_one_run_and_file_by_file() {
    let (whole, piecemeal) = (Loader::new(), Loader::new());
    if !unpack(&whole) {
        return;
    }
    let summary = whole.run(&[]);
    let expected = model::dimensions(&whole.inbox());
    assert_eq!(summary["loaded"], expected.events);
    assert_eq!(
        summary["rejected"].as_i64(),
        Some(2851 - expected.events as i64)
    );
    assert_eq!(
        whole.query("select reason, count(*) from landing.rejected_event group by 1"),
        ["missing_field|214"]
    );
    assert_eq!(Dimensions::of(&whole).difference(&expected), None);
    assert_eq!(whole.run(&[])["files"], 0);

    // The same files, moved in a few at a time in the order of their names, which is random.
    let aside = Loader::new();
    unpack(&aside);
    let mut files: Vec<_> = ["users", "cards"]
        .iter()
        .flat_map(|folder| fs::read_dir(aside.path(folder)).expect("the fixture can be listed"))
        .map(|entry| entry.expect("the fixture can be listed").path())
        .collect();
    files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    for batch in files.chunks(97) {
        for path in batch {
            let place = path
                .strip_prefix(aside.inbox())
                .expect("a file of the fixture");
            fs::rename(path, piecemeal.inbox().join(place)).expect("the inbox can be written");
        }
        piecemeal.run(&[]);
    }
    assert_eq!(Dimensions::of(&piecemeal).difference(&expected), None);
}
