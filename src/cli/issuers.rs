//! `peshub issuers`: the trust registry.

pub(crate) mod said;
mod types;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use prost_types::Timestamp;

use crate::cli::client::ClientArgs;
use crate::cli::postings::{division, occupation};
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::credentials::v1 as pb;

/// Commands of `peshub issuers`.
#[derive(Debug, Subcommand)]
pub(super) enum IssuersCommand {
    /// Register an issuer. For registrars of credentials, which bureaus usually are.
    Create(CreateArgs),
    /// Show an issuer with its keys, accreditations and status lists.
    Show(ShowArgs),
    /// List issuers by name.
    List(ListArgs),
    /// Add a key: one that the hub makes and holds, or the public half of the issuer's own. For its owner and who registered it.
    AddKey(AddKeyArgs),
    /// End a key: it signs no more, or may be in wrong hands.
    EndKey(EndKeyArgs),
    /// Let an issuer issue a type of credentials, within the bureau's divisions.
    Accredit(AccreditArgs),
    /// Withdraw an accreditation; what was issued before stays good.
    Withdraw(WithdrawArgs),
    /// Say from where status lists of an issuer's credentials come, and who signs them.
    AddStatusSigner(AddStatusSignerArgs),
    /// Tell what the registry says about an issuer at an instant.
    Resolve(ResolveArgs),
    /// Publish and look at credential types.
    #[command(subcommand)]
    Types(types::TypesCommand),
}

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name: letters a-z, digits and `-`.
    name: String,
    /// Official name.
    #[arg(long)]
    display_name: String,
    /// Short name of the participant that owns it; without one it issues elsewhere.
    #[arg(long, default_value = "")]
    owner: String,
    /// `iss` of its credentials, an https address; one of the hub's own when absent, which needs an owner.
    #[arg(long, default_value = "")]
    identifier: String,
    /// Look its keys up at its well-known address; only without an owner.
    #[arg(long, conflicts_with = "owner")]
    discover_keys: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name or identifier.
    issuer: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Only those that are accredited for this type of credentials now.
    #[arg(long = "type", default_value = "")]
    type_name: String,
    /// Only those of this owner.
    #[arg(long, default_value = "")]
    owner: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct AddKeyArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the issuer.
    issuer: String,
    /// File with the public half of the issuer's own key, a JSON Web Key. Without it and `--authority` the hub makes and holds one.
    #[arg(long, conflicts_with_all = ["authority", "held_as"])]
    jwk: Option<PathBuf>,
    /// File with the certificate of an authority whose certificates (`x5c`) name the issuer's keys, PEM.
    #[arg(long, conflicts_with = "held_as")]
    authority: Option<PathBuf>,
    /// Name of a key that lies in the hub's key directory already, as `issuer-ISSUER-NAME.pem`.
    #[arg(long, default_value = "")]
    held_as: String,
    /// Algorithm of the key that the hub makes.
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Id of the key; its own `kid`, or its thumbprint, when absent.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    key_id: String,
    /// From when on it signs; now when absent. For the issuer's own it may lie in the past.
    #[arg(long, value_parser = said::instant)]
    valid_from: Option<Timestamp>,
    /// What it signs.
    #[arg(long = "for", default_value = "both")]
    key_use: Use,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    Es256,
    Eddsa,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Use {
    Credentials,
    StatusLists,
    Both,
}

