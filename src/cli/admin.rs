//! `admin`: a running node, looked at and acted on over its internal listener.

use std::io::Write as _;

use serde_json::Value;
use uuid::Uuid;

use super::local::Internal;
use super::options::ServerOptions;
use super::{Outcome, block_on, print_json};
use crate::internal::{MoveShardRequest, WhoRequest};

#[derive(clap::Subcommand)]
pub(super) enum AdminCommand {
    /// The nodes of the cluster
    Nodes(Asked),
    /// Shards, who owns them, and whether they are ready
    Shards(Asked),
    /// Give a shard to another node; what is sent meanwhile waits
    MoveShard {
        shard: u32,
        /// The id of the node that is to own it, for as long as that node serves
        #[arg(
            long,
            value_name = "NODE_ID",
            required_unless_present = "back",
            conflicts_with = "back"
        )]
        to: Option<Uuid>,
        /// Back to where it belongs by the rules
        #[arg(long)]
        back: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// How many actors of each kind live on the node
    Actors(Asked),
    /// How long messages waited within the last minute, by kind of actor; panics and restarts
    Mailboxes(Asked),
    /// The conversations that made the node work most within the last two minutes
    Busiest {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        asked: Asked,
    },
    /// Sockets of the node, or those of one user
    Connections {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        asked: Asked,
    },
    /// Close a user's sockets; devices may connect again at once
    Close {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        asked: Asked,
    },
    /// Sign a user out, on all devices or on one
    SignOut {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        asked: Asked,
    },
    /// Make the node go away in good order, as SIGTERM does
    Drain(Asked),
    /// What operators did, newest first
    Log {
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Older than this record
        #[arg(long, value_name = "ID")]
        before: Option<Uuid>,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Which node, and how to print.
#[derive(clap::Args)]
pub(super) struct Asked {
    /// Internal listener of another node; its admin token comes from the settings
    #[arg(long, value_name = "HOST:PORT")]
    node: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ServerOptions,
}

/// Who is meant.
#[derive(clap::Args)]
pub(super) struct Who {
    /// A user's name
    #[arg(long, value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// A user's id
    #[arg(long, value_name = "ID")]
    user_id: Option<Uuid>,
    /// One device of the user alone
    #[arg(long, value_name = "ID")]
    device: Option<Uuid>,
}

impl Who {
    fn request(&self) -> WhoRequest {
        WhoRequest {
            user_id: self.user_id.map(schema::UserId),
            username: self.user.clone(),
            device_id: self.device.map(schema::DeviceId),
        }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let name = self.user.clone().map(|name| ("username", name));
        let id = self.user_id.map(|id| ("user_id", id.to_string()));
        name.into_iter().chain(id).collect()
    }
}

pub(super) fn run(command: &AdminCommand) -> anyhow::Result<Outcome> {
    match command {
        AdminCommand::Nodes(asked) => {
            let columns = ["node_id", "internal", "state", "is_this"];
            get(asked, "/v1/nodes", &[], "nodes", &columns)
        }
        AdminCommand::Shards(asked) => {
            let columns = ["shard", "owner", "is_here", "is_ready", "epoch", "pinned"];
            get(asked, "/v1/shards", &[], "shards", &columns)
        }
        AdminCommand::MoveShard { shard, to, back: _, asked } => {
            let request = MoveShardRequest { shard: *shard, to: to.map(schema::NodeId) };
            post(asked, "/v1/shards/move", &request)
        }
        AdminCommand::Actors(asked) => get(asked, "/v1/actors", &[], "", &[]),
        AdminCommand::Mailboxes(asked) => {
            let columns = ["kind", "probes", "depth_max", "age_max_ms", "panics", "restarts"];
            get(asked, "/v1/mailboxes", &[], "mailboxes", &columns)
        }
        AdminCommand::Busiest { limit, asked } => {
            let query = [("limit", limit.to_string())];
            let columns = ["conversation_id", "shard", "entries", "deliveries", "too_high_by"];
            get(asked, "/v1/conversations/busiest", &query, "conversations", &columns)
        }
        AdminCommand::Connections { who, asked } => {
            let columns = ["user_id", "device_id", "connection_id", "is_away"];
            get(asked, "/v1/connections", &who.query(), "connections", &columns)
        }
        AdminCommand::Close { who, asked } => post(asked, "/v1/connections/close", &who.request()),
        AdminCommand::SignOut { who, asked } => post(asked, "/v1/users/sign-out", &who.request()),
        AdminCommand::Drain(asked) => post(asked, "/v1/drain", &WhoRequest::default()),
        AdminCommand::Log { limit, before, asked } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(before.map(|before| ("before", before.to_string())));
            let columns = ["at", "action", "target", "from", "id"];
            get(asked, "/v1/audit-log", &query, "records", &columns)
        }
    }
}

fn get(
    asked: &Asked,
    path: &str,
    query: &[(&str, String)],
    list: &str,
    columns: &[&str],
) -> anyhow::Result<Outcome> {
    let config = asked.options.load()?;
    let answer: Value = block_on(async {
        Internal::of(&config, asked.node.as_deref()).await?.get(path, query).await
    })?;
    if asked.json {
        print_json(&answer)?;
    } else if let Some(rows) = answer[list].as_array() {
        let rows = rows.iter().map(|row| columns.iter().map(|name| plain(&row[*name])).collect());
        print_table(columns, rows.collect())?;
    } else {
        print_facts(&answer)?;
    }
    Ok(Outcome::Holds)
}

fn post(asked: &Asked, path: &str, body: &impl serde::Serialize) -> anyhow::Result<Outcome> {
    let config = asked.options.load()?;
    let answer: Value = block_on(async {
        Internal::of(&config, asked.node.as_deref()).await?.post(path, body).await
    })?;
    if asked.json {
        print_json(&answer)?
    } else {
        print_facts(&answer)?
    }
    Ok(Outcome::Holds)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(holds) => (if *holds { "yes" } else { "no" }).to_owned(),
        other => other.to_string(),
    }
}

fn print_facts(answer: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, value) in answer.as_object().into_iter().flatten() {
        writeln!(out, "{name}: {}", plain(value))?;
    }
    Ok(())
}

fn print_table(columns: &[&str], rows: Vec<Vec<String>>) -> std::io::Result<()> {
    let mut widths: Vec<usize> = columns.iter().map(|name| name.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = std::io::stdout().lock();
    let head = columns.iter().map(|name| (*name).to_owned()).collect();
    for row in std::iter::once(head).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
