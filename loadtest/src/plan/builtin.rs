//! The bundled scenarios.

macro_rules! bundled {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of each, in the order they are listed.
        pub const BUILTIN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),+
        ];
    };
}

bundled!(
    "idle",
    "direct",
    "direct-open",
    "group",
    "room",
    "celebrity",
    "hot-conversation",
    "thin",
    "replay",
    "reconnect-storm",
    "slow-consumer",
    "presence-storm",
    "kill-sequencer",
    "kill-node",
    "flush-redis",
    "database-timeout",
    "rolling-restart",
    "soak",
);

/// The text of a bundled scenario.
#[must_use]
pub fn find(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
