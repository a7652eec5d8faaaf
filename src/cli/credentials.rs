//! `peshub credentials`

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use clap::Subcommand;

use crate::cli::Outcome;

mod inspect;
mod key;
mod present;

/// Commands of `peshub credentials`.
#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    /// Make a holder's key, or print the public half of one. Nothing leaves this machine.
    Key(key::KeyArgs),
    /// Say what stands in a credential or presentation, and whether its form, signature and key binding hold. Nothing leaves this
    /// machine; whether its issuer is trusted and its status stands is found out by a hub.
    Inspect(inspect::InspectArgs),
    /// Choose what to show of a credential, and sign that its holder shows it. Nothing leaves this machine.
    Present(present::PresentArgs),
}

pub(super) fn run(command: CredentialsCommand) -> Outcome {
    match command {
        CredentialsCommand::Key(args) => key::run(&args),
        CredentialsCommand::Inspect(args) => inspect::run(&args),
        CredentialsCommand::Present(args) => present::run(&args),
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
struct Unreadable {
    path: String,
    source: std::io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.source)
    }
}

/// Reads a file, or the standard input when its name is `-`, without white space around its text.
fn read_text(path: &Path) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|source| Unreadable { path: path.display().to_string(), source })?;
    Ok(text.trim().to_owned())
}
