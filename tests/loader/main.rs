//! Drives the real `etl` against a real PostgreSQL that the tests start themselves.
//!
//! `server` is that PostgreSQL, `loader` an inbox and a database with the command between them,
//! `tables` what the database holds and `model` what it ought to hold. The other modules are the
//! tests.

mod acceptance;
mod audit;
mod commands;
mod dictionary;
mod examples;
mod failures;
mod fixture;
mod history;
mod loader;
mod model;
mod patrol;
mod prometheus;
mod rejected;
mod report;
mod roles;
mod schema;
mod server;
mod shell;
mod status;
mod tables;
mod timelines;
mod tls;
mod version;
mod watch;
