//! The connection to the warehouse.

use std::num::NonZeroU16;

use postgres::{Client, IsolationLevel, Transaction};

use super::address::Address;
use super::cluster::{self, Layout};
use super::distribution;
use super::error::{Doing, Error};
use super::schema;

/// A connection to the warehouse.
pub struct Warehouse {
    client: Client,
    /// Whether there was a schema when the connection was made, or has been created since.
    has_schema: bool,
    /// Whether a migration had requested a rebuild when the version of the schema was read.
    requests_rebuild: bool,
    /// Where the tables of the dimensions were when the version of the schema was read.
    layout: Layout,
}

impl Warehouse {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when there is no server, or it does not answer, or it does not let this
    /// user in, or it is not the one that was asked for, or what TLS needs cannot be read.
    pub fn connect(address: &Address) -> Result<Warehouse, Error> {
        // The first statement is part of it: a server that takes the connection may still hang.
        let (client, has_schema) = address.connect(schema::has_history)?;
        Ok(Warehouse {
            client,
            has_schema,
            requests_rebuild: false,
            layout: Layout::default(),
        })
    }

    /// The connection itself.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether the schema is there and at the newest version.
    ///
    /// # Errors
    ///
    /// [`Error::NewerSchema`] when it is ahead of this program, [`Error::OldLine`] when it is from
    /// before the first release.
    pub fn has_schema(&mut self) -> Result<bool, Error> {
        if !self.has_schema {
            return Ok(false);
        }
        let state = schema::state(&mut self.client)?;
        self.requests_rebuild = state.requests_rebuild;
        self.layout = cluster::layout(&mut self.client, state.has_extension)?;
        Ok(state.is_current)
    }

    /// Whether a migration has requested to rebuild a dimension, as of the last time that the version
    /// of the schema was read.
    pub fn requests_rebuild(&self) -> bool {
        self.requests_rebuild
    }

    /// Where the tables of the dimensions are, as of the last time that the version of the schema was
    /// read.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Makes sure that the schema is there and at the newest version.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchema`] when it is not.
    pub fn require_schema(&mut self) -> Result<(), Error> {
        match self.has_schema()? {
            true => Ok(()),
            false => Err(Error::NoSchema),
        }
    }

    /// Creates the schema or migrates it, one program at a time, and logs it.
    ///
    /// # Errors
    ///
    /// [`Error::Migration`] when a migration fails, [`Error::NotOwner`] when this user may not do
    /// it, [`Error::NewerSchema`] when it is newer than this program; it is then as it was before.
    pub fn migrate(&mut self) -> Result<(), Error> {
        schema::migrate(&mut self.client)?;
        distribution::keep(&mut self.client)?;
        self.has_schema = true;
        self.has_schema()?;
        Ok(())
    }

    /// Makes sure that this is the coordinator of a cluster with nodes for shards.
    ///
    /// # Errors
    ///
    /// [`Error::NoCitus`], [`Error::NotCoordinator`] or [`Error::NoWorkers`] when it is not.
    pub fn require_cluster(&mut self) -> Result<(), Error> {
        distribution::shard_nodes(&mut self.client).map(drop)
    }

    /// Distributes the warehouse over the nodes of its cluster, in so many shards or as many as suit
    /// it. What is distributed already stays as it is.
    ///
    /// # Errors
    ///
    /// When there is no cluster, or it refuses; the warehouse is then as it was before.
    pub fn distribute(&mut self, shards: Option<NonZeroU16>) -> Result<(), Error> {
        distribution::distribute(&mut self.client, shards)?;
        self.has_schema()?;
        Ok(())
    }

    /// Begins a snapshot: everything that is read in it is of one time.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the connection fails.
    pub fn snapshot(&mut self, doing: &'static str) -> Result<Transaction<'_>, Error> {
        self.client
            .build_transaction()
            .read_only(true)
            .isolation_level(IsolationLevel::RepeatableRead)
            .start()
            .doing(doing)
    }
}
