//! Drives the shipped Dockerfile, compose file, crontab and scripts with a real engine: cron loads,
//! the warehouse goes away and comes back, the loader is killed in the middle of its work, and the
//! tables equal what the model makes of the files.
//!
//! Skipped, and said so, where no engine answers or the base images cannot be had.

#[path = "../loader/model.rs"]
mod model;
#[path = "../loader/tables.rs"]
mod tables;

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use tempfile::TempDir;

use model::Dimensions;
use tables::Tables;

/// How long something in a container may take to come about: a minute until cron's first full
/// minute, and slack.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the image is built from, what configures the engine, and the scripts.
const SHIPPED: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "Dockerfile",
    ".dockerignore",
    "docker-compose.yml",
    "crontab",
    "database.env",
    "sql",
    "src",
    "rerun.sh",
    "clean.sh",
];

/// The capabilities of each service that stays, as the bits that the kernel shows.
const CAPABILITIES: [(&str, &str); 4] = [
    ("dwh", "00000000000000cb"), // chown, dac_override, fowner, setgid, setuid
    ("etl", "00000000000000c1"), // chown, setgid, setuid
    ("archive", "00000000000000c1"),
    ("cards", "0000000000000002"), // dac_override
];

#[test]
fn cron_loads_what_the_services_write_whatever_happens_to_the_containers() {
    let Some(_engine) = engine() else { return };
    let project = Project::new();
    project.compose(&["build"]);
    let began = Instant::now();
    project.compose(&["up", "--detach"]);
    let tables = project.tables();

    eventually("the first card", || {
        answer(&tables, "select count(*) > 0 from warehouse.card_current")
    });
    println!(
        "up to the first card in card_current: {:.1} s",
        began.elapsed().as_secs_f32()
    );
    eventually("all users", || {
        answer(
            &tables,
            "select count(*) = 1000 from warehouse.user_current",
        )
    });
    eventually("three runs by cron", || {
        answer(&tables, "select count(*) >= 3 from etl.run")
    });
    let log = project.compose(&["logs", "--no-color", "etl"]);
    assert!(
        log.lines().filter(|line| line.contains("loaded=")).count() >= 3,
        "{log}"
    );
    eventually("health", || {
        project.state("etl", "{{.State.Health.Status}}") == "healthy"
    });
    project.assert_confined();
    assert!(
        answer(
            &tables,
            "select not rolsuper and pg_has_role('loader', 'etl_loader', 'member') from pg_roles where rolname = 'loader'"
        ),
        "the loader is no superuser"
    );
    project.assert_private();

    // By hand, while cron goes on.
    let status = project.by_hand(&["status"]);
    assert!(status.contains("dim_card"), "{status}");
    project.by_hand(&["run", "--reconcile"]);
    let report = project.by_hand(&["report", "-"]);
    assert!(report.trim_end().ends_with("</html>"), "{report}");

    project.compose(&["stop", "dwh"]);
    sleep(Duration::from_secs(10));
    let log = project.compose(&["logs", "--no-color", "etl"]);
    assert!(log.contains("no connection to the warehouse"), "{log}");
    project.compose(&["start", "dwh"]);
    let before = project.files();
    eventually("loading after the warehouse came back", || {
        project.loaded(&tables) >= before
    });

    for _ in 0..3 {
        // A lock stops the next run that has cards to load in the middle of its batch.
        let mut client = tables.client();
        let mut lock = client.transaction().expect("the warehouse answers");
        lock.batch_execute("lock table warehouse.dim_card in exclusive mode")
            .expect("the lock is free");
        let is_stuck = "select count(*) > 0 from pg_stat_activity
                        where application_name = 'etl' and wait_event_type = 'Lock'
                          and usename = 'loader'";
        eventually("a run to kill", || answer(&tables, is_stuck));
        project.compose(&["kill", "etl"]);
        project.compose(&["start", "etl"]);
    }
    let before = project.files();
    eventually("loading after the loader was killed", || {
        project.loaded(&tables) >= before
    });

    let began = Instant::now();
    project.compose(&["stop", "cards"]);
    project.by_hand(&["run", "--settle", "0s"]);
    let files = project.files();
    eventually("everything loaded", || project.loaded(&tables) == files);
    let expected = model::dimensions(&project.inbox());
    assert_eq!(Dimensions::of(&tables).difference(&expected), None);
    println!(
        "stopping and comparing {files} files: {:.1} s",
        began.elapsed().as_secs_f32()
    );
    project.assert_archived(files);

    for service in ["etl", "dwh"] {
        project.compose(&["stop", service]);
        // Not 137: the engine kills what goes on for ten seconds.
        let status = project.state(service, "{{.State.ExitCode}}");
        assert_eq!(status, "0", "the exit status of {service}");
    }
}

