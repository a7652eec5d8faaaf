//! How fast a hub verifies a stream of credentials, against the signatures alone on all processors: client, hub and PostgreSQL share the
//! machine with each other, and have it in turns with the signatures.
//!
//! Every credential is another one and is sent once, so that nothing is remembered of it; what is remembered counts when they are sent
//! once more. Each says what a credential of a hub says: key, type, accreditation and a place in a status list are looked up.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::bench::child::ChildHub;
use crate::bench::{BenchError, Report, rate, ratio};
use crate::client::error::ClientError;
use crate::credentials::domain::{Algorithm, ClaimPath};
use crate::credentials::sdjwt::issue::{Draft, prepare};
use crate::credentials::sdjwt::jws::Header;
use crate::credentials::sdjwt::key::{PublicKey, SecretKey};
use crate::credentials::sdjwt::present::{Choice, present};
use crate::credentials::sdjwt::{TYP_SD_JWT_VC, encoding};
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::verify_presentations_request::Message;

/// Who issues, who registers the issuer, and who verifies; demo participants of a development hub.
const ISSUER: &str = "academy-hangzhou";
const REGISTRAR: &str = "bureau-zhejiang";
const VERIFIER: &str = "platform-north";
/// Name of the type.
const TYPE: &str = "bench-certificate";
/// Claims that are hidden: 4 of them are shown.
const HIDDEN: [&str; 12] = [
    "family_name",
    "given_name",
    "occupation",
    "skill_level",
    "birth_date",
    "certificate_number",
    "issued_on",
    "valid_until",
    "assessed_by",
    "score_theory",
    "score_practice",
    "remark",
];
/// How many of [`HIDDEN`] are shown.
const SHOWN: usize = 4;
/// Presentations of one message: as many as one may have.
const BATCH: usize = 1_000;
/// Messages on their way.
const UNDER_WAY: usize = 6;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct StreamOptions {
    /// Rounds in which hub and signatures take turns.
    pub rounds: usize,
    /// Credentials of a round.
    pub credentials: usize,
    /// When it is.
    pub now: OffsetDateTime,
}

/// What is presented, and the signature in it with what it is over.
struct Sample {
    text: String,
    signature: Vec<u8>,
    signed: usize,
}

/// Measures. `progress` is told what is going on.
///
/// # Errors
///
/// A part does not start, or something does not verify.
pub async fn run(
    (program, data_dir): (&Path, &Path),
    options: StreamOptions,
    report: &mut Report,
    progress: impl Fn(&str),
) -> Result<(), BenchError> {
    progress("starting a hub");
    let hub = ChildHub::start_with(program, &data_dir.join("hub"), &[]).await?;
    let key = SecretKey::generate(Algorithm::Es256).map_err(wrong)?;
    let made = furnish(&hub, &key, options.now).await?;
    let client = hub.connect(VERIFIER).await?;
    let (mut raw, mut stream) = ((0, Duration::ZERO), (0, Duration::ZERO));
    let mut again = Duration::ZERO;
    for round in 0..=options.rounds {
        progress(&format!("round {round}: signing"));
        let samples = samples(&made, &key, options, round).await?;
        progress(&format!("round {round}: verifying"));
        let texts: Vec<String> = samples.iter().map(|it| it.text.clone()).collect();
        let before = signatures(&samples, key.public()).await?;
        let took = verify(&client, texts.clone()).await?;
        let after = signatures(&samples, key.public()).await?;
        let remembered = verify(&client, texts).await?;
        // The first round warms up.
        if round > 0 {
            raw = (raw.0 + 2 * samples.len(), raw.1.saturating_add(before).saturating_add(after));
            stream = (stream.0 + samples.len(), stream.1.saturating_add(took));
            again = again.saturating_add(remembered);
        }
    }
    let (raw, remembered) = (rate(raw.0, raw.1), rate(stream.0, again));
    let stream = rate(stream.0, stream.1);
    report.add("verify_stream_ratio", ratio(stream, raw));
    report.add("verify_stream_per_s", stream);
    report.add("verify_stream_again_per_s", remembered);
    report.add("raw_all_processors_per_s", raw);
    hub.stop().await
}

/// What the credentials have in common.
struct Made {
    issuer: String,
    vct: String,
    place: pb::StatusPlace,
}