#[derive(Args, Debug)]
pub(super) struct EndKeyArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the issuer.
    issuer: String,
    /// Id of the key.
    key_id: String,
    /// Somebody else may have it: only what the hub knew before stays good. Without this it is retired: what it signed stays good.
    #[arg(long)]
    compromised: bool,
    /// From when on, RFC 3339 or a day; now when absent. A compromise may lie in the past, a retirement ahead.
    #[arg(long, value_parser = said::instant)]
    at: Option<Timestamp>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct AccreditArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the issuer.
    issuer: String,
    /// Name of the credential type.
    type_name: String,
    /// An occupation with all below it, `csco:CODE`, `isco:CODE`, `esco:URI` or `onet:CODE`. May be given several times; all when absent.
    #[arg(long = "occupation", value_name = "CODE", value_parser = occupation)]
    occupations: Vec<common::Occupation>,
    /// A division with all below it, GB/T 2260 or ISO 3166-2. May be given several times; the bureau's own when absent.
    #[arg(long = "division", value_name = "CODE")]
    divisions: Vec<String>,
    /// From when on, RFC 3339 or a day; now when absent.
    #[arg(long, value_parser = said::instant)]
    from: Option<Timestamp>,
    /// Until when, exclusive; no end when absent.
    #[arg(long, value_parser = said::instant)]
    until: Option<Timestamp>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct WithdrawArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Id of the accreditation.
    accreditation_id: String,
    /// Why; nothing about a person.
    #[arg(long)]
    because: String,
    /// From when on, RFC 3339 or a day; now when absent.
    #[arg(long, value_parser = said::instant)]
    at: Option<Timestamp>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct AddStatusSignerArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the issuer whose credentials the lists are about.
    issuer: String,
    /// What the address of a list begins with: https, a host and at least one `/`.
    uri_prefix: String,
    /// Short name of the issuer whose keys sign them; the issuer itself when absent.
    #[arg(long, default_value = "")]
    signer: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ResolveArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name or identifier of the issuer.
    issuer: String,
    /// Name of the credential type; all when absent.
    #[arg(long = "type", default_value = "")]
    type_name: String,
    /// At which instant, RFC 3339 or a day; now when absent.
    #[arg(long, value_parser = said::instant)]
    at: Option<Timestamp>,
    /// As the registry stood at this revision; as it stands now when 0.
    #[arg(long, default_value_t = 0)]
    revision: i64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: IssuersCommand) -> Outcome {
    match command {
        IssuersCommand::Create(args) => create(args).await,
        IssuersCommand::Show(args) => show(args).await,
        IssuersCommand::List(args) => list(args).await,
        IssuersCommand::AddKey(args) => add_key(args).await,
        IssuersCommand::EndKey(args) => end_key(args).await,
        IssuersCommand::Accredit(args) => accredit(args).await,
        IssuersCommand::Withdraw(args) => withdraw(args).await,
        IssuersCommand::AddStatusSigner(args) => add_status_signer(args).await,
        IssuersCommand::Resolve(args) => resolve(args).await,
        IssuersCommand::Types(command) => types::run(command).await,
    }
}

/// Prints a message as JSON, or in words.
fn tell<M: prost::Message>(name: &str, message: &M, as_json: bool, words: impl Fn(&M)) -> Outcome {
    if as_json {
        let name = format!("peshub.credentials.v1.{name}");
        output::json(&json::of_message(&name, message)?);
    } else {
        words(message);
    }
    Ok(())
}

