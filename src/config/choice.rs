//! Settings that choose between implementations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A choice that this build does not have.
#[derive(Debug, thiserror::Error)]
#[error("{given:?} is not available in this version; choose {available}")]
pub struct NoSuchChoice {
    given: String,
    available: &'static str,
}

macro_rules! choices {
    ($($(#[$doc:meta])+ $name:ident { $($(#[$variant_doc:meta])+ $variant:ident = $text:literal),+ $(,)? } $available:literal)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_doc])+ $variant,)+
        }

        impl TryFrom<String> for $name {
            type Error = NoSuchChoice;

            fn try_from(given: String) -> Result<Self, NoSuchChoice> {
                match given.as_str() {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(NoSuchChoice { given, available: $available }),
                }
            }
        }

        impl From<$name> for String {
            fn from(choice: $name) -> Self {
                choice.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $(Self::$variant => $text,)+ })
            }
        }
    )+};
}

choices! {
    /// Who may make an account.
    Registration {
        /// Anyone who reaches the public listener.
        Open = "open",
        /// Only operators, by `user add`.
        Closed = "closed",
    } "\"open\" or \"closed\""
    /// How log lines are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    } "\"text\" or \"json\""
}
