//! Inclusion proofs: that an entry is under a checkpoint, without the other entries.

use serde::{Deserialize, Serialize};

use crate::platform::audit::entry::{Entry, Row, canonical, read_canonical};
use crate::platform::audit::hash::{self, Hash, Hex};
use crate::platform::audit::keyring::Keyring;
use crate::platform::audit::statement::{Checkpoint, PROOF, SignedCheckpoint, not};
use crate::platform::audit::store::Sealed;

/// An entry, its checkpoint, and the way from one to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// [`PROOF`].
    pub kind: String,
    /// The entry.
    pub entry: Entry,
    /// Its place among the checkpoint's rows, from 0.
    pub index: usize,
    /// How many rows the checkpoint stands over.
    pub size: usize,
    /// Hashes of the siblings on the way to the root, from below (RFC 9162, 2.1.3).
    pub path: Vec<Hash>,
    /// The checkpoint's statement.
    pub checkpoint: Checkpoint,
    /// Signature over the statement.
    pub signature: Hex,
}

impl Proof {
    /// Returns the proof for one of the rows of a checkpoint.
    ///
    /// # Errors
    ///
    /// The rows are not those that were signed for.
    pub fn of(rows: &[Row], seq: i64, sealed: &Sealed) -> Result<Self, String> {
        let checkpoint = Checkpoint::read(sealed.statement.as_bytes())?;
        let mut entry = None;
        let mut leaves = Vec::with_capacity(rows.len());
        for row in rows {
            let found = row.entry(row.seq.unwrap_or_default());
            leaves.push(found.leaf());
            if found.seq == seq {
                entry = Some((leaves.len() - 1, found));
            }
        }
        let found =
            entry.and_then(|(index, entry)| Some((index, entry, hash::path(&leaves, index)?)));
        let (index, entry, path) = found.ok_or("does not stand over the row")?;
        if hash::root(&leaves) != checkpoint.root {
            return Err("was signed over other rows than there are now".to_owned());
        }
        Ok(Self {
            kind: PROOF.to_owned(),
            entry,
            index,
            size: leaves.len(),
            path,
            checkpoint,
            signature: Hex(sealed.signature.clone()),
        })
    }

    /// Reads a proof as it stands in a file; a line end after it is let pass.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let proof: Self = read_canonical(text.strip_suffix(b"\n").unwrap_or(text))?;
        if proof.kind == PROOF { Ok(proof) } else { Err(not(PROOF)) }
    }

    /// Returns the proof as it stands in a file.
    #[must_use]
    pub fn text(&self) -> String {
        canonical(self)
    }

    /// Returns its checkpoint.
    #[must_use]
    pub fn signed_checkpoint(&self) -> SignedCheckpoint {
        SignedCheckpoint { checkpoint: self.checkpoint.clone(), signature: self.signature.clone() }
    }

    /// Holds the proof against a ring of keys.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, keyring: &Keyring) -> Result<(), String> {
        let it = &self.checkpoint;
        let by = (it.algorithm.as_str(), it.key_id.as_str());
        keyring.check(by, it.text().as_bytes(), &self.signature.0)?;
        let index = self.entry.seq.checked_sub(it.first_seq);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if it.rows() != Some(self.size) || index != Some(self.index) {
            return Err("gives the entry another place than its checkpoint".to_owned());
        }
        let root = hash::root_by(&self.path, self.entry.leaf(), self.index, self.size);
        if root == Some(it.root) {
            return Ok(());
        }
        Err("does not lead from the entry to the checkpoint's root".to_owned())
    }
}
