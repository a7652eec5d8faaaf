//! `peshub audit verify`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::{Outcome, output};
use crate::platform::audit::hash::Hash;
use crate::platform::audit::keyring::read_key;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::receipt::Receipt;
use crate::platform::audit::statement::PublicKey;
use crate::platform::audit::verify::{self, Expectations, Failure, Report};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Arguments of `peshub audit verify`.
#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    /// Exports, each going on where the one before it ends.
    #[arg(required_unless_present_any = ["receipts", "proofs"])]
    files: Vec<PathBuf>,
    /// The hub's public key: 64 hexadecimal digits, or a file with them or in PEM. Only pinned keys are believed; without any, those
    /// that the export names itself. May be given several times.
    #[arg(long = "key", value_name = "FILE|HEX")]
    keys: Vec<String>,
    /// A file of receipts in JSON. Their entries must be in the exports. May be given several times.
    #[arg(long = "receipt", value_name = "FILE")]
    receipts: Vec<PathBuf>,
    /// A file with an inclusion proof. Its checkpoint must be that of the exports, where they have it. May be given several times.
    #[arg(long = "proof", value_name = "FILE")]
    proofs: Vec<PathBuf>,
    /// One JSON object a file.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &VerifyArgs) -> Outcome {
    let mut expectations = Expectations {
        pins: all(&args.keys, |key| Ok(vec![pin(key)?]))?,
        receipts: all(&args.receipts, |path| receipts(path))?,
        proofs: all(&args.proofs, |path| Ok(vec![proof(path)?]))?,
        follows: None,
    };
    if args.files.is_empty() {
        if expectations.pins.is_empty() {
            return Err("without an export, say by --key which key is the hub's".into());
        }
        verify::verify_alone(&expectations)?;
        let (receipts, proofs) = (expectations.receipts.len(), expectations.proofs.len());
        if args.json {
            output::json(&json!({"sound": true, "receipts": receipts, "proofs": proofs}));
        } else {
            output::line(&format!("sound: {receipts} receipts, {proofs} proofs"));
        }
        return Ok(());
    }
    // An entry may be in any of the files.
    let mut missing: Option<BTreeSet<String>> = None;
    for path in &args.files {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let report = match verify::verify_part(BufReader::new(file), &expectations) {
            Ok(report) => report,
            Err(failure) => return Err(failed(path, &failure, args.json)),
        };
        show(path, &report, &expectations, args.json);
        let here = report.missing;
        missing = Some(missing.map_or(here.clone(), |before| &before & &here));
        expectations.follows = report.last_checkpoint;
    }
    match missing.unwrap_or_default().first() {
        Some(entry_id) => {
            Err(format!("the receipt for entry {entry_id} is for no entry of the export").into())
        }
        None => Ok(()),
    }
}

/// Reads what each of several arguments names.
fn all<A, T>(arguments: &[A], read: impl Fn(&A) -> Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    let read: Result<Vec<_>, _> = arguments.iter().map(read).collect();
    Ok(read?.into_iter().flatten().collect())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    format!("{} cannot be read: {error}", path.display()).into()
}

fn pin(key: &str) -> Result<PublicKey, Error> {
    if let Some(key) = read_key(key) {
        return Ok(key);
    }
    let path = Path::new(key);
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    read_key(&text).ok_or_else(|| format!("{key} is no Ed25519 public key").into())
}

fn proof(path: &Path) -> Result<Proof, Error> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Proof::read(&text).map_err(|what| format!("{} {what}", path.display()).into())
}

/// Reads receipts: one or several JSON objects, alone or within an answer of the hub.
fn receipts(path: &Path) -> Result<Vec<Receipt>, Error> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    let mut found = Vec::new();
    for value in values {
        let value = value?;
        let inner = ["/acknowledgement/receipt", "/receipt"];
        let inner = inner.into_iter().find_map(|pointer| value.pointer(pointer));
        let receipt = receipt(inner.unwrap_or(&value));
        let receipt = receipt
            .ok_or_else(|| format!("{} has something that is no receipt", path.display()))?;
        found.push(receipt);
    }
    if found.is_empty() {
        return Err(format!("{} has no receipt", path.display()).into());
    }
    Ok(found)
}

fn receipt(value: &Value) -> Option<Receipt> {
    let text = |snake: &str, camel: &str| {
        let value = value.get(snake).or_else(|| value.get(camel))?;
        value.as_str().map(str::to_owned)
    };
    Some(Receipt {
        entry_id: text("entry_id", "entryId")?,
        statement: text("statement", "statement")?,
        algorithm: text("algorithm", "algorithm")?,
        key_id: text("key_id", "keyId")?,
        signature: STANDARD.decode(text("signature", "signature")?).ok()?,
    })
}

fn failed(path: &Path, failure: &Failure, as_json: bool) -> Error {
    let file = path.display().to_string();
    if as_json {
        let (line, seq) = match failure {
            Failure::Export(problem) => (Some(problem.line), problem.seq),
            Failure::Read(_) | Failure::Receipt { .. } | Failure::Proof { .. } => (None, None),
        };
        let problem = failure.to_string();
        output::json(
            &json!({"file": file, "sound": false, "line": line, "seq": seq, "problem": problem}),
        );
    }
    format!("{file}: {failure}").into()
}

fn show(path: &Path, report: &Report, expectations: &Expectations, as_json: bool) {
    let is_pinned = !expectations.pins.is_empty();
    let keys: Vec<_> = report.keys.iter().map(|key| key.key_id.as_str()).collect();
    let number = report.last_checkpoint.as_ref().map(|last| last.checkpoint.number);
    if as_json {
        let statement = report.last_checkpoint.as_ref().map(|last| last.checkpoint.text());
        let sha256 = statement.map(|text| Hash::of(text.as_bytes()).to_string());
        output::json(&json!({
            "file": path.display().to_string(), "sound": true, "hub": report.hub,
            "first_seq": report.first_seq, "last_seq": report.last_seq,
            "checkpoints": report.checkpoints, "last_checkpoint": number,
            "last_checkpoint_sha256": sha256, "made_at": report.at,
            "keys": keys, "keys_pinned": is_pinned,
        }));
        return;
    }
    output::line(&format!(
        "{}: sound. Hub {}, seq {} to {}, {} checkpoints, the last is {}; made {}",
        path.display(),
        report.hub,
        report.first_seq,
        report.last_seq,
        report.checkpoints,
        number.unwrap_or_default(),
        report.at,
    ));
    if is_pinned {
        output::line("signed with pinned keys only");
    } else {
        let keys = keys.join(", ");
        output::line(&format!(
            "signed with the keys that the export itself names ({keys}): that they are the hub's is not verified; pin them with --key"
        ));
    }
}
