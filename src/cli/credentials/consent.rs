//! `peshub credentials consent` and `request`

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::client::ClientArgs;
use crate::cli::credentials::said;
use crate::cli::credentials::verify::instant;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::pb::peshub::credentials::v1 as pb;

/// Commands of `peshub credentials consent`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConsentCommand {
    /// Record a worker's consent. Its recipient may, and a bureau on the worker's behalf.
    Record(RecordArgs),
    /// Withdraw a consent: from now on it covers nothing.
    Withdraw(WithdrawArgs),
    /// List consents, the newest first.
    List(ListArgs),
}

/// What shows that the worker consented.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shown {
    /// The holder's signature over the terms, when the credential is presented.
    HolderSignature,
    /// A signed document.
    Document,
    /// In person.
    InPerson,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RecordArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the participant that may see the data.
    #[arg(long)]
    recipient: String,
    /// What for, as the worker reads it; nothing about the person.
    #[arg(long)]
    purpose: String,
    /// Name of a credential type. May be given several times.
    #[arg(long = "type", required = true)]
    types: Vec<String>,
    /// A claim, with all below it: names with dots between them, `*` for every element. May be given several times.
    #[arg(long = "claim", value_name = "PATH", required = true)]
    claims: Vec<String>,
    /// Until when (RFC 3339), at most three years ahead.
    #[arg(long)]
    until: String,
    /// What shows it.
    #[arg(long, default_value = "holder-signature")]
    evidence: Shown,
    /// SHA-256 of the document, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    document: Option<String>,
    /// Where the document is found again.
    #[arg(long, default_value = "")]
    found_at: String,
    /// Your reference to the worker; without one the evidence is the holder's signature.
    #[arg(long, default_value = "")]
    worker: String,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct WithdrawArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Id of the consent.
    id: String,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Only those of the worker with this reference of yours.
    #[arg(long, default_value = "")]
    worker: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RequestArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Id of the consent.
    consent: String,
    /// How long the nonce is good, in seconds.
    #[arg(long, default_value_t = 300)]
    seconds: i32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ConsentCommand) -> Outcome {
    match command {
        ConsentCommand::Record(args) => record(args).await,
        ConsentCommand::Withdraw(args) => withdraw(args).await,
        ConsentCommand::List(args) => list(args).await,
    }
}

async fn record(args: RecordArgs) -> Outcome {
    let kind = match args.evidence {
        Shown::HolderSignature => pb::EvidenceKind::HolderSignature,
        Shown::Document => pb::EvidenceKind::Document,
        Shown::InPerson => pb::EvidenceKind::InPerson,
    };
    let document = args.document.as_deref().unwrap_or_default();
    let digest = crate::platform::audit::hash::from_hex(&document.to_lowercase());
    let digest = digest.ok_or("the SHA-256 of the document is no hexadecimal digits")?;
    let path = |text: &String| pb::ClaimPath {
        segments: text.split('.').map(ToOwned::to_owned).collect(),
    };
    let request = pb::RecordConsentRequest {
        worker_reference: args.worker,
        terms: Some(pb::ConsentTerms {
            recipient: args.recipient,
            purpose: args.purpose,
            type_names: args.types,
            claims: args.claims.iter().map(path).collect(),
            until: Some(instant(&args.until)?),
        }),
        evidence: Some(pb::Evidence {
            kind: kind.into(),
            document_sha256: digest.into(),
            reference: args.found_at,
        }),
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.consents();
    let answer = client.record_consent(request).await.map_err(ClientError::from)?.into_inner();
    if args.json {
        return said::json("RecordConsentResponse", &answer);
    }
    headline(&answer.consent.unwrap_or_default());
    Ok(())
}

async fn withdraw(args: WithdrawArgs) -> Outcome {
    let request = pb::WithdrawConsentRequest { consent_id: args.id, request_id: args.request_id };
    let mut client = args.client.connect().await?.consents();
    let answer = client.withdraw_consent(request).await.map_err(ClientError::from)?.into_inner();
    headline(&answer.consent.unwrap_or_default());
    Ok(())
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = args.client.connect().await?.consents();
    let mut request = pb::ListConsentsRequest {
        worker_reference: args.worker,
        page_size: 0,
        page_token: String::new(),
    };
    loop {
        let page = client.list_consents(request.clone()).await.map_err(ClientError::from)?;
        let page = page.into_inner();
        for consent in &page.consents {
            if args.json {
                said::json("Consent", consent)?;
            } else {
                headline(consent);
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

fn headline(it: &pb::Consent) {
    let terms = it.terms.clone().unwrap_or_default();
    let state = it.state().as_str_name().trim_start_matches("CONSENT_STATE_").to_lowercase();
    let claims: Vec<_> = terms.claims.iter().map(|it| it.segments.join(".")).collect();
    let (id, recipient, purpose) = (&it.consent_id, &terms.recipient, &terms.purpose);
    let (types, claims) = (terms.type_names.join(", "), claims.join(", "));
    output::line(&format!("{id} · {state} · {recipient}: {purpose} · {types}: {claims}"));
}

pub(super) async fn request(args: RequestArgs) -> Outcome {
    let request = pb::RequestPresentationRequest {
        consent_id: args.consent,
        seconds: args.seconds,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.consents();
    let answer = client.request_presentation(request).await.map_err(ClientError::from)?;
    let answer = answer.into_inner();
    if args.json {
        return said::json("RequestPresentationResponse", &answer);
    }
    output::line(&format!("nonce    {}", answer.nonce));
    output::line(&format!("audience {}", answer.audience));
    output::line(&format!("terms    {}", answer.terms_json));
    Ok(())
}
