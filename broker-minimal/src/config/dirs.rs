//! Where the data lies.

use std::path::PathBuf;

use super::value::{InvalidValue, list};

/// The directories that a key names, each once.
pub(super) fn parse(key: &str, text: &str) -> Result<Vec<PathBuf>, InvalidValue> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in list(text).map(PathBuf::from) {
        if dirs.contains(&dir) {
            return Err(InvalidValue::new(key, text, format_args!("{} is named twice", dir.display())));
        }
        dirs.push(dir);
    }
    if dirs.is_empty() {
        return Err(InvalidValue::new(key, text, "At least one log directory must be defined"));
    }
    Ok(dirs)
}

/// Where data lies when nobody says: the user's data directory.
pub(super) fn default_dir() -> PathBuf {
    let named = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = named("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| named("HOME").map(|home| home.join(".local/share")));
    base.unwrap_or_else(std::env::temp_dir).join("kinglet").join("dev")
}
