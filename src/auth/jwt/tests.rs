use aws_lc_rs::hmac;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;
const NOW_S: i64 = NOW_MS / 1000;

struct Forge {
    key: SigningKey,
    pair: Ed25519KeyPair,
    identity: Identity,
}

impl Forge {
    fn new() -> Self {
        let text = SigningKey::generate_base64();
        let pkcs8 = STANDARD.decode(text.expose_secret()).unwrap();
        Self {
            key: SigningKey::from_base64(text.expose_secret()).unwrap(),
            pair: Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap(),
            identity: Identity { user_id: UserId::generate(), device_id: DeviceId::generate() },
        }
    }

    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "aud": ISSUER, "sub": self.identity.user_id,
            "did": self.identity.device_id, "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 600,
        })
    }

    /// The good claims with some of them replaced; null removes.
    fn claims_with(&self, changes: Value) -> Value {
        let mut claims = self.claims();
        let fields = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, |message| self.pair.sign(message).as_ref().to_vec())
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "JWT"})
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sign(header: &Value, claims: &Value, signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(signature(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

#[test]
fn a_minted_token_names_its_owner_until_it_expires() {
    let forge = Forge::new();
    let token = forge.key.mint(forge.identity, NOW_MS, TextDuration::from_secs(600));
    assert_eq!(forge.key.verify(&token, NOW_MS), Ok(forge.identity));
    let at = |seconds: i64| forge.key.verify(&token, NOW_MS + seconds * 1000);
    assert_eq!(at(-LEEWAY_S), Ok(forge.identity));
    assert_eq!(at(-LEEWAY_S - 1), Err(TokenRefused::Bad));
    assert_eq!(at(600 + LEEWAY_S - 1), Ok(forge.identity));
    assert_eq!(at(600 + LEEWAY_S), Err(TokenRefused::Expired));
}

#[test]
fn the_forge_itself_makes_good_tokens() {
    let forge = Forge::new();
    let token = forge.signed(&header(), &forge.claims());
    assert_eq!(forge.key.verify(&token, NOW_MS), Ok(forge.identity));
}

#[test]
fn forged_tokens_are_refused() {
    let forge = Forge::new();
    let other = Forge::new();
    let good = forge.signed(&header(), &forge.claims());
    let public = forge.pair.public_key().as_ref().to_vec();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = message.split_once('.').unwrap();
    let with = |changes: Value| forge.signed(&header(), &forge.claims_with(changes));
    let alg = |name: &str| json!({"alg": name, "typ": "JWT"});
    let others_jwk = json!({"kty": "OKP", "crv": "Ed25519",
        "x": URL_SAFE_NO_PAD.encode(other.pair.public_key().as_ref())});

    let forged: Vec<(&str, String)> = vec![
        ("alg none, no signature", sign(&alg("none"), &forge.claims(), |_| Vec::new())),
        (
            "alg None, old signature",
            sign(&alg("None"), &forge.claims(), |m| forge.pair.sign(m).as_ref().to_vec()),
        ),
        ("HS256 keyed with the public key", sign(&alg("HS256"), &forge.claims(), hs256(&public))),
        (
            "HS256 keyed with the public key as base64",
            sign(&alg("HS256"), &forge.claims(), hs256(STANDARD.encode(&public).as_bytes())),
        ),
        ("HS256 keyed with nothing", sign(&alg("HS256"), &forge.claims(), hs256(b""))),
        ("RS256 in the header", forge.signed(&alg("RS256"), &forge.claims())),
        ("ES256 in the header", forge.signed(&alg("ES256"), &forge.claims())),
        ("no alg", forge.signed(&json!({"typ": "JWT"}), &forge.claims())),
        ("another key", other.signed(&header(), &forge.claims())),
        (
            "another key, embedded as jwk",
            other.signed(&json!({"alg": "EdDSA", "jwk": others_jwk}), &forge.claims()),
        ),
        (
            "another key behind jku",
            other.signed(
                &json!({"alg": "EdDSA", "jku": "http://127.0.0.1:1/keys"}),
                &forge.claims(),
            ),
        ),
        (
            "another key behind x5u",
            other.signed(
                &json!({"alg": "EdDSA", "x5u": "http://127.0.0.1:1/cert"}),
                &forge.claims(),
            ),
        ),
        (
            "kid that walks the file system",
            other.signed(&json!({"alg": "EdDSA", "kid": "../../../../dev/null"}), &forge.claims()),
        ),
        (
            "kid that asks a database",
            other.signed(&json!({"alg": "EdDSA", "kid": "x' UNION SELECT 'key"}), &forge.claims()),
        ),
        ("wrong iss", with(json!({"iss": "elsewhere"}))),
        ("no iss", with(json!({"iss": null}))),
        ("wrong aud", with(json!({"aud": "elsewhere"}))),
        ("no aud", with(json!({"aud": null}))),
        ("no exp", with(json!({"exp": null}))),
        ("no nbf", with(json!({"nbf": null}))),
        ("no did", with(json!({"did": null}))),
        ("sub is no id", with(json!({"sub": "root"}))),
        ("nbf in the future", with(json!({"nbf": NOW_S + LEEWAY_S + 1}))),
        ("issued in the future", with(json!({"iat": NOW_S + LEEWAY_S + 1}))),
        ("exp as text", with(json!({"exp": "9999999999"}))),
        ("expired", with(json!({"exp": NOW_S - LEEWAY_S - 1}))),
        (
            "claims altered under the old signature",
            format!(
                "{head}.{}.{signature}",
                part(&forge.claims_with(json!({"sub": UserId::generate()})))
            ),
        ),
        (
            "header altered under the old signature",
            format!("{}.{body}.{signature}", part(&json!({"alg": "EdDSA", "typ": "at+jwt"}))),
        ),
        ("signature cut", format!("{message}.{}", &signature[..signature.len() - 4])),
        (
            "signature of another token",
            format!("{message}.{}", {
                let token = with(json!({"exp": NOW_S + 601}));
                token.rsplit_once('.').unwrap().1.to_owned()
            }),
        ),
        ("signature removed", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("empty", String::new()),
        ("huge", format!("{}.{}", good, "A".repeat(TOKEN_BYTES_MAX))),
    ];
    assert!(forged.len() >= 25);
    for (name, token) in forged {
        let verdict = forge.key.verify(&token, NOW_MS);
        let expected = if name == "expired" { TokenRefused::Expired } else { TokenRefused::Bad };
        assert_eq!(verdict, Err(expected), "{name}");
    }
}

#[test]
fn only_ed25519_private_keys_are_signing_keys() {
    for text in ["", "not base64!", "AAAA", &STANDARD.encode([7_u8; 32])] {
        assert!(SigningKey::from_base64(text).is_err(), "{text:?}");
    }
}
