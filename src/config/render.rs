//! The defaults as commented TOML and as environment variables, from the types' own docs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use utoipa::{PartialSchema as _, ToSchema as _};

use super::load::{ENVIRONMENT_PREFIX, SECRET_KEYS};
use super::{Config, ConfigProblems, Layers, load};
use crate::auth::SigningKey;
use crate::auth::secret_file::random_text;

/// One setting, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Setting {
    /// Dotted, as in TOML and in `--set`.
    pub key: String,
    /// Its environment variable.
    pub environment: String,
    pub default: Value,
    pub description: String,
}

/// Every setting in the order of the types, sections last.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let mut sections = Vec::new();
    Config::schemas(&mut sections);
    let sections: BTreeMap<String, Value> = sections
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    let root = serde_json::to_value(Config::schema()).unwrap_or_default();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut settings = Vec::new();
    describe("", &root, &defaults, &sections, &mut settings);
    settings.sort_by_key(|setting| setting.key.contains('.'));
    settings
}

fn describe(
    prefix: &str,
    schema: &Value,
    defaults: &Value,
    sections: &BTreeMap<String, Value>,
    settings: &mut Vec<Setting>,
) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let Some(section) = section_of(property, sections) {
            describe(&key, section, &defaults[name], sections, settings);
            continue;
        }
        settings.push(Setting {
            environment: environment_name(&key),
            default: defaults[name].clone(),
            description: property["description"].as_str().unwrap_or_default().to_owned(),
            key,
        });
    }
}

/// The schema that a property refers to, plainly or beside a description.
fn section_of<'a>(property: &Value, sections: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let reference = property["$ref"]
        .as_str()
        .or_else(|| property["oneOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()))
        .or_else(|| property["allOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()))?;
    sections.get(reference.rsplit('/').next()?)
}

/// `limits.sends_burst` → `SWITCHBOARD_LIMITS__SENDS_BURST`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}_{}", key.replace('.', "__").to_uppercase())
}

/// A complete configuration file that changes nothing.
#[must_use]
pub fn default_toml() -> String {
    let mut text = String::from("# Every setting with its default.\n");
    let mut section = "";
    let settings = settings();
    for setting in &settings {
        let (of, name) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
        if of != section {
            section = of;
            let _ = write!(text, "\n[{section}]\n");
        }
        text.push('\n');
        for line in setting.description.lines() {
            let _ = writeln!(text, "# {line}");
        }
        if setting.default.is_null() {
            let _ = writeln!(text, "# {name} =");
        } else {
            let _ = writeln!(text, "{name} = {}", setting.default);
        }
    }
    text
}

/// Every setting as a page of Markdown, one heading each.
#[must_use]
pub fn reference_page() -> String {
    let mut text = String::from(
        "# Configuration reference\n\n\
         Every setting with its default. How they are given, and examples: \
         [configuration.md](configuration.md). `switchboard config doc` prints this page.\n",
    );
    let mut section = "";
    let settings = settings();
    for setting in &settings {
        let of = setting.key.rsplit_once('.').map_or("", |(of, _)| of);
        if of != section {
            section = of;
            let _ = write!(text, "\n## `[{section}]`\n");
        }
        let default = match &setting.default {
            Value::Null => "none".to_owned(),
            // The same page wherever it is printed.
            _ if setting.key == "data_dir" => "`~/.local/share/switchboard`".to_owned(),
            default => format!("`{default}`"),
        };
        let _ = write!(
            text,
            "\n### `{}`\n\n{}\n\nDefault: {default}. Environment: `{}`",
            setting.key,
            setting.description.replace('\n', " ").trim_end(),
            setting.environment,
        );
        if SECRET_KEYS.contains(&setting.key.as_str()) {
            let _ = write!(text, ", or a file by `{}_FILE`", setting.environment);
        }
        text.push_str(".\n");
    }
    text
}

/// The settings that all nodes of a cluster share, with new secrets.
///
/// # Errors
/// What keeps these addresses from being settings.
pub fn cluster_toml(store: &str, bridge: &str) -> Result<String, ConfigProblems> {
    let text = |secret: &SecretString| toml::Value::from(secret.expose_secret()).to_string();
    let (signing_key, admin_token) =
        (SigningKey::generate_base64(), SecretString::from(random_text()));
    let toml = format!(
        "# Shared by all nodes of one cluster. It holds secrets: chmod 600.\n\
         store = {}\nbridge = {}\n\n[auth]\nsigning_key = {}\nadmin_token = {}\n",
        toml::Value::from(store),
        toml::Value::from(bridge),
        text(&signing_key),
        text(&admin_token),
    );
    let flags = [
        ("store", store),
        ("bridge", bridge),
        ("auth.signing_key", signing_key.expose_secret()),
        ("auth.admin_token", admin_token.expose_secret()),
    ];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    load(&Layers { flags, ..Layers::default() })?;
    Ok(toml)
}

/// Every environment variable with its default, as shell comments.
#[must_use]
pub fn default_environment() -> String {
    let mut text = String::new();
    for setting in settings() {
        for line in setting.description.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {}={}", setting.environment, plain(&setting.default));
        if SECRET_KEYS.contains(&setting.key.as_str()) {
            let _ = writeln!(text, "# {}_FILE=", setting.environment);
        }
    }
    text
}

/// A value as an environment variable holds it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::config::load::known_keys;

    #[test]
    fn the_printed_defaults_load_again() {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(default_toml().as_bytes()).unwrap();
        let layers = Layers { file: Some(file.path().to_owned()), ..Layers::default() };
        let loaded = load(&layers).unwrap();
        assert_eq!(
            serde_json::to_value(loaded).unwrap(),
            serde_json::to_value(Config::default()).unwrap()
        );
    }

    #[test]
    fn shared_settings_load_again_and_bad_addresses_do_not() {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let toml = cluster_toml("cql://db:9042/chat?shards=8", "redis://cache:6379").unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let layers = Layers { file: Some(file.path().to_owned()), ..Layers::default() };
        let loaded = load(&layers).unwrap();
        assert_eq!(loaded.store.to_string(), "cql://db:9042/chat?shards=8");
        assert!(loaded.auth.signing_key.is_some() && loaded.auth.admin_token.is_some());
        assert!(cluster_toml("cql://db:9042", "redis://cache:6379").is_err());
        assert!(cluster_toml("embedded", "redis://cache:6379").is_err());
    }

    #[test]
    fn the_reference_page_is_what_the_types_say() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/configuration-reference.md"
        ));
        let advice = "switchboard config doc > docs/configuration-reference.md";
        assert_eq!(page.unwrap_or_default(), reference_page(), "{advice}");
    }

    #[test]
    fn every_setting_is_described() {
        let settings = settings();
        for key in known_keys() {
            let secret = key.strip_suffix("_file").filter(|base| SECRET_KEYS.contains(base));
            let base = secret.unwrap_or(&key);
            let setting = settings.iter().find(|setting| setting.key == base);
            assert!(setting.is_some_and(|setting| !setting.description.is_empty()), "{key}");
        }
        assert!(default_environment().contains("# SWITCHBOARD_LIMITS__SENDS_BURST=100\n"));
        assert!(default_environment().contains("# SWITCHBOARD_AUTH__SIGNING_KEY_FILE=\n"));
    }
}
