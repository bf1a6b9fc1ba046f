//! Manual pages, in the language of `man`, made of the definition of a command.
//!
//! `clap_mangen` writes most sections. Its synopsis leaves out the values of options, and it knows no
//! environment and would set examples as running text, so these are written here.

use std::io::{self, Write};

use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;

/// What a paragraph of a command's help begins with if it is about the exit status.
const EXIT_STATUS: &str = "Exit status";

/// Variables that have no option.
const OTHER_VARIABLES: [(&str, &str); 5] = [
    (
        "DB_HOST, DB_PORT, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB",
        "The warehouse in parts, used if DATABASE_URL is not set. Without some of them: localhost, 5432, postgres, no \
         password, and the database with the name of the user.",
    ),
    (
        "PGSSLMODE",
        "TLS, unless the URL has sslmode=. disable: none. prefer (the default): if the server has it. require: always; \
         like prefer it verifies nothing. verify-ca: a trusted authority issued the certificate. verify-full (the \
         default with PGSSLROOTCERT): it did so for this host.",
    ),
    (
        "PGSSLROOTCERT",
        "PEM file with the certificates of the trusted authorities, or system (with verify-full only), unless the URL \
         has sslrootcert=. verify-ca and verify-full require it, prefer and require refuse it.",
    ),
    ("RUST_LOG", "What is logged, unless -v or -q is given."),
    (
        "NO_COLOR",
        "If set to any value, output to a terminal has no colours.",
    ),
];

/// The manual page of a command that is built.
pub(super) fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).source(concat!("etl ", env!("CARGO_PKG_VERSION")));
    let help = command.get_after_help().map(ToString::to_string);
    let help = Help::read(help.as_deref().unwrap_or_default());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    match command.get_overridden_usage() {
        Some(_) => man.render_synopsis_section(&mut page)?,
        None => write_synopsis(&mut page, command)?,
    }
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    write_environment(&mut page, command)?;
    write_section(&mut page, "EXIT STATUS", &help.exit_status)?;
    write_section(&mut page, "NOTES", &help.notes)?;
    write_examples(&mut page, &help.examples)?;
    Ok(page)
}

/// The end of a command's help, after its options, by section.
#[derive(Default)]
struct Help<'h> {
    examples: Vec<&'h str>,
    exit_status: Vec<&'h str>,
    notes: Vec<&'h str>,
}

impl<'h> Help<'h> {
    /// Sorts its paragraphs.
    fn read(text: &'h str) -> Help<'h> {
        let mut help = Help::default();
        for paragraph in text.split("\n\n") {
            match paragraph.strip_prefix("Examples:\n") {
                Some(examples) => help.examples.extend(examples.lines()),
                None if paragraph.starts_with(EXIT_STATUS) => help.exit_status.push(paragraph),
                None if paragraph.is_empty() => {}
                None => help.notes.push(paragraph),
            }
        }
        help
    }
}

/// Writes one line for each argument, none of which is broken where the page is set.
fn write_synopsis(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    writeln!(page, ".SH SYNOPSIS\n.ad l\n.nh\n{}", bold(name))?;
    let (positionals, options): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .partition(|arg| arg.is_positional());
    for arg in options.iter().chain(&positionals) {
        let text = usage(arg);
        match arg.is_required_set() {
            true => writeln!(page, "{text}")?,
            false => writeln!(page, "[{text}]")?,
        }
    }
    if command.has_subcommands() {
        writeln!(page, "{}", italic("COMMAND"))?;
    }
    writeln!(page, ".hy\n.ad")
}

/// An argument as it is typed: `--since TIME`.
fn usage(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let values = italic(
        &names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    );
    let is_many = arg
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1)
        || matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
    // An end of a sentence would be followed by two spaces.
    let repeated = if is_many { "...\\&" } else { "" };
    let flag = match (arg.get_long(), arg.get_short()) {
        (_, Some(short)) => bold(&format!("-{short}")),
        (Some(long), None) => bold(&format!("--{long}")),
        (None, None) => return format!("{values}{repeated}"),
    };
    match arg.get_num_args().map(|range| range.min_values()) {
        _ if !arg.get_action().takes_values() => format!("{flag}{repeated}"),
        Some(0) => format!("{flag}\\~[{values}]{repeated}"),
        _ => format!("{flag}\\~{values}{repeated}"),
    }
}

fn write_environment(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    writeln!(page, ".SH ENVIRONMENT")?;
    for arg in command.get_arguments() {
        if let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) {
            let option = bold(&format!("--{long}"));
            let variable = bold(&variable.to_string_lossy());
            writeln!(page, ".TP\n{variable}\nIn the place of {option}.")?;
        }
    }
    for (variables, meaning) in OTHER_VARIABLES {
        writeln!(page, ".TP\n{}\n{}", bold(variables), escaped(meaning))?;
    }
    Ok(())
}

fn write_section(page: &mut Vec<u8>, title: &str, paragraphs: &[&str]) -> io::Result<()> {
    if paragraphs.is_empty() {
        return Ok(());
    }
    writeln!(page, ".SH \"{title}\"")?;
    for paragraph in paragraphs {
        writeln!(page, ".PP\n{}", escaped(paragraph))?;
    }
    Ok(())
}

/// Writes examples line by line, as they are.
fn write_examples(page: &mut Vec<u8>, examples: &[&str]) -> io::Result<()> {
    if examples.is_empty() {
        return Ok(());
    }
    writeln!(page, ".SH EXAMPLES\n.nf")?;
    for example in examples {
        writeln!(
            page,
            "{}",
            escaped(example.strip_prefix("  ").unwrap_or(example))
        )?;
    }
    writeln!(page, ".fi")
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// A text in which nothing is a command of the language.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    // At the beginning of a line, a dot and an apostrophe are commands; the latter is one no more.
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with('.') {
            true => format!("\\&{line}"),
            false => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}
