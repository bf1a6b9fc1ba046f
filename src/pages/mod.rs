//! What runs leave behind, for people and for scripts: the [`status`] of the loader, the [`history`] of
//! one entity, the [`rejected`] files, a [`report`] with charts, and what [`verify`] finds; and the
//! codes in all of them, which [`explain`] explains.
//!
//! Pages read; none of them changes anything.

mod age;
pub mod error;
pub mod explain;
pub mod history;
pub mod rejected;
pub mod report;
pub mod status;
mod table;
mod terminal;
pub mod verify;
