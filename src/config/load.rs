//! The three layers, merged; every problem found, not only the first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use config::{Environment, File, FileFormat, Map, Source as _, Value, ValueKind};

use super::nearest::nearest;
use super::{Config, check};

/// Prefix of every environment variable; nested keys are joined by `__`.
pub const ENVIRONMENT_PREFIX: &str = "SWITCHBOARD";

/// Settings that hold a list; in the environment and in flags their items are joined by commas.
const LIST_KEYS: [&str; 3] =
    ["allowed_origins", "trusted_proxies", "link_previews.allowed_networks"];
/// Settings that may also be given as `NAME_file`.
pub(super) const SECRET_KEYS: [&str; 5] =
    ["auth.signing_key", "auth.admin_token", "store", "bridge", "search"];
/// Variables of the command-line tools, which are no settings of the server.
const TOOL_VARIABLES: [&str; 4] = ["config", "url", "token", "username"];

/// Where settings come from, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// A TOML file; it must exist when it is named.
    pub file: Option<PathBuf>,
    /// Variables; only those beginning with `SWITCHBOARD_` count.
    pub environment: Vec<(String, String)>,
    /// Dotted keys and their values.
    pub flags: Vec<(String, String)>,
}

impl Layers {
    /// The process's own environment over `file`.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, environment, flags }
    }
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    #[error("{0}")]
    Unreadable(String),
    #[error("{key}: unknown setting (from {origin}){}", did_you_mean(.nearest.as_deref()))]
    UnknownKey { key: String, origin: String, nearest: Option<String> },
    #[error("{key}: {reason} (from {origin})")]
    BadValue { key: String, origin: String, reason: String },
    #[error("{key}: {reason}")]
    Unacceptable { key: String, reason: String },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

/// All problems of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {} problem(s):", self.0.len())?;
        for problem in &self.0 {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

/// Reads and checks settings.
///
/// # Errors
/// Every unknown key, unreadable value and value out of bounds, together.
pub fn load(layers: &Layers) -> Result<Config, ConfigProblems> {
    let merged =
        merge(layers).map_err(|error| ConfigProblems(vec![ConfigProblem::Unreadable(error)]))?;
    let mut leaves = BTreeMap::new();
    collect_leaves(String::new(), merged, &mut leaves);
    let mut problems = Vec::new();
    read_secret_files(&mut leaves, &mut problems);
    leaves.retain(|key, leaf| match check_leaf(key, leaf) {
        Ok(()) => true,
        Err(problem) => {
            problems.push(problem);
            false
        }
    });
    match serde_ignored::deserialize(table_of(leaves), |_| ()) {
        Ok(config) => {
            check::check(&config, &mut problems);
            if problems.is_empty() { Ok(config) } else { Err(ConfigProblems(problems)) }
        }
        Err(error) => {
            problems.push(ConfigProblem::Unreadable(config::ConfigError::to_string(&error)));
            Err(ConfigProblems(problems))
        }
    }
}

/// Every setting's dotted name, secrets' `_file` forms included.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let mut keys = Vec::new();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    collect_names(String::new(), &defaults, &mut keys);
    keys.extend(SECRET_KEYS.iter().map(|key| format!("{key}_file")));
    keys.sort_unstable();
    keys
}

fn collect_names(prefix: String, value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                collect_names(join(&prefix, name), field, keys);
            }
        }
        _ => keys.push(prefix),
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn merge(layers: &Layers) -> Result<Map<String, Value>, String> {
    let mut builder = config::Config::builder();
    if let Some(path) = &layers.file {
        builder = builder.add_source(File::from(path.clone()).format(FileFormat::Toml));
    }
    let mut environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
        .prefix_separator("_")
        .separator("__")
        .try_parsing(true)
        .list_separator(",")
        .source(Some(settings_among(&layers.environment)));
    for key in LIST_KEYS {
        environment = environment.with_list_parse_key(key);
    }
    builder = builder.add_source(environment);
    let flags = "a flag".to_owned();
    for (key, text) in &layers.flags {
        let kind = if LIST_KEYS.contains(&key.as_str()) {
            ValueKind::from(items_of(text).map(str::to_owned).collect::<Vec<_>>())
        } else {
            ValueKind::String(text.clone())
        };
        builder = builder
            .set_override(key, Value::new(Some(&flags), kind))
            .map_err(|error| format!("{key}: {error}"))?;
    }
    let merged = builder.build().map_err(|error| error.to_string())?;
    merged.collect().map_err(|error| error.to_string())
}

