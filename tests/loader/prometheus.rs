//! What `etl status --format prometheus` prints, and what the alerts make of it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::loader::Loader;

/// Where promtool is, if it is anywhere.
fn promtool() -> Option<Command> {
    let program = std::env::var_os("PROMTOOL").unwrap_or("promtool".into());
    let found = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        println!("skipped: promtool is not here (Debian's package prometheus has it)");
        return None;
    }
    Some(Command::new(program))
}

#[test]
fn the_page_for_prometheus_has_what_the_json_has() {
    let loader = Loader::new();
    loader.put_user(1);
    loader.put("users/bad.json", "[]");
    loader.put("users/half.json", "{");
    loader.run(&["--source", "users"]);
    let metrics = loader.etl(&["status", "--format", "prometheus"]).out;
    for sample in [
        "etl_healthy 0",
        "etl_source_last_scanned_timestamp_seconds{source=\"cards\",inbox=\"main\"} 0.000000",
        "etl_source_failing_since_timestamp_seconds{source=\"users\",inbox=\"main\"} 0.000000",
        "etl_source_pending_files{source=\"users\",inbox=\"main\"} 1",
        "etl_source_pending_since_timestamp_seconds{source=\"cards\",inbox=\"main\"} 0.000000",
        "etl_source_remaining_files{source=\"users\",inbox=\"main\"} 0",
        "etl_files_total{source=\"users\",inbox=\"main\",outcome=\"loaded\"} 1",
        "etl_files_total{source=\"users\",inbox=\"main\",outcome=\"rejected\"} 1",
        "etl_last_hour_files{outcome=\"loaded\"} 1",
        "etl_last_hour_files{outcome=\"rejected\"} 1",
        "etl_rejections_open{source=\"users\",inbox=\"main\",reason=\"not_an_object\"} 1",
        "etl_dimension_versions{dimension=\"dim_user\",current=\"true\"} 1",
        "etl_last_run_files{outcome=\"pending\"} 1",
    ] {
        assert!(
            metrics.lines().any(|line| line == sample),
            "{sample} is missing:\n{metrics}"
        );
    }
    for (metric, column, table) in [
        ("last_scanned", "last_scanned_at", "etl.checkpoint"),
        ("pending_since", "pending_since", "etl.pending_file"),
    ] {
        let time = loader.value(&format!(
            "select extract(epoch from {column})::numeric(20, 6)::text from {table} where source = 'users'"
        ));
        let sample = format!(
            "etl_source_{metric}_timestamp_seconds{{source=\"users\",inbox=\"main\"}} {time}\n"
        );
        assert!(metrics.contains(&sample), "{sample} in {metrics}");
    }
    // The alerts ask for nothing that is not there.
    let alerts = include_str!("../../src/pages/status/alerts.yml");
    let expressions = alerts
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("etl_"));
    for metric in expressions {
        assert!(
            metrics.contains(&format!("# TYPE {metric} ")),
            "no {metric}"
        );
    }
    // A retry rejects again what was rejected before.
    assert_eq!(loader.etl(&["rejected", "retry"]).status, 0);
    let later = loader.etl(&["status", "--format", "prometheus"]).out;
    for sample in [
        "etl_files_total{source=\"users\",inbox=\"main\",outcome=\"rejected\"} 2",
        "etl_last_hour_files{outcome=\"rejected\"} 1",
    ] {
        assert!(
            later.lines().any(|line| line == sample),
            "{sample} is missing:\n{later}"
        );
    }
    let Some(mut promtool) = promtool() else {
        return;
    };
    let mut check = promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool can be started");
    let mut input = check.stdin.take().expect("a pipe");
    input.write_all(metrics.as_bytes()).expect("promtool reads");
    drop(input);
    let output = check.wait_with_output().expect("promtool ends");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn prometheus_takes_the_alerts() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in [
        (
            "alerts.yml",
            include_str!("../../src/pages/status/alerts.yml"),
        ),
        ("tests.yml", include_str!("alerts.yml")),
    ] {
        fs::write(folder.path().join(name), content).expect("the temporary folder can be written");
    }
    let tests = folder.path().join("tests.yml");
    let output = promtool.args(["test", "rules"]).arg(tests).output();
    let output = output.expect("promtool can be started");
    let [out, log] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{out}{log}");
}
