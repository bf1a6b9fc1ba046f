//! The log: one line a run with its number, and how it is written.

use std::process::{Command, Stdio};
use std::{env, fs, thread};

use etl::logging::{self, Format, Verbosity};
use serde_json::{Value, json};

use crate::loader::{Loader, event_id, finish, start, user_event};
use crate::obstacle::{Obstacle, halfway};
use crate::terminal::Terminal;

/// The lines of a log that is to be read by programs.
pub fn parse(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Puts an event that is loaded, the same once more, a file to reject, and one that has not ended.
fn put_one_of_each(loader: &Loader) -> u64 {
    let event = user_event(&event_id(1), "2026-11-23 20:10:20", 1, "Ann", 1.0).to_string();
    [
        ("users/1.json", event.as_str()),
        ("users/2.json", &event),
        ("cards/3.json", "[]"),
        ("cards/4.json", "{\"metadata\":"),
    ]
    .iter()
    .map(|(file, content)| {
        let path = loader.put(file, content);
        fs::metadata(path).expect("it is there").len()
    })
    .sum()
}

#[test]
fn a_run_logs_one_line_with_what_it_did_and_its_number() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    let bytes = put_one_of_each(&loader);
    let said = loader.etl(&[
        "run",
        "--json",
        "--since",
        "2026-01-01",
        "--log-format",
        "json",
    ]);
    let summary: Value = serde_json::from_str(&said.out).expect("the summary is JSON");
    let lines = parse(&said.log);
    let [rejected, done] = &lines[..] else {
        panic!("two lines: {}", said.log)
    };
    let run_id: i64 = loader
        .value("select max(run_id) from etl.run")
        .parse()
        .expect("a number");
    assert_eq!(
        (&rejected["run"], &rejected["level"], &rejected["reason"]),
        (&json!(run_id), &json!("warn"), &json!("not_an_object"))
    );
    let file = rejected["file"].as_str().expect("a file");
    assert_eq!(file, loader.path("cards/3.json").to_str().expect("UTF-8"));
    assert_eq!(
        (&done["run"], &done["level"]),
        (&json!(run_id), &json!("info"))
    );
    for (field, value) in [
        ("outcome", json!("done")),
        ("sources", json!("users,cards")),
        ("since", json!("2026-01-01T00:00:00Z")),
        ("batches", json!(1)),
        ("bytes", json!(bytes)),
    ] {
        assert_eq!(done[field], value, "{field}: {done}");
    }
    let counted = ["files", "loaded", "duplicates", "rejected", "pending"];
    let written = [
        "versions_opened",
        "versions_closed",
        "versions_changed",
        "elapsed_ms",
    ];
    for field in counted.iter().chain(&written) {
        assert_eq!(done[field], summary[field], "{field}: {done}");
    }
    assert_eq!(summary["pending"], 1);

    // The same as text.
    loader.put_user(2);
    let said = loader.etl(&["run"]);
    let run_id = loader.value("select max(run_id) from etl.run");
    let (prefix, fields) = said.log.split_once("] done ").expect("one line");
    assert!(prefix.ends_with(&format!("INFO  run={run_id}")), "{prefix}");
    let names = |object: &Value| {
        let names = object.as_object().expect("an object").keys().cloned();
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let fields: Value = fields
        .split_whitespace()
        .map(|field| field.split_once('=').expect("key=value"))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(fields["since"], "-");
    assert_eq!(fields["loaded"], "1");
    let mut all = names(&fields);
    all.extend(["time", "level", "run", "message"].map(str::to_owned));
    assert_eq!(all, names(done));
}

#[test]
fn a_failed_run_logs_one_line_with_what_is_durable() {
    let loader = Loader::new();
    let (mut obstacle, run) = halfway(&loader, &["--log-format", "json"]);
    obstacle.strike_run("pg_cancel_backend");
    let said = finish(run);
    let lines = parse(&said.log);
    assert_eq!(lines.len(), 1, "{}", said.log);
    let line = &lines[0];
    assert_eq!(
        (
            &line["level"],
            &line["outcome"],
            &line["loaded"],
            &line["batches"]
        ),
        (&json!("error"), &json!("failed"), &json!(3), &json!(1)),
        "{line}"
    );
    drop(obstacle);
    let run = "select loaded from etl.run where run_id = ";
    assert_eq!(loader.value(&format!("{run}{}", line["run"])), "3");
}

#[test]
fn a_batch_whose_commit_fails_is_not_logged_as_durable() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.execute(
        "create function public.refuse() returns trigger language plpgsql as
         $$ begin raise exception 'refused'; end $$;
         create constraint trigger refuse after insert on etl.run
         deferrable initially deferred for each row execute function public.refuse()",
    );
    loader.put_user(1);
    let said = loader.etl(&["run", "--log-format", "json"]);
    let line = &parse(&said.log)[0];
    assert_eq!(
        [
            &line["outcome"],
            &line["files"],
            &line["batches"],
            &line["bytes"]
        ],
        [&json!("failed"), &json!(0), &json!(0), &json!(0)],
        "{line}"
    );
}

