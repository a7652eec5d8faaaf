//! Examples and vectors of others. They are not part of the project.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Returns where a folder or file of the credentials' data is; says loudly when it is absent.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PESHUB_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join("credentials").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("\n*** NOT CHECKED: {} is absent; set PESHUB_TEST_DATA ***\n", path.display());
    None
}

/// Reads a file.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
