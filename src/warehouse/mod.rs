//! The warehouse: the PostgreSQL database with the events in landing, the dimensions and the
//! metadata.
//!
//! [`Warehouse`] is a connection. What a run needs of the server is set for its own transactions
//! alone ([`begin`]), so that a connection pooler may stand between. [`checkpoints`] is the one
//! store of checkpoints, [`dimension`] loads events and keeps versions, [`rejections`] is the
//! dead-letter table, of which a [`dismissal`] closes some by hand, [`runs`] says what runs did.
//! [`cluster`] is what differs where Citus has spread the tables over several machines.

pub mod address;
pub mod archiving;
pub mod checkpoints;
pub mod cluster;
mod connection;
mod current;
pub mod dimension;
pub mod dimension_lock;
pub mod dismissal;
mod distribution;
pub mod error;
pub mod explain;
mod incoming;
pub mod kept_files;
pub mod landing;
mod late;
pub mod names;
pub mod processed_files;
pub mod rebuild;
pub mod rejected_names;
pub mod rejections;
pub mod release;
pub mod rows;
pub mod runs;
mod schema;
pub mod statement;
mod tls;
mod transaction;
pub mod versions;
mod warnings;

pub use cluster::commit;
pub use connection::Warehouse;
pub use transaction::begin;
