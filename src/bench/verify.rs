//! How fast credentials are verified, against the signature alone: a credential with 12 claims of which 4 are disclosed.
//!
//! Both run on one core, in slices that take turns. The signature alone is that of a key prepared before, over bytes decoded before:
//! the least that any verifier must do.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::bench::{BenchError, Report, rate, ratio};
use crate::credentials::domain::{Algorithm, ClaimPath, Segment};
use crate::credentials::sdjwt::binding::BindingPolicy;
use crate::credentials::sdjwt::defect::Defect;
use crate::credentials::sdjwt::issue::{Draft, prepare};
use crate::credentials::sdjwt::jws::Header;
use crate::credentials::sdjwt::key::{PublicKey, SecretKey};
use crate::credentials::sdjwt::present::{Choice, Proof, present};
use crate::credentials::sdjwt::read::Presented;
use crate::credentials::sdjwt::{TYP_SD_JWT_VC, encoding};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Rounds in which whole and signature take turns.
    pub rounds: usize,
    /// Credentials; each is verified once a round.
    pub credentials: usize,
    /// When it is.
    pub now: OffsetDateTime,
}

/// Claims that are hidden, and then those of them that are shown.
const HIDDEN: [&str; 12] = [
    "family_name",
    "given_name",
    "birth_date",
    "certificate_number",
    "occupation",
    "skill_level",
    "issued_on",
    "valid_until",
    "assessed_by",
    "score_theory",
    "score_practice",
    "division",
];
const SHOWN: [&str; 4] = ["family_name", "given_name", "occupation", "skill_level"];

const AUDIENCE: &str = "https://hub.example/platforms/one";
const NONCE: &str = "b1mE0b7x1mE4uHf9QmV2bQ";

/// A presentation, and the signatures in it with what they are over.
struct Sample {
    text: String,
    issuer: Signed,
    holder: Option<Signed>,
}

struct Signed {
    message: Vec<u8>,
    signature: Vec<u8>,
    key: PublicKey,
}

impl Signed {
    fn of(jws: &str, key: &PublicKey) -> Option<Self> {
        let (message, signature) = jws.rsplit_once('.')?;
        let signature = encoding::decode(signature)?;
        Some(Self { message: message.as_bytes().to_vec(), signature, key: key.clone() })
    }

    fn holds(&self) -> bool {
        self.key.verify(black_box(&self.message), black_box(&self.signature))
    }
}

/// Measures. `tell` gets a line for a person now and then.
///
/// # Errors
///
/// What was made here does not verify.
pub fn run(options: VerifyOptions, tell: fn(&str)) -> Result<Report, BenchError> {
    let mut report = Report::default();
    let kinds = [
        ("verify_ratio_es256", "verify", "raw", Algorithm::Es256, false),
        ("verify_ratio_eddsa", "verify", "raw", Algorithm::EdDsa, false),
        ("verify_kb_ratio_es256", "verify_kb", "raw_two", Algorithm::Es256, true),
    ];
    for (name, whole, raw, algorithm, is_bound) in kinds {
        tell(&format!("{name}: {} rounds of {}", options.rounds, options.credentials));
        let samples = samples(options, algorithm, is_bound)?;
        let (whole_took, raw_took) = turns(&samples, options)?;
        let count = options.rounds.saturating_mul(options.credentials);
        let rates = (rate(count, whole_took), rate(count, raw_took));
        let suffix = algorithm.name().to_lowercase();
        report.add(name, ratio(rates.0, rates.1));
        report.add(&format!("{whole}_{suffix}_per_s"), rates.0);
        report.add(&format!("{raw}_{suffix}_per_s"), rates.1);
    }
    Ok(report)
}

/// Lets both take turns, slice by slice, and returns how long each took.
fn turns(samples: &[Sample], options: VerifyOptions) -> Result<(Duration, Duration), BenchError> {
    let wrong = |what: &str| BenchError::Wrong(format!("{what} does not verify"));
    let (mut whole, mut raw) = (Duration::ZERO, Duration::ZERO);
    // One round more, first, to warm up.
    for round in 0..=options.rounds {
        for slice in samples.chunks(50) {
            let started = Instant::now();
            for sample in slice {
                verify(black_box(sample), options.now).map_err(|_| wrong("a credential"))?;
            }
            let between = Instant::now();
            for sample in slice {
                let holds =
                    sample.issuer.holds() && sample.holder.as_ref().is_none_or(Signed::holds);
                if !holds {
                    return Err(wrong("a signature"));
                }
            }
            if round > 0 {
                whole = whole.saturating_add(between - started);
                raw = raw.saturating_add(between.elapsed());
            }
        }
    }
    Ok((whole, raw))
}

