//! Drives the real `etl` against a real PostgreSQL that the tests start themselves.
//!
//! `server` is that PostgreSQL, `loader` an inbox and a database with the command between them,
//! `tables` what the database holds and `model` what it ought to hold. `books` checks the latter
//! two against each other and the loader's own accounts. What gets in the way of a run: `obstacle`
//! stops it at a step, `proxy` cuts its connection; `terminal` shows what it draws. The other modules are the tests.

mod acceptance;
mod address;
mod audit;
mod books;
mod claims;
mod clock;
mod commands;
mod concurrent;
mod database_faults;
mod dictionary;
mod examples;
mod failures;
mod fixture;
mod grants;
mod history;
mod hostile;
mod interrupted;
mod killed;
mod limits;
mod loader;
mod log;
mod migrations;
mod model;
mod moving_folder;
mod obstacle;
mod pace;
mod patrol;
mod pooler;
mod prometheus;
mod proxy;
mod rejected;
mod report;
mod roles;
mod schema;
mod server;
mod shell;
mod status;
mod tables;
mod terminal;
mod timelines;
mod tls;
mod version;
mod watch;
