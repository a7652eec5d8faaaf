//! `peshub credentials`

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use clap::Subcommand;

use crate::cli::Outcome;

mod consent;
mod inspect;
mod issue;
mod key;
mod present;
mod said;
mod standing;
mod verify;

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
    /// Verify what a holder presents, by a consent or a law. Ends well only when it is valid.
    Verify(verify::VerifyArgs),
    /// Give a verdict again on what it rested on then: what came later does not count. The policy must be the same, and the grounds
    /// must hold now.
    Replay(verify::ReplayArgs),
    /// Hold what a holder presents against what a posting requires. Ends well only when every requirement is met.
    Check(verify::CheckArgs),
    /// Record, withdraw and list workers' consents.
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Print what to ask a holder for, by a consent: a nonce that binds its terms.
    Request(consent::RequestArgs),
    /// Issue a credential, one for each key of its holder, or many at once. For issuers.
    Issue(issue::IssueArgs),
    /// Revoke credentials, for ever. Whoever follows one is told within a second.
    Revoke(standing::ChangeArgs),
    /// Suspend credentials; they can be reinstated.
    Suspend(standing::ChangeArgs),
    /// Reinstate credentials that were suspended.
    Reinstate(standing::ReinstateArgs),
    /// Show how a credential stands, and what else the hub keeps of it: nothing that it says.
    Status(standing::StatusArgs),
    /// List what an issuer has issued, the newest first.
    List(standing::ListArgs),
}

pub(super) async fn run(command: CredentialsCommand) -> Outcome {
    match command {
        CredentialsCommand::Key(args) => key::run(&args),
        CredentialsCommand::Inspect(args) => inspect::run(&args),
        CredentialsCommand::Present(args) => present::run(&args),
        CredentialsCommand::Verify(args) => verify::run(args).await,
        CredentialsCommand::Replay(args) => verify::replay(args).await,
        CredentialsCommand::Check(args) => verify::check(args).await,
        CredentialsCommand::Consent(command) => consent::run(command).await,
        CredentialsCommand::Request(args) => consent::request(args).await,
        CredentialsCommand::Issue(args) => issue::run(args).await,
        CredentialsCommand::Revoke(args) => standing::revoke(args).await,
        CredentialsCommand::Suspend(args) => standing::suspend(args).await,
        CredentialsCommand::Reinstate(args) => standing::reinstate(args).await,
        CredentialsCommand::Status(args) => standing::status(args).await,
        CredentialsCommand::List(args) => standing::list(args).await,
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
