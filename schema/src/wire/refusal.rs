//! A request that was answered with an error: what an `error` frame and a REST problem share.

use std::borrow::Cow;

use super::error_code::ErrorCode;
use super::server_frame::ErrorFrame;
use crate::Sequence;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: ErrorCode,
    /// For people; names the field where one is at fault.
    pub message: Cow<'static, str>,
    pub retry_after_ms: Option<u64>,
    /// With `message_id_reused`: the number that the id already has.
    pub seq: Option<Sequence>,
}

impl Refusal {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None, seq: None }
    }

    #[must_use]
    pub const fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    #[must_use]
    pub const fn with_seq(mut self, seq: Sequence) -> Self {
        self.seq = Some(seq);
        self
    }

    /// Absent and forbidden look the same.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "no such conversation, or none that you may see")
    }

    /// The outcome is open or could not be had in time.
    #[must_use]
    pub fn retry_later(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::RetryLater, message).retry_after_ms(500)
    }

    #[must_use]
    pub fn into_frame(self, reference: Option<u64>) -> ErrorFrame {
        ErrorFrame {
            reference,
            code: self.code,
            message: self.message.into_owned(),
            temporary: self.code.is_temporary(),
            retry_after_ms: self.retry_after_ms,
            seq: self.seq,
        }
    }
}
