//! `peshub subsidies replay`: a decision is reproduced without a hub.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{Outcome, output};
use crate::json;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::keyring::{Keyring, read_key};
use crate::subsidies::application::replay;

/// Largest export that is read, in bytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Args, Debug)]
pub(in crate::cli) struct ReplayArgs {
    /// Export of a decision, as `peshub subsidies export` writes it.
    file: PathBuf,
    /// Public key of the hub, 64 hexadecimal digits or a PEM file: the signature of the receipt is held against it. May be given several
    /// times.
    #[arg(long = "key")]
    keys: Vec<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Replays a decision.
pub(super) fn run(args: &ReplayArgs) -> Outcome {
    let export = read(&args.file)?;
    let mut pins = Vec::new();
    for key in &args.keys {
        let text = if read_key(key).is_some() { key.clone() } else { text(Path::new(key))? };
        pins.push(read_key(&text).ok_or_else(|| format!("{key} is no Ed25519 public key"))?);
    }
    let keyring = (!pins.is_empty()).then(|| Keyring::pinned(pins));
    let found = replay::replay(&export, keyring.as_ref())?;
    if !found.is_same {
        let name = "peshub.subsidies.v1.Determination";
        let (signed, computed) =
            (json::of_message(name, &found.signed)?, json::of_message(name, &found.computed)?);
        let place = difference("determination", &signed, &computed);
        return Err(place.unwrap_or_else(|| "the encoding differs".to_owned()).into());
    }
    let decision = export.decision.unwrap_or_default().record.unwrap_or_default();
    let signature = if found.is_signature_checked { "checked" } else { "not checked: no --key" };
    if args.json {
        output::json(&json!({
            "decision": decision.decision_id, "same": true, "signature_checked": found.is_signature_checked,
            "programme": decision.programme, "edition": decision.edition,
        }));
        return Ok(());
    }
    let (programme, edition) = (&decision.programme, decision.edition);
    output::line(&format!("decision {}: the same, bit for bit", decision.decision_id));
    output::line(&format!(
        "  {programme} edition {edition}, determined on {}",
        decision.determined_on
    ));
    output::line(&format!("  signature of the receipt: {signature}"));
    Ok(())
}

fn text(path: &Path) -> Result<String, String> {
    let said = |error| format!("{} cannot be read: {error}", path.display());
    std::fs::read_to_string(path).map_err(said)
}

fn read(path: &Path) -> Result<pb::DecisionExport, String> {
    let size = std::fs::metadata(path).map_or(0, |it| it.len());
    if size > BYTES_MAX {
        return Err(format!("{} is larger than {BYTES_MAX} bytes", path.display()));
    }
    // What the reader says about a mistake could repeat what is about a person.
    let none = || format!("{} is no export of a decision", path.display());
    let value: Value = serde_json::from_str(&text(path)?).map_err(|_| none())?;
    json::to_message("peshub.subsidies.v1.DecisionExport", &value).map_err(|_| none())
}

/// Returns where two messages differ first, and how; what is about a person is in the file that the caller has.
fn difference(at: &str, signed: &Value, computed: &Value) -> Option<String> {
    match (signed, computed) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().find_map(|name| {
                let of = |it: &serde_json::Map<String, Value>| it.get(name).cloned();
                let (one, other) = (of(one).unwrap_or_default(), of(other).unwrap_or_default());
                difference(&format!("{at}.{name}"), &one, &other)
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            let mut found = pairs.filter_map(|(index, (one, other))| {
                difference(&format!("{at}[{index}]"), one, other)
            });
            found.next()
        }
        (one, other) if one == other => None,
        (one, other) => Some(format!("{at} differs: signed {one}, computed {other}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::subsidies::replay::difference;

    #[test]
    fn the_first_difference_is_named_with_its_place() {
        let one = json!({"a": [{"x": 1}, {"x": 2}], "b": true});
        let check = |other, expected: Option<&str>| {
            let found = difference("d", &one, &other);
            assert_eq!(found.as_deref(), expected);
        };
        check(one.clone(), None);
        check(
            json!({"a": [{"x": 1}, {"x": 3}], "b": false}),
            Some("d.a[1].x differs: signed 2, computed 3"),
        );
        check(json!({"a": [{"x": 1}, {"x": 2}]}), Some("d.b differs: signed true, computed null"));
        check(
            json!({"a": [], "b": true}),
            Some("d.a differs: signed [{\"x\":1},{\"x\":2}], computed []"),
        );
    }
}
