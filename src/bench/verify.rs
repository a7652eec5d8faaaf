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

/// Credentials of a turn: some milliseconds, so that few turns are disturbed.
const SLICE: usize = 20;

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
        let slices = turns(&samples, options)?;
        let suffix = algorithm.name().to_lowercase();
        let rate_of = |took: fn(&Slice) -> Duration| median(&slices, |it| rate(it.count, took(it)));
        report.add(name, median(&slices, |it| ratio(rate(1, it.whole), rate(1, it.raw))));
        report.add(&format!("{whole}_{suffix}_per_s"), rate_of(|it| it.whole));
        report.add(&format!("{raw}_{suffix}_per_s"), rate_of(|it| it.raw));
    }
    Ok(report)
}

/// How long some credentials took.
struct Slice {
    count: usize,
    whole: Duration,
    raw: Duration,
}

/// Returns the one in the middle: a slice in which the machine did something else counts as one slice, however long it took.
fn median(slices: &[Slice], of: impl Fn(&Slice) -> f64) -> f64 {
    let mut all: Vec<f64> = slices.iter().map(of).collect();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Lets both take turns, slice by slice, and returns how long each took.
fn turns(samples: &[Sample], options: VerifyOptions) -> Result<Vec<Slice>, BenchError> {
    let wrong = |what: &str| BenchError::Wrong(format!("{what} does not verify"));
    let mut slices = Vec::new();
    // One round more, first, to warm up.
    for round in 0..=options.rounds {
        for (number, slice) in samples.chunks(SLICE).enumerate() {
            let whole = || {
                let started = Instant::now();
                let holds = slice.iter().all(|it| verify(black_box(it), options.now).is_ok());
                if holds { Ok(started.elapsed()) } else { Err(wrong("a credential")) }
            };
            let raw = || {
                let started = Instant::now();
                let holds = slice
                    .iter()
                    .all(|it| it.issuer.holds() && it.holder.as_ref().is_none_or(Signed::holds));
                if holds { Ok(started.elapsed()) } else { Err(wrong("a signature")) }
            };
            // Who comes second finds the texts at hand, so each comes first in turn.
            let (whole, raw) = if (round.wrapping_add(number)).is_multiple_of(2) {
                (whole()?, raw()?)
            } else {
                let raw = raw()?;
                (whole()?, raw)
            };
            if round > 0 {
                slices.push(Slice { count: slice.len(), whole, raw });
            }
        }
    }
    Ok(slices)
}

/// Everything that a verifier does with the format, as the hub does it: the claims stand where they belong, and nobody has asked for
/// a copy of them.
fn verify(sample: &Sample, now: OffsetDateTime) -> Result<(), Defect> {
    let presented = Presented::read(&sample.text)?;
    presented.verify_signature(&sample.issuer.key)?;
    let opened = presented.open()?;
    let disclosed = presented.claims(&opened)?;
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
