//! What a shell and a person at it are offered: completions, manual pages, help, and errors about
//! what was typed.

use std::fs;
use std::process::Command;

use clap::CommandFactory;
use etl::cli::Cli;

use crate::loader::{Said, said};

/// The command without any setting: none of this needs a warehouse.
fn etl(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_etl"))
        .args(arguments)
        .env_clear()
        .output();
    said(output.expect("etl can be started"))
}

/// The output of a program that must succeed without a word on stderr; `None` if it is not
/// installed.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        println!("skipped: {program} is not installed");
        return None;
    };
    let said = said(output);
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{program}");
    Some(said.out)
}

/// The words of every command, those of `etl` itself first.
fn commands() -> Vec<Vec<String>> {
    fn add(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
        found.push(words.to_vec());
        for below in command.get_subcommands() {
            add(
                below,
                &[words, &[below.get_name().to_owned()]].concat(),
                found,
            );
        }
    }
    let mut found = Vec::new();
    add(&Cli::command(), &[], &mut found);
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn completions_know_the_commands_and_the_values_of_options() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("etl");
    fs::write(&script, etl(&["completions", "bash"]).out).expect("the folder can be written");
    for (typed, offered) in [("etl st", "status"), ("etl run --source ''", "users cards")] {
        let bash = format!(
            "source {}; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _etl etl \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        if let Some(output) = output_of("bash", &["--norc", "-euc", &bash]) {
            assert_eq!(output.trim_end(), offered, "{typed}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("page.1");
    let page = path.to_str().expect("UTF-8");
    let mut pages = Vec::new();
    for words in commands() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = etl(&[&["man"], &words[..]].concat());
        assert_eq!((said.status, said.log.as_str()), (0, ""), "{words:?}");
        fs::write(&path, said.out).expect("the folder can be written");
        // With all warnings that there are, wide enough for any line.
        let arguments = ["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=200n", page];
        pages.extend(output_of("groff", &arguments).map(|page| (words.join(" "), page)));
    }
    for (words, page) in &pages {
        assert!(page.contains("\nEXAMPLES\n       "), "{words}: {page}");
        assert!(page.contains("\nENVIRONMENT\n"), "{words}: {page}");
        assert!(!page.contains("Examples:"), "{words}: {page}");
    }
    let page = |wanted: &str| pages.iter().find(|(words, _)| words == wanted);
    if let Some((_, run)) = page("run") {
        assert!(
            run.contains("\n       etl run [--inbox FOLDER] [--inbox-name NAME] [--since TIME] "),
            "{run}"
        );
        // One example a line.
        assert!(
            run.contains(
                "\n       etl run\n       etl run --since 2026-11-01 --dry-run\n       etl run --since 36h"
            ),
            "{run}"
        );
        assert!(
            run.contains("\n       ETL_INBOX\n              In the place of --inbox."),
            "{run}"
        );
    }
    if let Some((_, status)) = page("status") {
        assert!(status.contains(" [--watch [SECONDS]] "), "{status}");
    }
    let said = etl(&["man", "runn"]);
    assert_eq!(said.status, 2);
    assert!(said.log.contains("no command `etl runn`"), "{}", said.log);
}

#[test]
fn every_command_has_examples_in_its_help() {
    for words in commands() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let help = etl(&[&words[..], &["--help"]].concat()).out;
        assert!(help.contains("\nExamples:\n  etl "), "{words:?}: {help}");
    }
}

#[test]
fn a_typing_error_is_recognised() {
    for (arguments, meant) in [
        (&["stauts"][..], "'status'"),
        (&["run", "--sinc", "7d"], "'--since'"),
        (&["run", "--source", "card"], "'cards'"),
        (
            &["rejected", "list", "--reason", "missing-field"],
            "'missing_field'",
        ),
    ] {
        let said = etl(arguments);
        assert_eq!(said.status, 2);
        assert!(said.log.contains(meant), "{}", said.log);
    }
}

#[test]
fn a_value_that_cannot_be_read_is_refused_with_what_is_wanted() {
    let least = "a whole number of at least 1 is wanted";
    let age = "an age is wanted, such as 90s, 10m, 36h or 7d";
    for (arguments, wanted) in [
        (&["run", "--batch-size", "0"][..], least),
        (&["run", "--batch-size", "many"], least),
        (&["run", "--max-file-size", "0"], least),
        (
            &["run", "--max-file-size", "99999999999"],
            "the most is 16777216",
        ),
        (&["run", "--settle", "soon"], age),
        (&["run", "--overlap", "60"], age),
        (&["run", "--max-ahead=-1d"], age),
        (&["run", "--since", "soon"], "a date (2026-11-23), a time "),
        (&["status", "--watch", "0"], least),
        (&["status", "--max-lag", ""], age),
        (&["rejected", "list", "--limit", "0"], least),
        (
            &["rejected", "list", "--limit", "99999999999"],
            "the most is 4294967295",
        ),
        (&["rejected", "show", "seven"], "a whole number is wanted"),
        (&["rejected", "retry", "7,12"], "a whole number is wanted"),
        (
            &["rejected", "dismiss", "--card", "x", "--note", "x"],
            "a whole number is wanted",
        ),
        (
            &["history", "card", "9223372036854775808"],
            "a whole number is wanted",
        ),
        (&["run", "--inbox-name", "a b"], "letters, digits"),
    ] {
        let said = etl(arguments);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{arguments:?}");
        assert!(said.log.contains(wanted), "{arguments:?}: {}", said.log);
        for parser in [
            "digit found",
            "non-zero type",
            "..=",
            "expected number",
            "time unit",
        ] {
            assert!(!said.log.contains(parser), "{}", said.log);
        }
    }
}

#[test]
fn what_the_environment_sets_is_not_shown_as_required() {
    let output = Command::new(env!("CARGO_BIN_EXE_etl"))
        .arg("report")
        .env_clear()
        .env("DATABASE_URL", "postgresql://user:password@host/database")
        .env("ETL_LOG_FORMAT", "json")
        .output();
    let said = said(output.expect("etl can be started"));
    assert_eq!(said.status, 2);
    assert!(
        said.log
            .contains("\nUsage: etl report [OPTIONS] <FILE.html>\n"),
        "{}",
        said.log
    );
}

#[test]
fn an_unknown_reason_is_refused_with_those_that_there_are() {
    let said = etl(&["rejected", "list", "--reason", "typo"]);
    assert_eq!((said.status, said.out.as_str()), (2, ""));
    let known = said
        .log
        .split_once("[possible values: ")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(known, _)| known.split(", ").collect::<Vec<_>>())
        .unwrap_or_else(|| panic!("no list: {}", said.log));
    assert!(known.contains(&"missing_field"), "{known:?}");
    for reason in known {
        let said = etl(&["explain", reason]);
        let explained = format!("{reason}\nmeaning     ");
        assert!(said.out.starts_with(&explained), "{reason}: {}", said.out);
    }
}

