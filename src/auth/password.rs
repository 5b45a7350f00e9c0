//! Passwords: argon2id, with memory bounded however many sign in at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

/// Memory of one hash, KiB (OWASP's first recommendation for argon2id).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;
/// Sign-ins that may wait for a core; the next one is refused.
const WAITING_MAX: usize = 512;
/// zxcvbn's scale is 0 to 4.
const STRENGTH_MIN: zxcvbn::Score = zxcvbn::Score::Two;
/// Strength is judged by the first part: the estimate is slow on long texts.
const STRENGTH_CHARACTERS_MAX: usize = 72;

/// A password could not be hashed or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins are waiting")]
    Overloaded,
    #[error("password hashing failed")]
    Failed,
}

/// A password that is easily guessed, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password is easily guessed: {}", .0.join(" "))]
pub struct WeakPassword(pub Vec<String>);

/// Hashes and compares passwords, at most one a core at a time.
pub struct Passwords {
    cores: Arc<Semaphore>,
    waiting: AtomicUsize,
    memory: Arc<MemoryPool>,
    /// Compared with when there is no such user, so that both cases take the same time.
    dummy: Arc<str>,
}

impl Passwords {
    /// # Errors
    /// [`PasswordError::Failed`] when there is no randomness.
    pub fn try_new() -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let cores = Arc::new(Semaphore::new(cores));
        let (waiting, memory) = (AtomicUsize::new(0), Arc::default());
        Ok(Self { cores, waiting, memory, dummy: nobodys_hash()?.into() })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let memory = Arc::clone(&self.memory);
        self.on_a_core(move || hash_now(password.expose_secret(), &memory)).await?
    }

    /// Whether the password is the one behind `hash`; `None` never is, and takes as long.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = hash.is_some();
        let hash = hash.map_or_else(|| Arc::clone(&self.dummy), Arc::from);
        let memory = Arc::clone(&self.memory);
        let matches =
            self.on_a_core(move || verify_now(password.expose_secret(), &hash, &memory)).await??;
        Ok(known && matches)
    }

    async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let waiting = Waiting::enter(&self.waiting)?;
        let permit =
            Arc::clone(&self.cores).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        drop(waiting);
        // The permit goes with the work: a caller that hangs up does not free the core early.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
        .map_err(|_| PasswordError::Failed)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, PasswordError> {
        let entered = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(PasswordError::Overloaded);
        }
        Ok(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Working memory, one piece a core, used again and again: what threads of a pool allocate for
/// themselves would stay with each of them.
#[derive(Default)]
struct MemoryPool(Mutex<Vec<Vec<Block>>>);

impl MemoryPool {
    fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut memory = self.pieces().pop().unwrap_or_default();
        if memory.len() < blocks {
            memory.resize(blocks, Block::default());
        }
        let result = work(&mut memory[..blocks]);
        self.pieces().push(memory);
        result
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash_now(password: &str, memory: &MemoryPool) -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    let salt = Salt::generate();
    let text = ParamsString::try_from(&params).map_err(failed)?;
    let hash = derive(Algorithm::Argon2id, Version::V0x13, params, password, &salt, memory)?;
    phc(text, salt, &hash)
}

/// As long to compare with as any other, and the hash of no password: its bytes are random. Nothing
/// is derived for it, so that a start does not wait for it.
fn nobodys_hash() -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    let mut bytes = [0; HASH_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(failed)?;
    phc(ParamsString::try_from(&params).map_err(failed)?, Salt::generate(), &bytes)
}

fn phc(params: ParamsString, salt: Salt, hash: &[u8]) -> Result<String, PasswordError> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params,
        salt: Some(salt),
        hash: Some(Output::new(hash).map_err(failed)?),
    };
    Ok(hash.to_string())
}