/// Registers the issuer with a key of its own, publishes the type, accredits the one for the other, and reserves a place in a status
/// list.
async fn furnish(hub: &ChildHub, key: &SecretKey, now: OffsetDateTime) -> Result<Made, BenchError> {
    let mut registrar = hub.connect(REGISTRAR).await?.issuers();
    let create = pb::CreateIssuerRequest {
        name: ISSUER.to_owned(),
        display_name: "Issuer of the measurement".to_owned(),
        owner: ISSUER.to_owned(),
        ..pb::CreateIssuerRequest::default()
    };
    let issuer = registrar.create_issuer(create).await.map_err(ClientError::from)?.into_inner();
    let publish = pb::CreateCredentialTypeRequest {
        credential_type: Some(credential_type()),
        request_id: String::new(),
    };
    let kind = registrar.create_credential_type(publish).await.map_err(ClientError::from)?;
    let since = prost_types::Timestamp { seconds: now.unix_timestamp() - 86_400, nanos: 0 };
    let accredit = pb::AccreditIssuerRequest {
        issuer: ISSUER.to_owned(),
        type_name: TYPE.to_owned(),
        valid_from: Some(since),
        ..pb::AccreditIssuerRequest::default()
    };
    registrar.accredit_issuer(accredit).await.map_err(ClientError::from)?;
    let own = hub.connect(ISSUER).await?;
    let mut issuers = own.issuers();
    let held = pb::AddIssuerKeyRequest { issuer: ISSUER.to_owned(), ..Default::default() };
    issuers.add_issuer_key(held).await.map_err(ClientError::from)?;
    let add = pb::AddIssuerKeyRequest {
        issuer: ISSUER.to_owned(),
        public_jwk: key.public().to_jwk().to_string(),
        key_id: "bench".to_owned(),
        valid_from: Some(since),
        ..pb::AddIssuerKeyRequest::default()
    };
    issuers.add_issuer_key(add).await.map_err(ClientError::from)?;
    let reserve =
        pb::ReserveStatusRequest { issuer: ISSUER.to_owned(), count: 1, request_id: String::new() };
    let reserved = own.credentials().reserve_status(reserve).await.map_err(ClientError::from)?;
    let nothing = || BenchError::Wrong("the hub gave less than was asked for".to_owned());
    Ok(Made {
        issuer: issuer.issuer.ok_or_else(nothing)?.identifier,
        vct: kind.into_inner().credential_type.ok_or_else(nothing)?.vct,
        place: reserved.into_inner().places.into_iter().next().ok_or_else(nothing)?,
    })
}

fn credential_type() -> pb::CredentialType {
    let named =
        |text: &str| vec![pb::DisplayName { language: "en".to_owned(), text: text.to_owned() }];
    let path = |name: &str| pb::ClaimPath { segments: vec![name.to_owned()] };
    let claim = |name: &str, disclosure: pb::ClaimDisclosure| pb::ClaimDefinition {
        path: Some(path(name)),
        names: named(name),
        disclosure: disclosure.into(),
        mandatory: false,
        sensitive: false,
    };
    let division = claim("division", pb::ClaimDisclosure::Never);
    let mut claims = vec![pb::ClaimDefinition { mandatory: true, ..division }];
    claims.extend(HIDDEN.map(|it| claim(it, pb::ClaimDisclosure::Always)));
    let properties: Map<_, _> = HIDDEN
        .iter()
        .chain(&["division"])
        .map(|it| ((*it).to_owned(), json!({"type": "string", "maxLength": 100})))
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": ["division"],
        "additionalProperties": false,
    });
    pb::CredentialType {
        name: TYPE.to_owned(),
        names: named("Certificate of the measurement"),
        claims,
        schema_json: schema.to_string(),
        division_claim: Some(path("division")),
        validity_days_max: 365,
        ..pb::CredentialType::default()
    }
}

/// Makes credentials on all processors, and shows some of each.
async fn samples(
    made: &Made,
    key: &SecretKey,
    options: StreamOptions,
    round: usize,
) -> Result<Vec<Sample>, BenchError> {
    let pkcs8 = key.pkcs8().map_err(wrong)?;
    let mut common = Map::new();
    let now = options.now.unix_timestamp();
    common.insert("iss".to_owned(), json!(made.issuer));
    common.insert("vct".to_owned(), json!(made.vct));
    common.insert("iat".to_owned(), json!(now - 60));
    common.insert("exp".to_owned(), json!(now + 86_400));
    common.insert("division".to_owned(), json!("330106"));
    let place = json!({"uri": made.place.uri, "idx": made.place.index});
    common.insert("status".to_owned(), json!({"status_list": place}));
    let hidden: Vec<ClaimPath> = HIDDEN.iter().filter_map(|it| path(it)).collect();
    let (common, hidden) = (Arc::new(common), Arc::new(hidden));
    let parts = processors();
    let mut threads = Vec::with_capacity(parts);
    for part in 0..parts {
        let key = SecretKey::of_pkcs8(&pkcs8).map_err(wrong)?;
        let (common, hidden) = (Arc::clone(&common), Arc::clone(&hidden));
        let numbers = (part..options.credentials).step_by(parts);
        threads.push(tokio::task::spawn_blocking(move || {
            numbers.map(|number| sample(&key, &common, &hidden, (round, number))).collect()
        }));
    }
    let mut made = Vec::with_capacity(options.credentials);
    for thread in threads {
        let part: Result<Vec<Sample>, BenchError> = thread.await.map_err(wrong)?;
        made.extend(part?);
    }
    Ok(made)
}