#[test]
fn codes_are_explained_and_listed() {
    let list = etl(&["explain"]).out;
    for code in ["missing_field", "stale", "busy", "vanished", "tls", "23505"] {
        assert!(list.contains(&format!("\n{code} ")), "{code}: {list}");
    }
    let said = etl(&["explain", "23505", "Conflicting_Event"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    assert!(said.out.contains("unique_violation"), "{}", said.out);
    assert!(said.out.contains("`etl rebuild`"), "{}", said.out);
    assert!(said.out.contains("\n\nconflicting_event\n"), "{}", said.out);
    // PostgreSQL has far more codes than need advice, and all can be in the log.
    for code in ["P0001", "42P07", "3F000"] {
        let said = etl(&["explain", code]);
        assert_eq!((said.status, said.log.as_str()), (0, ""), "{code}");
        assert!(!said.out.contains("errcodes-appendix"), "{}", said.out);
    }
    let said = etl(&["explain", "22p02", "XX001"]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    assert!(said.out.starts_with("22P02\n"), "{}", said.out);
    assert!(said.out.contains("\n\nXX001\n"), "{}", said.out);
    let place = "https://www.postgresql.org/docs/current/errcodes-appendix.html";
    assert_eq!(said.out.matches(place).count(), 2, "{}", said.out);
    for code in ["clokc", "2350", "235055", "2350\u{e9}"] {
        assert_eq!(etl(&["explain", code]).status, 2, "{code}");
    }
    let said = etl(&["explain", "mising_field"]);
    assert_eq!((said.status, said.out.as_str()), (2, ""));
    assert!(said.log.contains("'missing_field'"), "{}", said.log);
}