#[test]
fn a_run_that_could_not_scan_every_folder_says_so() {
    let loader = Loader::new();
    loader.run(&[]);
    let last = |arguments: &[&str]| {
        let said = loader.etl(&[&["run", "--log-format", "json"], arguments].concat());
        assert_eq!(said.status, 1, "{}", said.log);
        parse(&said.log).pop().expect("a line")
    };
    fs::remove_dir(loader.path("cards")).expect("it is empty");
    for arguments in [&[][..], &["--dry-run"]] {
        let line = last(arguments);
        assert_eq!(
            [
                &line["level"],
                &line["outcome"],
                &line["sources"],
                &line["message"]
            ],
            [
                &json!("warn"),
                &json!("partial"),
                &json!("users"),
                &json!("1 of 2 folders could not be scanned")
            ]
        );
    }
    fs::remove_dir(loader.path("users")).expect("it is empty");
    assert_eq!(last(&[])["outcome"], "failed");
}

#[test]
fn a_summary_that_cannot_be_written_does_not_change_the_outcome_of_the_run() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let full = fs::File::options().write(true).open("/dev/full");
    let mut command = loader.command(&["run", "--json", "--log-format", "json"]);
    command.stdout(full.expect("the system has it"));
    let output = command.stderr(Stdio::piped()).output();
    let output = output.expect("etl can be started");
    assert_eq!(output.status.code(), Some(1));
    let lines = parse(&String::from_utf8_lossy(&output.stderr));
    let [done, failure] = &lines[..] else {
        panic!("two lines: {lines:?}");
    };
    assert_eq!(done["outcome"], "done");
    assert!(failure.get("outcome").is_none(), "{failure}");
    let message = failure["message"].as_str().expect("a message");
    assert!(message.contains("could not be written"), "{failure}");
}

#[test]
fn a_run_whose_folders_other_runs_are_loading_says_so() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(5);
    let mut obstacle = Obstacle::at_user(&loader, 5);
    let other = loader.start(&["run"]);
    obstacle.wait_for_runs(1);
    let said = loader.etl(&["run", "--dry-run", "--log-format", "json"]);
    let lines = parse(&said.log);
    // A run that claims nothing draws no number.
    assert!(lines.iter().all(|line| line["run"].is_null()), "{lines:?}");
    let last = lines.last().expect("a line");
    assert_eq!(
        [&last["outcome"], &last["sources"], &last["level"]],
        [&json!("busy"), &json!(null), &json!("info")]
    );
    assert!(!loader.etl(&["run"]).log.contains("busy"));
    drop(obstacle);
    assert_eq!(finish(other).status, 0);
}

