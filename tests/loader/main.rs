//! Drives the real `etl` against a real PostgreSQL that the tests start themselves.
//!
//! `server` is that PostgreSQL, `loader` an inbox and a database with the command between them,
//! `tables` what the database holds and `model` what it ought to hold. `books` checks the latter
//! two against each other and the loader's own accounts. What gets in the way of a run: `obstacle`
//! stops it at a step, `proxy` cuts its connection, `machine` has a clock of its own; `terminal` shows
//! what it draws. The other modules are the tests.

mod acceptance;
mod address;
mod archive;
mod archive_faults;
mod archive_killed;
mod archive_restore;
mod archive_verify;
mod books;
mod busy_key;
mod claims;
mod clock;
mod cluster;
mod commands;
mod concurrent;
mod copies;
mod damage;
mod damaged;
mod damaged_keys;
mod damaged_tables;
mod database_faults;
mod dictionary;
mod distributable;
mod distributed;
mod examples;
mod failures;
mod fixture;
mod folders;
mod future;
mod grants;
mod growing_file;
mod history;
mod hostile;
mod interrupted;
mod killed;
mod layers;
mod limits;
mod loader;
mod log;
mod lost_files;
mod machine;
mod migrations;
mod model;
mod moving_folder;
mod new_attribute;
mod numbers;
mod obstacle;
mod pace;
mod package;
mod pooler;
mod prometheus;
mod proxy;
mod readme;
mod rebuild;
mod rejected;
mod replaced_files;
mod report;
mod resumed;
mod roles;
mod schema;
mod server;
mod services;
mod shared_database;
mod shell;
mod slow_disk;
mod starved;
mod statements;
mod status;
mod status_health;
mod system_calls;
mod tables;
mod terminal;
mod timelines;
mod tls;
mod verify;
mod version;
mod watch;