fn path(name: &str) -> Option<ClaimPath> {
    ClaimPath::parse(&[name.to_owned()])
}

fn sample(
    key: &SecretKey,
    common: &Map<String, Value>,
    hidden: &[ClaimPath],
    (round, number): (usize, usize),
) -> Result<Sample, BenchError> {
    let mut claims = common.clone();
    for name in HIDDEN {
        claims.insert(name.to_owned(), json!(format!("{name} {round} {number}")));
    }
    let header = Header {
        algorithm: key.algorithm(),
        typ: Some(TYP_SD_JWT_VC.to_owned()),
        kid: Some("bench".to_owned()),
        x5c: Vec::new(),
    };
    let unsigned =
        prepare(Draft { header, claims, hidden, digests_multiple_of: 1 }).map_err(wrong)?;
    let signature = key.sign(unsigned.signing_input()).map_err(wrong)?;
    let whole = unsigned.finish(&signature);
    let shown = hidden.get(..SHOWN).unwrap_or_default();
    let text = present(&whole, Choice::Paths(shown), None).map_err(wrong)?;
    let signed = text.split_once('~').and_then(|(jwt, _)| jwt.rfind('.')).unwrap_or_default();
    let signature = text.get(signed.saturating_add(1)..).and_then(|it| it.split('~').next());
    let signature = signature.and_then(encoding::decode).unwrap_or_default();
    Ok(Sample { text, signature, signed })
}

/// Verifies the signatures alone, of bytes that are decoded and by a key that is prepared, on all processors; returns how long it took.
async fn signatures(samples: &[Sample], key: &PublicKey) -> Result<Duration, BenchError> {
    let started = Instant::now();
    let sound = std::thread::scope(|scope| {
        let length = samples.len().div_ceil(processors()).max(1);
        let threads: Vec<_> = samples
            .chunks(length)
            .map(|part| {
                let key = key.clone();
                scope.spawn(move || {
                    part.iter().all(|it| {
                        let message = it.text.as_bytes().get(..it.signed).unwrap_or_default();
                        key.verify(message, &it.signature)
                    })
                })
            })
            .collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    let took = started.elapsed();
    tokio::task::yield_now().await;
    if sound { Ok(took) } else { Err(BenchError::Wrong("a signature does not hold".to_owned())) }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Sends presentations on one stream, and returns how long it took until the last verdict was there; all must be VALID.
async fn verify(
    connection: &crate::client::connect::Connection,
    texts: Vec<String>,
) -> Result<Duration, BenchError> {
    let grounds = pb::Grounds {
        purpose: "measuring".to_owned(),
        law: "an article of a law".to_owned(),
        consent_id: String::new(),
    };
    let open = pb::OpenVerification { grounds: Some(grounds), policy: None };
    let asking = |message| pb::VerifyPresentationsRequest { message: Some(message) };
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    let count = texts.len();
    let mut messages = Vec::with_capacity(count.div_ceil(BATCH));
    let mut texts = texts.into_iter();
    loop {
        let presentations: Vec<String> = texts.by_ref().take(BATCH).collect();
        if presentations.is_empty() {
            break;
        }
        let number = i64::try_from(messages.len()).unwrap_or_default();
        messages.push(asking(Message::Batch(pb::PresentationBatch { number, presentations })));
    }
    let started = Instant::now();
    let sending = async move {
        sender.send(asking(Message::Open(open))).await.unwrap_or_default();
        for message in messages {
            sender.send(message).await.unwrap_or_default();
        }
    };
    let mut client = connection.verification();
    let receiving = async move {
        let answers = client.verify_presentations(ReceiverStream::new(receiver)).await;
        let mut answers = answers.map_err(ClientError::from)?.into_inner();
        let mut valid = 0;
        while let Some(answer) = answers.message().await.map_err(ClientError::from)? {
            valid += answer.results.iter().filter(|it| is_valid(it)).count();
        }
        Ok::<usize, BenchError>(valid)
    };
    let ((), valid) = tokio::join!(sending, receiving);
    let (took, valid) = (started.elapsed(), valid?);
    if valid == count {
        return Ok(took);
    }
    Err(BenchError::Wrong(format!("{valid} of {count} credentials were valid")))
}

fn is_valid(result: &pb::VerificationResult) -> bool {
    let verdict = result.verdict.as_ref();
    verdict.is_some_and(|it| it.outcome() == pb::VerdictOutcome::Valid)
}

fn wrong(error: impl std::fmt::Display) -> BenchError {
    BenchError::Wrong(error.to_string())
}
