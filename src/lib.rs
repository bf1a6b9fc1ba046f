//! `etl` loads event files into slowly changing dimensions in PostgreSQL.
//!
//! The modules in the order in which a run meets them: the command line ([`cli`]) says where the
//! [`inbox`] and the [`warehouse`] are; a [`run`] takes up each [`source`] at its [`checkpoint`],
//! scans and reads the inbox, accepts [`event`]s or rejects them with a reason, brings the
//! [`timeline`] of every touched user and card up to date, and tells what it did in a [`summary`].
//! [`status`] reads the books that runs leave behind, [`history`] what became of one user or card,
//! and [`rejected`] what was kept for people to look at; a [`report`] puts the whole on a page, and
//! an [`audit`] works out from the events what the warehouse ought to hold. [`shell`] helps to type
//! all this; [`logging`] is how the program tells of itself, and [`interruption`] how it is asked to
//! end.

#![warn(missing_docs)]

pub mod audit;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod cores;
pub mod error;
pub mod event;
pub mod history;
pub mod inbox;
pub mod interruption;
pub mod logging;
pub mod patrol;
pub mod rejected;
pub mod report;
pub mod run;
pub mod shell;
pub mod source;
pub mod status;
pub mod summary;
mod terminal;
pub mod timeline;
pub mod warehouse;
