//! What is another value in a configuration that was read again. Pure.

use serde_json::Value;

use super::{BridgeAddress, Config, SecretText, StoreAddress};

/// Settings that differ, by their dotted names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Taken over while running.
    pub now: Vec<String>,
    /// They need a restart.
    pub at_restart: Vec<String>,
}

/// Compares two configurations.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Changes {
    let mut changed = Vec::new();
    let (shown_old, shown_new) = (shown(old), shown(new));
    compare("", &shown_old, &shown_new, &mut changed);
    for (key, old, new) in secrets(old, new) {
        if old != new && !changed.iter().any(|it| it == key) {
            changed.push(key.to_owned());
        }
    }
    changed.sort_unstable();
    // Turning TLS on or off makes another listener of it.
    let keeps_tls = old.tls.files().is_some() == new.tls.files().is_some();
    let (now, at_restart) =
        changed.into_iter().partition(|key| can_change(key) && (keeps_tls || !is_tls(key)));
    Changes { now, at_restart }
}

fn can_change(key: &str) -> bool {
    let is_limit = key.starts_with("limits.") && key != "limits.request_body_max";
    is_limit || is_tls(key) || key.starts_with("drain.") || key == "log.level"
}

fn is_tls(key: &str) -> bool {
    key.starts_with("tls.")
}

fn shown(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

fn compare(prefix: &str, old: &Value, new: &Value, changed: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                compare(&key, old, new.get(name).unwrap_or(&Value::Null), changed);
            }
        }
        _ if old != new => changed.push(prefix.to_owned()),
        _ => {}
    }
}

/// What does not show in a serialized configuration.
fn secrets<'a>(
    old: &'a Config,
    new: &'a Config,
) -> [(&'static str, Option<&'a str>, Option<&'a str>); 4] {
    let signing_key = |config: &'a Config| config.auth.signing_key.as_ref().map(SecretText::expose);
    let admin_token = |config: &'a Config| config.auth.admin_token.as_ref().map(SecretText::expose);
    let store = |config: &'a Config| match &config.store {
        StoreAddress::Cql(url) => Some(url.expose()),
        StoreAddress::Embedded => None,
    };
    let bridge = |config: &'a Config| match &config.bridge {
        BridgeAddress::Redis(url) => Some(url.expose()),
        BridgeAddress::Local => None,
    };
    [
        ("auth.signing_key", signing_key(old), signing_key(new)),
        ("auth.admin_token", admin_token(old), admin_token(new)),
        ("store", store(old), store(new)),
        ("bridge", bridge(old), bridge(new)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_is_told_from_what_cannot() {
        let old = Config::default();
        assert_eq!(changes(&old, &old), Changes::default());
        let mut new = old.clone();
        new.limits.sends_burst = 7;
        new.limits.request_body_max.0 += 1;
        new.log.level = "debug".to_owned();
        new.drain.duration.0 *= 2;
        new.listen.set_port(1);
        new.proxy_protocol = true;
        let found = changes(&old, &new);
        assert_eq!(found.now, ["drain.duration", "limits.sends_burst", "log.level"]);
        assert_eq!(found.at_restart, ["limits.request_body_max", "listen", "proxy_protocol"]);
    }

    #[test]
    fn secrets_are_compared_and_not_shown() {
        let mut old = Config::default();
        let url = |password| StoreAddress::try_from(format!("cql://a:{password}@db/chat")).unwrap();
        old.store = url("one");
        old.auth.admin_token = Some(SecretText::new("first".to_owned()));
        let mut new = old.clone();
        new.store = url("two");
        new.auth.admin_token = Some(SecretText::new("second".to_owned()));
        assert_eq!(changes(&old, &new).at_restart, ["auth.admin_token", "store"]);
    }

    #[test]
    fn another_certificate_is_taken_and_tls_is_not_turned_on() {
        let (mut plain, mut one) = (Config::default(), Config::default());
        let mut two = Config::default();
        plain.tls.certificate_file = None;
        (one.tls.certificate_file, one.tls.key_file) = (Some("a".into()), Some("b".into()));
        (two.tls.certificate_file, two.tls.key_file) = (Some("c".into()), Some("b".into()));
        assert_eq!(changes(&one, &two).now, ["tls.certificate_file"]);
        assert_eq!(changes(&plain, &two).at_restart, ["tls.certificate_file", "tls.key_file"]);
    }
}