fn items_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn settings_among(environment: &[(String, String)]) -> Map<String, String> {
    environment
        .iter()
        .filter(|(name, _)| {
            let name = name.to_lowercase();
            name.strip_prefix("switchboard_").is_some_and(|key| {
                !TOOL_VARIABLES.contains(&key)
                    && !key.starts_with("loadtest_")
                    && !is_kubernetes_service_link(key)
            })
        })
        .cloned()
        .collect()
}

/// Kubernetes gives pods `SWITCHBOARD_PORT=tcp://…` and the like when a Service has that name.
fn is_kubernetes_service_link(key: &str) -> bool {
    key == "port"
        || key == "service_host"
        || key.starts_with("service_port")
        || (key.starts_with("port_") && (key.contains("_tcp") || key.contains("_udp")))
}

fn collect_leaves(prefix: String, table: Map<String, Value>, leaves: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = join(&prefix, &name);
        match value.kind {
            ValueKind::Table(inner) if !inner.is_empty() => collect_leaves(key, inner, leaves),
            _ => drop(leaves.insert(key, value)),
        }
    }
}

fn read_secret_files(leaves: &mut BTreeMap<String, Value>, problems: &mut Vec<ConfigProblem>) {
    for secret in SECRET_KEYS {
        let file_key = format!("{secret}_file");
        let Some(path) = leaves.remove(&file_key) else { continue };
        let origin = path.origin().unwrap_or("a default").to_owned();
        let wrong = |reason: String| {
            problems.push(ConfigProblem::BadValue { key: file_key, origin, reason });
        };
        if leaves.contains_key(secret) {
            wrong(format!("give this or {secret}, not both"));
            continue;
        }
        let path = path.into_string().unwrap_or_default();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                leaves.insert(secret.to_owned(), Value::new(Some(&path), text));
            }
            Err(error) => wrong(format!("cannot read {path:?}: {error}")),
        }
    }
}

/// One setting alone over the defaults: is it known, and does it read?
fn check_leaf(key: &str, leaf: &Value) -> Result<(), ConfigProblem> {
    let origin = leaf.origin().unwrap_or("a default").to_owned();
    let mut ignored = false;
    let alone = table_of(BTreeMap::from([(key.to_owned(), leaf.clone())]));
    let read: Result<Config, config::ConfigError> =
        serde_ignored::deserialize(alone, |_| ignored = true);
    if ignored {
        let known = known_keys();
        let nearest = nearest(key, known.iter().map(String::as_str)).map(str::to_owned);
        return Err(ConfigProblem::UnknownKey { key: key.to_owned(), origin, nearest });
    }
    read.map(drop).map_err(|error| ConfigProblem::BadValue {
        key: key.to_owned(),
        origin,
        reason: reason_of(error),
    })
}

/// The reason alone: key and origin are said by the problem itself.
fn reason_of(error: config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => reason_of(*error),
        config::ConfigError::Type { unexpected, expected, .. } => {
            format!("expected {expected}, found {unexpected}")
        }
        other => other.to_string(),
    }
}

fn table_of(leaves: BTreeMap<String, Value>) -> Value {
    let mut root = Map::new();
    for (key, leaf) in leaves {
        let mut names: Vec<&str> = key.split('.').collect();
        let Some(last) = names.pop() else { continue };
        let mut table = &mut root;
        for name in names {
            let inner = table
                .entry(name.to_owned())
                .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            if !matches!(inner.kind, ValueKind::Table(_)) {
                inner.kind = ValueKind::Table(Map::new());
            }
            let ValueKind::Table(inner) = &mut inner.kind else { unreachable!("made a table") };
            table = inner;
        }
        table.insert(last.to_owned(), leaf);
    }
    Value::new(None, ValueKind::Table(root))
}

#[cfg(test)]
mod tests;
