use std::io::Write as _;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn messages(layers: &Layers) -> Vec<String> {
    load(layers).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_set_gives_the_defaults() {
    let config = load(&Layers::default()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.internal_listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.limits.sends_per_second, 20);
    assert_eq!(config.auth.access_token_ttl.to_string(), "10m");
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let toml = file(
        "listen = \"127.0.0.1:1\"\ninternal_listen = \"127.0.0.1:2\"\n\
         [limits]\nsends_per_second = 1\nsends_burst = 1\nrequests_burst = 1\n",
    );
    let config = load(&Layers {
        file: Some(toml.path().to_owned()),
        environment: variables(&[
            ("SWITCHBOARD_INTERNAL_LISTEN", "127.0.0.1:3"),
            ("SWITCHBOARD_LIMITS__SENDS_PER_SECOND", "30"),
            ("SWITCHBOARD_LIMITS__SENDS_BURST", "30"),
            ("SWITCHBOARD_AUTH__REFRESH_TOKEN_TTL", "2d"),
            ("SWITCHBOARD_ALLOWED_ORIGINS", "https://a.example,https://b.example:8443"),
            ("SWITCHBOARD_TRUSTED_PROXIES", "10.0.0.0/8"),
            ("SWITCHBOARD_PORT_8080_TCP_ADDR", "10.1.2.3"),
            ("SWITCHBOARD_SERVICE_HOST", "10.1.2.3"),
            ("SWITCHBOARD_CONFIG", "/elsewhere"),
            ("PATH", "/bin"),
        ]),
        flags: variables(&[("limits.sends_burst", "300")]),
    })
    .unwrap();
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.internal_listen.port(), 3);
    assert_eq!(config.limits.sends_per_second, 30);
    assert_eq!(config.limits.sends_burst, 300);
    assert_eq!(config.limits.requests_burst, 1);
    assert_eq!(config.auth.refresh_token_ttl.to_string(), "2d");
    assert_eq!(config.allowed_origins.len(), 2);
    assert!(config.trusted_proxies[0].contains("10.1.1.1".parse().unwrap()));
}

#[test]
fn every_problem_is_named_at_once() {
    let toml = file(
        "lisen = \"127.0.0.1:1\"\nstore = \"scylla\"\nallowed_origins = [\"chat.example\"]\n\
         [limits]\nsends_per_second = \"many\"\nsend_burst = 3\n[colour]\nred = 1\n",
    );
    let messages = messages(&Layers {
        file: Some(toml.path().to_owned()),
        environment: variables(&[
            ("SWITCHBOARD_AUTH__ACCESS_TOKEN_TTL", "soon"),
            ("SWITCHBOARD_LIMITS__REQUESTS_BURST", "0"),
        ]),
        flags: Vec::new(),
    });
    let all = messages.join("\n");
    for part in [
        "lisen: unknown setting",
        "did you mean \"listen\"?",
        "store: \"scylla\" is not available",
        "allowed_origins: \"chat.example\"",
        "limits.sends_per_second: ",
        "did you mean \"limits.sends_burst\"?",
        "colour.red: unknown setting",
        "auth.access_token_ttl: \"soon\" is not a duration",
        "the environment",
        "limits.requests_burst: must be at least 1",
    ] {
        assert!(all.contains(part), "{part:?} is not in:\n{all}");
    }
    assert_eq!(messages.len(), 8, "{all}");
}

#[test]
fn a_missing_or_broken_file_is_said() {
    let layers = |path: PathBuf| Layers { file: Some(path), ..Layers::default() };
    assert!(messages(&layers("/nowhere/at/all.toml".into()))[0].contains("not found"));
    let broken = file("listen = [");
    assert_eq!(messages(&layers(broken.path().to_owned())).len(), 1);
}

#[test]
fn secrets_come_from_files_and_never_print() {
    let secret = file("canary-secret-with-32-characters!!\n");
    let path = secret.path().to_str().unwrap().to_owned();
    let layers = Layers {
        environment: variables(&[("SWITCHBOARD_AUTH__ADMIN_TOKEN_FILE", &path)]),
        ..Layers::default()
    };
    let config = load(&layers).unwrap();
    assert_eq!(
        config.auth.admin_token.as_ref().unwrap().expose(),
        "canary-secret-with-32-characters!!"
    );
    assert!(!format!("{config:?}").contains("canary"));
    assert!(!serde_json::to_string(&config).unwrap().contains("canary"));

    let both = Layers {
        flags: variables(&[("auth.admin_token", "canary-secret-with-32-characters!!")]),
        ..layers
    };
    assert!(messages(&both)[0].contains("not both"));
}

#[test]
fn known_keys_are_all_settings() {
    let keys = known_keys();
    for key in ["listen", "limits.connections_max", "auth.signing_key_file", "log.format"] {
        assert!(keys.iter().any(|known| known == key), "{key}");
    }
}
