//! The property that matters most: whatever the order of arrival, the batches, the repeats, the copies,
//! the folders, the damage and the kills, the dimensions are what the model makes of the files.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::books;
use crate::damage::{Damage, Key, repair};
use crate::loader::{Loader, card_event, event_id, user_event};
use crate::model::{self, Dimensions};

/// Random cases, unless `PROPTEST_CASES` says otherwise; each is some ten runs of the command.
const CASES: u32 = 200;

/// The second of all files' modification times, in microseconds since 1970.
const SECOND: u64 = 1_700_000_000_000_000;

/// The second inbox, as a folder in the first one.
const SECOND_INBOX: &str = "second";

/// An event and the files it comes in.
#[derive(Clone, Debug)]
struct Planned {
    key: Key,
    /// Few of them, so that many events share one.
    second: u8,
    /// Few of them, so that many changes change nothing.
    state: u8,
    copies: Vec<Copy>,
}

/// A file that has the event.
#[derive(Clone, Debug)]
struct Copy {
    /// Within the second, or a whole second, as an archive rounds it.
    modified_micros: u64,
    /// Which of the scenario's batches it arrives in.
    arrives: Index,
    misfiled: bool,
    /// Whether it arrives in the second inbox.
    in_second: bool,
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
    ByNames,
    /// In small batches, and killed after some milliseconds.
    Killed(u8),
    /// Not at all: the next batch arrives before a run.
    Later,
    /// The second inbox, in its own way.
    Second,
    /// After somebody has changed the tables.
    Damaged(Damage),
}

/// What the second inbox is to the loader.
#[derive(Clone, Copy, Debug)]
enum Inboxes {
    /// An inbox with a name.
    Named,
    /// A folder that is given by hand under the name of the first one.
    Unnamed,
    /// A folder that the first one is replaced by, and back.
    Replaced,
}

#[derive(Clone, Debug)]
struct Scenario {
    events: Vec<Planned>,
    loads: Vec<Load>,
    inboxes: Inboxes,
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let modified = prop_oneof![
        4 => 1..5u64,
        1 => prop::sample::select(vec![0, 1_000_000]),
    ];
    let copy = (
        modified,
        any::<Index>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(micros, arrives, misfiled, in_second)| Copy {
            modified_micros: SECOND + micros,
            arrives,
            misfiled,
            in_second,
        });
    let copies = prop_oneof![
        4 => prop::collection::vec(copy.clone(), 1),
        1 => prop::collection::vec(copy, 2..=3),
    ];
    let key = || (any::<bool>(), 0..2i64).prop_map(|(is_card, id)| Key { is_card, id });
    let events_of = |ids: Range<i64>, seconds: Range<u8>, events: Range<usize>| {
        let key = (any::<bool>(), ids).prop_map(|(is_card, id)| Key { is_card, id });
        let event =
            (key, seconds, 0..3u8, copies.clone()).prop_map(|(key, second, state, copies)| {
                Planned {
                    key,
                    second,
                    state,
                    copies,
                }
            });
        prop::collection::vec(event, events)
    };
    let events = prop_oneof![
        4 => events_of(0..2, 0..9, 1..30),
        // Histories that are longer than what is read of a key at once.
        1 => events_of(0..1, 0..50, 50..90),
    ];
    let load = prop_oneof![
        6 => Just(Load::Plain),
        1 => Just(Load::Twice),
        1 => Just(Load::Since),
        1 => Just(Load::SinceNow),
        2 => (1..4u8).prop_map(Load::SmallBatches),
        2 => Just(Load::NoOverlap),
        1 => Just(Load::SourceBySource),
        1 => Just(Load::DryRunFirst),
        1 => Just(Load::ByNames),
        2 => (0..80u8).prop_map(Load::Killed),
        1 => Just(Load::Later),
        2 => Just(Load::Second),
        1 => Damage::any(key()).prop_map(Load::Damaged),
    ];
    let inboxes = prop::sample::select(vec![Inboxes::Named, Inboxes::Unnamed, Inboxes::Replaced]);
    (events, prop::collection::vec(load, 1..6), inboxes).prop_map(|(events, loads, inboxes)| {
        Scenario {
            events,
            loads,
            inboxes,
        }
    })
}

#[test]
fn dimensions_are_a_function_of_the_events() {
    let loader = Loader::new();
    loader.run(&[]);
    check_scenarios(&loader, CASES);
}

