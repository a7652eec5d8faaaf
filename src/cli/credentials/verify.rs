//! `peshub credentials verify`, `check` and `replay`

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::client::ClientArgs;
use crate::cli::credentials::{read_text, said};
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::credentials::v1 as pb;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Right {
    /// By which consent of the worker.
    #[arg(long)]
    consent: Option<String>,
    /// By which law, to the article.
    #[arg(long, requires = "purpose")]
    law: Option<String>,
}

/// How, and by what right.
#[derive(Args, Debug)]
pub(super) struct Asked {
    #[command(flatten)]
    right: Right,
    /// What for, as the worker will read it. With a consent it may be left out.
    #[arg(long)]
    purpose: Option<String>,
    /// The nonce of the holder's proof, when the hub has not given it out.
    #[arg(long, requires = "audience", allow_hyphen_values = true)]
    nonce: Option<String>,
    /// Whom the holder's proof must be made for, when the hub has not given the nonce out.
    #[arg(long, requires = "nonce")]
    audience: Option<String>,
    /// Refuse who does not show to be the holder.
    #[arg(long)]
    require_binding: bool,
    /// Take only this type. May be given several times.
    #[arg(long = "type")]
    types: Vec<String>,
    /// A claim that must be told: names with dots between them. May be given several times.
    #[arg(long = "claim", value_name = "PATH")]
    claims: Vec<String>,
    /// How old what is known of the status may be, in seconds; as old as the list says when absent.
    #[arg(long, default_value_t = 0)]
    status_age: i32,
    /// Was it valid at this instant (RFC 3339)? Only by a law.
    #[arg(long)]
    as_of: Option<String>,
    /// Refuse, instead of withholding what the consent does not cover.
    #[arg(long)]
    refuse_excess: bool,
    /// Be told of changes from now on.
    #[arg(long)]
    follow: bool,
}

impl Asked {
    fn grounds(&self) -> pb::Grounds {
        pb::Grounds {
            purpose: self.purpose.clone().unwrap_or_default(),
            consent_id: self.right.consent.clone().unwrap_or_default(),
            law: self.right.law.clone().unwrap_or_default(),
        }
    }

    fn policy(&self) -> Result<pb::VerificationPolicy, Error> {
        let path = |text: &String| pb::ClaimPath {
            segments: text.split('.').map(ToOwned::to_owned).collect(),
        };
        Ok(pb::VerificationPolicy {
            require_binding: self.require_binding,
            audience: self.audience.clone().unwrap_or_default(),
            nonce: self.nonce.clone().unwrap_or_default(),
            binding_age_seconds_max: 0,
            status_age_seconds_max: self.status_age,
            type_names: self.types.clone(),
            as_of: self.as_of.as_deref().map(instant).transpose()?,
            refuse_excess: self.refuse_excess,
            follow: self.follow,
            required_claims: self.claims.iter().map(path).collect(),
        })
    }
}

/// Reads an instant.
pub(super) fn instant(text: &str) -> Result<prost_types::Timestamp, Error> {
    let at = OffsetDateTime::parse(text, &Rfc3339);
    let at = at.map_err(|_| format!("{text} is no instant like 2026-11-23T08:00:00Z"))?;
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    Ok(prost_types::Timestamp { seconds: at.unix_timestamp(), nanos })
}