/// ./rerun.sh with containers, and what stands in its way.
#[test]
fn a_start_with_containers_is_refused_while_they_run_and_a_clean_removes_them() {
    let Some(_engine) = engine() else { return };
    let project = Project::new();
    // Here it may take its time.
    project.compose(&["build", "etl"]);
    fs::remove_dir_all(project.folder.path().join("data")).expect("the folder is ours");
    let mut first = project.rerun(&["--docker"]);
    eventually("containers", || {
        let printed = fs::read_to_string(project.folder.path().join("log"));
        printed.is_ok_and(|printed| printed.contains("Running:"))
    });
    let warehouse = project.by_script(&["ps", "--quiet", "dwh"]);
    eventually("loading", || {
        let status = [
            "compose", "exec", "-T", "--user", "etl", "etl", "etl", "status",
        ];
        project
            .script("rerun.sh", &status)
            .output()
            .is_ok_and(|output| output.status.success())
    });
    let (status, printed) = project.refused(&["--docker"]);
    let expected = format!("already running, as process {}", first.id());
    assert!(status == 1 && printed.contains(&expected), "{printed}");

    first.kill().expect("the script is ours");
    first.wait().expect("the script is ours");
    for arguments in [&["--docker"][..], &["--native"]] {
        let (status, printed) = project.refused(arguments);
        let expected = "containers of this folder run";
        assert!(status == 1 && printed.contains(expected), "{printed}");
    }
    project.assert_private();
    assert_eq!(project.by_script(&["ps", "--quiet", "dwh"]), warehouse);

    let loader = project.by_script(&["ps", "--quiet", "etl"]);
    assert!(docker(&["inspect", loader.trim()]), "the loader is there");
    said(&mut project.script("clean.sh", &[]));
    assert!(
        !docker(&["inspect", loader.trim()]),
        "the loader is removed"
    );
    assert!(
        !project.folder.path().join("data").exists(),
        "data/ is removed"
    );
}

/// Two clones have the same name more often than not, and Compose would tell them apart by that;
/// and its settings, in the environment or in .env, may lead to any project.
#[test]
fn a_clean_leaves_what_belongs_to_other_folders() {
    if !docker(&["info"]) {
        println!("skipped: no Docker engine answers");
        return;
    }
    let parent = tempfile::Builder::new()
        .prefix("etltest")
        .tempdir()
        .expect("a temporary folder");
    let name = parent.path().file_name().expect("a folder has a name");
    let name = name.to_str().expect("the name is ours");
    // Another project, which Compose takes for the one of its folder where COMPOSE_FILE is set.
    let foreign = parent.path().join("docker-compose.yml");
    let foreign_volume = format!("{name}_foreign");
    fs::write(
        &foreign,
        format!(
            "services: {{none: {{image: none, volumes: [\"foreign:/x\"]}}}}\n\
             volumes: {{foreign: {{name: {foreign_volume}}}}}\n"
        ),
    )
    .expect("the folder is ours");
    assert!(docker(&["volume", "create", &foreign_volume]));
    let settings = format!(
        "DWH_PORT=1\nCOMPOSE_FILE={}\nCOMPOSE_PROJECT_NAME=mine\nDOCKER_HOST=tcp://127.0.0.1:9",
        foreign.display()
    );

    let clones = ["one", "two"].map(|clone| parent.path().join(clone).join(name));
    // The volume alone, as Compose would make it: that needs no image.
    let start = "source ./clean.sh
        docker volume create --label com.docker.compose.project=$project \
          --label com.docker.compose.volume=warehouse ${project}_warehouse";
    let volumes = clones.each_ref().map(|clone| {
        fs::create_dir_all(clone).expect("the folder is ours");
        let shipped = [
            "clean.sh",
            "rerun.sh",
            "docker-compose.yml",
            "database.env",
            "src",
        ];
        copy_shipped(&shipped, clone);
        fs::write(clone.join(".env"), &settings).expect("the folder is ours");
        said(Command::new("bash").args(["-c", start]).current_dir(clone))
            .trim()
            .to_owned()
    });
    let there = || {
        [&volumes[0], &volumes[1], &foreign_volume]
            .map(|volume| docker(&["volume", "inspect", volume]))
    };
    let redirected = |script: &str, clone: &Path| {
        let mut command = Command::new(clone.join(script));
        command
            .env("COMPOSE_FILE", &foreign)
            .env("COMPOSE_PROJECT_NAME", "mine")
            .env("COMPOSE_PROFILES", "none");
        command
    };
    let before = there();
    said(&mut redirected("clean.sh", &clones[1]));
    let cleaned = there();
    // What one types: it means the same containers as in the scripts.
    said(redirected("rerun.sh", &clones[0]).args(["compose", "down", "--volumes"]));
    let by_hand = there();
    for volume in volumes.iter().chain([&foreign_volume]) {
        docker(&["volume", "rm", "--force", volume]);
    }
    assert_eq!(
        (before, cleaned, by_hand),
        (
            [true, true, true],
            [true, false, true],
            [false, false, true]
        ),
        "which of {volumes:?} and {foreign_volume} were there before, after a clean of the second, \
         and after `down --volumes` by hand in the first"
    );
    let kept = fs::read_to_string(clones[1].join(".env"));
    assert_eq!(kept.expect(".env stays"), settings);
}

