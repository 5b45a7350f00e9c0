//! The command line of scenarios that are data: `list`, `show`, `run`, `report`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::cli::names_and_values;
use crate::client::Target;
use crate::client::tls::{self, Trust};
use crate::client::transport::{ConnectSettings, configure};
use crate::engine::{self, Console, Source};
use crate::plan::{self, Plan};
use crate::run_report::RunReport;
use crate::{compare, page};

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A bundled scenario; a file is read, checked and printed as it will be run.
    name: String,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A bundled scenario, or a TOML file.
    #[arg(value_name = "NAME|FILE")]
    scenario: String,
    /// Changes one setting of it: `--set traffic.rate=50`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Multiplies the people: readers, silent connections, numbers of conversations.
    #[arg(long, value_name = "FACTOR")]
    scale: Option<f64>,
    /// Repeats a run's random choices.
    #[arg(long)]
    seed: Option<u64>,
    /// The server program to start: `PATH serve …`.
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    server_bin: Option<PathBuf>,
    /// Servers to start; several get a Cassandra and a Redis of their own.
    #[arg(long, value_name = "N", conflicts_with = "target")]
    nodes: Option<usize>,
    /// Keeps the started server's data here, instead of in a folder that is removed.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    data_dir: Option<PathBuf>,
    /// Added to the started servers' environment. May be repeated.
    #[arg(long = "server-env", value_name = "NAME=VALUE", conflicts_with = "target")]
    server_environment: Vec<String>,
    /// A running server's public listener, `http://host:port` or `https://host:port`. Repeated
    /// for each node: devices are spread over them.
    #[arg(long, value_name = "URL")]
    target: Vec<String>,
    /// Their internal listeners in the same order: to make users at once, and to read metrics.
    #[arg(long, value_name = "URL", requires = "target")]
    internal: Vec<String>,
    /// The file that holds their admin token.
    #[arg(long, value_name = "FILE", requires = "internal")]
    admin_token_file: Option<PathBuf>,
    /// Their processes on this machine, to read CPU and memory. May be repeated.
    #[arg(long, value_name = "PID", requires = "target")]
    server_pid: Vec<u32>,
    /// Certificates to trust instead of the system's, PEM.
    #[arg(long, value_name = "FILE", requires = "target")]
    tls_ca: Option<PathBuf>,
    /// Trusts whatever certificate the server shows.
    #[arg(long, requires = "target", conflicts_with = "tls_ca")]
    tls_insecure: bool,
    /// Local addresses to connect from, in turn: one has 28,000 ports. May be repeated.
    #[arg(long, value_name = "ADDRESS")]
    source_address: Vec<IpAddr>,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the report as a page with curves, in one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// No progress.
    #[arg(long)]
    quiet: bool,
}

/// Reports of earlier runs.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Sets two reports side by side. Ends with 1 when the second one did not pass.
    Compare(CompareArgs),
    /// Draws a page of a report.
    Html(HtmlArgs),
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    before: PathBuf,
    after: PathBuf,
    /// Writes it as a page too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct HtmlArgs {
    report: PathBuf,
    /// Where the page goes.
    page: PathBuf,
}

/// Prints the bundled scenarios.
///
/// # Errors
/// Never: they are tested.
pub fn list(json: bool) -> anyhow::Result<bool> {
    let plans: Vec<Plan> = plan::BUILTIN
        .iter()
        .map(|(name, text)| plan::read(name, text, &[]))
        .collect::<Result<_, _>>()?;
    if json {
        let listed: Vec<_> = plans
            .iter()
            .map(|plan| serde_json::json!({"name": plan.name, "summary": plan.summary}))
            .collect();
        println!("{}", serde_json::to_string(&listed)?);
        return Ok(true);
    }
    for plan in plans {
        println!("{:<18} {}", plan.name, plan.summary);
    }
    Ok(true)
}

impl ShowArgs {
    /// Prints it.
    ///
    /// # Errors
    /// When there is no such scenario, or it is none.
    pub fn show(&self, json: bool) -> anyhow::Result<bool> {
        let plan = plan::read_file_or_builtin(&self.name, &[])?;
        match plan::find(&self.name) {
            Some(text) if !json => print!("{text}"),
            _ if json => println!("{}", serde_json::to_string(&plan)?),
            _ => print!("{}", toml::to_string(&plan)?),
        }
        Ok(true)
    }
}