#[test]
fn how_much_is_logged_is_set_by_flags_and_else_by_the_environment() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    let mut number = 0;
    let mut levels = |arguments: &[&str], filter: Option<&str>| {
        number += 1;
        loader.put_user(number);
        loader.put(&format!("users/bad_{number}.json"), "[]");
        let mut command = loader.command(&[&["run", "--log-format", "json"], arguments].concat());
        command.envs(filter.map(|filter| ("RUST_LOG", filter)));
        let said = finish(start(&mut command));
        assert_eq!(said.status, 0, "{}", said.log);
        let mut levels: Vec<String> = parse(&said.log)
            .iter()
            .map(|line| line["level"].as_str().expect("a level").to_owned())
            .collect();
        levels.sort();
        levels.dedup();
        levels.join(" ")
    };
    for (arguments, filter, expected) in [
        (&[][..], None, "info warn"),
        (&["-q"], None, "warn"),
        (&["--quiet"], Some("debug"), "warn"),
        (&["-qq"], None, ""),
        (&["-v"], None, "debug info warn"),
        (&["-v"], Some("error"), "debug info warn"),
        (&["-vv"], None, "debug info warn"),
        (&["-vq"], None, "info warn"),
        (&[], Some("error"), ""),
        (&[], Some("debug"), "debug info warn"),
        (&[], Some("etl=debug"), "debug info warn"),
        (&[], Some(""), "info warn"),
    ] {
        assert_eq!(
            levels(arguments, filter),
            expected,
            "{arguments:?} {filter:?}"
        );
    }
    // Before the command or after it.
    loader.put("users/worse.json", "[]");
    assert_eq!(loader.etl(&["-qq", "run"]).log, "");
}

#[test]
fn a_run_that_finds_nothing_says_so_on_request() {
    let loader = Loader::new();
    loader.run(&[]);
    assert_eq!(loader.etl(&["run"]).log, "");
    let said = loader.etl(&["run", "-v"]);
    let last = said.log.lines().last().expect("a line");
    assert!(last.contains("] nothing new outcome=done "), "{last}");
    let without_number = said.log.lines().filter(|line| !line.contains(" run="));
    assert_eq!(without_number.count(), 0, "{}", said.log);
}

#[test]
fn every_line_of_a_run_has_its_number_and_no_other_line_does() {
    let loader = Loader::new();
    put_one_of_each(&loader);
    // What comes before the schema has no number yet.
    let said = loader.etl(&["run", "-v", "--log-format", "json"]);
    let lines = parse(&said.log);
    let (before, after): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| line["run"].is_null());
    assert!(
        before.iter().all(|line| line["message"]
            .as_str()
            .is_some_and(|text| text.contains("migration"))),
        "{before:?}"
    );
    let run_id = json!(
        loader
            .value("select run_id from etl.run")
            .parse::<i64>()
            .expect("a number")
    );
    assert!(
        after.len() > 2 && after.iter().all(|line| line["run"] == run_id),
        "{after:?}"
    );
    // A retry is a run.
    let said = loader.etl(&["rejected", "retry", "-vv", "--log-format", "json"]);
    let retry_id = loader.value("select max(run_id) from etl.run");
    assert_ne!(retry_id, run_id.to_string());
    let last = parse(&said.log).pop().expect("a line");
    assert_eq!(last["run"].to_string(), retry_id);
    assert_eq!(
        [
            &last["outcome"],
            &last["files"],
            &last["rejected"],
            &last["batches"]
        ],
        [&json!("done"), &json!(1), &json!(1), &json!(1)]
    );
    let said = loader.etl(&["run", "-vv"]);
    let odd = said.log.lines().filter(|line| !line.starts_with("[20"));
    assert_eq!(odd.count(), 0, "{}", said.log);
    // One that cannot connect has none.
    let mut command = loader.command(&["run", "--log-format", "json"]);
    command.env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none");
    let lines = parse(&finish(start(&mut command)).log);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["run"], &lines[0]["outcome"]),
        (&json!(null), &json!("failed"))
    );
    // Other commands have no such field.
    let said = loader.etl(&["history", "card", "42", "--log-format", "json"]);
    assert!(parse(&said.log)[0].get("run").is_none(), "{}", said.log);
}

