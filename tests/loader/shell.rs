//! What a shell and a person at it are offered: completions, manual pages and help.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::loader::said;

/// The command without any setting: none of this needs a warehouse.
fn etl(arguments: &[&str]) -> crate::loader::Said {
    let output = Command::new(env!("CARGO_BIN_EXE_etl"))
        .args(arguments)
        .env_clear()
        .output();
    said(output.expect("etl can be started"))
}

/// What stands on stdout of a program that must succeed, or nothing if it is not installed.
fn tried(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(succeeded(program, output)),
        Err(_) => {
            println!("skipped: {program} is not here");
            None
        }
    }
}

fn succeeded(program: &str, output: Output) -> String {
    let said = said(output);
    assert_eq!((said.status, said.log.as_str()), (0, ""), "{program}");
    said.out
}

/// A script that a shell reads, in a file of its own.
fn completions(shell: &str) -> (TempDir, String) {
    let said = etl(&["completions", shell]);
    assert_eq!((said.status, said.log.as_str()), (0, ""));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("_etl");
    fs::write(&path, said.out).expect("the temporary folder can be written");
    let path = path.to_str().expect("UTF-8").to_owned();
    (folder, path)
}

#[test]
fn bash_completes_commands_options_and_values() {
    let (_folder, path) = completions("bash");
    let offers = |words: &str, last: usize| {
        let script = format!(
            "source {path}; COMP_WORDS=({words}); COMP_CWORD={last}
             _etl etl \"${{COMP_WORDS[last]}}\" \"${{COMP_WORDS[last-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        )
        .replace("[last", &format!("[{last}"));
        tried("bash", &["--norc", "-euc", &script]).unwrap_or_default()
    };
    assert_eq!(offers("etl st", 1), "status\n");
    assert_eq!(offers("etl status --max", 2), "--max-lag\n");
    assert_eq!(
        offers("etl status --format ''", 3),
        "text json prometheus\n"
    );
    assert_eq!(offers("etl run --source ''", 3), "users cards\n");
    assert_eq!(
        offers("etl rejected list --reason un", 4),
        "unknown_type unreadable\n"
    );
}

#[test]
fn zsh_and_fish_take_their_completions() {
    let (_folder, path) = completions("zsh");
    tried("zsh", &["-f", "-n", &path]);
    let (_folder, path) = completions("fish");
    let offers = format!("source {path}; complete --do-complete 'etl sta'");
    if let Some(offers) = tried("fish", &["--no-config", "-c", &offers]) {
        assert!(offers.starts_with("status\t"), "{offers}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (words, title, content) in [
        (vec![], ".TH etl 1", "etl\\-run(1)"),
        (vec!["run"], ".TH etl-run 1", "\\-\\-since"),
        (vec!["status"], ".TH etl-status 1", "\\-\\-max\\-lag"),
    ] {
        let said = etl(&[&["man"], words.as_slice()].concat());
        assert_eq!((said.status, said.log.as_str()), (0, ""));
        assert!(said.out.contains(title), "{title}");
        assert!(said.out.contains(content), "{content}");
        assert!(said.out.contains("Examples"), "{title}");
        let path = folder.path().join("page.1");
        fs::write(&path, said.out).expect("the temporary folder can be written");
        // All warnings that there are, of a page as `man` sets it.
        tried(
            "groff",
            &["-man", "-ww", "-z", "-Tutf8", path.to_str().expect("UTF-8")],
        );
    }
    let said = etl(&["man", "runn"]);
    assert_eq!(said.status, 2);
    assert!(said.log.contains("no command `etl runn`"), "{}", said.log);
}

#[test]
fn every_command_has_examples_in_its_help() {
    // The names that stand under "Commands:", with those of the commands below them.
    fn commands(words: &[&str]) -> Vec<Vec<String>> {
        let help = etl(&[words, &["--help"]].concat()).out;
        assert!(
            help.contains("Examples:\n"),
            "etl {}: {help}",
            words.join(" ")
        );
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = listed
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help");
        let mut found = Vec::new();
        for name in names {
            let words = [words, &[name]].concat();
            found.push(words.iter().map(|word| word.to_string()).collect());
            found.extend(commands(&words));
        }
        found
    }
    let found = commands(&[]);
    for command in ["run", "status", "completions", "man"] {
        assert!(
            found.contains(&vec![command.to_owned()]),
            "{command}: {found:?}"
        );
    }
}

#[test]
fn a_slip_of_the_finger_is_recognised() {
    for (arguments, meant) in [
        (vec!["stauts"], "'status'"),
        (vec!["run", "--sinc", "7d"], "'--since'"),
        (vec!["run", "--source", "card"], "'cards'"),
        (vec!["status", "--format", "jsn"], "'json'"),
        (
            vec!["rejected", "list", "--reason", "missing-field"],
            "'missing_field'",
        ),
    ] {
        let said = etl(&arguments);
        assert_eq!(said.status, 2);
        assert!(said.log.contains(meant), "{}", said.log);
    }
}

#[test]
fn a_reason_that_there_is_not_is_refused_with_those_that_there_are() {
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
        assert!(
            include_str!("../../README.md").contains(&format!("`{reason}`")),
            "{reason} is not in the README"
        );
    }
}
