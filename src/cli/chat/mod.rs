//! `chat`: a terminal client, also for pipes.
//!
//! ```text
//! command.rs   what a typed line means (pure)
//! timeline.rs  entries in order, without holes or repeats (pure)
//! screen.rs    what is printed; nobody's text can control the terminal
//! rest.rs      signing in, lists, names
//! socket.rs    one socket: connects, says hello, frames in and out
//! client.rs    lines in: reconnects, sends again what was not acknowledged
//! incoming.rs  frames in: shows entries, acknowledges them, asks for what is missing
//! ```

mod client;
mod command;
mod incoming;
mod rest;
mod screen;
mod socket;
mod timeline;

use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::{Outcome, block_on, prompt};
use client::{Client, Ended};
use rest::Rest;

#[derive(clap::Args)]
pub(super) struct ChatArguments {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "SWITCHBOARD_URL")]
    url: String,
    /// Trust the certificate authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Sign in as this user; the password is asked for
    #[arg(long, value_name = "NAME", env = "SWITCHBOARD_USERNAME")]
    username: Option<String>,
    /// Read the password from the first line of standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
    /// Make the account first
    #[arg(long, requires = "username")]
    register: bool,
    /// Use this access token instead of a password
    #[arg(long, env = "SWITCHBOARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Open this conversation at once: an id or a user's name
    #[arg(long, value_name = "WHAT")]
    open: Option<String>,
    /// List conversations and end
    #[arg(long)]
    list: bool,
    /// With --list: as JSON
    #[arg(long, requires = "list")]
    json: bool,
}

pub(super) fn run(arguments: ChatArguments) -> anyhow::Result<Outcome> {
    block_on(async move {
        let rest = sign_in(&arguments).await?;
        if arguments.list {
            let list = rest.chat_list().await?;
            if arguments.json {
                super::print_json(&list)?;
            } else {
                screen::chat_list(&list)?;
            }
            return Ok(Outcome::Holds);
        }
        match Client::start(rest, arguments.open.as_deref()).await?.run().await? {
            Ended::ByUser => Ok(Outcome::Holds),
            Ended::WithUnsent(count) => {
                screen::notice(&format!("{count} message(s) were not acknowledged"))?;
                Ok(Outcome::DoesNotHold)
            }
        }
    })
}

async fn sign_in(arguments: &ChatArguments) -> anyhow::Result<Rest> {
    let ca_file = arguments.ca_file.as_deref();
    let Some(username) = &arguments.username else {
        let token = match &arguments.token {
            Some(token) => token.trim().to_owned(),
            None => anyhow::bail!("who are you? give --username NAME or --token TOKEN"),
        };
        return Rest::with_token(&arguments.url, ca_file, token).await;
    };
    if let Some(token) = &arguments.token {
        return Rest::with_token(&arguments.url, ca_file, token.trim().to_owned()).await;
    }
    let password = if arguments.password_stdin {
        prompt::first_line()?
    } else {
        prompt::password("Password")?
    };
    let route = if arguments.register { "register" } else { "login" };
    Rest::sign_in(&arguments.url, ca_file, route, username, password.expose_secret()).await
}
