//! Receipts: what the hub says it accepted, signed. Made inside the transaction that accepts, kept with its answer, and sent
//! only when the transaction was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::platform::audit::entry::{Entry, canonical, instant, read_canonical};
use crate::platform::audit::hash::Hex;
use crate::platform::audit::keyring::Keyring;
use crate::platform::audit::statement::{RECEIPT, not};
use crate::platform::db::Record;
use crate::platform::keys::signing::Signer;
use crate::platform::permit::Permit;

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`RECEIPT`].
    pub kind: String,
    /// Which hub.
    pub hub: String,
    /// The entry of the audit trail.
    pub entry_id: String,
    /// When it was accepted.
    pub at: String,
    /// From whom.
    pub participant: String,
    /// From which of its systems.
    pub system: String,
    /// What was called.
    pub action: String,
    /// What happened.
    pub event: String,
    /// For which source.
    pub source: String,
    /// On which lane; left out for the main lane and without a stream.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lane: String,
    /// Number of the batch on its lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<i64>,
    /// The client's id of the request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// SHA-256 of what was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<Hex>,
    /// How much of what, in the order of the words.
    pub counts: BTreeMap<String, i64>,
    /// Algorithm of the signature.
    pub algorithm: String,
    /// Key of the signature.
    pub key_id: String,
}

/// What was accepted.
#[derive(Clone, Debug, Default)]
pub struct Accepted<'a> {
    /// For which source.
    pub source: &'a str,
    /// On which lane.
    pub lane: &'a str,
    /// Number of the batch on its lane.
    pub batch_id: Option<i64>,
    /// The client's id of the request.
    pub request_id: &'a str,
    /// How much of what.
    pub counts: Vec<(&'static str, i64)>,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry of the audit trail.
    pub entry_id: String,
    /// What is signed, see [`Statement`].
    pub statement: String,
    /// Algorithm of the signature.
    pub algorithm: String,
    /// Key of the signature.
    pub key_id: String,
    /// Signature over the statement.
    pub signature: Vec<u8>,
}

/// Issues receipts.
#[derive(Clone, Debug)]
pub struct Receipts {
    hub: Uuid,
    signer: Arc<dyn Signer>,
}

impl Receipts {
    /// Returns who issues a hub's receipts.
    #[must_use]
    pub const fn new(hub: Uuid, signer: Arc<dyn Signer>) -> Self {
        Self { hub, signer }
    }

    /// Returns the receipt for what a record closes. It says nothing true before that is committed.
    #[must_use]
    pub fn issue(&self, permit: &Permit, record: &Record, accepted: &Accepted<'_>) -> Receipt {
        let holder = permit.holder();
        let counts = accepted.counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
        let statement = Statement {
            kind: RECEIPT.to_owned(),
            hub: self.hub.to_string(),
            entry_id: record.entry_id.to_string(),
            at: instant(record.at),
            participant: holder.map_or_else(String::new, |it| it.participant_name.clone()),
            system: holder.map_or_else(String::new, |it| it.system_name.clone()),
            action: permit.action().word().to_owned(),
            event: record.event.to_owned(),
            source: accepted.source.to_owned(),
            lane: accepted.lane.to_owned(),
            batch_id: accepted.batch_id,
            request_id: accepted.request_id.to_owned(),
            body_sha256: record.body_sha256.as_ref().map(|sha256| Hex(sha256.to_vec())),
            counts: counts.collect(),
            algorithm: self.signer.algorithm().to_owned(),
            key_id: self.signer.key_id().to_owned(),
        };
        let text = canonical(&statement);
        Receipt {
            entry_id: statement.entry_id,
            algorithm: statement.algorithm,
            key_id: statement.key_id,
            signature: self.signer.sign(text.as_bytes()),
            statement: text,
        }
    }
}

impl Receipt {
    /// Holds the receipt against a ring of keys and returns what it says.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, keyring: &Keyring) -> Result<Statement, String> {
        let by = (self.algorithm.as_str(), self.key_id.as_str());
        keyring.check(by, self.statement.as_bytes(), &self.signature)?;
        let statement: Statement = read_canonical(self.statement.as_bytes())?;
        if statement.kind != RECEIPT {
            return Err(not(RECEIPT));
        }
        let said =
            (statement.entry_id.as_str(), statement.algorithm.as_str(), statement.key_id.as_str());
        if said != (self.entry_id.as_str(), self.algorithm.as_str(), self.key_id.as_str()) {
            return Err("says something else beside its statement than in it".to_owned());
        }
        Ok(statement)
    }
}

impl Statement {
    /// Holds what the receipt says against the entry in the trail.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn matches(&self, entry: &Entry) -> Result<(), String> {
        let digest = |hex: &Option<Hex>| format!("{hex:?}");
        let pairs = [
            ("participant", self.participant.clone(), entry.participant.clone()),
            ("system", self.system.clone(), entry.system.clone()),
            ("action", self.action.clone(), entry.action.clone()),
            ("event", self.event.clone(), entry.event.clone()),
            ("time", self.at.clone(), entry.at.clone()),
            ("body digest", digest(&self.body_sha256), digest(&entry.body_sha256)),
        ];
        match pairs.iter().find(|(_, receipt, entry)| receipt != entry) {
            None => Ok(()),
            Some((what, receipt, found)) => {
                let seq = entry.seq;
                Err(format!("says {what} {receipt}, and its entry, seq {seq}, says {found}"))
            }
        }
    }
}
