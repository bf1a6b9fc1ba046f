//! An audit: is the warehouse what the events make of it, do the books balance, and is there a file
//! in the inbox that nobody knows?
//!
//! One snapshot of the warehouse answers all of it, so runs may go on meanwhile. What it costs is a
//! few passes over the tables, done by PostgreSQL; the program holds no more than a chunk of names
//! and one document.

mod inbox;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use postgres::types::Type;
use postgres::{IsolationLevel, Row, Transaction};
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::clock::{self, FileTime};
use crate::pages::error::Error;
use crate::warehouse::error::Doing;
use crate::inbox::Folder;
use crate::source::Source;
use crate::pages::terminal::counted;
use crate::warehouse::{self, Warehouse};

/// Findings of one kind that are told one by one; the rest are counted.
const TOLD: i64 = 10;

/// How the snapshot's statements are carried out. Each goes through whole tables: in the order of an
/// index that would be a read at random for every row, which a table larger than the memory makes
/// slow beyond measure, so tables are read from end to end and sorted (bitmap scans still serve
/// single rows). The default of 4 MB for a sort or hash makes many passes of millions of events; a
/// statement has up to five of them at a time.
const PLANNING: &str = "set local enable_indexscan = off; set local work_mem = '64MB'";

/// What is to be audited.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with a folder for each source.
    pub inbox: PathBuf,
    /// How far before the offset runs look again: a file that changed later than that may still be
    /// found by a run.
    pub overlap: Duration,
}

/// What an audit found.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// When the snapshot was taken.
    pub audited_at: DateTime<Utc>,
    /// Whether nothing was found.
    pub sound: bool,
    /// What is wrong: of each kind the first few.
    pub findings: Vec<Finding>,
    /// How much more is wrong.
    pub more_findings: i64,
    /// How much there is.
    pub figures: Figures,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which part of the audit found it.
    pub check: Check,
    /// A key, a run, a rejection, a source or a file.
    pub subject: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

/// The parts of an audit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Versions of users and their events.
    DimUser,
    /// Versions of cards and their events.
    DimCard,
    /// Runs and what landing has of them.
    Runs,
    /// Checkpoints.
    Checkpoints,
    /// Rejections.
    Rejections,
    /// Files in the inbox.
    Inbox,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.problem, self.advice)
    }
}

/// How much an audit has gone through.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Rows of `landing.user_event`.
    pub user_events: i64,
    /// Rows of `landing.card_event`.
    pub card_events: i64,
    /// Rows of `warehouse.dim_user`.
    pub user_versions: i64,
    /// Rows of `warehouse.dim_card`.
    pub card_versions: i64,
    /// Rejections that are not resolved.
    pub open_rejections: i64,
    /// Rows of `etl.run`.
    pub runs: i64,
    /// Event files in the inbox.
    pub files: i64,
    /// Those of them that a run has yet to look at.
    pub waiting: i64,
    /// Other names in the inbox that may have been meant as event files: they do not end in `.json`,
    /// or begin with a dot.
    pub other_names: i64,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.more_findings > 0 {
            writeln!(f, "and {} more", self.more_findings)?;
        }
        let figures = self.figures;
        let verdict = match self.sound {
            true => "all is well",
            false => "not all is well",
        };
        let others = match figures.other_names {
            0 => String::new(),
            others => format!(", {}", counted(others, "other name")),
        };
        writeln!(
            f,
            "{verdict}: {}, {}, {}, {}; {} in the inbox, {} of them waiting{others}; {}",
            counted(figures.user_events + figures.card_events, "event"),
            counted(figures.user_versions + figures.card_versions, "version"),
            counted(figures.runs, "run"),
            counted(figures.open_rejections, "open rejection"),
            counted(figures.files, "file"),
            figures.waiting,
            humantime::format_duration(Duration::from_millis(self.elapsed_ms)),
        )
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings {
    told: Vec<Finding>,
    more: i64,
}

