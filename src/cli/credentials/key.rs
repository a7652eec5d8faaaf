//! `peshub credentials key`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::credentials::read_text;
use crate::cli::{Outcome, output};
use crate::credentials::domain::Algorithm;
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::key::SecretKey;
use crate::platform::keys::files;

#[derive(Args, Debug)]
pub(in crate::cli) struct KeyArgs {
    /// File of the secret key: PKCS #8, PEM; only its owner can read it. One that is there is not written over.
    file: PathBuf,
    /// Which algorithm it signs by.
    #[arg(long, value_enum, default_value_t = KeyKind::Es256)]
    algorithm: KeyKind,
    /// Make none: print the public half of the one that is there.
    #[arg(long)]
    show: bool,
}

/// Algorithms of keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyKind {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// `EdDSA` with Ed25519.
    Eddsa,
}

pub(super) fn run(args: &KeyArgs) -> Outcome {
    let key = if args.show {
        SecretKey::of_pem(&read_text(&args.file)?)?
    } else {
        let key = SecretKey::generate(match args.algorithm {
            KeyKind::Es256 => Algorithm::Es256,
            KeyKind::Eddsa => Algorithm::EdDsa,
        })?;
        if !files::create(&args.file, &key.to_pem()?)? {
            let path = args.file.display();
            return Err(format!("{path} is there already; --show prints its public half").into());
        }
        output::error(&format!("{} holds the secret key", args.file.display()));
        key
    };
    // The public half, to be handed to an issuer: it becomes `cnf.jwk`.
    output::json(&key.public().to_jwk());
    output::error(&format!("thumbprint {}", encoding::encode(&key.public().thumbprint())));
    Ok(())
}
