//! Folders for services' data that do not pile up when programs are killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "switchboard-services-";
const LOCK_NAME: &str = "lock";

/// A folder removed when dropped. One whose program died without that is removed by the next
/// program that makes one.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    /// Held as long as the folder is in use.
    _lock: File,
    is_kept: bool,
}

impl WorkFolder {
    /// Makes a folder in the system's temporary one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        // Under another name until it is locked, so that nobody sweeps it.
        let name = format!("{PREFIX}{}", uuid::Uuid::now_v7());
        let early = parent.join(format!("new-{name}"));
        fs::create_dir(&early)?;
        let lock = File::create(early.join(LOCK_NAME))?;
        lock.lock()?;
        let path = parent.join(name);
        fs::rename(&early, &path)?;
        Ok(Self { path, _lock: lock, is_kept: false })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it behind, for whoever wants to know what happened.
    pub fn keep(&mut self) {
        self.is_kept = true;
        // Without its lock file nobody sweeps it.
        let _ = fs::remove_file(self.path.join(LOCK_NAME));
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes the folders that nobody holds. What cannot be removed is someone else's.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let is_ours =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_ours
            && let Ok(lock) = File::options().write(true).open(path.join(LOCK_NAME))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_swept_only_when_its_owner_is_gone() {
        let held = WorkFolder::create().unwrap();
        let left = std::env::temp_dir().join(format!("{PREFIX}{}", uuid::Uuid::now_v7()));
        fs::create_dir(&left).unwrap();
        File::create(left.join(LOCK_NAME)).unwrap();
        let other = WorkFolder::create().unwrap();
        assert!(held.path().is_dir() && other.path().is_dir());
        assert!(!left.exists());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists());
    }
}
