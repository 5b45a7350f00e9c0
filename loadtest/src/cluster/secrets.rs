//! What all nodes of a cluster share and nobody else knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// PKCS#8 before the 32 bytes of an Ed25519 key.
const KEY_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

#[derive(Clone, Debug)]
pub(super) struct Secrets {
    pub signing_key: String,
    pub admin_token: String,
}

impl Secrets {
    /// Fresh ones, for a cluster of tests.
    pub fn generate() -> Self {
        let seed: [u8; 32] = rand::random();
        let key = [&KEY_PREFIX[..], &seed].concat();
        let admin_token = uuid::Uuid::new_v4().simple().to_string();
        Self { signing_key: STANDARD.encode(key), admin_token }
    }

    /// As the server reads them.
    pub fn environment(&self) -> [(String, String); 2] {
        [
            ("SWITCHBOARD_AUTH__SIGNING_KEY".to_owned(), self.signing_key.clone()),
            ("SWITCHBOARD_AUTH__ADMIN_TOKEN".to_owned(), self.admin_token.clone()),
        ]
    }
}
