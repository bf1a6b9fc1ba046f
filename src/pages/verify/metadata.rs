//! Runs, checkpoints and rejections against each other and against landing.

use chrono::{DateTime, Utc};
use postgres::Transaction;
use postgres::types::Type;

use super::finding::{Check, Finding, Findings, LIMIT};
use crate::pages::terminal::counted;
use crate::warehouse::error::{Doing, Error};
use crate::warehouse::statement;

/// Verifies the metadata.
///
/// # Errors
///
/// [`Error::Database`] when a statement fails.
pub(super) fn verify(
    snapshot: &mut Transaction<'_>,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Result<(), Error> {
    verify_runs(snapshot, findings)?;
    verify_checkpoints(snapshot, now, findings)?;
    verify_rejections(snapshot, findings)
}

/// Compares runs with what landing has of them.
fn verify_runs(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    let sql = include_str!("../../../sql/verify/runs.sql")
        .replace("{landed}", &statement::union(statement::VERIFY_LANDED));
    let rows = snapshot
        .query_typed(&sql, &[(&LIMIT, Type::INT8)])
        .doing("comparing the runs with what they loaded")?;
    findings.add_rows("", &rows, |row| {
        let (loaded, landed): (Option<i64>, i64) = (row.get("loaded"), row.get("landed"));
        let (problem, advice) = match loaded {
            None => (
                format!(
                    "landing has {} of it, and etl.run has no row of it",
                    counted(landed, "event")
                ),
                "find out who else writes to etl.run, and restore the row from a backup".to_owned(),
            ),
            Some(loaded) if loaded > landed => (
                format!(
                    "it loaded {}, and landing has {landed} of them",
                    counted(loaded, "event")
                ),
                "`etl run --since` loads the others again if their files are still there; after that, or if they were \
                 deleted on purpose, `etl rebuild` takes landing as it is"
                    .to_owned(),
            ),
            Some(loaded) if loaded < landed => (
                format!(
                    "it loaded {}, and landing has {landed} of it",
                    counted(loaded, "event")
                ),
                "find out who else writes to landing and etl.run; if deleted events were restored, `etl rebuild` takes \
                 landing as it is"
                    .to_owned(),
            ),
            Some(_) => (
                "its files are not the sum of loaded, duplicates, rejected and pending".to_owned(),
                "find out who else writes to etl.run".to_owned(),
            ),
        };
        Finding {
            check: Check::Runs,
            subject: format!("run {}", row.get::<_, i64>("run_id")),
            problem,
            advice,
        }
    });
    Ok(())
}

/// Compares the checkpoints with the clock and with the runs.
fn verify_checkpoints(
    snapshot: &mut Transaction<'_>,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/verify/checkpoints.sql"),
            &[(&now, Type::TIMESTAMPTZ)],
        )
        .doing("comparing the checkpoints with the clock")?;
    for row in &rows {
        findings.add(
            "",
            Finding {
                check: Check::Checkpoints,
                subject: format!(
                    "checkpoint of {} in the inbox {}",
                    row.get::<_, &str>("source"),
                    row.get::<_, &str>("inbox")
                ),
                problem: format!(
                    "its offset {} is after the clock of this machine, {now}",
                    row.get::<_, &str>("offset_at")
                ),
                advice:
                    "set the clock right; the next run reads everything that may have been skipped"
                        .to_owned(),
            },
        );
    }
    let rows = snapshot
        .query_typed(include_str!("../../../sql/verify/counters.sql"), &[])
        .doing("comparing the checkpoints with the runs")?;
    for row in &rows {
        findings.add("", Finding {
            check: Check::Checkpoints,
            subject: format!(
                "counter {} of the inbox {}",
                row.get::<_, &str>("name"),
                row.get::<_, &str>("inbox")
            ),
            problem: format!(
                "its checkpoints add up to {}, and its runs to {}",
                row.get::<_, i64>("by_checkpoints"),
                row.get::<_, i64>("by_runs")
            ),
            advice: "find out who else writes to etl.checkpoint and etl.run, and correct the wrong figure"
                .to_owned(),
        });
    }
    Ok(())
}

/// Looks for rejections that contradict themselves, each other or the runs.
fn verify_rejections(snapshot: &mut Transaction<'_>, findings: &mut Findings) -> Result<(), Error> {
    let rows = snapshot
        .query_typed(
            include_str!("../../../sql/verify/rejections.sql"),
            &[(&LIMIT, Type::INT8)],
        )
        .doing("comparing the rejections with the runs")?;
    findings.add_rows("", &rows, |row| Finding {
        check: Check::Rejections,
        subject: format!("rejection {}", row.get::<_, i64>("rejected_id")),
        problem: row.get("problem"),
        advice: "find out who else writes to landing.rejected_event and etl.run".to_owned(),
    });
    Ok(())
}
