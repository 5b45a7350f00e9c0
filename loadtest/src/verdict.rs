//! The outcome of a scenario: passed or not, why, and the figures.

use schema::checker::Verdict;
use serde::Serialize;

use crate::scenario::{cold_start, direct, faults, idle, kill9, replay};

/// What a scenario found. `passed` is the word; all else says why.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub scenario: &'static str,
    pub passed: bool,
    /// Gives the same random choices again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What went wrong that is no violation of the checker.
    pub problems: Vec<String>,
    pub figures: Figures,
    /// The checker's, where messages were exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// Measured figures, one shape a scenario.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figures {
    Replay(replay::Figures),
    Direct(direct::Figures),
    Idle(idle::Figures),
    ColdStart(cold_start::Figures),
    Kill9(kill9::Figures),
    Faults(Box<faults::Figures>),
}

impl Outcome {
    /// Passes when the checker does (if it was asked) and there are no problems.
    #[must_use]
    pub fn new(
        scenario: &'static str,
        seed: Option<u64>,
        figures: Figures,
        verdict: Option<Verdict>,
        problems: Vec<String>,
    ) -> Self {
        let passed = problems.is_empty() && verdict.as_ref().is_none_or(Verdict::passed);
        Self { scenario, passed, seed, problems, figures, verdict }
    }
}

/// Exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    Pass = 0,
    Fail = 1,
    /// The scenario could not be run: nothing is said about the server.
    CouldNotRun = 2,
}