impl Findings {
    /// Adds a finding, or counts it if enough of its kind are told.
    fn add(&mut self, finding: Finding) {
        let alike = self
            .told
            .iter()
            .filter(|told| told.check == finding.check)
            .count();
        if (alike as i64) < TOLD {
            self.told.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Adds what the rows of a statement tell. Its last column is the number of all that is wrong,
    /// of which there are rows for the first few.
    fn add_rows(&mut self, rows: &[Row], finding: impl Fn(&Row) -> Finding) {
        if let Some(first) = rows.first() {
            self.more += first.get::<_, i64>(first.len() - 1) - rows.len() as i64;
        }
        self.told.extend(rows.iter().map(finding));
    }
}

/// Audits the warehouse and the inbox.
///
/// # Errors
///
/// [`Error::NoSchema`] before the first run; [`Error::Folder`] when the inbox cannot be listed;
/// [`Error::Database`] when the warehouse fails.
pub fn audit(warehouse: &mut Warehouse, options: &Options) -> Result<Audit, Error> {
    let began = Instant::now();
    warehouse.require_schema()?;
    let folders = Source::ALL
        .into_iter()
        .map(|source| Folder::open(&options.inbox, source))
        .collect::<Result<Vec<Folder>, Error>>()?;
    // A file that arrives after this is not asked about; one that is loaded after this is known to
    // the snapshot, which is taken later.
    let names = inbox::copy_names(warehouse.client(), &folders)?;
    let mut snapshot = warehouse
        .client()
        .build_transaction()
        .read_only(true)
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .doing("taking a snapshot of the warehouse")?;
    snapshot
        .batch_execute(PLANNING)
        .doing("taking a snapshot of the warehouse")?;
    let mut figures = read_figures(&mut snapshot)?;
    let audited_at = clock::now().trunc_subsecs(6);
    let checkpoints =
        warehouse::read_checkpoints(&mut snapshot, &Source::ALL)?.ok_or(Error::NoSchema)?;

    let mut findings = Findings::default();
    audit_dimensions(&mut snapshot, &mut findings)?;
    audit_runs(&mut snapshot, &mut findings)?;
    audit_checkpoints(&mut snapshot, &checkpoints, audited_at, &mut findings)?;
    audit_rejections(&mut snapshot, &mut findings)?;
    figures.files = names.files;
    figures.other_names = names.others;
    figures.waiting = inbox::audit(
        &mut snapshot,
        &folders,
        &checkpoints,
        options.overlap,
        &mut findings,
    )?;
    Ok(Audit {
        audited_at,
        sound: findings.told.is_empty(),
        findings: findings.told,
        more_findings: findings.more,
        figures,
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

fn read_figures(snapshot: &mut Transaction<'_>) -> Result<Figures, Error> {
    let row = snapshot
        .query_typed_one(include_str!("../../../sql/verify/figures.sql"), &[])
        .doing("counting what there is")?;
    Ok(Figures {
        user_events: row.get(0),
        card_events: row.get(1),
        user_versions: row.get(2),
        card_versions: row.get(3),
        open_rejections: row.get(4),
        runs: row.get(5),
        ..Figures::default()
    })
}

/// Compares the dimensions with what the events in landing make.
fn audit_dimensions(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    for (check, entity, statement) in [
        (
            Check::DimUser,
            "user",
            include_str!("../../../sql/verify/dim_user.sql"),
        ),
        (
            Check::DimCard,
            "card",
            include_str!("../../../sql/verify/dim_card.sql"),
        ),
    ] {
        let rows = snapshot
            .query_typed(statement, &[(&TOLD, Type::INT8)])
            .doing("comparing a dimension with its events")?;
        findings.add_rows(&rows, |row| {
            let valid_from: &str = row.get(1);
            let (key, event): (Option<i64>, Option<uuid::Uuid>) = (row.get(2), row.get(3));
            let columns: Vec<String> = row.get(4);
            let problem = match (key, event) {
                (None, Some(event)) => {
                    format!("the version from {valid_from}, which the event {event} opens, is missing")
                }
                (Some(key), None) => format!(
                    "the version from {valid_from} ({entity}_key {key}) is one that no event in landing opens"
                ),
                _ => format!(
                    "the version from {valid_from} ({entity}_key {}) is not what the events in landing make of {}",
                    key.unwrap_or_default(),
                    columns.join(", ")
                ),
            };
            Finding {
                check,
                subject: format!("{entity} {}", row.get::<_, i64>(0)),
                problem,
                advice: format!(
                    "find out who else writes to landing.{entity}_event and warehouse.dim_{entity}, \
                     and put back what was there"
                ),
            }
        });
    }
    Ok(())
}

/// Compares runs with what landing has of them.
fn audit_runs(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/verify/runs.sql"),
            &[(&TOLD, Type::INT8)],
        )
        .doing("comparing the runs with what they loaded")?;
    findings.add_rows(&rows, |row| {
        let (loaded, landed): (Option<i64>, i64) = (row.get(1), row.get(2));
        let (problem, advice) = match loaded {
            None => (
                format!(
                    "landing has {} of it, and etl.run does not know it",
                    counted(landed, "event")
                ),
                "put its row back into etl.run".to_owned(),
            ),
            Some(loaded) if loaded != landed => (
                format!(
                    "it loaded {}, and landing has {landed} of them",
                    counted(loaded, "event")
                ),
                match loaded - landed {
                    lost @ 1.. => format!(
                        "`etl run --since` loads them again if their files are still there; then, or if they were \
                         taken out on purpose, lower files and loaded of this run, and loaded of its checkpoint, by {lost}"
                    ),
                    _ => "find out who else writes to landing".to_owned(),
                },
            ),
            Some(_) => (
                "its files are not the sum of loaded, duplicates, rejected and pending".to_owned(),
                "find out who else writes to etl.run".to_owned(),
            ),
        };
        Finding {
            check: Check::Runs,
            subject: format!("run {}", row.get::<_, i64>(0)),
            problem,
            advice,
        }
    });
    Ok(())
}

/// Compares the checkpoints with the clock and with the runs.
fn audit_checkpoints(
    snapshot: &mut Transaction<'_>,
    checkpoints: &[Checkpoint],
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Result<(), Error> {
    for source in Source::ALL {
        let subject = format!("checkpoint of {source}");
        let Some(checkpoint) = checkpoints
            .iter()
            .find(|checkpoint| checkpoint.source == source)
        else {
            findings.add(Finding {
                check: Check::Checkpoints,
                subject,
                problem: "etl.checkpoint does not have it, so nothing is loaded".to_owned(),
                advice: format!(
                    "insert into etl.checkpoint (source) values ('{source}'): the next run goes through everything"
                ),
            });
            continue;
        };
        if let Some(offset) = checkpoint.offset.map(FileTime::to_utc)
            && offset > now
        {
            findings.add(Finding {
                check: Check::Checkpoints,
                subject,
                problem: format!("its offset {offset} is after the clock of this machine, {now}"),
                advice: "set the clock right; the next run looks at everything that may have been passed over"
                    .to_owned(),
            });
        }
    }
    let rows = snapshot
        .query_typed(include_str!("../../../sql/verify/counters.sql"), &[])
        .doing("comparing the checkpoints with the runs")?;
    for row in &rows {
        let (counter, by_checkpoints, by_runs): (&str, i64, i64) =
            (row.get(0), row.get(1), row.get(2));
        findings.add(Finding {
            check: Check::Checkpoints,
            subject: format!("counter {counter}"),
            problem: format!(
                "etl.checkpoint adds up to {by_checkpoints}, and etl.run to {by_runs}"
            ),
            advice: "find out who else writes to etl, and set the wrong one right".to_owned(),
        });
    }
    Ok(())
}

/// Looks for rejections that contradict themselves or the runs.
fn audit_rejections(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/verify/rejections.sql"),
            &[(&TOLD, Type::INT8)],
        )
        .doing("comparing the rejections with the runs")?;
    findings.add_rows(&rows, |row| Finding {
        check: Check::Rejections,
        subject: format!("rejection {}", row.get::<_, i64>(0)),
        problem: row.get(1),
        advice: "find out who else writes to landing.rejected_event and etl.run".to_owned(),
    });
    Ok(())
}
