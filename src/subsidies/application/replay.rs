//! Replay: a decision's determination is made again from an export, without a hub, and held against what was signed.

use aws_lc_rs::digest::{SHA256, digest};
use prost::Message as _;

use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::keyring::Keyring;
use crate::platform::audit::receipt::Receipt;
use crate::subsidies::application::record::{commitments, without_values};
use crate::subsidies::application::sealed::Basis;
use crate::subsidies::application::takes;
use crate::subsidies::book::Published;
use crate::subsidies::evaluator;
use crate::subsidies::programme::{CompiledProgramme, canonical};
use crate::subsidies::wire;
use crate::subsidies::wire::fact;

/// What a replay found.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The determination that was signed, with values.
    pub signed: pb::Determination,
    /// The determination that the edition gives for the facts here and now.
    pub computed: pb::Determination,
    /// Whether both are the same, bit for bit.
    pub is_same: bool,
    /// Whether the receipt's signature was held against a key.
    pub is_signature_checked: bool,
}

/// Makes a decision's determination again. Everything that the record binds in is held against it first; the signature of the receipt only
/// where a key is given.
///
/// # Errors
///
/// The first thing that differs, and how.
pub fn replay(export: &pb::DecisionExport, keys: Option<&Keyring>) -> Result<Replayed, String> {
    let decision = export.decision.as_ref().ok_or("the export has no decision")?;
    let record = pb::DecisionRecord::decode(decision.record_bytes.as_ref());
    let record = record.map_err(|_| "decision.record_bytes is no record")?;
    let same = |what: &str, is_same: bool| {
        if is_same { Ok(()) } else { Err(format!("{what} differs")) }
    };
    same(
        "decision.record (from decision.record_bytes)",
        decision.record.as_ref() == Some(&record),
    )?;
    let is_signature_checked = receipt(decision, keys)?;
    let edition = export.edition.as_ref().ok_or("the export has no edition")?;
    let edition_sha256 = canonical::sha256(&canonical::edition(edition));
    same("edition (its SHA-256)", record.edition_sha256 == edition_sha256.as_slice())?;
    let signed = pb::Determination::decode(export.determination_bytes.as_ref());
    let signed = signed.map_err(|_| "determination_bytes is no determination")?;
    bound(export, &record, &signed)?;
    if record.evaluator != evaluator::VERSION {
        let (theirs, ours) = (record.evaluator, evaluator::VERSION);
        return Err(format!("evaluator differs: {theirs} determined it, this is {ours}"));
    }
    let computed = computed(export, &record, edition_sha256)?;
    let is_same = computed.encode_to_vec() == export.determination_bytes;
    Ok(Replayed { signed, computed, is_same, is_signature_checked })
}

/// Holds the receipt against the record. Returns whether its signature was looked at.
fn receipt(decision: &pb::Decision, keys: Option<&Keyring>) -> Result<bool, String> {
    let receipt = decision.receipt.as_ref().ok_or("the decision has no receipt")?;
    let sha256 = digest(&SHA256, &decision.record_bytes);
    if receipt.body_sha256 != sha256.as_ref() {
        return Err("decision.record_bytes differs from what the receipt says".to_owned());
    }
    let Some(keys) = keys else { return Ok(false) };
    let said = Receipt {
        entry_id: receipt.entry_id.clone(),
        statement: receipt.statement.clone(),
        algorithm: receipt.algorithm.clone(),
        key_id: receipt.key_id.clone(),
        signature: receipt.signature.to_vec(),
    };
    let statement = said.check(keys).map_err(|why| format!("decision.receipt {why}"))?;
    match statement.body_sha256 {
        Some(signed) if signed.0 == sha256.as_ref() => Ok(true),
        _ => Err("decision.record_bytes differs from what the receipt's statement says".to_owned()),
    }
}

/// Holds what the record binds in against it.
fn bound(
    export: &pb::DecisionExport,
    record: &pb::DecisionRecord,
    signed: &pb::Determination,
) -> Result<(), String> {
    let basis = Basis {
        salt: export.salt.clone(),
        determination_bytes: export.determination_bytes.clone(),
        ..Basis::default()
    };
    let committed = commitments(&basis, signed);
    let pairs = [
        (
            "determination_bytes (its commitment)",
            &record.determination_commitment,
            committed.determination,
        ),
        (
            "the determination's facts_sha256 (its commitment)",
            &record.facts_commitment,
            committed.facts,
        ),
        (
            "the selecting day (its commitment)",
            &record.selected_on_commitment,
            committed.selected_on,
        ),
    ];
    for (what, said, found) in pairs {
        if *said != found.as_slice() {
            return Err(format!("{what} differs"));
        }
    }
    if record.determination.as_ref() != Some(&without_values(signed.clone())) {
        return Err("decision.record.determination differs from determination_bytes".to_owned());
    }
    Ok(())
}

/// Returns what the edition gives for the facts.
fn computed(
    export: &pb::DecisionExport,
    record: &pb::DecisionRecord,
    sha256: canonical::Sha256,
) -> Result<pb::Determination, String> {
    let edition = export.edition.clone().unwrap_or_default();
    let catalogue = fact::catalogue(&edition.facts);
    let programme = edition.programme.unwrap_or_default();
    let compiled = CompiledProgramme::compile(&programme, &catalogue);
    let compiled = compiled.map_err(|found| {
        let first = found.first().map(ToString::to_string).unwrap_or_default();
        format!("the edition cannot be compiled: {first}")
    })?;
    let published = Published {
        programme: 0,
        edition: record.edition,
        sha256,
        owner: ParticipantId(0),
        compiled: compiled.shown_by(&edition.facts),
    };
    // What the edition does not name it does not read.
    let facts = export.facts.iter().filter(|it| catalogue.get(&it.name).is_some());
    let facts: Vec<pb::Fact> = facts.cloned().collect();
    let counted = takes::counted(&facts, &catalogue);
    let counted = counted.map_err(|_| "facts are not as the edition's catalogue has them")?;
    let division = match record.division_token.as_str() {
        "" => None,
        token => Some(
            wire::division_of_token(token)
                .ok_or_else(|| format!("division {token} is not known here"))?,
        ),
    };
    takes::answer(&published, &counted, division).map_err(|error| error.to_string())
}