#[derive(Args, Debug)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// File of what the holder presents; `-` reads it from the standard input.
    #[arg(default_value = "-")]
    presentation: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// Show every check, not only those that fail.
    #[arg(long)]
    checks: bool,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// File of what the holder presented then; `-` reads it from the standard input.
    presentation: PathBuf,
    /// File of the verdict, as `verify --json` prints it.
    verdict: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// Show every check, not only those that fail.
    #[arg(long)]
    checks: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the posting's source.
    source: String,
    /// The posting's id in its source.
    external_id: String,
    /// Files of what the holder presents, at most 20.
    presentations: Vec<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: VerifyArgs) -> Outcome {
    let request = pb::VerifyPresentationRequest {
        presentation: read_text(&args.presentation)?,
        grounds: Some(args.asked.grounds()),
        policy: Some(args.asked.policy()?),
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.verification();
    let answer = client.verify_presentation(request).await.map_err(ClientError::from)?;
    let answer = answer.into_inner();
    let verdict = answer.verdict.clone().unwrap_or_default();
    if args.json {
        said::json("VerifyPresentationResponse", &answer)?;
    } else {
        tell(&verdict, args.checks);
        output::line(&format!("  entry {}", answer.entry_id));
    }
    ended(verdict.outcome())
}

pub(super) async fn replay(args: ReplayArgs) -> Outcome {
    let said = || format!("{} is no verdict that can be read", args.verdict.display());
    let verdict: Value = serde_json::from_str(&read_text(&args.verdict)?).map_err(|_| said())?;
    let verdict = verdict.get("verdict").unwrap_or(&verdict);
    let basis = verdict.get("basis").ok_or_else(said)?;
    let basis: pb::VerdictBasis =
        json::to_message("peshub.credentials.v1.VerdictBasis", basis).map_err(|_| said())?;
    let request = pb::ReplayVerdictRequest {
        presentation: read_text(&args.presentation)?,
        policy: Some(args.asked.policy()?),
        basis: Some(basis),
        grounds: Some(args.asked.grounds()),
    };
    let mut client = args.client.connect().await?.verification();
    let answer = client.replay_verdict(request).await.map_err(ClientError::from)?.into_inner();
    let verdict = answer.verdict.clone().unwrap_or_default();
    if args.json {
        said::json("ReplayVerdictResponse", &answer)?;
    } else {
        tell(&verdict, args.checks);
    }
    ended(verdict.outcome())
}

/// Scripts branch on how the command ends: well only when the credential is valid.
fn ended(outcome: pb::VerdictOutcome) -> Outcome {
    match outcome {
        pb::VerdictOutcome::Valid => Ok(()),
        other => Err(format!("the credential is {}", word(other)).into()),
    }
}

fn word(outcome: pb::VerdictOutcome) -> &'static str {
    outcome.as_str_name().trim_start_matches("VERDICT_OUTCOME_")
}

fn tell(verdict: &pb::Verdict, all: bool) {
    let issuer = [verdict.issuer_name.as_str(), verdict.issuer.as_str()];
    let issuer = issuer.into_iter().find(|it| !it.is_empty()).unwrap_or("nobody that is known");
    let kind = match verdict.type_name.as_str() {
        "" => verdict.vct.clone(),
        name => format!("{name} {}", verdict.type_version),
    };
    output::line(&format!("{} · {kind} · issued by {issuer}", word(verdict.outcome())));
    for check in &verdict.checks {
        let mark = match check.outcome() {
            pb::CheckOutcome::Failed => "failed ",
            pb::CheckOutcome::Passed if all => "passed ",
            pb::CheckOutcome::Skipped if all => "skipped",
            _ => continue,
        };
        let detail = if check.detail.is_empty() { "" } else { ": " };
        let (id, clause) = (&check.id, &check.clause);
        output::line(&format!("  {mark} {id} ({clause}){detail}{}", check.detail));
    }
    if !verdict.claims_json.is_empty() {
        output::line(&format!("  {}", verdict.claims_json));
    }
    if !verdict.withheld.is_empty() {
        let withheld: Vec<_> = verdict.withheld.iter().map(|it| it.segments.join(".")).collect();
        output::line(&format!("  withheld: {}", withheld.join(", ")));
    }
    if verdict.holder_bound {
        output::line("  its holder has shown to be one");
    }
    output::line(&format!("  known to you as {}", verdict.handle));
}

pub(super) async fn check(args: CheckArgs) -> Outcome {
    let presentations: Result<Vec<String>, _> =
        args.presentations.iter().map(|path| read_text(path)).collect();
    let request = pb::CheckRequirementsRequest {
        source: args.source,
        external_id: args.external_id,
        presentations: presentations?,
        grounds: Some(args.asked.grounds()),
        policy: Some(args.asked.policy()?),
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.verification();
    let answer = client.check_requirements(request).await.map_err(ClientError::from)?.into_inner();
    if args.json {
        said::json("CheckRequirementsResponse", &answer)?;
    } else {
        for requirement in &answer.requirements {
            let outcome = requirement.outcome().as_str_name();
            let outcome = outcome.trim_start_matches("REQUIREMENT_OUTCOME_").replace('_', " ");
            let known =
                if requirement.type_known { "" } else { " (a type that the hub does not know)" };
            let name = &requirement.credential_type;
            output::line(&format!("{} · {name}{known}", outcome.to_lowercase()));
        }
        // A presentation that fails may be of no type that can be told: here stands why.
        for (path, result) in args.presentations.iter().zip(&answer.results) {
            match &result.verdict {
                Some(verdict) if verdict.outcome() == pb::VerdictOutcome::Valid => {}
                Some(verdict) => {
                    output::line(&format!("{}:", path.display()));
                    tell(verdict, false);
                }
                None => {
                    let (reason, message) = (&result.reason, &result.message);
                    output::line(&format!("{}: {reason}: {message}", path.display()));
                }
            }
        }
    }
    if answer.all_met { Ok(()) } else { Err("not every requirement is met".into()) }
}
