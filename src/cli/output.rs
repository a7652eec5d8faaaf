//! What is printed.

use std::io::{self, Write as _};

use serde_json::Value;

/// Returns how this program can be called again, for commands to paste.
pub(super) fn program() -> String {
    std::env::current_exe().map_or_else(|_| "peshub".to_owned(), |path| path.display().to_string())
}

/// The exit code of a command that has said all that there is to say.
#[derive(Debug, thiserror::Error)]
#[error("ended with exit code {0}")]
pub(super) struct Ended(pub(super) u8);

/// Prints what ends with its own line break.
pub(super) fn text(text: &str) {
    io::stdout().lock().write_all(text.as_bytes()).unwrap_or_default();
}

/// Prints a line. A reader that has gone away is no failure.
pub(super) fn line(text: &str) {
    writeln!(io::stdout().lock(), "{text}").unwrap_or_default();
}

/// Prints a JSON value on one line. Returns false when nobody reads any more.
pub(super) fn json(value: &Value) -> bool {
    writeln!(io::stdout().lock(), "{value}").is_ok()
}

/// Prints a line for the person at the terminal, apart from the output.
pub(super) fn error(text: &str) {
    writeln!(io::stderr().lock(), "{text}").unwrap_or_default();
}
