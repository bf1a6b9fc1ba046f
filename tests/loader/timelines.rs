//! The property that matters most: whatever the order of arrival, the batches, the repeats and the
//! kills, the dimensions are what the model makes of the files.

use std::collections::HashMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model;

/// Random cases, unless `PROPTEST_CASES` says otherwise; each is some ten runs of the command.
const CASES: u32 = 200;

/// An event and the files it comes in.
#[derive(Clone, Debug)]
struct Planned {
    is_card: bool,
    key: i64,
    /// Few of them, so that many events share one.
    second: u8,
    /// Few of them, so that many changes change nothing.
    state: u8,
    copies: Vec<Copy>,
}

/// A file that holds the event.
#[derive(Clone, Debug)]
struct Copy {
    modified_micros: u64,
    /// Which of the scenario's batches it arrives in.
    arrives: Index,
    misfiled: bool,
}

/// How the files of a batch are loaded.
#[derive(Clone, Debug)]
enum Load {
    Plain,
    Twice,
    Since,
    SinceNow,
    SmallBatches(u8),
    NoOverlap,
    SourceBySource,
    DryRunFirst,
    /// In small batches, and killed after some milliseconds.
    Killed(u8),
    /// Not at all: the next batch arrives before a run.
    Later,
}

#[derive(Clone, Debug)]
struct Scenario {
    events: Vec<Planned>,
    loads: Vec<Load>,
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let copy = (0..4u64, any::<Index>(), prop::bool::weighted(0.1)).prop_map(
        |(micros, arrives, misfiled)| Copy {
            modified_micros: 1_700_000_000_000_000 + micros,
            arrives,
            misfiled,
        },
    );
    let copies = prop_oneof![
        4 => prop::collection::vec(copy.clone(), 1),
        1 => prop::collection::vec(copy, 2..=3),
    ];
    let event = (any::<bool>(), 0..2i64, 0..9u8, 0..3u8, copies).prop_map(
        |(is_card, key, second, state, copies)| Planned {
            is_card,
            key,
            second,
            state,
            copies,
        },
    );
    let load = prop_oneof![
        6 => Just(Load::Plain),
        1 => Just(Load::Twice),
        1 => Just(Load::Since),
        1 => Just(Load::SinceNow),
        2 => (1..4u8).prop_map(Load::SmallBatches),
        2 => Just(Load::NoOverlap),
        1 => Just(Load::SourceBySource),
        1 => Just(Load::DryRunFirst),
        2 => (0..80u8).prop_map(Load::Killed),
        1 => Just(Load::Later),
    ];
    (
        prop::collection::vec(event, 1..30),
        prop::collection::vec(load, 1..6),
    )
        .prop_map(|(events, loads)| Scenario { events, loads })
}

#[test]
fn dimensions_are_a_function_of_the_events() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let result = TestRunner::new(config).run(&scenarios(), |scenario| play(&loader, &scenario));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Plays a scenario from an empty warehouse.
fn play(loader: &Loader, scenario: &Scenario) -> Result<(), TestCaseError> {
    loader.empty();
    for (number, load) in scenario.loads.iter().enumerate() {
        for (index, event) in scenario.events.iter().enumerate() {
            for (copy_number, copy) in event.copies.iter().enumerate() {
                if copy.arrives.index(scenario.loads.len()) == number {
                    put(loader, index, event, copy_number, copy);
                }
            }
        }
        let keys = surrogate_keys(loader);
        run(loader, load);
        // In more than one step, a version can be touched and then left as it was.
        let misfiled = scenario
            .events
            .iter()
            .flat_map(|event| &event.copies)
            .any(|copy| copy.misfiled);
        if !misfiled && !matches!(load, Load::SmallBatches(_) | Load::Killed(_)) {
            check_surrogate_keys(&keys, &surrogate_keys(loader))?;
        }
    }
    // Whatever a backfill or an unloaded batch has left, the next run takes up.
    loader.run(&[]);
    let expected = model::dimensions(&loader.inbox());
    let found = model::Dimensions::of(loader);
    prop_assert_eq!(found.difference(&expected), None);
    let loaded: i64 = loader
        .value("select sum(loaded) from etl.checkpoint")
        .parse()
        .expect("a number");
    let recorded: i64 = loader
        .value("select sum(loaded) from etl.run")
        .parse()
        .expect("a number");
    prop_assert_eq!((loaded, recorded), (expected.events as i64, loaded));
    let said = loader.etl(&["verify", "--overlap", "0s"]);
    prop_assert_eq!((said.status, said.log.as_str()), (0, ""), "{}", said.out);
    Ok(())
}

