//! `etl` loads event files into slowly changing dimensions in PostgreSQL.
//!
//! The modules from the rules to the edge; each knows those before it and none of those behind it.
//!
//! - The rules: [`entity`] says what a user and a card are, [`event`] what counts as an event,
//!   [`timeline`] which versions events make, [`checkpoint`] where a run starts and how far it has
//!   come.
//! - The outside: the [`inbox`] knows files, the [`warehouse`] PostgreSQL.
//! - A [`run`] composes them: claim, scan, read, accept, load, advance.
//! - The [`archive`] takes files out of the inbox once the warehouse has their content.
//! - The [`pages`] read what runs leave behind.
//! - The command line comes last: [`cli`].

#![warn(missing_docs)]

pub mod archive;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod cores;
pub mod entity;
pub mod escape;
pub mod event;
pub mod explanation;
pub mod inbox;
pub mod inbox_name;
pub mod logging;
pub mod pages;
pub mod run;
pub mod source;
pub mod stamp;
pub mod summary;
pub mod timeline;
pub mod warehouse;