#[test]
fn ten_rejections_are_logged_one_by_one_and_the_rest_counted() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    for number in 0..13 {
        loader.put(&format!("users/{number}.json"), "[]");
        loader.put(&format!("cards/{number}.json"), "{}");
    }
    let said = loader.etl(&["run", "--batch-size", "4"]);
    let logged = said
        .log
        .lines()
        .filter(|line| line.contains("] rejected: "));
    assert_eq!(logged.count(), 10, "{}", said.log);
    assert!(said.log.contains("] 16 more rejected: "), "{}", said.log);
    let said = loader.etl(&["run", "--since", "1d", "--dry-run"]);
    assert!(said.log.contains("] 16 more rejected\n"), "{}", said.log);
}

#[test]
fn the_format_can_be_set_in_the_environment_and_names_stay_whole() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    let name = "a \"b\"=c\n\u{1b}[31m.json";
    loader.put(&format!("users/{name}"), "[]");
    let mut command = loader.command(&["run"]);
    command.env("ETL_LOG_FORMAT", "JSON");
    let lines = parse(&finish(start(&mut command)).log);
    let file = lines[0]["file"].as_str().expect("a file");
    assert!(file.ends_with(&format!("users/{name}")), "{file}");
    let mut command = loader.command(&["run", "--since", "1d"]);
    command.env("ETL_LOG_FORMAT", "");
    let said = finish(start(&mut command));
    assert!(
        said.log
            .contains("users/a \\\"b\\\"=c\\n\\u{1b}[31m.json\" reason=not_an_object\n"),
        "{}",
        said.log
    );
}

#[test]
fn a_name_or_a_server_cannot_forge_a_line_or_steer_a_terminal() {
    let loader = Loader::new();
    loader.etl(&["migrate"]);
    let forged = "[2026-11-26T00:00:00Z INFO ] all is well";
    let name = format!("x\n{forged}\r\u{9b}2J\u{202e}\u{2028}.json");
    loader.put(&format!("users/{name}"), "[]");
    // PostgreSQL's message quotes what a row holds.
    loader.execute(&format!(
        "create function public.refuse() returns trigger language plpgsql as
         $$ begin raise exception E'%', E'{forged}\\n\\x1b[2J\\u202e'; end $$;
         create trigger refuse before insert on warehouse.dim_user
         for each row execute function public.refuse()"
    ));
    loader.put_user(1);
    for format in ["text", "json"] {
        let arguments = ["run", "--since", "1d", "-v", "--log-format", format];
        let said = loader.etl(&arguments);
        assert_eq!(said.status, 0, "{}", said.log);
        assert!(said.log.contains("all is well"), "{}", said.log);
        let steering =
            |char: char| char != '\n' && char.escape_debug().len() > 1 && !"\"'\\".contains(char);
        assert!(!said.log.contains(steering), "{:?}", said.log);
        for line in said.log.lines() {
            assert!(!line.starts_with(forged), "{}", said.log);
            match format {
                "text" => assert!(line.starts_with("[20"), "{line}"),
                _ => assert!(
                    line.starts_with("{\"time\":") && line.ends_with('}'),
                    "{line}"
                ),
            }
        }
        if format == "json" {
            let lines = parse(&said.log);
            let files: Vec<&str> = lines
                .iter()
                .filter_map(|line| line["file"].as_str())
                .collect();
            assert!(files.iter().any(|file| file.ends_with(&name)), "{files:?}");
        }
    }
}

/// Set in the process that a test starts to see how it ends: the format of its log.
const PANICS: &str = "ETL_TEST_PANICS";