fn put(loader: &Loader, index: usize, event: &Planned, copy_number: usize, copy: &Copy) {
    let at = format!("2026-11-23 20:00:{:02}", event.second);
    let id = event_id(index as u64);
    let document = match event.is_card {
        true => card_event(
            &id,
            &at,
            event.key,
            i64::from(event.state / 2),
            event.state.is_multiple_of(2),
        ),
        false => user_event(&id, &at, event.key, "Ann Ash", f64::from(event.state)),
    };
    let folder = if event.is_card != copy.misfiled {
        "cards"
    } else {
        "users"
    };
    let name = format!("{folder}/{index}-{copy_number}.json");
    loader.put_modified(&name, document.to_string(), copy.modified_micros);
}

fn run(loader: &Loader, load: &Load) {
    match load {
        Load::Plain => {
            loader.run(&[]);
        }
        Load::Twice => {
            loader.run(&[]);
            assert_eq!(loader.run(&[])["files"], 0);
        }
        Load::Since => {
            loader.run(&["--since", "1d"]);
        }
        Load::SinceNow => {
            loader.run(&["--since", "1ms"]);
        }
        Load::SmallBatches(size) => {
            loader.run(&["--batch-size", &size.to_string()]);
        }
        Load::NoOverlap => {
            loader.run(&["--overlap", "0s"]);
        }
        Load::SourceBySource => {
            loader.run(&["--source", "cards"]);
            loader.run(&["--source", "users"]);
        }
        Load::DryRunFirst => {
            let before = (
                loader.query(model::USERS),
                loader.query(model::CARDS),
                books(loader),
            );
            let tried = loader.run(&["--dry-run"]);
            let after = (
                loader.query(model::USERS),
                loader.query(model::CARDS),
                books(loader),
            );
            assert_eq!(before, after, "a dry run changes nothing");
            let done = loader.run(&[]);
            for field in [
                "files",
                "loaded",
                "duplicates",
                "versions_opened",
                "versions_closed",
            ] {
                assert_eq!(tried[field], done[field], "{field}: {tried} and {done}");
            }
        }
        Load::Killed(millis) => {
            let mut run = loader
                .command(&["run", "--batch-size", "2"])
                .stderr(Stdio::null())
                .spawn()
                .expect("etl can be started");
            sleep(Duration::from_millis(u64::from(*millis)));
            run.kill().expect("etl is ours");
            run.wait().expect("etl is ours");
            loader.wait_for_free_locks();
        }
        Load::Later => {}
    }
}

fn books(loader: &Loader) -> Vec<String> {
    loader.query("select * from etl.checkpoint order by source")
}

/// Surrogate keys by everything else that a version says.
fn surrogate_keys(loader: &Loader) -> HashMap<String, String> {
    ["user", "card"]
        .into_iter()
        .flat_map(|entity| {
            loader.query(&format!(
                "select '{entity}', to_jsonb(version) - '{entity}_key', {entity}_key
                 from warehouse.dim_{entity} as version"
            ))
        })
        .filter_map(|row| {
            row.rsplit_once('|')
                .map(|(version, key)| (version.to_owned(), key.to_owned()))
        })
        .collect()
}

/// A version that a run did not touch keeps its surrogate key.
fn check_surrogate_keys(
    before: &HashMap<String, String>,
    after: &HashMap<String, String>,
) -> Result<(), TestCaseError> {
    for (version, key) in before {
        if let Some(key_after) = after.get(version) {
            prop_assert_eq!(key, key_after, "the surrogate key of {}", version);
        }
    }
    Ok(())
}
