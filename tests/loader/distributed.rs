//! The same command and schema on a Citus cluster, where there is one (see `cluster`), and what says
//! that there is none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::Value;

use crate::cluster::{Cluster, State, cluster, distribute};
use crate::loader::{Loader, said};
use crate::model::{self, Dimensions};
use crate::tables::Tables;
use crate::{books, examples, fixture, killed, timelines};

/// Random scenarios, unless `PROPTEST_CASES` says otherwise: each takes some seconds.
const CASES: u32 = 20;

/// Runs that are killed.
const KILLS: usize = 20;

#[test]
fn without_citus_nothing_is_distributed_and_one_sentence_says_why() {
    let loader = Loader::new();
    let said = loader.etl(&["migrate", "--distribute"]);
    assert_eq!(said.status, 1);
    assert_eq!(said.log.lines().count(), 1, "{}", said.log);
    assert!(said.log.contains("create extension citus"), "{}", said.log);
    assert_eq!(
        loader.value("select to_regnamespace('etl') is null"),
        "true"
    );
    let said = loader.etl(&["migrate", "--shards", "4"]);
    assert_eq!(said.status, 2, "{}", said.log);
}

#[test]
fn a_database_without_workers_is_not_distributed() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.loader_through([cluster.second_port(); 2]);
    loader.execute(&format!(
        "select citus_remove_node('127.0.0.1', {})",
        cluster.second_port()
    ));
    let said = loader.etl(&["migrate", "--distribute"]);
    assert_eq!(said.status, 1);
    assert!(said.log.contains("citus_add_node"), "{}", said.log);
}

/// What the commands of a distributed warehouse have to say is what they say of one machine.
#[test]
fn a_warehouse_is_distributed_empty_or_loaded_and_nothing_is_done_twice() {
    let Some(cluster) = cluster() else { return };
    let (empty, loaded) = (cluster.loader(), cluster.loader());
    for loader in [&empty, &loaded] {
        if !fixture::unpack(loader) {
            (0..200).for_each(|number| loader.put_user(number));
            (200..300).for_each(|number| loader.put_card(number));
        }
    }
    distribute(&empty);
    let on_one_machine = loaded.run(&[]);
    distribute(&loaded);
    let on_many = empty.run(&[]);
    for field in ["loaded", "rejected", "versions_opened", "versions_closed"] {
        assert_eq!(on_one_machine[field], on_many[field], "{field}");
    }
    let expected = model::dimensions(&empty.inbox());
    for loader in [&empty, &loaded] {
        assert_eq!(Dimensions::of(loader).difference(&expected), None);
        books::verify(loader);
        assert_eq!(loader.run(&[])["files"], 0);
        let said = loader.etl(&["migrate", "--distribute", "--shards", "8"]);
        assert_eq!(said.status, 0, "{}", said.log);
        assert!(
            said.log.contains("in 4 shards already"),
            "another number is refused: {}",
            said.log
        );
        let again = loader.etl(&["migrate", "--distribute"]);
        assert_eq!(again.status, 0);
        assert!(again.log.contains("distributed already"), "{}", again.log);
    }
    // Loaded files are archived, and their events are still found.
    let archive = empty.path("archive");
    let archive = archive.to_str().expect("UTF-8");
    let archived = empty.etl(&["archive", "--older-than", "0s", "--to", archive, "--json"]);
    assert_eq!(archived.status, 0, "{}", archived.log);
    let object: Value = serde_json::from_str(&archived.out).expect("JSON");
    assert_eq!(object["files"], object["archived"], "{object}");
    books::verify(&empty);
    // A table that is not distributed, as that of an entity that a migration has added.
    empty.execute("select undistribute_table('landing.user_event')");
    let migrated = empty.etl(&["migrate"]);
    assert_eq!(migrated.status, 0, "{}", migrated.log);
    books::verify(&empty);
    let tables = "select table_name::text, distribution_column, shard_count, dense_rank() over (order by colocation_id)
                  from citus_tables order by 1";
    assert_eq!(
        empty.query(tables),
        [
            "landing.card_event|card_id|4|1",
            "landing.user_event|user_id|4|1",
            "warehouse.dim_card|card_id|4|1",
            "warehouse.dim_user|user_id|4|1"
        ]
    );
    // What the tables had before is in the shards alone.
    for table in ["landing.card_event", "warehouse.dim_user"] {
        let size = loaded.value(&format!("select pg_relation_size('{table}')"));
        assert_eq!(size, "0", "{table}");
    }
}

