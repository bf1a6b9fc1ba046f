//! A run can be killed anywhere: what it has committed is durable, the rest is rolled back, and the
//! next run goes on. Every event is loaded exactly once.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::books;
use crate::loader::{Loader, Said, card_event, event_id, finish, numbered_user, start, user_event};
use crate::obstacle::{Obstacle, Step, halfway};
use crate::services;

/// Runs that are killed, unless `ETL_KILLS` says otherwise.
const KILLS: usize = 100;

/// Events per second of a service: a run has some to load, and keeps up with them.
const RATE: &str = "50";

/// Events after which a service stops by itself, so that it does not outlive a test that is killed
/// for long.
const MOST_EVENTS: &str = "30000";

/// How many runs are to be killed.
pub fn kills() -> usize {
    match std::env::var("ETL_KILLS") {
        Ok(kills) => kills.parse().expect("ETL_KILLS is a number"),
        Err(_) => KILLS,
    }
}

/// A pause of a random length within what a run takes.
pub struct RandomPause {
    /// The mean of the latest runs.
    run: Duration,
}

impl RandomPause {
    pub fn new() -> RandomPause {
        RandomPause {
            run: Duration::from_millis(50),
        }
    }

    /// Notes how long a run took that got to its end.
    pub fn note(&mut self, run: Duration) {
        self.run = (self.run * 3 + run) / 4;
    }

    pub fn wait(&self) {
        sleep(self.run.mul_f64(rand::rng().random_range(0.0..1.2)));
    }
}

/// How a random run is asked for.
pub fn random_arguments() -> &'static [&'static str] {
    let arguments: [&[&str]; 5] = [
        &["run"],
        &["run", "--batch-size", "3"],
        &["run", "--batch-size", "10"],
        &["run", "--source", "cards", "--batch-size", "5"],
        &["run", "--since", "2s"],
    ];
    arguments[rand::rng().random_range(0..arguments.len())]
}

/// Puts some events into the inbox, late ones and bad ones among them; numbers of events never
/// come twice.
pub fn put_some(loader: &Loader, next: &mut u64) {
    let mut random = rand::rng();
    for _ in 0..10 {
        let number = *next;
        *next += 1;
        let at = format!("2026-11-23 20:{:02}:20", random.random_range(0..60));
        let (id, key) = (event_id(number), random.random_range(0..9));
        match random.random_range(0..20) {
            0 => loader.put(&format!("cards/{number}.json"), "{\"metadata\": {}}"),
            1..10 => loader.put(
                &format!("users/{number}.json"),
                user_event(&id, &at, key, "Ann", f64::from(random.random_range(0..3))).to_string(),
            ),
            _ => loader.put(
                &format!("cards/{number}.json"),
                card_event(&id, &at, key, 3, random.random()).to_string(),
            ),
        };
    }
}

/// Starts runs after each other, and does something to all but every fourth after a random pause,
/// until it has been done so often as it should: `strike` says whether it hit. Each run has some
/// new events to load.
pub fn batter(
    loader: &Loader,
    strikes: usize,
    mut start_run: impl FnMut() -> Command,
    mut strike: impl FnMut(&mut Child) -> bool,
) -> usize {
    let (mut hits, mut number) = (0, 0);
    let mut pause = RandomPause::new();
    for round in 0.. {
        if hits >= strikes {
            break;
        }
        put_some(loader, &mut number);
        let began = Instant::now();
        let mut run = start(&mut start_run());
        if round % 4 == 0 {
            if check(&finish(run)) {
                pause.note(began.elapsed());
            }
        } else {
            pause.wait();
            hits += usize::from(strike(&mut run));
            check(&finish(run));
        }
    }
    hits
}

/// A run that got to its end says so by its exit status, and a failed one in one line.
pub fn check(said: &Said) -> bool {
    let errors = said.log.lines().filter(|line| line.contains("ERROR"));
    match said.status {
        0 => assert_eq!(errors.count(), 0, "{}", said.log),
        1 => assert_eq!(errors.count(), 1, "{}", said.log),
        // Killed.
        -1 => {}
        status => panic!("status {status}: {}", said.log),
    }
    assert!(!said.log.contains("panicked"), "{}", said.log);
    said.status == 0
}

/// Kills a run; returns whether it was still there to be killed.
pub fn kill(run: &mut Child) -> bool {
    run.kill().expect("etl is ours");
    run.wait().expect("etl is ours").signal().is_some()
}

/// A service that writes into its folder until this is dropped.
struct Service(Child);