#[test]
fn a_panic_is_one_line_of_the_log_and_a_failure() {
    if let Ok(format) = env::var(PANICS) {
        let format = if format == "json" {
            Format::Json
        } else {
            Format::Text
        };
        logging::start(format, Verbosity::Errors, true);
        logging::name_run(7);
        let panicking = thread::spawn(|| panic!("of\ntwo lines \u{1b}[2J"));
        let _ = panicking.join();
        unreachable!("the program has ended");
    }
    let panic = |format: &str| {
        let test = env::current_exe().expect("this is a program");
        let mut command = Command::new(test);
        command
            .args([
                "--exact",
                "log::a_panic_is_one_line_of_the_log_and_a_failure",
                "--nocapture",
            ])
            .env_clear()
            .env(PANICS, format);
        finish(start(&mut command))
    };
    let said = panic("json");
    assert_eq!(said.status, 1, "{}", said.log);
    let [line] = &parse(&said.log)[..] else {
        panic!("one line: {}", said.log)
    };
    assert_eq!(
        [&line["level"], &line["outcome"], &line["run"]],
        [&json!("error"), &json!("failed"), &json!(7)]
    );
    let message = line["message"].as_str().expect("a message");
    let expected =
        "a fault of this program ended it: of\ntwo lines \u{1b}[2J (tests/loader/log.rs:";
    assert!(message.starts_with(expected), "{message:?}");

    let said = panic("text");
    assert_eq!(
        (said.status, said.log.lines().count()),
        (1, 1),
        "{}",
        said.log
    );
    let expected = " ERROR run=7] a fault of this program ended it: of two lines \\u{1b}[2J (";
    assert!(said.log.contains(expected), "{}", said.log);
    assert!(said.log.ends_with(" outcome=failed\n"), "{}", said.log);
}

/// A run with its log on a terminal.
fn on_terminal(loader: &Loader, arguments: &[&str]) -> Terminal {
    Terminal::start(24, |screen| -> Command {
        let mut command = loader.command(arguments);
        command
            .env("TERM", "xterm")
            .stdout(Stdio::null())
            .stderr(screen);
        command
    })
}

#[test]
fn a_terminal_shows_how_far_a_run_is() {
    let loader = Loader::new();
    loader.run(&[]);
    (1..=6).for_each(|number| loader.put_user(number));
    loader.put("users/bad.json", "[]");
    let obstacle = Obstacle::at_user(&loader, 5);
    let mut terminal = on_terminal(&loader, &["run", "--batch-size", "3"]);
    terminal.wait_for("loading ");
    terminal.wait_for(" of 7 files, ");
    terminal.wait_for(" left");
    drop(obstacle);
    let (status, shown) = terminal.wait_for_end();
    assert!(status.success(), "{shown}");
    // The line is taken away, and what the log says stays.
    let last = shown.rfind("\x1b[2K").expect("it is taken away");
    let (_, log) = shown.split_at(last);
    assert!(
        log.contains("] done ") && !log.contains("loading"),
        "{log:?}"
    );
}

#[test]
fn a_short_run_draws_nothing() {
    let loader = Loader::new();
    loader.run(&[]);
    loader.put_user(1);
    let (status, shown) = on_terminal(&loader, &["run"]).wait_for_end();
    assert!(status.success(), "{shown}");
    assert!(shown.contains("] done "), "{shown}");
    assert!(!shown.contains("loading"), "{shown:?}");
}

#[test]
fn nothing_moves_on_a_terminal_where_the_log_is_quiet_or_for_programs() {
    let loader = Loader::new();
    loader.run(&[]);
    for (number, arguments) in [&["run", "-q"][..], &["run", "--log-format", "json"]]
        .into_iter()
        .enumerate()
    {
        let user = number as i64 + 1;
        loader.put_user(user as u64);
        let mut obstacle = Obstacle::at_user(&loader, user);
        let terminal = on_terminal(&loader, arguments);
        obstacle.wait_for_runs(1);
        std::thread::sleep(std::time::Duration::from_millis(600));
        drop(obstacle);
        let (status, shown) = terminal.wait_for_end();
        assert!(status.success(), "{shown}");
        assert!(!shown.contains("loading"), "{shown:?}");
        assert_eq!(shown.lines().count(), number, "{shown:?}");
    }
}
