//! Text files.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A text file's content; the error names the file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
