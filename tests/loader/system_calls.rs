//! System calls that fail or take long, as on a bad disk or a slow share: the command under strace.

use std::path::Path;
use std::process::Command;

/// The command with a tampering with one of its system calls, in all threads: `openat:error=EIO` say,
/// as strace's `inject` has it; of those about a path alone, if there is one, as the program gives it.
/// `None`, and a line that says so, where there is no strace or it may not trace.
pub fn tampered(command: &Command, tampering: &str, path: Option<&str>) -> Option<Command> {
    let tried = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!("skipped: strace, which tampers with system calls, is not here or may not trace");
        return None;
    }
    let (call, _) = tampering
        .split_once(':')
        .expect("a call and what becomes of it");
    let mut strace = Command::new(find("strace"));
    strace.args(["-f", "-qq", "-o", "/dev/null"]).args([
        "-e",
        &format!("trace={call}"),
        "-e",
        &format!("inject={tampering}"),
    ]);
    if let Some(path) = path {
        strace.args(["-P", path]);
    }
    strace
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    Some(strace)
}

/// The path of a program, for a command without an environment to search.
fn find(program: &str) -> String {
    let folders = std::env::var("PATH").unwrap_or_default();
    let mut paths = folders
        .split(':')
        .map(|folder| format!("{folder}/{program}"));
    paths
        .find(|path| Path::new(path).exists())
        .unwrap_or(program.to_owned())
}
