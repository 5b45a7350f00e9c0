//! From text to a [`Plan`], with the settings of the command line put in.

use std::path::Path;

use toml::{Table, Value};

use super::{Plan, check, find};

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{name}: {problem}")]
    Syntax { name: String, problem: String },
    #[error("{name}: {}", problems.join("; "))]
    Meaning { name: String, problems: Vec<String> },
    #[error("--set {setting}: {problem}")]
    Setting { setting: String, problem: String },
    #[error("no scenario and no file is called {name:?}{}", nearest(name))]
    Unknown { name: String },
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
}

/// Reads a bundled scenario by its name, or a file.
///
/// # Errors
/// [`PlanError`].
pub fn read_file_or_builtin(name: &str, settings: &[String]) -> Result<Plan, PlanError> {
    if let Some(text) = find(name) {
        return read(name, text, settings);
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(PlanError::Unknown { name: name.to_owned() });
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| PlanError::File { path: name.to_owned(), error })?;
    read(name, &text, settings)
}

/// Reads `text`; `settings` are `key=value` with dots between keys: `traffic.rate=50`.
///
/// # Errors
/// [`PlanError`]: what, where, and what would be right.
pub fn read(name: &str, text: &str, settings: &[String]) -> Result<Plan, PlanError> {
    let syntax =
        |problem: String| PlanError::Syntax { name: name.to_owned(), problem: tidy(&problem) };
    // Read as it is first: so places in the text can be named.
    toml::from_str::<Plan>(text).map_err(|error| syntax(error.to_string()))?;
    let mut table: Table = toml::from_str(text).map_err(|error| syntax(error.to_string()))?;
    for setting in settings {
        let wrong = |problem: String| PlanError::Setting {
            setting: setting.clone(),
            problem: tidy(&problem),
        };
        put(&mut table, setting).map_err(wrong)?;
        Value::Table(table.clone()).try_into::<Plan>().map_err(|error| wrong(error.to_string()))?;
    }
    let plan: Plan = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| syntax(error.to_string()))?;
    let problems = check::problems(&plan);
    if problems.is_empty() {
        return Ok(plan);
    }
    Err(PlanError::Meaning { name: name.to_owned(), problems })
}

fn put(table: &mut Table, setting: &str) -> Result<(), String> {
    let (path, value) = setting.split_once('=').ok_or("no KEY=VALUE")?;
    let keys: Vec<&str> = path.split('.').collect();
    let (last, parents) = keys.split_last().ok_or("no key")?;
    let mut here = table;
    let mut index = 0;
    while index < parents.len() {
        let key = parents[index];
        let next = here.entry(key).or_insert_with(|| Value::Table(Table::new()));
        here = match next {
            Value::Table(table) => table,
            Value::Array(items) => {
                index += 1;
                let number = parents.get(index).and_then(|number| number.parse::<usize>().ok());
                let length = items.len();
                let item = number.and_then(|number| items.get_mut(number));
                item.and_then(Value::as_table_mut).ok_or_else(|| {
                    format!("{key} is a list of {length}: {key}.0.KEY is in its first entry")
                })?
            }
            _ => return Err(format!("{key} is a value and has no keys")),
        };
        index += 1;
    }
    here.insert((*last).to_owned(), value_of(value));
    Ok(())
}

/// As TOML would read it; anything else is text.
fn value_of(text: &str) -> Value {
    let line = format!("value = {text}");
    let read = toml::from_str::<Table>(&line).ok().and_then(|mut table| table.remove("value"));
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn tidy(problem: &str) -> String {
    problem.trim_end().to_owned()
}

fn nearest(name: &str) -> String {
    let names: Vec<&str> = super::BUILTIN.iter().map(|(name, _)| *name).collect();
    let close = names.iter().min_by_key(|known| distance(known, name));
    // A third of the letters may be wrong.
    match close.filter(|known| distance(known, name) <= name.len() / 3) {
        Some(known) => format!("; did you mean {known}?"),
        None => format!("; there are {}", names.join(", ")),
    }
}

/// Of Levenshtein.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for place in 0..other.len() {
            let replaced = diagonal + usize::from(letter != other[place]);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