#[test]
fn distributed_dimensions_are_a_function_of_the_events() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    loader.run(&[]);
    timelines::check_scenarios(&loader, CASES);
}

#[test]
fn the_examples_answer_alike_on_a_cluster() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    examples::load(&loader);
    examples::check_answers(&Tables {
        url: loader.url.clone(),
    });
    let count = |query: &str| loader.value(&format!("select count(*) from {query}"));
    assert_eq!(
        count("warehouse.card_current"),
        count("warehouse.card_as_of(now())")
    );
    assert_eq!(
        count("warehouse.user_current"),
        count("warehouse.user_as_of(now())")
    );
    assert_eq!(count("warehouse.card_without_user"), "1");
}

#[test]
fn runs_killed_on_a_cluster_load_every_event_exactly_once() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    let start_run = || loader.command(killed::random_arguments());
    killed::batter(&loader, KILLS, start_run, killed::kill);
    loader.wait_for_free_locks();
    books::settle(&loader);
    books::verify(&loader);
}

/// Two events of one card, the second one in the middle of what the first run has made.
fn put_late(loader: &Loader) {
    for (number, second, active) in [(1, 10, true), (2, 30, false), (3, 50, true)] {
        let at = format!("2026-11-23 20:10:{second}");
        loader.put_card_event(number, 7, &at, active);
        loader.put_user_event(100 + number, 5, &at, f64::from(second));
    }
}

#[test]
fn a_worker_cut_off_in_a_commit_is_asked_before_the_next_run() {
    let Some(cluster) = cluster() else { return };
    let link = cluster.link();
    let loader = cluster.loader_through([link.port, cluster.second_port()]);
    distribute(&loader);
    for number in 0..40 {
        loader.put_user_event(1_000 + number, number as i64, "2026-11-23 20:00:00", 1.0);
    }
    link.set(State::CutAtCommit);
    let failed = loader.etl(&["run"]);
    assert_eq!(
        failed.status, 1,
        "a commit in doubt is not done: {}",
        failed.log
    );
    assert!(
        failed.log.contains("did not reach every worker"),
        "{}",
        failed.log
    );
    let users = || loader.value("select count(*) from warehouse.dim_user");
    assert_ne!(users(), "40", "the worker was cut off in time");
    // It still is: the next run reads nothing of the old state.
    link.set(State::Down);
    put_late(&loader);
    let silent = loader.etl(&["run"]);
    assert_eq!(silent.status, 1);
    assert!(silent.log.contains("does not answer"), "{}", silent.log);
    let check = loader.etl(&["status", "--check"]);
    assert_eq!(check.status, 1);
    assert!(
        check.out.contains("node_silent: the node 127.0.0.1:"),
        "{}",
        check.out
    );
    let page = loader.etl(&["status"]).out;
    assert!(page.contains("citus_update_node"), "{page}");
    let status: Value = serde_json::from_str(&loader.etl(&["status", "--json"]).out).expect("JSON");
    assert_eq!(status["dimensions"], serde_json::json!([]));
    link.set(State::Up);
    let began = Instant::now();
    loader.run(&[]);
    assert!(began.elapsed() < Duration::from_secs(20));
    books::check(&loader);
    books::verify(&loader);
}

#[test]
fn workers_cut_off_in_commits_again_and_again_lose_and_double_nothing() {
    let Some(cluster) = cluster() else { return };
    let link = cluster.link();
    let loader = cluster.loader_through([link.port, cluster.second_port()]);
    distribute(&loader);
    let mut number = 0;
    for _ in 0..8 {
        killed::put_some(&loader, &mut number);
        let mut run = loader.start(killed::random_arguments());
        thread::sleep(Duration::from_millis(rand::rng().random_range(0..150)));
        link.set(State::CutAtCommit);
        if rand::rng().random() {
            killed::kill(&mut run);
        }
        killed::check(&crate::loader::finish(run));
        link.set(State::Up);
    }
    loader.wait_for_free_locks();
    books::settle(&loader);
    books::verify(&loader);
}

