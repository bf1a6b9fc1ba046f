//! The data dictionary, `sql/dictionary.md`, is what a database says that was made by the
//! migrations.

use std::fs;
use std::path::Path;

use crate::loader::Loader;

/// Setting that writes the dictionary instead of comparing it.
const SWITCH: &str = "ETL_DICTIONARY";

#[test]
fn the_dictionary_says_what_the_database_says() {
    let loader = Loader::new();
    loader.run(&[]);
    let missing = loader.query(
        "select class.oid::regclass::text, attribute.attname
         from pg_class as class
         inner join pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum >= 0
         where class.relnamespace::regnamespace::text in ('warehouse', 'landing', 'etl')
           and class.relkind in ('r', 'p', 'v', 'm')
           and (col_description(class.oid, attribute.attnum) is null or obj_description(class.oid) is null)",
    );
    assert_eq!(
        missing,
        [] as [&str; 0],
        "columns without a comment, or of a table without one"
    );

    let row = loader
        .client()
        .query_one(include_str!("../../sql/dictionary.sql"), &[]);
    let said: String = row.expect("the query of the dictionary").get(0);
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
        "sql/dictionary.md is not what the database says, first here: {differs:?}; \
         {SWITCH}=write cargo test --test loader dictionary writes it"
    );
}