impl RunArgs {
    /// Runs it, and writes what is to be written.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn run(self, json: bool) -> anyhow::Result<RunReport> {
        let plan = self.plan()?;
        for file in self.report.iter().chain(&self.html) {
            // An hour is not to end with a folder that is not there.
            std::fs::write(file, "").with_context(|| file.display().to_string())?;
        }
        self.configure_connections()?;
        let console = Console::new(self.quiet || json);
        let report = engine::run(plan, self.source()?, console).await?;
        if let Some(file) = &self.report {
            write(file, &serde_json::to_string_pretty(&report)?)?;
        }
        if let Some(file) = &self.html {
            write(file, &page::render(&report))?;
        }
        Ok(report)
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = plan::read_file_or_builtin(&self.scenario, &self.settings)?;
        if let Some(factor) = self.scale {
            anyhow::ensure!(factor.is_finite() && factor > 0.0, "--scale {factor}: above 0");
            plan.scale(factor);
        }
        if let Some(nodes) = self.nodes {
            anyhow::ensure!((1..=100).contains(&nodes), "--nodes {nodes}: 1 to 100");
            plan.server.nodes = nodes;
        }
        plan.seed = self.seed.or(plan.seed);
        Ok(plan)
    }

    fn configure_connections(&self) -> anyhow::Result<()> {
        let trust = match &self.tls_ca {
            Some(file) => Some(Trust::File(file.clone())),
            None => self.tls_insecure.then_some(Trust::Anyone),
        };
        let tls = trust.as_ref().map(tls::client_config).transpose()?;
        configure(ConnectSettings { sources: self.source_address.clone(), tls, trust });
        Ok(())
    }

    fn source(&self) -> anyhow::Result<Source> {
        if self.target.is_empty() {
            let binary =
                self.server_bin.clone().context("give --server-bin PATH or --target URL")?;
            let environment = names_and_values(&self.server_environment)?;
            return Ok(Source::Own { binary, data_dir: self.data_dir.clone(), environment });
        }
        anyhow::ensure!(
            self.internal.is_empty() || self.internal.len() == self.target.len(),
            "{} --internal for {} --target: as many, or none",
            self.internal.len(),
            self.target.len()
        );
        let admin_token = self.admin_token_file.as_ref().map(|file| {
            let token = std::fs::read_to_string(file);
            token.map(|token| token.trim().to_owned()).with_context(|| file.display().to_string())
        });
        let admin_token = admin_token.transpose()?;
        let targets = self.target.iter().enumerate().map(|(index, public)| {
            let internal = self.internal.get(index);
            anyhow::Ok(Target {
                public: Target::parse_address(public)?,
                internal: internal.map(|text| Target::parse_address(text)).transpose()?,
                admin_token: admin_token.clone(),
            })
        });
        let targets = targets.collect::<Result<_, _>>()?;
        Ok(Source::Given { targets, pids: self.server_pid.clone() })
    }
}

impl ReportCommand {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When a file is no report, or cannot be written.
    pub fn run(&self, json: bool) -> anyhow::Result<bool> {
        match self {
            Self::Html(args) => {
                write(&args.page, &page::render(&read(&args.report)?))?;
                Ok(true)
            }
            Self::Compare(args) => {
                let (before, after) = (read(&args.before)?, read(&args.after)?);
                let comparison = compare::compare(&before, &after);
                if json {
                    println!("{}", serde_json::to_string(&comparison)?);
                } else {
                    print!("{comparison}");
                }
                if let Some(file) = &args.html {
                    write(file, &page::render_comparison(&before, &after, &comparison))?;
                }
                Ok(after.passed)
            }
        }
    }
}

fn read(file: &Path) -> anyhow::Result<RunReport> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let report: RunReport = serde_json::from_str(&text)
        .with_context(|| format!("{}: no report of a run", file.display()))?;
    let known = crate::run_report::FORMAT;
    anyhow::ensure!(report.format <= known, "{}: of a later version", file.display());
    Ok(report)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| file.display().to_string())
}
