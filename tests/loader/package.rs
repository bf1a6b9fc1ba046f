//! What Debian's package is made of: the files that Cargo.toml names, and the units of systemd. And
//! what finds or installs the programs that the build and the tests need.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How long the installer may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_files_of_the_package_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = include_str!("../../Cargo.toml");
    let (_, assets) = manifest.split_once("\nassets = [").expect("assets");
    let assets: Vec<&str> = assets
        .lines()
        .map_while(|line| (line != "]").then_some(line))
        .filter_map(|line| line.strip_prefix("  [\"")?.split('"').next())
        .collect();
    assert!(assets.len() > 10, "{assets:?}");
    // Those below target are made with the package.
    for asset in assets.iter().filter(|asset| !asset.starts_with("target/")) {
        let path = root.join(asset.trim_end_matches('*'));
        assert!(path.exists(), "{asset}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package/systemd");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for unit in fs::read_dir(units).expect("the units") {
        let unit = unit.expect("a unit");
        let text = fs::read_to_string(unit.path()).expect("the unit can be read");
        let path = folder.path().join(unit.file_name());
        let text = text.replace("/usr/bin/etl", env!("CARGO_BIN_EXE_etl"));
        fs::write(&path, text).expect("the folder can be written");
        verify.arg(path);
    }
    let Ok(output) = verify.output() else {
        println!("skipped: systemd-analyze is not installed");
        return;
    };
    let found = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && found.is_empty(), "{found}");
}

/// src/package/requirements.sh with a system of its own: the files that it writes are in a folder, and
/// its `apt-get` does what a test needs.
struct Installer(TempDir);

impl Installer {
    /// An installer whose packages are installed by these commands of a shell.
    fn new(install: &str) -> Installer {
        let installer = Installer(tempfile::tempdir().expect("a temporary folder"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut script = fs::read_to_string(root.join("src/package/requirements.sh"))
            .expect("the script can be read");
        for place in ["/etc/postgresql-common", "/usr/sbin/policy-rc.d"] {
            assert!(script.contains(place), "{place}");
            script = script.replace(place, &installer.path(place).display().to_string());
        }
        for folder in ["etc", "usr/sbin", "programs", "cargo/bin"] {
            fs::create_dir_all(installer.0.path().join(folder)).expect("the folder is ours");
        }
        installer.put("/requirements.sh", &script);
        installer.put("/Cargo.toml", include_str!("../../Cargo.toml"));
        installer.put("/programs/sudo", "#!/bin/sh\nexec \"$@\"\n");
        let apt = format!(
            "#!/bin/sh\ncd {}\ncase $1 in install) {install};; esac\n",
            installer.0.path().display()
        );
        installer.put("/programs/apt-get", &apt);
        installer
    }

    /// A place of the system.
    fn path(&self, place: &str) -> PathBuf {
        self.0.path().join(place.trim_start_matches('/'))
    }

    fn put(&self, place: &str, content: &str) {
        fs::write(self.path(place), content).expect("the folder is ours");
        fs::set_permissions(self.path(place), fs::Permissions::from_mode(0o755))
            .expect("the folder is ours");
    }

    /// The policy that keeps services from starting.
    fn policy(&self) -> Option<String> {
        fs::read_to_string(self.path("/usr/sbin/policy-rc.d")).ok()
    }

    /// Starts to install a package, as a script that sources the file does.
    fn start(&self) -> Child {
        let mut script =
            self.script("trap 'exit 130' INT; install_packages postgresql; echo installed");
        // As a terminal has it, whose Ctrl-C reaches the whole group.
        script.process_group(0);
        script.spawn().expect("bash can be started")
    }

    /// A script that sources the file.
    fn script(&self, commands: &str) -> Command {
        let path = std::env::var("PATH").expect("the tests have a PATH");
        let beginning =
            "set -euo pipefail; die() { echo \"$1\" >&2; exit 1; }; source ./requirements.sh";
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{beginning}; {commands}")])
            .current_dir(self.0.path())
            .env(
                "PATH",
                format!("{}:{path}", self.path("/programs").display()),
            )
            .env("CARGO_HOME", self.path("/cargo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        bash
    }

    /// Fails unless services start as before.
    fn assert_services_start(&self) {
        assert_eq!(self.policy(), None);
        let settings = self.path("/etc/postgresql-common/createcluster.d");
        assert!(!settings.exists(), "{}", settings.display());
    }
}

#[test]
fn an_interrupted_installation_lets_services_start_again() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let installer = Installer::new("cp usr/sbin/policy-rc.d begun; sleep 100");
        let script = installer.start();
        let began = Instant::now();
        while !installer.path("/begun").exists() {
            assert!(began.elapsed() < PATIENCE, "it does not begin");
            sleep(Duration::from_millis(20));
        }
        assert!(
            installer
                .policy()
                .is_some_and(|policy| policy.ends_with("exit 101\n"))
        );
        let group = Pid::from_child(&script);
        kill_process_group(group, signal).expect("the script is ours");
        let output = script.wait_with_output().expect("the script is ours");
        assert!(!output.status.success(), "{output:?}");
        if signal == Signal::INT {
            assert_eq!(output.status.code(), Some(130), "{output:?}");
        }
        installer.assert_services_start();
    }
}

#[test]
fn an_installation_removes_what_a_killed_one_left_and_no_policy_of_others() {
    let installer =
        Installer::new("test -x usr/sbin/policy-rc.d && cp usr/sbin/policy-rc.d begun; sleep 1");
    let script = installer.start();
    while !installer.path("/begun").exists() {
        sleep(Duration::from_millis(20));
    }
    kill_process_group(Pid::from_child(&script), Signal::KILL).expect("the script is ours");
    let output = script.wait_with_output().expect("the script is ours");
    assert_eq!(output.status.signal(), Some(Signal::KILL.as_raw()));
    assert!(installer.policy().is_some(), "nothing could remove it");

    let again = || {
        let output = installer.start().wait_with_output();
        let output = output.expect("the script is ours");
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.ends_with(b"installed\n"), "{output:?}");
    };
    again();
    installer.assert_services_start();

    let own = "#!/bin/sh\nexit 101\n";
    installer.put("/usr/sbin/policy-rc.d", own);
    again();
    assert_eq!(installer.policy().as_deref(), Some(own));
}

#[test]
fn a_cargo_that_is_too_old_is_passed_over_and_named() {
    let installer = Installer::new("true");
    let found = || {
        let output = installer
            .script("find_cargo || install_rust false; cargo --version")
            .output();
        output.expect("bash can be started")
    };
    installer.put("/programs/cargo", "#!/bin/sh\necho 'cargo 1.65.0'\n");
    installer.put("/programs/rustup", "#!/bin/sh\n");
    let output = found();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let least = include_str!("../../Cargo.toml")
        .split_once("rust-version = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version)
        .expect("the least version of Rust");
    let expected = format!("rustup has no Rust {least} or later");
    assert!(
        !output.status.success() && said.contains(&expected),
        "{said}"
    );
    assert!(include_str!("../../README.md").contains(&format!("Rust {least} or later")));

    // What rustup puts is found before it; and a version is no decimal number.
    for version in [least.to_owned(), "1.100.0".to_owned()] {
        let cargo = format!("#!/bin/sh\necho 'cargo {version} (0123abcd 2026-01-01)'\n");
        installer.put("/cargo/bin/cargo", &cargo);
        let output = found();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(&format!("cargo {version} ")), "{said}");
    }
}