/// Where the jobs run without the sidecar, their settings are in a file, and their log is the
/// system's.
#[test]
fn the_crontab_of_a_machine_takes_its_settings_and_logs_to_the_system() {
    let Some(_engine) = engine() else { return };
    let project = Project::new();
    project.compose(&["build", "etl"]);
    let machine = "
        rm /etc/etl/environment
        echo \"export DATABASE_URL='postgresql://nobody@127.0.0.1:1/nothing'\" >/etc/etl/environment
        echo 'cat >>/tmp/log' >/usr/local/bin/logger
        chmod 0755 /usr/local/bin/logger
        install -m 0666 /dev/null /tmp/log
        cron
        timeout 60 bash -c 'until grep --quiet 127.0.0.1:1 /tmp/log; do sleep 0.1; done' || true
        cat /tmp/log";
    let log = said(Command::new("docker").args(["run", "--rm", "etl", "bash", "-euc", machine]));
    assert!(log.contains("127.0.0.1:1"), "the log of the jobs: {log}");
}

/// Keeps the tests that build an image or start containers apart from each other. None, and said
/// so, where there is no engine or are no base images.
fn engine() -> Option<MutexGuard<'static, ()>> {
    static ENGINE: Mutex<()> = Mutex::new(());
    let engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    match base_images() {
        Ok(()) => Some(engine),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// Makes sure of the base images: those that are there, can be pulled, or are made by the program
/// that `ETL_BASE_IMAGES` names. Else prints why not.
fn base_images() -> Result<(), String> {
    if !docker(&["info"]) {
        return Err("no Docker engine answers".to_owned());
    }
    for image in [
        "rust:1-slim-bookworm",
        "debian:bookworm-slim",
        "postgres:18-bookworm",
    ] {
        if docker(&["image", "inspect", image]) || docker(&["pull", image]) {
            continue;
        }
        let made = std::env::var_os("ETL_BASE_IMAGES")
            .and_then(|program| Command::new(program).arg(image).status().ok())
            .is_some_and(|status| status.success());
        if !made {
            return Err(format!(
                "the base image {image} is neither there nor to be pulled"
            ));
        }
    }
    Ok(())
}

/// Whether the engine's command succeeds.
fn docker(arguments: &[&str]) -> bool {
    let command = Command::new("docker")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    command.is_ok_and(|status| status.success())
}

/// Docker Compose in a folder, as by hand.
fn compose_in(folder: &Path) -> Command {
    let mut command = if docker(&["compose", "version"]) {
        let mut command = Command::new("docker");
        command.arg("compose");
        command
    } else {
        Command::new("docker-compose")
    };
    command
        .current_dir(folder)
        .env_remove("COMPOSE_PROJECT_NAME")
        .env_remove("COMPOSE_FILE");
    command
}

/// Runs a command, which must succeed, and gives what it printed.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("the command can be started");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Copies some of what the repository holds.
fn copy_shipped(shipped: &[&str], folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = shipped.iter().map(|file| root.join(file));
    said(Command::new("cp").arg("-r").args(files).arg(folder));
}

/// Whether a query says true; a warehouse that is not there yet says nothing.
fn answer(tables: &Tables, sql: &str) -> bool {
    Client::connect(&tables.url, NoTls)
        .and_then(|mut client| client.query_one(sql, &[]))
        .is_ok_and(|row| row.get(0))
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        sleep(Duration::from_millis(100));
    }
}

