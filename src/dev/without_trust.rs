//! What a hub is held against that shows what trust costs: callers with bearer tokens instead of certificates, no signatures.

use std::collections::HashMap;

use crate::dev::{DevError, participants};
use crate::kernel::fault::Fault;
use crate::participants::commands;
use crate::participants::commands::access::{self, Decision, Named};
use crate::participants::store::MAIN_SYSTEM;
use crate::platform::db::Db;
use crate::platform::keys::signing::Signer;
use crate::platform::permit::Permit;

/// Signs nothing.
#[derive(Debug)]
pub struct NoSigner;

impl Signer for NoSigner {
    fn algorithm(&self) -> &'static str {
        "none"
    }

    fn key_id(&self) -> &'static str {
        "none"
    }

    fn public_key(&self) -> &[u8] {
        &[]
    }

    fn sign(&self, _message: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// Makes a bearer token for the first system of every demo participant, and returns them by its name.
///
/// # Errors
///
/// The database fails.
pub async fn issue_tokens(
    db: &Db,
    now: time::OffsetDateTime,
) -> Result<HashMap<String, String>, DevError> {
    let mut tokens = HashMap::new();
    for name in participants() {
        let token = commands::fresh_token()?;
        let decision = Decision::AddToken(commands::issued(&token, now, commands::TOKEN_DAYS));
        let named = Named { participant: name.to_owned(), system: MAIN_SYSTEM.to_owned() };
        let mut tx = db.write(&Permit::of_hub()).await.map_err(Fault::from)?;
        let (_, record) = access::decide(&mut tx, &named, &decision, now).await?;
        tx.commit(record).await.map_err(Fault::from)?;
        tokens.insert(name.to_owned(), token);
    }
    Ok(tokens)
}
