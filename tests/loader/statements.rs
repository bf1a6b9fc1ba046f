//! Every statement of `sql/` is one that the server takes, for every entity.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use etl::entity::Kind;
use etl::warehouse::statement::{TEMPLATES, VERIFY_LANDED, fill};
use postgres::Transaction;

use crate::loader::Loader;

/// Folders whose files have tests of their own, by which they are executed.
const ELSEWHERE: [&str; 5] = ["migrations", "schema", "examples", "report", "cluster"];

/// A stream in the binary format of `copy` that has no row: signature, flags, extension, trailer.
const NO_ROW: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff";

/// The paths of the statements, below `sql/`.
fn paths() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut paths = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path: PathBuf = entry.expect("the folder can be listed").path();
            let below = path.strip_prefix(&root).expect("it is below");
            let text = below.to_str().expect("UTF-8").to_owned();
            if path.is_dir() && !ELSEWHERE.contains(&text.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                paths.insert(text);
            }
        }
    }
    paths
}

/// The first word of a statement, after its comments.
fn command(sql: &str) -> &str {
    let mut lines = sql.lines();
    let first = lines.find(|line| !line.trim().is_empty() && !line.starts_with("--"));
    let words = first.unwrap_or_default().split_whitespace();
    words.into_iter().next().unwrap_or_default()
}

/// Has the server take a statement: prepares it, or does it without a row where preparing checks
/// nothing.
fn take(transaction: &mut Transaction<'_>, sql: &str) -> Result<(), postgres::Error> {
    match command(sql) {
        "copy" => {
            let mut stream = transaction.copy_in(sql)?;
            stream.write_all(NO_ROW).expect("the server reads");
            stream.finish().map(drop)
        }
        "create" => transaction.batch_execute(sql),
        _ => transaction.prepare(sql).map(drop),
    }
}

/// The statements, each with its path below `sql/`, and with the entity where it is about one.
fn statements() -> Vec<(String, String)> {
    let mut statements = Vec::new();
    for path in paths() {
        match TEMPLATES.iter().find(|(template, _)| *template == path) {
            Some((_, template)) => {
                let kinds = Kind::ALL.iter();
                let filled = kinds.map(|kind| (format!("{path} of {kind}"), fill(template, *kind)));
                statements.extend(filled);
            }
            None => {
                let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("sql")
                    .join(&path);
                let text = fs::read_to_string(file).expect("the file can be read");
                // The one hole of statements that are about all entities at once.
                let landed = Kind::ALL.iter();
                let landed = landed.map(|kind| fill(VERIFY_LANDED, *kind));
                let text =
                    text.replace("{landed}", &landed.collect::<Vec<_>>().join(" union all "));
                statements.push((path, text));
            }
        }
    }
    statements
}

#[test]
fn the_server_takes_every_statement_for_every_entity() {
    let loader = Loader::new();
    loader.run(&[]);
    check_statements(&loader);
}

/// Checks that the server of a warehouse takes every statement.
pub fn check_statements(loader: &Loader) {
    let mut client = loader.client();
    let statements = statements();
    let folder = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let (tables, others): (Vec<_>, Vec<_>) = statements
        .iter()
        .partition(|(_, sql)| command(sql) == "create");
    let mut refused = Vec::new();
    let mut check = |name: &str, taken: Result<(), postgres::Error>| {
        if let Err(error) = taken {
            let database = error.as_db_error().map(ToString::to_string);
            refused.push(format!("{name}: {}", database.unwrap_or(error.to_string())));
        }
    };
    for (name, sql) in &tables {
        let mut transaction = client.transaction().expect("the database answers");
        check(name, take(&mut transaction, sql));
    }
    for (name, sql) in &others {
        let mut transaction = client.transaction().expect("the database answers");
        // What a folder creates for its own statements, or else whatever there is.
        let is_own = |name: &str| folder(name) == folder(&tables[0].0);
        let has_own = tables
            .iter()
            .any(|(table, _)| folder(table) == folder(name));
        for (table, create) in &tables {
            let is_needed = match has_own {
                true => folder(table) == folder(name),
                false => is_own(table),
            };
            if is_needed && transaction.batch_execute(create).is_err() {
                continue;
            }
        }
        check(name, take(&mut transaction, sql));
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let names: BTreeSet<&str> = statements.iter().map(|(name, _)| name.as_str()).collect();
    for (path, _) in TEMPLATES {
        for kind in Kind::ALL {
            assert!(
                names.contains(format!("{path} of {kind}").as_str()),
                "{path}"
            );
        }
    }
}