/// Plays so many scenarios, unless `PROPTEST_CASES` says otherwise, in a warehouse that there is.
pub fn check_scenarios(loader: &Loader, cases: u32) {
    loader.make_inbox(SECOND_INBOX);
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let result = TestRunner::new(config).run(&scenarios(), |scenario| play(loader, &scenario));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Plays a scenario from an empty warehouse.
fn play(loader: &Loader, scenario: &Scenario) -> Result<(), TestCaseError> {
    loader.empty();
    loader.empty_inbox(SECOND_INBOX);
    let mut damaged = BTreeSet::new();
    for (number, load) in scenario.loads.iter().enumerate() {
        for (index, event) in scenario.events.iter().enumerate() {
            for (copy_number, copy) in event.copies.iter().enumerate() {
                if copy.arrives.index(scenario.loads.len()) == number {
                    put(loader, index, event, copy_number, copy);
                }
            }
        }
        if let Load::Damaged(damage) = load {
            damage.inflict(loader);
            damaged.insert(damage.key);
        }
        let keys = surrogate_keys(loader);
        run(loader, scenario.inboxes, load);
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
    // Whatever a backfill or an unloaded batch has left, the next runs take up.
    loader.run(&[]);
    run_second(loader, scenario.inboxes, &[]);
    let expected = model::dimensions_of(&inboxes(loader));
    if damaged.is_empty() {
        check_counts(loader, &expected)?;
    } else {
        // What was done to one key has touched no other.
        let others = |dimensions: &Dimensions| {
            let of = |is_card: bool, rows: &[String]| -> Vec<String> {
                let is_damaged = |row: &String| {
                    damaged
                        .iter()
                        .any(|key| key.is_card == is_card && key.is_of(row))
                };
                rows.iter()
                    .filter(|row| !is_damaged(row))
                    .cloned()
                    .collect()
            };
            [of(false, &dimensions.users), of(true, &dimensions.cards)]
        };
        prop_assert_eq!(others(&Dimensions::of(loader)), others(&expected));
        repair(loader, &damaged, || {
            loader.run(&["--since", "1d"]);
            run_second(loader, scenario.inboxes, &["--since", "1d"]);
        });
    }
    prop_assert_eq!(Dimensions::of(loader).difference(&expected), None);
    books::verify(loader);
    Ok(())
}

fn inboxes(loader: &Loader) -> [PathBuf; 2] {
    [loader.inbox(), loader.path(SECOND_INBOX)]
}

/// Each event was loaded once, and each run and checkpoint says so.
fn check_counts(loader: &Loader, expected: &Dimensions) -> Result<(), TestCaseError> {
    let sum = |table: &str| -> i64 {
        let sum = loader.value(&format!("select sum(loaded) from {table}"));
        sum.parse().expect("a number")
    };
    let loaded = sum("etl.checkpoint");
    prop_assert_eq!((loaded, sum("etl.run")), (expected.events as i64, loaded));
    Ok(())
}

fn put(loader: &Loader, index: usize, event: &Planned, copy_number: usize, copy: &Copy) {
    let at = format!("2026-11-23 20:00:{:02}", event.second);
    let id = event_id(index as u64);
    let Key { is_card, id: key } = event.key;
    let document = match is_card {
        true => card_event(
            &id,
            &at,
            key,
            i64::from(event.state / 2),
            event.state.is_multiple_of(2),
        ),
        false => user_event(&id, &at, key, "Ann Ash", f64::from(event.state)),
    };
    let inbox = match copy.in_second {
        true => format!("{SECOND_INBOX}/"),
        false => String::new(),
    };
    let folder = if is_card != copy.misfiled {
        "cards"
    } else {
        "users"
    };
    let name = format!("{inbox}{folder}/{index}-{copy_number}.json");
    loader.put_modified(&name, document.to_string(), copy.modified_micros);
}

/// Runs over the second inbox.
fn run_second(loader: &Loader, inboxes: Inboxes, arguments: &[&str]) {
    let second = loader.path(SECOND_INBOX);
    let second = second.to_str().expect("UTF-8");
    match inboxes {
        Inboxes::Named => {
            let inbox = ["--inbox", second, "--inbox-name", "second"];
            loader.run(&[&inbox[..], arguments].concat());
        }
        Inboxes::Unnamed => {
            loader.run(&[&["--inbox", second][..], arguments].concat());
        }
        Inboxes::Replaced => {
            exchange(loader);
            loader.run(arguments);
            exchange(loader);
        }
    }
}

/// Exchanges the folders of both inboxes; their files stay as they are.
fn exchange(loader: &Loader) {
    let rename = |from: &str, to: &str| {
        std::fs::rename(loader.path(from), loader.path(to)).expect("the inbox can be changed");
    };
    for folder in ["users", "cards"] {
        rename(folder, "away");
        rename(&format!("{SECOND_INBOX}/{folder}"), folder);
        rename("away", &format!("{SECOND_INBOX}/{folder}"));
    }
}

fn run(loader: &Loader, inboxes: Inboxes, load: &Load) {
    match load {
        Load::Plain | Load::Damaged(_) => {
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
        Load::ByNames => {
            loader.run(&["--reconcile"]);
        }
        Load::DryRunFirst => {
            let everything = || {
                (
                    loader.query(model::USERS),
                    loader.query(model::CARDS),
                    metadata(loader),
                )
            };
            let before = everything();
            let tried = loader.run(&["--dry-run"]);
            assert_eq!(before, everything(), "a dry run changes nothing");
            let done = loader.run(&[]);
            for field in [
                "files",
                "loaded",
                "duplicates",
                "rejected",
                "versions_opened",
                "versions_closed",
                "versions_changed",
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
        Load::Second => run_second(loader, inboxes, &[]),
    }
}

/// What the checkpoints say of the folders, but for who has claimed them; a claim adds those that there
/// are not yet.
fn metadata(loader: &Loader) -> Vec<String> {
    loader.query(
        "select to_jsonb(checkpoint) - array['claimed_by', 'claimed_until', 'claimed_pid']
         from etl.checkpoint where last_scanned_at is not null order by source, inbox",
    )
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
