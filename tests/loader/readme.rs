//! The examples in README.md: each command is run over the services' real output, and what README
//! shows of it is compared with what it prints, numbers and times aside.

use std::process::Command;

use crate::fixture;
use crate::loader::{Loader, Said, said};
use crate::server::programs;

const README: &str = include_str!("../../README.md");

/// What a command in README prints, by what it is.
struct Example {
    command: &'static str,
    shown: Vec<&'static str>,
}

#[test]
fn the_examples_of_the_readme_print_what_it_shows() {
    let loader = Loader::new();
    if !fixture::unpack(&loader) {
        return;
    }
    let (first, others): (Vec<Example>, Vec<Example>) = examples()
        .into_iter()
        .partition(|example| example.command == "etl run");
    assert!(first.len() == 1 && others.len() >= 6, "examples of README");
    for example in first.iter().chain(&others) {
        let finds = example.command == "etl verify";
        if finds {
            loader.execute(
                "update warehouse.dim_card set active = false where card_id = 1 and is_current",
            );
        }
        let said = shell(&loader, example.command);
        assert_eq!(
            said.status,
            i32::from(finds),
            "{}: {}",
            example.command,
            said.log
        );
        let printed = said.out + &said.log;
        let printed: Vec<String> = printed.lines().map(shape).collect();
        for line in &example.shown {
            assert!(
                printed.contains(&shape(line)),
                "{} prints no line like {line:?}: {printed:#?}",
                example.command
            );
        }
    }
}

/// The lines that begin with `$ ` in blocks of code, and what follows each.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in README.split("```").skip(1).step_by(2) {
        let mut shows = false;
        for line in block.lines().skip(1) {
            if let Some(command) = line.strip_prefix("$ ") {
                examples.push(Example {
                    command,
                    shown: Vec::new(),
                });
                shows = true;
            } else if let Some(example) = examples.last_mut().filter(|_| shows && line != "…") {
                example.shown.push(line);
            }
        }
    }
    examples
}

/// A line without what differs from run to run: numbers, times, names of files, and bars.
fn shape(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let word = match word.split_once('=') {
            Some((name, _)) => format!("{name}=#"),
            None if word.contains(|char: char| char.is_ascii_digit()) => "#".to_owned(),
            None if word.contains(|char| ('▁'..='▏').contains(&char)) => continue,
            None => word.to_owned(),
        };
        if !(word == "#" && words.last().is_some_and(|last| last == "#")) {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Runs a command as README has it.
fn shell(loader: &Loader, command: &str) -> Said {
    let etl = loader.command(&[]);
    let archive = tempfile::tempdir().expect("a temporary folder");
    // The files have only just been unpacked.
    let command = command.replace("etl archive", "etl archive --older-than 0s");
    let script = format!(
        "etl() {{ {:?} \"$@\"; }}; psql() {{ {:?} \"$DATABASE_URL\" \"$@\"; }}; {command}",
        etl.get_program(),
        programs().join("psql")
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-euc", &script]);
    bash.env("ETL_ARCHIVE", archive.path());
    bash.envs(
        etl.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    said(bash.output().expect("bash can be started"))
}