async fn create(args: CreateArgs) -> Outcome {
    let request = pb::CreateIssuerRequest {
        name: args.name,
        identifier: args.identifier,
        display_name: args.display_name,
        owner: args.owner,
        discovers_keys: args.discover_keys,
        ..pb::CreateIssuerRequest::default()
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.create_issuer(request).await.map_err(ClientError::from)?.into_inner();
    tell("Issuer", &answer.issuer.unwrap_or_default(), args.json, said::issuer)
}

async fn show(args: ShowArgs) -> Outcome {
    let request = pb::GetIssuerRequest { issuer: args.issuer };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.get_issuer(request).await.map_err(ClientError::from)?.into_inner();
    tell("Issuer", &answer.issuer.unwrap_or_default(), args.json, said::issuer)
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = args.client.connect().await?.issuers();
    let mut request = pb::ListIssuersRequest {
        type_name: args.type_name,
        owner: args.owner,
        ..pb::ListIssuersRequest::default()
    };
    loop {
        let answer = client.list_issuers(request.clone()).await.map_err(ClientError::from)?;
        let page = answer.into_inner();
        for issuer in &page.issuers {
            tell("Issuer", issuer, args.json, |it| output::line(&said::headline(it)))?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn add_key(args: AddKeyArgs) -> Outcome {
    let read = |path: &Option<PathBuf>| match path {
        None => Ok(String::new()),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display())),
    };
    let algorithm = args.algorithm.map(|algorithm| match algorithm {
        Algorithm::Es256 => pb::KeyAlgorithm::Es256,
        Algorithm::Eddsa => pb::KeyAlgorithm::Eddsa,
    });
    let key_use = match args.key_use {
        Use::Credentials => pb::KeyUse::Credentials,
        Use::StatusLists => pb::KeyUse::StatusLists,
        Use::Both => pb::KeyUse::Both,
    };
    let request = pb::AddIssuerKeyRequest {
        issuer: args.issuer,
        public_jwk: read(&args.jwk)?,
        authority_pem: read(&args.authority)?,
        algorithm: algorithm.unwrap_or_default().into(),
        key_id: args.key_id,
        valid_from: args.valid_from,
        key_use: key_use.into(),
        held_as: args.held_as,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.add_issuer_key(request).await.map_err(ClientError::from)?.into_inner();
    tell("IssuerKey", &answer.key.unwrap_or_default(), args.json, said::key)
}

async fn end_key(args: EndKeyArgs) -> Outcome {
    let end = if args.compromised { pb::KeyEnd::Compromised } else { pb::KeyEnd::Retired };
    let request = pb::EndIssuerKeyRequest {
        issuer: args.issuer,
        key_id: args.key_id,
        end: end.into(),
        at: args.at,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.end_issuer_key(request).await.map_err(ClientError::from)?.into_inner();
    tell("IssuerKey", &answer.key.unwrap_or_default(), args.json, said::key)
}

async fn accredit(args: AccreditArgs) -> Outcome {
    let request = pb::AccreditIssuerRequest {
        issuer: args.issuer,
        type_name: args.type_name,
        occupations: args.occupations,
        divisions: args.divisions.iter().map(|code| division(code)).collect(),
        valid_from: args.from,
        valid_until: args.until,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.accredit_issuer(request).await.map_err(ClientError::from)?.into_inner();
    let accreditation = answer.accreditation.unwrap_or_default();
    tell("Accreditation", &accreditation, args.json, said::accreditation)
}

async fn withdraw(args: WithdrawArgs) -> Outcome {
    let request = pb::WithdrawAccreditationRequest {
        accreditation_id: args.accreditation_id,
        at: args.at,
        because: args.because,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.withdraw_accreditation(request).await.map_err(ClientError::from)?;
    let accreditation = answer.into_inner().accreditation.unwrap_or_default();
    tell("Accreditation", &accreditation, args.json, said::accreditation)
}

async fn add_status_signer(args: AddStatusSignerArgs) -> Outcome {
    let request = pb::AddStatusSignerRequest {
        issuer: args.issuer,
        uri_prefix: args.uri_prefix,
        signer: args.signer,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.add_status_signer(request).await.map_err(ClientError::from)?;
    let signer = answer.into_inner().status_signer.unwrap_or_default();
    tell("StatusSigner", &signer, args.json, said::status_signer)
}

async fn resolve(args: ResolveArgs) -> Outcome {
    let request = pb::ResolveTrustRequest {
        issuer: args.issuer,
        type_name: args.type_name,
        at: args.at,
        trust_revision: args.revision,
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.resolve_trust(request).await.map_err(ClientError::from)?.into_inner();
    tell("ResolveTrustResponse", &answer, args.json, |answer| {
        output::line(&format!("registry revision {}", answer.trust_revision));
        answer.keys.iter().for_each(said::key);
        answer.accreditations.iter().for_each(said::accreditation);
        answer.status_signers.iter().for_each(said::status_signer);
    })
}
