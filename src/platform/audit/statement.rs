//! What the hub signs: JSON texts whose first key says what they are, so that none can be taken for another.

use serde::{Deserialize, Serialize};

use crate::platform::audit::entry::{canonical, read_canonical};
use crate::platform::audit::hash::{Hash, Hex};

/// What a checkpoint's statement is called.
pub const CHECKPOINT: &str = "peshub.audit.checkpoint.v1";
/// What the head of an export is called.
pub const EXPORT: &str = "peshub.audit.export.v1";
/// What the end of an export is called.
pub const EXPORT_END: &str = "peshub.audit.export-end.v1";
/// What a receipt is called.
pub const RECEIPT: &str = "peshub.audit.receipt.v1";
/// What a file with an inclusion proof is called.
pub const PROOF: &str = "peshub.audit.proof.v1";

/// Most rows under one checkpoint.
pub const CHECKPOINT_ROWS_MAX: usize = 4_096;

/// A checkpoint over the rows `first_seq` to `last_seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// [`CHECKPOINT`].
    pub kind: String,
    /// Which hub.
    pub hub: String,
    /// Rises by one from 1.
    pub number: i64,
    /// First row.
    pub first_seq: i64,
    /// Last row.
    pub last_seq: i64,
    /// Root of the Merkle tree over the rows' leaves.
    pub root: Hash,
    /// The chain's hash after the last row.
    pub chain: Hash,
    /// SHA-256 of the statement before; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Hash>,
    /// When.
    pub at: String,
    /// Algorithm of the signature.
    pub algorithm: String,
    /// Key of the signature.
    pub key_id: String,
}

impl Checkpoint {
    /// Returns the text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        canonical(self)
    }

    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let statement: Self = read_canonical(text)?;
        if statement.kind == CHECKPOINT { Ok(statement) } else { Err(not(CHECKPOINT)) }
    }

    /// Returns how many rows it stands over; `None` when it cannot be that many.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        let rows = self.last_seq.checked_sub(self.first_seq)?.checked_add(1)?;
        usize::try_from(rows).ok().filter(|rows| (1..=CHECKPOINT_ROWS_MAX).contains(rows))
    }
}

/// A signed checkpoint, as a line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCheckpoint {
    /// The statement.
    pub checkpoint: Checkpoint,
    /// Signature over its text.
    pub signature: Hex,
}

/// The public half of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// First 16 hexadecimal digits of the SHA-256 of the public key.
    pub key_id: String,
    /// Its algorithm.
    pub algorithm: String,
    /// The key, raw.
    pub public_key: Hex,
}

/// The head of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`EXPORT`].
    pub kind: String,
    /// Which hub.
    pub hub: String,
    /// First row.
    pub first_seq: i64,
    /// Last row; one less than the first when there is none.
    pub last_seq: i64,
    /// The chain's hash before the first row.
    pub chain: Hash,
    /// The checkpoint before the first row; absent when the trail begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<SignedCheckpoint>,
    /// Every key that the hub has signed with.
    pub keys: Vec<PublicKey>,
    /// When it was made.
    pub at: String,
    /// Algorithm of the signature.
    pub algorithm: String,
    /// Key of the signature.
    pub key_id: String,
}

/// The end of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// [`EXPORT_END`].
    pub kind: String,
    /// Which hub.
    pub hub: String,
    /// How many rows.
    pub entries: i64,
    /// First row.
    pub first_seq: i64,
    /// Last row.
    pub last_seq: i64,
    /// Number of the last checkpoint; 0 when there is none.
    pub last_checkpoint: i64,
    /// SHA-256 over all bytes before this line.
    pub sha256: Hash,
    /// When.
    pub at: String,
    /// Algorithm of the signature.
    pub algorithm: String,
    /// Key of the signature.
    pub key_id: String,
}

/// Returns the words for a text that is something else than it should be.
#[must_use]
pub fn not(kind: &str) -> String {
    format!("is no {kind}")
}
