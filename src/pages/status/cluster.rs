//! On what the warehouse runs, where that is more than one machine.

use std::fmt;

use serde::Serialize;

use crate::escape::printable;
use crate::pages::terminal::counted;

/// The nodes of a cluster that have shards or take them.
#[derive(Debug, Serialize)]
pub struct ClusterStatus {
    /// Shards of each table.
    pub shards: i64,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its host, as the coordinator knows it.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its shards of all tables together.
    pub shards: i64,
    /// Their rows, by its statistics; `None` if it does not answer.
    pub rows: Option<i64>,
    /// What the coordinator says where it does not answer.
    pub failure: Option<String>,
}

impl NodeStatus {
    /// Its address, as a text.
    pub fn address(&self) -> String {
        format!("{}:{}", printable(&self.host, &[]), self.port)
    }
}

impl ClusterStatus {
    /// Whether every node answers.
    pub fn is_complete(&self) -> bool {
        self.nodes.iter().all(|node| node.failure.is_none())
    }

    /// Share of the rows that a node has, in per cent; none is known while a node does not answer.
    fn percent(&self, node: &NodeStatus) -> Option<i64> {
        let rows: Option<Vec<i64>> = self.nodes.iter().map(|node| node.rows).collect();
        let all: i64 = rows?.iter().sum();
        let rows = node.rows.filter(|_| all > 0)?;
        Some((rows as f64 / all as f64 * 100.0).round() as i64)
    }
}

impl fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "runs on {} of a Citus cluster, {} a table; rows: ",
            counted(self.nodes.len() as i64, "node"),
            counted(self.shards, "shard")
        )?;
        for (place, node) in self.nodes.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{} ", node.address())?;
            match (&node.failure, self.percent(node)) {
                (Some(_), _) => f.write_str("does not answer")?,
                (None, Some(percent)) => write!(f, "{percent} %")?,
                (None, None) => f.write_str("-")?,
            }
        }
        Ok(())
    }
}
