//! What a socket may say now. Pure.

use schema::wire::{ClientFrame, CloseCode, ErrorCode, Hello};

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody yet: `hello` is awaited.
    Greeting,
    /// The token is being checked, the session prepared.
    Verifying,
    /// `welcome` was said.
    Ready,
    /// The close frame is on its way: nothing more is heard.
    Closing,
}

/// What a frame leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Verify(Hello),
    Forward(ClientFrame),
    Refuse { code: ErrorCode, text: &'static str },
    RefuseAndClose { code: ErrorCode, text: &'static str, close: CloseCode },
    Ignore,
}

impl Phase {
    /// Decides on a frame.
    #[must_use]
    pub fn on_frame(self, frame: ClientFrame) -> (Self, Effect) {
        match (self, frame) {
            (Self::Greeting, ClientFrame::Hello(hello)) => (Self::Verifying, Effect::Verify(hello)),
            (Self::Greeting, _) => {
                let text = "the first frame must be hello";
                let (code, close) = (ErrorCode::HelloRequired, CloseCode::BadFrame);
                (Self::Closing, Effect::RefuseAndClose { code, text, close })
            }
            (Self::Verifying | Self::Ready, ClientFrame::Hello(_)) => {
                let text = "hello was said on this socket";
                (self, Effect::Refuse { code: ErrorCode::AlreadyGreeted, text })
            }
            (Self::Verifying, _) => {
                let text = "wait for welcome";
                let (code, close) = (ErrorCode::HelloRequired, CloseCode::BadFrame);
                (Self::Closing, Effect::RefuseAndClose { code, text, close })
            }
            (Self::Ready, frame) => (Self::Ready, Effect::Forward(frame)),
            (Self::Closing, _) => (Self::Closing, Effect::Ignore),
        }
    }

    #[must_use]
    pub const fn is_greeted(self) -> bool {
        matches!(self, Self::Ready)
    }
}

#[cfg(test)]
mod tests {
    use schema::wire::Ping;

    use super::*;

    fn hello() -> ClientFrame {
        let token = "t".to_owned();
        ClientFrame::Hello(Hello { token, device_id: None, client: None, positions: None })
    }

    fn ping() -> ClientFrame {
        ClientFrame::Ping(Ping::default())
    }

    #[test]
    fn only_hello_is_heard_first() {
        let (phase, effect) = Phase::Greeting.on_frame(hello());
        assert_eq!(phase, Phase::Verifying);
        assert!(matches!(effect, Effect::Verify(_)));
        let (phase, effect) = Phase::Greeting.on_frame(ping());
        assert_eq!(phase, Phase::Closing);
        assert!(matches!(
            effect,
            Effect::RefuseAndClose {
                code: ErrorCode::HelloRequired,
                close: CloseCode::BadFrame,
                ..
            }
        ));
    }

    #[test]
    fn nothing_is_heard_before_welcome_and_one_hello_is_enough() {
        assert!(matches!(Phase::Verifying.on_frame(ping()).1, Effect::RefuseAndClose { .. }));
        let (phase, effect) = Phase::Ready.on_frame(hello());
        assert_eq!(phase, Phase::Ready);
        assert!(matches!(effect, Effect::Refuse { code: ErrorCode::AlreadyGreeted, .. }));
        assert!(matches!(Phase::Ready.on_frame(ping()).1, Effect::Forward(_)));
        assert_eq!(Phase::Closing.on_frame(hello()), (Phase::Closing, Effect::Ignore));
    }
}
