//! Log lines on standard error, as text or JSON.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::config::{LogConfig, LogFormat};

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogSetupError {
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("logs are set up already")]
    AlreadyInstalled,
}

/// Sends log lines to standard error from now on.
///
/// # Errors
/// A bad level, or a second call.
pub fn install_logs(config: &LogConfig) -> Result<(), LogSetupError> {
    let subscriber = subscriber(config, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogSetupError::AlreadyInstalled)
}

fn subscriber<W>(
    config: &LogConfig,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogSetupError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.level)?)
        .with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => Box::new(lines.with_ansi(false).finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
    })
}

/// What was logged during a test.
#[cfg(test)]
pub(crate) mod capture {
    use std::io::Write;
    use std::sync::{Arc, Mutex, OnceLock};

    use super::*;

    /// Collects the lines of the current thread until it is dropped.
    pub(crate) struct Capture {
        lines: Shared,
        _until_drop: tracing::subscriber::DefaultGuard,
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Capture {
        /// Everything, down to traces.
        pub(crate) fn everything(format: LogFormat) -> Self {
            let config = LogConfig { format, level: "trace".to_owned() };
            // With a single subscriber, whether a line is wanted is decided once for all threads
            // by whichever reaches it first, and most test threads want none.
            static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
            SECOND.get_or_init(|| {
                tracing::Dispatch::new(subscriber(&config, std::io::sink).unwrap())
            });
            let lines = Shared::default();
            let writer = lines.clone();
            let subscriber = subscriber(&config, move || writer.clone()).unwrap();
            Self { lines, _until_drop: tracing::subscriber::set_default(subscriber) }
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.lines.0.lock().unwrap()).into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::capture::Capture;
    use super::*;

    #[test]
    fn lines_are_text_or_one_json_object() {
        let text = Capture::everything(LogFormat::Text);
        tracing::info!(answer = 42, "hello");
        assert!(text.text().contains("hello answer=42"));
        drop(text);

        let json = Capture::everything(LogFormat::Json);
        tracing::info!(answer = 42, "hello\nworld");
        let line: serde_json::Value = serde_json::from_str(&json.text()).unwrap();
        assert_eq!(line["message"], "hello\nworld");
        assert_eq!(line["answer"], 42);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_bad_level_is_refused() {
        let config = LogConfig { level: "actors=loud".to_owned(), ..LogConfig::default() };
        assert!(subscriber(&config, std::io::stderr).is_err());
    }
}
