//! Log lines on standard error, as text or JSON.

use std::sync::{Mutex, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;

use super::config::{LogConfig, LogFormat};

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogSetupError {
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("logs are set up already")]
    AlreadyInstalled,
    #[error("logs are not set up")]
    NotInstalled,
}

type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// What is logged now, and how that is changed.
struct Current {
    level: String,
    set: SetFilter,
}

static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

/// What is logged now: a level or directives. `None` before logs are set up.
#[must_use]
pub fn level() -> Option<String> {
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    current.as_ref().map(|current| current.level.clone())
}

/// Logs by other directives from now on, until the next change or the end of the process.
///
/// # Errors
/// [`LogSetupError::Level`]: what was logged before goes on. [`LogSetupError::NotInstalled`].
pub fn set_level(level: &str) -> Result<(), LogSetupError> {
    let filter = EnvFilter::try_new(level)?;
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let current = current.as_mut().ok_or(LogSetupError::NotInstalled)?;
    (current.set)(filter).map_err(|_| LogSetupError::NotInstalled)?;
    let before = std::mem::replace(&mut current.level, level.to_owned());
    // Also with a level above it, so that a silent log says why.
    tracing::error!(level, before, "the level of the log was changed");
    Ok(())
}

/// Sends log lines to standard error from now on.
///
/// # Errors
/// A bad level, or a second call.
pub fn install_logs(config: &LogConfig) -> Result<(), LogSetupError> {
    let (subscriber, set) = subscriber(config, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_| LogSetupError::AlreadyInstalled)?;
    let current = Current { level: config.level.clone(), set };
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
    Ok(())
}

fn subscriber<W>(
    config: &LogConfig,
    writer: W,
) -> Result<(Box<dyn Subscriber + Send + Sync>, SetFilter), LogSetupError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.level)?)
        .with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => {
            let lines = lines.with_ansi(false).with_filter_reloading();
            let handle = lines.reload_handle();
            (Box::new(lines.finish()), Box::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            (Box::new(lines.finish()), Box::new(move |filter| handle.reload(filter)))
        }
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
    pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(super) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
        }
    }

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
                tracing::Dispatch::new(subscriber(&config, std::io::sink).unwrap().0)
            });
            let lines = Shared::default();
            let writer = lines.clone();
            let (subscriber, _) = subscriber(&config, move || writer.clone()).unwrap();
            Self { lines, _until_drop: tracing::subscriber::set_default(subscriber) }
        }

        pub(crate) fn text(&self) -> String {
            self.lines.text()
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
    fn the_level_changes_while_it_logs() {
        let lines = capture::Shared::default();
        let writer = lines.clone();
        let config = LogConfig { level: "warn".to_owned(), ..LogConfig::default() };
        let (subscriber, set) = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("not yet");
            set(EnvFilter::try_new("info").unwrap()).unwrap();
            tracing::info!("now");
        });
        let text = lines.text();
        assert!(text.contains("now") && !text.contains("not yet"), "{text}");
    }

    #[test]
    fn a_bad_level_is_refused() {
        let config = LogConfig { level: "actors=loud".to_owned(), ..LogConfig::default() };
        assert!(subscriber(&config, std::io::stderr).is_err());
    }
}
