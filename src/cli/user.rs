//! `user add`, `user password`.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use garde::Validate as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::local::{Local, local};
use super::options::ServerOptions;
use super::{Outcome, block_on, print_json, prompt};
use crate::api::username;
use crate::auth::NewAccount;
use crate::internal::{CreateUserRequest, CreatedUser};

/// As for those who register.
const PASSWORD_CHARACTERS_MIN: usize = 8;

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Make an account, whether the server runs or not
    Add {
        /// 2 to 32 of a-z 0-9 . _ -
        name: String,
        /// What others see; default: the name
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        #[command(flatten)]
        password: PasswordSource,
        /// Print the account as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: ServerOptions,
    },
    /// Replace a password; the server must be stopped
    Password {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        options: ServerOptions,
    },
}

#[derive(clap::Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    fn read(&self) -> anyhow::Result<SecretString> {
        if self.password_stdin {
            return prompt::first_line();
        }
        let first = prompt::password("Password")?;
        let again = prompt::password("Again")?;
        if first.expose_secret() != again.expose_secret() {
            bail!("the two passwords differ");
        }
        Ok(first)
    }
}

pub(super) fn run(command: UserCommand) -> anyhow::Result<Outcome> {
    match command {
        UserCommand::Add { name, display_name, password, json, options } => {
            let config = options.load()?;
            let request = CreateUserRequest {
                username: folded(&name)?,
                password: Some(password.read()?.expose_secret().to_owned()),
                display_name,
            };
            request.validate()?;
            let made = block_on(async { add(local(&config).await?, request).await })?;
            if json {
                print_json(&made)?;
            } else {
                writeln!(std::io::stdout(), "{} is user {}", made.username, made.user_id)?;
            }
        }
        UserCommand::Password { name, password, options } => {
            let (config, name) = (options.load()?, folded(&name)?);
            let password = password.read()?;
            if password.expose_secret().chars().count() < PASSWORD_CHARACTERS_MIN {
                bail!("a password has at least {PASSWORD_CHARACTERS_MIN} characters");
            }
            block_on(async { change(local(&config).await?, &name, password).await })?;
            writeln!(std::io::stdout(), "{name} has a new password")?;
        }
    }
    Ok(Outcome::Holds)
}

fn folded(name: &str) -> anyhow::Result<String> {
    username::fold(name).map_err(|error| anyhow::anyhow!("{}", error.refusal.message))
}

async fn add(local: Local, request: CreateUserRequest) -> anyhow::Result<CreatedUser> {
    match local {
        Local::Running(internal) => internal.post("/v1/users", &request).await,
        Local::Stopped(opened) => {
            let account = NewAccount {
                username: request.username,
                password: request.password.map(Into::into),
                display_name: request.display_name,
            };
            let account = opened.auth.create_account(account).await;
            opened.close();
            let account = account?;
            Ok(CreatedUser { user_id: account.user_id, username: account.username })
        }
    }
}

async fn change(local: Local, name: &str, password: SecretString) -> anyhow::Result<()> {
    let Local::Stopped(opened) = local else {
        bail!("the server runs: stop it to replace a password");
    };
    let changed = async {
        let user = opened.users.user_by_name(name.to_owned()).await?;
        let user = user.with_context(|| format!("there is no user {name}"))?;
        opened.auth.set_password(user.user_id, name, password).await?;
        Ok(())
    };
    let changed = changed.await;
    opened.close();
    changed
}