impl Service {
    fn start(name: &str, loader: &Loader) -> Service {
        let child = Command::new(services::program(name))
            .args(["--rate", RATE, "--events", MOST_EVENTS, "--events-dir"])
            .arg(loader.path(name))
            .env_clear()
            .stderr(Stdio::null())
            .spawn();
        Service(child.expect("the service can be started"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes files as the real services do: in place, so that a reader meets half of one.
fn write_in_place(loader: &Loader, number: u64) {
    let event = user_event(
        &event_id(1_000_000 + number),
        "2026-11-23 20:10:20",
        5_000 + number as i64 % 5,
        "Ann",
        number as f64,
    )
    .to_string();
    let (half, rest) = event.split_at(event.len() / 2);
    let mut file = File::create(loader.path(&format!("users/in_place_{number}.json")))
        .expect("the inbox can be written");
    for part in [half, rest] {
        file.write_all(part.as_bytes())
            .expect("the inbox can be written");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn runs_killed_at_random_times_while_services_write_load_every_event_exactly_once() {
    let loader = Loader::new();
    let cards = Service::start("cards", &loader);
    let mut users = Service::start("users", &loader);
    let (mut killed, mut in_place) = (0, 0);
    let mut pause = RandomPause::new();
    let wanted = kills();
    for round in 0.. {
        if killed >= wanted {
            break;
        }
        if round % 50 == 49 {
            // A signal to stop lets it finish; killed, it leaves half a file behind. It writes all its
            // users again.
            drop(users);
            users = Service::start("users", &loader);
        }
        let is_spared = round % 4 == 0;
        let arguments = if is_spared {
            &["run"]
        } else {
            random_arguments()
        };
        let mut run = loader
            .command(arguments)
            .stderr(Stdio::null())
            .spawn()
            .expect("etl can be started");
        let began = Instant::now();
        if is_spared {
            write_in_place(&loader, in_place);
            in_place += 1;
            assert!(run.wait().expect("etl is ours").success());
            pause.note(began.elapsed());
        } else {
            pause.wait();
            killed += usize::from(kill(&mut run));
        }
    }
    drop((users, cards));
    books::settle(&loader);
    println!(
        "{killed} runs killed, {} files",
        loader.value("select sum(files) from etl.run where since is null")
    );
}

#[test]
fn a_run_killed_after_any_step_is_rolled_back_and_the_next_one_loads_its_files() {
    let loader = Loader::new();
    loader.run(&[]);
    let mut number = 0;
    for (step, terminated) in Step::ALL
        .into_iter()
        .flat_map(|step| [(step, false), (step, true)])
    {
        println!("{step:?}, the server process terminated: {terminated}");
        // A version to close, a user to begin and a file to reject.
        for user in [1, number + 2] {
            number += 1;
            let at = format!("2026-11-23 20:10:{number:02}");
            loader.put(
                &format!("users/{number}.json"),
                user_event(&event_id(number), &at, user as i64, "Ann", number as f64).to_string(),
            );
        }
        loader.put(&format!("users/bad_{number}.json"), "[]");
        let before = state(&loader);
        let mut obstacle = Obstacle::after(&loader, step);
        let mut run = loader.start(&["run"]);
        if terminated {
            obstacle.strike_run("pg_terminate_backend");
            let said = finish(run);
            // Once all is committed, nothing has failed.
            let status = if step == Step::Commit { 0 } else { 1 };
            assert_eq!(said.status, status, "{}", said.log);
            // What the server said last can be lost with the connection, in a commit too.
            let words = [
                "(pg_terminate_backend)",
                "the next run checks and loads what is missing",
                "outcome=done",
            ];
            assert!(
                words.iter().any(|words| said.log.contains(words)),
                "{}",
                said.log
            );
        } else {
            obstacle.wait_for_runs(1);
            assert!(kill(&mut run));
        }
        drop(obstacle);
        loader.wait_for_free_locks();
        // A server process that is in its commit does not notice that its client is gone.
        let kept = match step {
            Step::Commit => true,
            Step::CommitBegun => !terminated,
            _ => false,
        };
        assert_eq!(state(&loader) != before, kept);
        let summary = loader.run(&[]);
        assert_eq!(summary["loaded"], if kept { 0 } else { 2 });
        books::check(&loader);
    }
}

/// Everything that a batch writes.
fn state(loader: &Loader) -> Vec<String> {
    let checkpoint = "select source, inbox, folder_path, folder_inode, offset_at, advanced_at, newest_event_at, loaded,
                             duplicates, rejected, pending, remaining
                      from etl.checkpoint order by 1, 2";
    [
        "landing.user_event",
        "landing.rejected_event",
        "warehouse.dim_user",
        "etl.recent_file",
    ]
    .iter()
    .map(|table| format!("select * from {table} order by 1, 2"))
    .chain([checkpoint.to_owned()])
    .flat_map(|sql| loader.query(&sql))
    .collect()
}

#[test]
fn a_run_killed_between_two_batches_keeps_the_first_one() {
    let loader = Loader::new();
    let (obstacle, mut run) = halfway(&loader, &[]);
    assert!(kill(&mut run));
    drop(obstacle);
    loader.wait_for_free_locks();
    assert_eq!(loader.value("select count(*) from landing.user_event"), "3");
    assert_eq!(loader.value("select sum(loaded) from etl.checkpoint"), "3");
    assert_eq!(loader.run(&[])["loaded"], 3);
    books::check(&loader);
}

/// Kills a run with batches of this size in the batch with an event of this user.
fn kill_at_user(loader: &Loader, user_id: i64, batch_size: &str) {
    let mut obstacle = Obstacle::at_user(loader, user_id);
    let mut run = loader.start(&["run", "--batch-size", batch_size]);
    obstacle.wait_for_runs(1);
    assert!(kill(&mut run));
    drop(obstacle);
    loader.wait_for_free_locks();
}

/// A link is never read. If it is the newest file, the offset must not pass the older files that are still
/// to be read.
#[test]
fn a_run_killed_before_files_older_than_a_link_leaves_them_to_the_next_one() {
    let loader = Loader::new();
    loader.run(&[]);
    (1..=6).for_each(|number| loader.put_user(number));
    sleep(Duration::from_millis(30));
    symlink("1.json", loader.path("users/link.json")).expect("a link can be made");
    kill_at_user(&loader, 5, "3");
    assert_eq!(loader.value("select count(*) from landing.user_event"), "3");
    assert_eq!(loader.run(&["--overlap", "0s"])["loaded"], 3);
    books::check(&loader);
    // Once everything is read, the link is behind the offset.
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
    assert_eq!(
        loader.value(
            "select offset_at = (select to_timestamp(max(changed_ns) / 1000 / 1e6) from etl.recent_file
                                 where file_name = 'link.json')
             from etl.checkpoint where source = 'users'"
        ),
        "true"
    );
}

/// The offset of a clock that was set back is ahead of everything, and so of files that nobody has read.
#[test]
fn a_run_killed_after_the_clock_was_set_back_leaves_the_rest_to_the_next_one() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.run(&[]);
    loader.execute("update etl.checkpoint set offset_at = now() + '1 hour'");
    (2..=7).for_each(|number| loader.put_user(number));
    kill_at_user(&loader, 5, "3");
    assert_eq!(loader.value("select count(*) from landing.user_event"), "4");
    assert_eq!(loader.run(&["--overlap", "0s"])["loaded"], 3);
    books::check(&loader);
    assert_eq!(loader.run(&["--overlap", "0s"])["files"], 0);
}

/// Each batch saves the number of pending files, and the end of a run saves their names.
#[test]
fn a_pending_file_that_a_killed_run_has_loaded_is_pending_no_more() {
    let loader = Loader::new();
    loader.put("users/1.json", "{");
    assert_eq!(loader.run(&[])["pending"], 1);
    loader.put("users/1.json", numbered_user(1).to_string());
    sleep(Duration::from_millis(30));
    loader.put_user(2);
    kill_at_user(&loader, 2, "1");
    assert_eq!(
        loader.query(
            "select file_name, pending from etl.pending_file join etl.checkpoint using (source)"
        ),
        ["1.json|0"]
    );
    assert_eq!(loader.run(&[])["loaded"], 1);
    assert_eq!(loader.value("select count(*) from etl.pending_file"), "0");
    books::check(&loader);
}

#[test]
fn a_run_killed_after_its_commit_has_loaded_everything() {
    let loader = Loader::new();
    (1..=5).for_each(|number| loader.put_user(number));
    // Nobody reads the summary, and the pipe is full: the run waits at its last step.
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let mut filler = writer.try_clone().expect("a pipe");
    thread::spawn(move || filler.write_all(&[b' '; 1 << 20]));
    sleep(Duration::from_millis(100));
    let mut run = loader
        .command(&["run", "--json"])
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .expect("etl can be started");
    let began = Instant::now();
    // The schema is not there before the run has created it.
    while loader.value("select to_regclass('etl.run') is null") == "true"
        || loader.value("select count(*) from etl.run") == "0"
    {
        assert!(began.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(5));
    }
    assert!(kill(&mut run));
    assert_eq!(loader.run(&[])["files"], 0);
    books::check(&loader);
}