#[test]
fn a_broken_chain_at_a_worker_is_one_rejected_event_and_no_failed_run() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    for (number, second) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
        loader.put_card_event(
            number,
            7,
            &format!("2026-11-23 20:10:{second}"),
            number % 2 == 0,
        );
        loader.put_card_event(
            100 + number,
            8,
            &format!("2026-11-23 20:10:{second}"),
            number % 2 == 0,
        );
    }
    loader.run(&[]);
    // Without the second version, the end of the first one is the start of none.
    loader.execute(
        "do $$ begin
           set local citus.propagate_set_commands = 'local';
           set local session_replication_role = replica;
           delete from warehouse.dim_card where card_id = 7 and valid_from = '2026-11-23 20:10:20+00';
         end $$",
    );
    loader.put_card_event(5, 7, "2026-11-23 20:10:50", true);
    loader.put_card_event(105, 8, "2026-11-23 20:10:50", false);
    for arguments in [&["--dry-run"][..], &[]] {
        let summary = loader.run(arguments);
        assert_eq!(summary["loaded"], 1, "{summary}");
        assert_eq!(summary["rejected"], 1, "{summary}");
    }
    assert_eq!(
        loader.query("select reason from landing.rejected_event"),
        ["broken_timeline"]
    );
    let verified = loader.etl(&["verify"]);
    assert_eq!(verified.status, 1);
    for arguments in [&["rebuild", "card", "7"][..], &["rejected", "retry"]] {
        let said = loader.etl(arguments);
        assert_eq!(said.status, 0, "{}", said.log);
    }
    books::verify(&loader);
}

#[test]
fn roles_and_later_migrations_have_what_they_need_on_a_cluster() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    let members = ["etl_loader", "dwh_reader"].map(|role| {
        let name = format!("{}_{role}", loader.database);
        loader.execute(&format!("create role {name} login in role {role}"));
        name
    });
    let [as_loader, as_reader] = members;
    let etl_as = |user: &str, arguments: &[&str]| {
        let mut command = loader.command(arguments);
        command.env(
            "DATABASE_URL",
            cluster.coordinator.url_as(user, &loader.database),
        );
        let said = said(command.output().expect("etl can be started"));
        assert_eq!(said.status, 0, "{user}: {arguments:?}: {}", said.log);
        said
    };
    put_late(&loader);
    etl_as(&as_loader, &["run"]);
    etl_as(&as_loader, &["verify"]);
    etl_as(&as_loader, &["rebuild"]);
    etl_as(&as_loader, &["rejected", "retry"]);
    for arguments in [
        &["status"][..],
        &["history", "card", "7"],
        &["report", "-"],
        &["verify"],
    ] {
        etl_as(&as_reader, arguments);
    }
    // An attribute that the events have among their unknown fields.
    let mut event = crate::loader::card_event(
        &crate::loader::event_id(77),
        "2026-11-23 20:11:00",
        7,
        3,
        true,
    );
    event["payload"]["spending_limit"] = 500.into();
    loader.put("cards/77.json", event.to_string());
    loader.run(&[]);
    loader.execute(
        "begin;
         alter table landing.card_event add column spending_limit bigint;
         alter table warehouse.dim_card add column spending_limit bigint;
         select landing.take_attribute('card', 'spending_limit');
         commit",
    );
    assert_eq!(
        loader.query("select event_id, spending_limit, extra is null from landing.card_event where spending_limit > 0"),
        [format!("{}|500|true", crate::loader::event_id(77))]
    );
    let migrated = loader.etl(&["migrate"]);
    assert_eq!(migrated.status, 0, "{}", migrated.log);
    assert!(
        migrated.log.contains("rebuilt warehouse.dim_card"),
        "{}",
        migrated.log
    );
    books::verify(&loader);
}

#[test]
fn shards_move_while_runs_load() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    let mut number = 0;
    killed::put_some(&loader, &mut number);
    loader.run(&[]);
    let moved = thread::scope(|scope| {
        let move_all = scope.spawn(|| {
            let mut client = loader.client();
            client.query(
                "select citus_move_shard_placement(shard.shardid, from_node.nodename, from_node.nodeport,
                                                   to_node.nodename, to_node.nodeport, 'force_logical')
                 from pg_dist_shard as shard
                 inner join pg_dist_placement as placement on placement.shardid = shard.shardid
                 inner join pg_dist_node as from_node on from_node.groupid = placement.groupid
                 inner join pg_dist_node as to_node on to_node.shouldhaveshards and to_node.groupid <> placement.groupid
                 where shard.logicalrelid = 'landing.user_event'::regclass
                 order by shard.shardid limit 1",
                &[],
            )
        });
        let mut runs = 0;
        while !move_all.is_finished() || runs < 3 {
            killed::put_some(&loader, &mut number);
            loader.run(&[]);
            runs += 1;
        }
        move_all.join().expect("it does not panic")
    });
    assert!(moved.is_ok(), "{moved:?}");
    books::settle(&loader);
    books::verify(&loader);
}