fn verify_now(password: &str, hash: &str, memory: &MemoryPool) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(hash).map_err(failed)?;
    let algorithm = Algorithm::new(stored.algorithm.as_str()).map_err(failed)?;
    let version = stored.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(failed)?;
    let params = Params::try_from(&stored).map_err(failed)?;
    let (Some(salt), Some(wanted)) = (&stored.salt, &stored.hash) else {
        return Err(PasswordError::Failed);
    };
    let given = derive(algorithm, version, params, password, salt, memory)?;
    let verdict = aws_lc_rs::constant_time::verify_slices_are_equal(&given, wanted.as_bytes());
    Ok(verdict.is_ok())
}

fn derive(
    algorithm: Algorithm,
    version: Version,
    params: Params,
    password: &str,
    salt: &[u8],
    memory: &MemoryPool,
) -> Result<Vec<u8>, PasswordError> {
    let mut hash = vec![0; params.output_len().unwrap_or(HASH_BYTES)];
    memory.with(params.block_count(), |blocks| {
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, blocks)
            .map_err(failed)
    })?;
    Ok(hash)
}

fn failed<E>(_: E) -> PasswordError {
    PasswordError::Failed
}

/// Refuses easily guessed passwords, the user's own name included.
///
/// # Errors
/// [`WeakPassword`] with what would help.
pub fn check_strength(password: &str, own_words: &[&str]) -> Result<(), WeakPassword> {
    let end = password
        .char_indices()
        .nth(STRENGTH_CHARACTERS_MAX)
        .map_or(password.len(), |(index, _)| index);
    let estimate = zxcvbn::zxcvbn(&password[..end], own_words);
    if estimate.score() >= STRENGTH_MIN {
        return Ok(());
    }
    let mut help = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        help.extend(feedback.warning().map(|warning| warning.to_string()));
        help.extend(feedback.suggestions().iter().map(ToString::to_string));
    }
    if help.is_empty() {
        help.push("Add another word or two.".to_owned());
    }
    Err(WeakPassword(help))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[actix_web::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::try_new().unwrap();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(secret("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("wrong horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("correct horse"), None).await.unwrap());
        let damaged = passwords.verify(secret("x"), Some("plain".to_owned())).await;
        assert_eq!(damaged, Err(PasswordError::Failed));
    }

    #[actix_web::test]
    async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
        let passwords = Passwords::try_new().unwrap();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        let fastest = async |hash: Option<String>| {
            let mut fastest = Duration::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                passwords.verify(secret("wrong horse"), hash.clone()).await.unwrap();
                fastest = fastest.min(start.elapsed());
            }
            fastest.as_secs_f64()
        };
        let (known, unknown) = (fastest(Some(hash)).await, fastest(None).await);
        let ratio = known / unknown;
        assert!((0.4..2.5).contains(&ratio), "known {known} s, unknown {unknown} s");
    }

    #[actix_web::test]
    async fn two_hundred_sign_ins_use_the_memory_of_one_a_core() {
        let passwords = Arc::new(Passwords::try_new().unwrap());
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        let cores = passwords.cores.available_permits();
        let before = resident_kib();
        let sign_ins: Vec<_> = (0..200)
            .map(|_| {
                let (passwords, hash) = (Arc::clone(&passwords), hash.clone());
                actix_rt::spawn(async move {
                    passwords.verify(secret("correct horse"), Some(hash)).await
                })
            })
            .collect();
        let mut peak = before;
        for sign_in in sign_ins {
            assert_eq!(sign_in.await.unwrap(), Ok(true));
            peak = peak.max(resident_kib());
        }
        // Other tests of this binary hash at the same time: three times the bound is still far
        // from 200 hashes (3.7 GiB).
        let bound = u64::try_from(cores).unwrap() * u64::from(MEMORY_KIB) * 3 + 64 * 1024;
        assert!(peak.saturating_sub(before) < bound, "{before} KiB grew to {peak} KiB");
    }

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or_default()
    }

    #[test]
    fn guessable_passwords_come_back_with_advice() {
        for weak in ["password1", "alice123", "qwertyuiop", "11111111"] {
            let refused = check_strength(weak, &["alice"]).unwrap_err();
            assert!(!refused.0.is_empty(), "{weak}");
        }
        check_strength("correct horse battery", &["alice"]).unwrap();
        check_strength(&"long and winding ".repeat(15), &["alice"]).unwrap();
    }
}
