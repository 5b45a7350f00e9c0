//! What lies in a backup, and that it is whole.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Written last: a folder without it is no backup.
pub(super) const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: u32,
    /// Of the program that made it.
    pub version: String,
    pub store_id: uuid::Uuid,
    pub generation: u32,
    pub schema_version: i64,
    /// Milliseconds since 1970 UTC.
    pub taken_at_ms: i64,
    /// Whether the copy passed `audit`; `None` when it was not asked.
    pub audit_passed: Option<bool>,
    pub conversations: Option<u64>,
    pub messages: Option<u64>,
    pub files: Vec<FileSum>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSum {
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

impl FileSum {
    pub fn of(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let named = || path.display().to_string();
        let mut file = File::open(&path).with_context(named)?;
        let (mut sum, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            let count = file.read(&mut buffer).with_context(named)?;
            if count == 0 {
                break;
            }
            sum.update(&buffer[..count]);
            bytes += count as u64;
        }
        let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}

impl Manifest {
    pub const fn format() -> u32 {
        FORMAT
    }

    /// Writes it, readable by its owner alone.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_string_pretty(self)? + "\n";
        super::write_private(&path, text.as_bytes())
    }

    /// Reads it and checks every file.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path: PathBuf = folder.join(MANIFEST);
        let text = std::fs::read(&path)
            .with_context(|| format!("{} is no whole backup ({MANIFEST})", folder.display()))?;
        let manifest: Self =
            serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        ensure!(
            manifest.format == FORMAT,
            "the backup has format {}; this program knows {FORMAT}",
            manifest.format
        );
        for file in &manifest.files {
            let is_plain = Path::new(&file.name).file_name() == Some(file.name.as_ref());
            ensure!(is_plain, "{:?} is no name of a file", file.name);
            let found = FileSum::of(folder, &file.name)?;
            ensure!(
                found == *file,
                "{}: not what was backed up",
                folder.join(&file.name).display()
            );
        }
        Ok(manifest)
    }
}
