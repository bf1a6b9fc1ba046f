//! The data dictionary, `sql/dictionary.md`, is made of the comments in a migrated database.

use std::fs;
use std::path::Path;

use crate::loader::Loader;

/// Setting that writes the dictionary instead of comparing it.
const SWITCH: &str = "ETL_DICTIONARY";

#[test]
fn the_dictionary_has_what_the_comments_say() {
    let loader = Loader::new();
    loader.run(&[]);
    let row = loader
        .client()
        .query_one(include_str!("../../sql/dictionary.sql"), &[]);
    let said: String = row.expect("the query of the dictionary").get(0);
    // Of a column that a function returns too; the tables' own have a test of theirs.
    let without_meaning = said.lines().find(|line| line.ends_with(" |  |"));
    assert_eq!(without_meaning, None);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/dictionary.md");
    if std::env::var_os(SWITCH).is_some_and(|value| value == "write") {
        fs::write(&path, &said).expect("the dictionary can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = said
        .lines()
        .zip(written.lines())
        .find(|(said, written)| said != written);
    assert!(
        differs.is_none() && said == written,
        "sql/dictionary.md differs from the comments in the database, first here: {differs:?}; \
         {SWITCH}=write cargo test --test loader dictionary writes it"
    );
}
