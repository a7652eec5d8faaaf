//! `peshub credentials present`

use std::path::PathBuf;

use clap::Args;

use crate::cli::credentials::read_text;
use crate::cli::{Outcome, output};
use crate::credentials::domain::ClaimPath;
use crate::credentials::sdjwt::key::SecretKey;
use crate::credentials::sdjwt::present::{Choice, Proof, present};
use crate::kernel::clock::{Clock as _, SystemClock};

#[derive(Args, Debug)]
pub(in crate::cli) struct PresentArgs {
    /// File of the credential as its issuer handed it out; `-` reads it from the standard input.
    credential: PathBuf,
    /// A claim to show: names from the outermost to the innermost with dots between them, `*` for every element of a list, a number
    /// for one. What lies below is shown with it. Again for more.
    #[arg(long = "claim", value_name = "PATH")]
    claims: Vec<String>,
    /// Show everything.
    #[arg(long, conflicts_with = "claims")]
    all: bool,
    /// File of the holder's secret key, for a key binding.
    #[arg(long, value_name = "FILE", requires_all = ["audience", "nonce"])]
    key: Option<PathBuf>,
    /// Who is to verify it.
    #[arg(long, requires = "key")]
    audience: Option<String>,
    /// What who verifies it has given for this occasion.
    #[arg(long, requires = "key", allow_hyphen_values = true)]
    nonce: Option<String>,
}

pub(super) fn run(args: &PresentArgs) -> Outcome {
    let issued = read_text(&args.credential)?;
    let paths = args.claims.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
    let choice = if args.all { Choice::All } else { Choice::Paths(&paths) };
    let key = match &args.key {
        Some(path) => Some(SecretKey::of_pem(&read_text(path)?)?),
        None => None,
    };
    let proof = key.as_ref().map(|key| Proof {
        key,
        audience: args.audience.as_deref().unwrap_or_default(),
        nonce: args.nonce.as_deref().unwrap_or_default(),
        issued_at: SystemClock.now(),
    });
    output::line(&present(&issued, choice, proof.as_ref())?);
    Ok(())
}

fn path(text: &str) -> Result<ClaimPath, String> {
    let segments: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
    let path = ClaimPath::parse(&segments).filter(|_| segments.iter().all(|it| !it.is_empty()));
    path.ok_or_else(|| format!("{text} is no path of a claim"))
}
