//! What runs leave behind, for people and for scripts: the [`status`] of the loader, the [`history`] of
//! one entity, the [`rejected`] files, a [`report`] with charts, and what [`verify`] finds.
//!
//! Pages read; none of them changes anything.

pub mod error;
//pub mod history;
//pub mod rejected;
//pub mod report;
//pub mod status;
mod terminal;
pub mod verify;
