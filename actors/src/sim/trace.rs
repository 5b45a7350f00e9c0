//! What happened, as a hash of everything and, when asked for, as the last lines of text.

use std::collections::VecDeque;
use std::fmt::Write as _;

const LINES_MAX: usize = 200_000;

/// Two runs of one seed have the same hash, or the simulation is not deterministic.
#[derive(Default)]
pub struct Trace {
    hash: u64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// `with_text` keeps the last lines.
    #[must_use]
    pub fn new(with_text: bool) -> Self {
        Self { hash: 0, lines: with_text.then(VecDeque::new) }
    }

    pub fn fold(&mut self, fact: u64) {
        let mixed = (self.hash ^ fact).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed.rotate_left(29) ^ (mixed >> 32);
    }

    /// Adds a line if it says something new.
    pub fn line_if(&mut self, is_news: bool, at_ms: u64, tell: impl FnOnce() -> String) {
        if is_news {
            self.line(at_ms, tell);
        }
    }

    /// Adds a line; `tell` is only called when lines are kept.
    pub fn line(&mut self, at_ms: u64, tell: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() >= LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(format!("{at_ms:>7} {}", tell()));
        }
    }

    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().flatten() {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// A core that panics takes the run with it: tell how it came to that.
impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() && self.lines.is_some() {
            println!("{}", self.text());
        }
    }
}
