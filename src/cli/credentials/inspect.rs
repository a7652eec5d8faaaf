//! `peshub credentials inspect`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use time::Duration;

use crate::cli::credentials::read_text;
use crate::cli::{Outcome, output};
use crate::credentials::sdjwt::Profile;
use crate::credentials::sdjwt::binding::BindingPolicy;
use crate::credentials::sdjwt::defect::Defect;
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::sdjwt::process::Disclosed;
use crate::credentials::sdjwt::read::Presented;
use crate::kernel::clock::{Clock as _, SystemClock};

#[derive(Args, Debug)]
pub(in crate::cli) struct InspectArgs {
    /// File of the credential or presentation; `-` reads it from the standard input.
    credential: PathBuf,
    /// File of the issuer's public key: a JWK, or a set of them, of which `kid` picks one. Without it no signature is verified.
    #[arg(long, value_name = "FILE")]
    issuer_key: Option<PathBuf>,
    /// For whom the key binding must have been made.
    #[arg(long, requires = "nonce")]
    audience: Option<String>,
    /// For which occasion the key binding must have been made.
    #[arg(long, requires = "audience", allow_hyphen_values = true)]
    nonce: Option<String>,
    /// How long ago the key binding may have been made, in seconds.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(i64).range(1..=315_360_000))]
    age_seconds: i64,
    /// Take any `typ`, and leave out the rules of SD-JWT VC.
    #[arg(long)]
    plain: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found, in the order in which it was looked for.
#[derive(Default)]
struct Findings {
    checks: Vec<Value>,
    has_failed: bool,
}

impl Findings {
    /// Notes what became of a step, and returns what it gave.
    fn note<T>(&mut self, step: &str, found: Result<T, Defect>) -> Option<T> {
        match found {
            Ok(value) => {
                self.checks.push(json!({"check": step, "outcome": "passed"}));
                Some(value)
            }
            Err(defect) => {
                self.has_failed = true;
                self.checks.push(json!({
                    "check": defect.check, "outcome": "failed", "clause": defect.clause, "detail": defect.detail,
                }));
                None
            }
        }
    }

    fn skip(&mut self, step: &str, why: &str) {
        self.checks.push(json!({"check": step, "outcome": "skipped", "detail": why}));
    }
}

pub(super) fn run(args: &InspectArgs) -> Outcome {
    let text = read_text(&args.credential)?;
    let mut findings = Findings::default();
    let mut said = Map::new();
    let profile = if args.plain { Profile::Plain(None) } else { Profile::SdJwtVc };
    if let Some(presented) = findings.note("format", Presented::read_as(&text, profile)) {
        said.insert("header".to_owned(), Value::Object(presented.header().to_object()));
        said.insert("credential_sha256".to_owned(), json!(encoding::encode(&presented.digest())));
        match &args.issuer_key {
            None => findings.skip("signature.issuer", "no --issuer-key was given"),
            Some(path) => {
                let key = issuer_key(path, presented.header().kid.as_deref())?;
                findings.note("signature.issuer", presented.verify_signature(&key));
            }
        }
        if let Some(disclosed) = findings.note("disclosures", presented.disclose()) {
            said.insert("claims".to_owned(), Value::Object(disclosed.claims.clone()));
            let paths = disclosed.disclosed.iter().map(ToString::to_string);
            said.insert("disclosed".to_owned(), paths.collect());
            binding(args, &presented, &disclosed, &mut findings);
        }
    }
    said.insert("checks".to_owned(), Value::Array(std::mem::take(&mut findings.checks)));
    let said = Value::Object(said);
    if args.json {
        output::json(&said);
    } else {
        output::line(explained(&said)?.trim_end());
    }
    if findings.has_failed { Err("a check failed".into()) } else { Ok(()) }
}

fn binding(
    args: &InspectArgs,
    presented: &Presented<'_>,
    disclosed: &Disclosed,
    findings: &mut Findings,
) {
    let (Some(audience), Some(nonce)) = (&args.audience, &args.nonce) else {
        let why = match presented.binding() {
            Some(_) => "no --audience and --nonce were given",
            None => "there is none, and none was asked for",
        };
        return findings.skip("binding", why);
    };
    let policy = BindingPolicy {
        audience,
        nonce,
        now: SystemClock.now(),
        age_max: Duration::seconds(args.age_seconds),
    };
    findings.note("binding", presented.verify_binding(disclosed, &policy));
}

/// Reads a key, or the one of a set that has an id.
fn issuer_key(
    path: &Path,
    kid: Option<&str>,
) -> Result<PublicKey, Box<dyn std::error::Error + Send + Sync>> {
    let read: Value = serde_json::from_str(&read_text(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let Some(keys) = read.get("keys").and_then(Value::as_array) else {
        return Ok(PublicKey::from_jwk(&read)?);
    };
    let own = |it: &&Value| it.get("kid").and_then(Value::as_str) == kid;
    let key = match keys.as_slice() {
        [only] => Some(only),
        all => all.iter().find(own),
    };
    let key = key.ok_or_else(|| format!("{} has no key of that kid", path.display()))?;
    Ok(PublicKey::from_jwk(key)?)
}

/// Writes what was found for a person.
fn explained(said: &Value) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut text = String::new();
    for name in ["header", "claims"] {
        if let Some(value) = said.get(name) {
            writeln!(text, "{name} {}", serde_json::to_string_pretty(value)?)?;
        }
    }
    let items = |name: &str| said.get(name).and_then(Value::as_array).into_iter().flatten();
    for path in items("disclosed") {
        writeln!(text, "by disclosure  {}", path.as_str().unwrap_or_default())?;
    }
    if let Some(digest) = said.get("credential_sha256").and_then(Value::as_str) {
        writeln!(text, "credential     {digest}")?;
    }
    for check in items("checks") {
        let part = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
        write!(text, "{:<14} {}", part("outcome"), part("check"))?;
        if !part("detail").is_empty() {
            write!(text, ": {}", part("detail"))?;
        }
        if !part("clause").is_empty() {
            write!(text, " ({})", part("clause"))?;
        }
        writeln!(text)?;
    }
    Ok(text)
}