/// Everything that a verifier does with the format.
fn verify(sample: &Sample, now: OffsetDateTime) -> Result<(), Defect> {
    let presented = Presented::read(&sample.text)?;
    presented.verify_signature(&sample.issuer.key)?;
    let disclosed = presented.disclose()?;
    if sample.holder.is_some() {
        let policy = BindingPolicy {
            audience: AUDIENCE,
            nonce: NONCE,
            now,
            age_max: time::Duration::minutes(5),
        };
        black_box(presented.verify_binding(&disclosed, &policy)?);
    }
    black_box(disclosed);
    Ok(())
}

fn samples(
    options: VerifyOptions,
    algorithm: Algorithm,
    is_bound: bool,
) -> Result<Vec<Sample>, BenchError> {
    let issuer = key(algorithm)?;
    let paths = |names: &[&str]| -> Vec<ClaimPath> {
        let path = |name: &&str| ClaimPath::new(vec![Segment::Name((*name).to_owned())]);
        names.iter().filter_map(path).collect()
    };
    let (hidden, shown) = (paths(&HIDDEN), paths(&SHOWN));
    (0..options.credentials)
        .map(|number| {
            let holder = key(algorithm)?;
            let complete = issue(number, &issuer, &holder, &hidden, options.now)?;
            let proof =
                Proof { key: &holder, audience: AUDIENCE, nonce: NONCE, issued_at: options.now };
            let proof = is_bound.then_some(&proof);
            let text = present(&complete, Choice::Paths(&shown), proof)
                .map_err(|error| BenchError::Wrong(error.to_string()))?;
            sample(text, issuer.public(), holder.public())
                .ok_or_else(|| BenchError::Wrong("a presentation has no signature".to_owned()))
        })
        .collect()
}

fn sample(text: String, issuer: &PublicKey, holder: &PublicKey) -> Option<Sample> {
    let (signed, _) = text.split_once('~')?;
    let issuer = Signed::of(signed, issuer)?;
    let binding = text.rsplit_once('~').map(|(_, binding)| binding).filter(|it| !it.is_empty());
    let holder = binding.and_then(|it| Signed::of(it, holder));
    Some(Sample { text, issuer, holder })
}

fn key(algorithm: Algorithm) -> Result<SecretKey, BenchError> {
    SecretKey::generate(algorithm).map_err(|error| BenchError::Wrong(error.to_string()))
}

fn issue(
    number: usize,
    issuer: &SecretKey,
    holder: &SecretKey,
    hidden: &[ClaimPath],
    now: OffsetDateTime,
) -> Result<String, BenchError> {
    let now = now.unix_timestamp();
    let claims = json!({
        "iss": "https://bureau.example/issuers/skills", "vct": "https://hub.example/types/skill-level/1",
        "iat": now, "exp": now.saturating_add(86_400 * 1_000),
        "cnf": {"jwk": holder.public().to_jwk()},
        "status": {"status_list": {"idx": number, "uri": "https://hub.example/status/1"}},
        "family_name": "李", "given_name": "小明", "birth_date": "1990-02-03",
        "certificate_number": format!("{number:016}"), "occupation": "6-18-01-01", "skill_level": 3,
        "issued_on": "2026-03-01", "valid_until": "2031-03-01", "assessed_by": "第一技能鉴定所",
        "score_theory": 87, "score_practice": 91, "division": "330106",
    });
    let Value::Object(claims) = claims else {
        return Err(BenchError::Wrong("claims are an object".to_owned()));
    };
    let header = Header {
        algorithm: issuer.algorithm(),
        typ: Some(TYP_SD_JWT_VC.to_owned()),
        kid: Some("2026-1".to_owned()),
        x5c: Vec::new(),
    };
    let wrong = |error: &dyn std::error::Error| BenchError::Wrong(error.to_string());
    let draft = Draft { header, claims, hidden, digests_multiple_of: 1 };
    let unsigned = prepare(draft).map_err(|error| wrong(&error))?;
    let signature = issuer.sign(unsigned.signing_input()).map_err(|error| wrong(&error))?;
    Ok(unsigned.finish(&signature))
}
