//! Secrets that a first run makes: one line of text, readable by the owner alone.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

/// A secret file could not be read or made.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SecretFileError {
    path: PathBuf,
    source: std::io::Error,
}

/// Reads the secret, or makes it when there is none.
///
/// However many processes start at once, all of them end with the same secret.
///
/// # Errors
/// When the file can be neither read nor made.
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> SecretString,
) -> Result<SecretString, SecretFileError> {
    let wrong = |source| SecretFileError { path: path.to_owned(), source };
    match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => return other.map_err(wrong),
    }
    create(path, &make()).map_err(wrong)?;
    read(path).map_err(wrong)
}

/// Reads the secret.
///
/// # Errors
/// Of the file system.
pub fn read(path: &Path) -> std::io::Result<SecretString> {
    let text = std::fs::read_to_string(path)?;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777),
            "others can read this secret: chmod 600");
    }
    Ok(text.trim_end().to_owned().into())
}

/// Complete or absent: written aside, then linked to its name unless someone else was first.
fn create(path: &Path, secret: &SecretString) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(directory)?;
    let aside = directory.join(format!(".{}.new", random_text()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file
        .write_all(format!("{}\n", secret.expose_secret()).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&aside, path));
    std::fs::remove_file(&aside)?;
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(directory)?.sync_all(),
    }
}

/// 256 random bits as text without padding.
///
/// # Panics
/// When the operating system has no randomness to give.
#[must_use]
pub fn random_text() -> String {
    let mut bytes = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether two secrets are the same, in time that says nothing about where they differ.
#[must_use]
pub fn same_secret(given: &[u8], wanted: &[u8]) -> bool {
    use sha2::{Digest as _, Sha256};
    // Hashing first makes the comparison independent of the lengths too.
    aws_lc_rs::constant_time::verify_slices_are_equal(
        &Sha256::digest(given),
        &Sha256::digest(wanted),
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_makes_it_and_later_runs_keep_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/signing_key");
        let first = read_or_create(&path, || "one".to_owned().into()).unwrap();
        let second = read_or_create(&path, || "two".to_owned().into()).unwrap();
        assert_eq!(first.expose_secret(), "one");
        assert_eq!(second.expose_secret(), "one");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn racing_processes_agree() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin_token");
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| read_or_create(&path, || random_text().into()).unwrap()))
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap().expose_secret().to_owned())
                .collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn secrets_compare_whole() {
        assert!(same_secret(b"abc", b"abc"));
        assert!(!same_secret(b"abc", b"abd"));
        assert!(!same_secret(b"", b"abc"));
    }
}