/// A copy of what is shipped, in a folder of its own and so with containers and a volume of its
/// own.
struct Project {
    folder: TempDir,
    port: u16,
}

impl Project {
    fn new() -> Project {
        let folder = tempfile::Builder::new()
            .prefix("etltest")
            .tempdir()
            .expect("a temporary folder");
        copy_shipped(&SHIPPED, folder.path());
        for source in ["users", "cards"] {
            let folder = folder.path().join("data/events/inbox").join(source);
            fs::create_dir_all(&folder).expect("the folder is ours");
            // The archive's job may remove files, whoever the services write them as.
            fs::set_permissions(&folder, Permissions::from_mode(0o777))
                .expect("the folder is ours");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a free port").port();
        Project { folder, port }
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("data/events/inbox")
    }

    /// Runs Docker Compose, which must succeed, and gives what it printed.
    fn compose(&self, arguments: &[&str]) -> String {
        said(&mut self.command(arguments))
    }

    /// Runs `etl` by hand in the loader's container, as the user of its jobs.
    fn by_hand(&self, arguments: &[&str]) -> String {
        let exec = ["exec", "-T", "--user", "etl", "etl", "etl"];
        self.compose(&[&exec, arguments].concat())
    }

    /// One of the scripts.
    fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join(name));
        command
            .args(arguments)
            .env("DWH_PORT", self.port.to_string());
        command
    }

    /// Starts ./rerun.sh; what it prints comes to the file `log`.
    fn rerun(&self, arguments: &[&str]) -> Child {
        let log = File::create(self.folder.path().join("log")).expect("the folder is ours");
        self.script("rerun.sh", arguments)
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("the script can be started")
    }

    /// Runs ./rerun.sh, which should refuse to start and soon ends otherwise, and returns its exit
    /// status and what it printed.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.script("rerun.sh", arguments);
        let output = command.args(["--for", "1s"]).output();
        let output = output.expect("the script can be started");
        let printed = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or_default(),
            String::from_utf8_lossy(&printed).into_owned(),
        )
    }

    /// Runs `./rerun.sh compose`, which must succeed, and gives what it printed.
    fn by_script(&self, arguments: &[&str]) -> String {
        said(&mut self.script("rerun.sh", &[&["compose"], arguments].concat()))
    }

    /// Fails if a container may do more than it needs.
    fn assert_confined(&self) {
        for (service, capabilities) in CAPABILITIES {
            let status = self.compose(&["exec", "-T", service, "cat", "/proc/1/status"]);
            for line in ["NoNewPrivs:\t1", &format!("CapBnd:\t{capabilities}")] {
                assert!(status.contains(line), "{service}, {line}: {status}");
            }
        }
        for service in ["etl", "cards"] {
            let write = ["exec", "-T", service, "touch", "/usr/local/bin/new"];
            let output = self.command(&write).output();
            let printed = output.expect("Compose can be started").stderr;
            let printed = String::from_utf8_lossy(&printed);
            assert!(printed.contains("Read-only"), "{service}: {printed}");
        }
    }

    /// Archives everything. Fails if a container but that of the archive may remove files from the inbox,
    /// or if one of the two carries out a job of the other.
    fn assert_archived(&self, files: usize) {
        let write = [
            "exec",
            "-T",
            "--user",
            "etl",
            "etl",
            "touch",
            "/var/lib/etl/inbox/users/new",
        ];
        let output = self.command(&write).output();
        let printed = output.expect("Compose can be started").stderr;
        let printed = String::from_utf8_lossy(&printed);
        assert!(printed.contains("Read-only"), "{printed}");
        for (service, jobs) in [
            ("etl", ["etl run", "etl verify"]),
            ("archive", ["etl archive"; 2]),
        ] {
            for job in ["etl run", "etl verify", "etl archive"] {
                let script =
                    format!("BASH_ENV=/etc/etl/environment bash -c ': {job}; echo carried out'");
                let printed = self.compose(&[
                    "exec", "-T", "--user", "etl", service, "bash", "-c", &script,
                ]);
                assert_eq!(
                    printed.contains("carried out"),
                    jobs.contains(&job),
                    "{service}, {job}"
                );
            }
        }
        let archive = ["exec", "-T", "--user", "etl", "archive", "etl", "archive"];
        let summary = self.compose(&[&archive[..], &["--older-than", "0s", "--json"]].concat());
        assert!(
            summary.contains(&format!("\"archived\":{files},\"left\":{{}}")),
            "{summary}"
        );
        assert_eq!(self.files(), 0);
    }

    /// Fails if somebody else on the machine may read an event or a log.
    fn assert_private(&self) {
        let data = self.folder.path().join("data");
        for folder in ["events/inbox/users", "events/inbox/cards", "logs"] {
            // A folder that is closed to this user is closed to others.
            let Ok(files) = fs::read_dir(data.join(folder)) else {
                continue;
            };
            for path in files.filter_map(|file| Some(file.ok()?.path())) {
                // A service may have renamed it since.
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                let mode = metadata.permissions().mode();
                assert_eq!(mode & 0o007, 0, "{}: {mode:o}", path.display());
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = compose_in(self.folder.path());
        command
            .args(arguments)
            .env("DWH_PORT", self.port.to_string());
        command
    }

    /// The warehouse, through its port on the loopback address, with what `database.env` says.
    fn tables(&self) -> Tables {
        let settings = fs::read_to_string(self.folder.path().join("database.env"))
            .expect("database.env can be read");
        let setting = |name: &str| {
            let line = settings
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{name} is not in database.env"))
                .to_owned()
        };
        let url = format!(
            "postgresql://{}:{}@127.0.0.1:{}/{}",
            setting("POSTGRES_USER"),
            setting("POSTGRES_PASSWORD"),
            self.port,
            setting("POSTGRES_DB")
        );
        Tables { url }
    }

    /// What the engine knows of the container of a service, in a format of its own.
    fn state(&self, service: &str, format: &str) -> String {
        let id = self.compose(&["ps", "--all", "--quiet", service]);
        let output = Command::new("docker")
            .args(["inspect", "--format", format, id.trim()])
            .output();
        String::from_utf8_lossy(&output.expect("docker can be started").stdout)
            .trim()
            .to_owned()
    }

    /// Event files in the inbox.
    fn files(&self) -> usize {
        let json = |folder: &str| {
            fs::read_dir(self.inbox().join(folder))
                .expect("the inbox can be listed")
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| name.ends_with(".json") && !name.starts_with('.'))
                .count()
        };
        json("users") + json("cards")
    }

    /// Event files that the warehouse has, as events or as rejections.
    fn loaded(&self, tables: &Tables) -> usize {
        let sql = "select (select count(*) from landing.user_event) + (select count(*) from landing.card_event)
                   + (select count(*) from landing.rejected_event)";
        let loaded: Result<i64, _> = Client::connect(&tables.url, NoTls)
            .and_then(|mut client| client.query_one(sql, &[]))
            .map(|row| row.get(0));
        loaded.map_or(0, |loaded| usize::try_from(loaded).unwrap_or_default())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.script("clean.sh", &[]).output();
        let _ = self
            .command(&["down", "--volumes", "--timeout", "5"])
            .output();
        // What the containers wrote is root's; where this is not root, a container takes it away.
        let folder = format!("{}/data:/data", self.folder.path().display());
        docker(&[
            "run",
            "--rm",
            "--volume",
            &folder,
            "debian:bookworm-slim",
            "rm",
            "-rf",
            "/data/events",
            "/data/logs",
        ]);
    }
}