#[test]
fn verify_finds_nothing_wrong_while_runs_load() {
    let Some(cluster) = cluster() else { return };
    let loader = cluster.distributed();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::SeqCst) {
                killed::put_some(&loader, &mut number);
                killed::put_some(&loader, &mut number);
                loader.run(&["--batch-size", "5"]);
            }
        });
        for _ in 0..15 {
            let said = loader.etl(&["verify", "--json"]);
            if said.status != 0 {
                is_over.store(true, Ordering::SeqCst);
                panic!("{}{}", said.out, said.log);
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

/// Every statement of the pages runs there, and says the same as it would on one machine.
#[test]
fn the_pages_of_a_cluster_say_what_those_of_one_machine_say() {
    let Some(cluster) = cluster() else { return };
    let (one, many) = (Loader::new(), cluster.distributed());
    for loader in [&one, &many] {
        examples::load(loader);
    }
    let pages: [&[&str]; 5] = [
        &["history", "card", "8", "--json"],
        &["history", "user", "2", "--json"],
        &["rejected", "list", "--json"],
        &["status", "--json"],
        &["verify", "--json"],
    ];
    let line = many.etl(&["status"]).out;
    assert!(
        line.contains("runs on 2 nodes of a Citus cluster, 4 shards a table; rows: 127.0.0.1:"),
        "{line}"
    );
    let prometheus = many.etl(&["status", "--format", "prometheus"]).out;
    assert!(
        prometheus.contains("\netl_cluster_node_up{node=\"127.0.0.1:"),
        "{prometheus}"
    );
    for page in pages {
        let [on_one, on_many] = [&one, &many].map(|loader| {
            let said = loader.etl(page);
            assert_eq!(said.status, 0, "{page:?}: {}{}", said.out, said.log);
            without_times(&serde_json::from_str(&said.out).expect("JSON"))
        });
        assert_eq!(on_one, on_many, "{page:?}");
    }
    for loader in [&one, &many] {
        let dismissed = loader.etl(&[
            "rejected",
            "dismiss",
            "--reason",
            "missing_field",
            "--note",
            "a test",
        ]);
        assert_eq!(dismissed.status, 0, "{}", dismissed.log);
        for page in [&["report", "-"][..], &["rejected", "show", "1"]] {
            let said = loader.etl(page);
            assert_eq!(said.status, 0, "{}", said.log);
        }
    }
}

/// Fields of pages that depend on where they were made, beside those about times.
const OF_ONE_PLACE: [&str; 9] = [
    // Files that changed within one tick of the clock are numbered in the order of the folder.
    "newest",
    "rejected_id",
    "cluster",
    "folder_path",
    "last_hour",
    "version_key",
    "card_key",
    "user_key",
    "text",
];

/// A page without what depends on when and where it was made.
fn without_times(page: &Value) -> Value {
    let is_same = |name: &str| {
        let is_time = ["_at", "_ms", "_since"]
            .iter()
            .any(|end| name.ends_with(end));
        !is_time && !OF_ONE_PLACE.contains(&name)
    };
    match page {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .filter(|(name, _)| is_same(name))
                .map(|(name, value)| (name.clone(), without_times(value)))
                .collect(),
        ),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(without_times).collect();
            items.sort_by_key(Value::to_string);
            items.into()
        }
        value => value.clone(),
    }
}

/// A distributed warehouse takes the statements that one machine takes.
#[test]
fn the_cluster_takes_every_statement_for_every_entity() {
    let Some(cluster) = cluster() else { return };
    let loader: Loader = distributed_and_loaded(cluster);
    crate::statements::check_statements(&loader);
}

fn distributed_and_loaded(cluster: &Cluster) -> Loader {
    let loader = cluster.distributed();
    put_late(&loader);
    loader.run(&[]);
    loader
}
