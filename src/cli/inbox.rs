//! The flags that name the inbox.

use std::path::PathBuf;

use clap::Args;

use crate::inbox_name::InboxName;

/// Arguments that name the inbox.
#[derive(Debug, Args)]
pub struct InboxArguments {
    /// Folder that holds a folder for each source
    #[arg(
        long,
        env = "ETL_INBOX",
        default_value = "data/events/inbox",
        value_name = "FOLDER"
    )]
    pub inbox: PathBuf,

    /// Name of the inbox, for several that are used in parallel: each name has checkpoints of its own
    #[arg(
        long,
        env = "ETL_INBOX_NAME",
        default_value = InboxName::DEFAULT,
        value_name = "NAME"
    )]
    pub inbox_name: InboxName,
}
