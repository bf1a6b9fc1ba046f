//! What a test puts into the way of a run so that the run stops at a step: a lock that the step has
//! to wait for. The program knows nothing of it.

use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::loader::Loader;

/// How long a run may take to the step.
const STEP_LIMIT: Duration = Duration::from_secs(20);

/// A step of a run, by what is true right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The checkpoints are claimed; no folder is scanned.
    Claim,
    /// The folders are scanned and files are read; nothing is written.
    Scan,
    /// The events are in landing, their timelines are as before.
    Events,
    /// The dimensions are written, the checkpoint is as before.
    Timeline,
    /// All is written but the row of the run.
    Checkpoint,
    /// All is written, and the commit has begun.
    CommitBegun,
    /// All is committed; the claims are still to be given back.
    Commit,
}

impl Step {
    pub const ALL: [Step; 7] = [
        Step::Claim,
        Step::Scan,
        Step::Events,
        Step::Timeline,
        Step::Checkpoint,
        Step::CommitBegun,
        Step::Commit,
    ];
}

/// Starts a run of two batches of three users, 1 to 3 and 4 to 6, and waits until it has come halfway:
/// the first one is durable, and it waits within the second one.
pub fn halfway(loader: &Loader, arguments: &[&str]) -> (Obstacle, Child) {
    loader.run(&[]);
    (1..=3).for_each(|number| loader.put_user(number));
    sleep(Duration::from_millis(30));
    (4..=6).for_each(|number| loader.put_user(number));
    let mut obstacle = Obstacle::at_user(loader, 5);
    let run = loader.start(&[&["run", "--batch-size", "3"], arguments].concat());
    obstacle.wait_for_runs(1);
    (obstacle, run)
}

/// Claims the checkpoint of a source as a run of another machine would, until the connection is
/// dropped.
pub fn claim(loader: &Loader, source: &str) -> Client {
    let mut client = loader.client();
    client
        .execute(
            "insert into etl.checkpoint (source, inbox, claimed_by, claimed_until, claimed_pid)
             values ($1, 'main', 0, now() + interval '1 minute', pg_backend_pid())
             on conflict (source, inbox) do update
             set claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until,
                 claimed_pid = excluded.claimed_pid",
            &[&source],
        )
        .expect("a checkpoint can be claimed");
    client
}

/// A lock in the way. Dropped, it lets go.
pub struct Obstacle {
    holder: Client,
    /// Outside the transaction that holds the lock, since one sees the activity as it was when it
    /// first looked.
    watcher: Client,
}

impl Obstacle {
    /// Stops every run after a step.
    pub fn after(loader: &Loader, step: Step) -> Obstacle {
        match step {
            Step::Claim => Obstacle::table(loader, "etl.recent_file", "access exclusive"),
            Step::Scan => Obstacle::table(loader, "landing.user_event", "access exclusive"),
            // The table can be read, but not written.
            Step::Events => Obstacle::table(loader, "warehouse.dim_user", "share row exclusive"),
            Step::Timeline => Obstacle::trigger(
                loader,
                "true",
                "trigger obstacle before update of newest_event_at on etl.checkpoint",
            ),
            Step::Checkpoint => Obstacle::table(loader, "etl.run", "share row exclusive"),
            Step::CommitBegun => Obstacle::commit(loader),
            Step::Commit => Obstacle::trigger(
                loader,
                "new.claimed_by is null",
                "trigger obstacle before update of claimed_by on etl.checkpoint",
            ),
        }
    }

    /// Locks a table.
    pub fn table(loader: &Loader, table: &str, mode: &str) -> Obstacle {
        let mut client = loader.client();
        client
            .batch_execute(&format!("begin; lock table {table} in {mode} mode"))
            .expect("nobody holds the table");
        Obstacle {
            holder: client,
            watcher: loader.client(),
        }
    }

    /// A deferred trigger runs in the commit; here it waits for a lock.
    fn commit(loader: &Loader) -> Obstacle {
        Obstacle::trigger(
            loader,
            "true",
            "constraint trigger obstacle after insert or update on etl.run deferrable initially deferred",
        )
    }

    /// Stops every run where it loads an event of this user.
    pub fn at_user(loader: &Loader, user_id: i64) -> Obstacle {
        Obstacle::at_users(loader, &user_id.to_string())
    }

    /// Stops every run where it loads an event of one of these users.
    pub fn at_users(loader: &Loader, user_ids: &str) -> Obstacle {
        Obstacle::trigger(
            loader,
            &format!("new.user_id in ({user_ids})"),
            "trigger obstacle before insert on landing.user_event",
        )
    }

    fn trigger(loader: &Loader, condition: &str, trigger: &str) -> Obstacle {
        let mut client = loader.client();
        client
            .batch_execute(&format!(
                "create or replace function public.obstacle() returns trigger language plpgsql as $$
                 begin
                   if {condition} then perform pg_advisory_xact_lock(42); end if;
                   return new;
                 end $$;
                 drop trigger if exists obstacle on etl.checkpoint;
                 drop trigger if exists obstacle on etl.run;
                 drop trigger if exists obstacle on landing.user_event;
                 create {trigger} for each row execute function public.obstacle()"
            ))
            .expect("a trigger can be made");
        client
            .batch_execute("begin; select pg_advisory_xact_lock(42)")
            .expect("nobody holds the lock");
        Obstacle {
            holder: client,
            watcher: loader.client(),
        }
    }

    /// Lets the transaction pass that waits for the trigger, and no later one.
    pub fn let_one_pass(&mut self) {
        self.holder
            .batch_execute("commit; begin; select pg_advisory_xact_lock(42)")
            .expect("the transaction that passes ends");
    }

    /// Waits until so many runs wait for a lock, and tells the process numbers of their backends.
    pub fn wait_for_runs(&mut self, count: usize) -> Vec<i32> {
        let began = Instant::now();
        loop {
            let waiting: Vec<i32> = self
                .watcher
                .query(
                    "select pid from pg_stat_activity
                     where datname = current_database() and application_name = 'etl' and wait_event_type = 'Lock'",
                    &[],
                )
                .expect("the activity can be read")
                .iter()
                .map(|row| row.get(0))
                .collect();
            if waiting.len() == count {
                return waiting;
            }
            assert!(
                began.elapsed() < STEP_LIMIT,
                "{} of {count} runs wait",
                waiting.len()
            );
            sleep(Duration::from_millis(2));
        }
    }

    /// Waits for a run and does something to its backend: `pg_terminate_backend`, say.
    pub fn strike_run(&mut self, function: &str) {
        let pid = self.wait_for_runs(1)[0];
        self.watcher
            .execute(&format!("select {function}($1)"), &[&pid])
            .expect("a superuser may");
    }
}
