//! `peshub issuers types`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::client::ClientArgs;
use crate::cli::issuers::tell;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json::credential_type;
use crate::pb::peshub::credentials::v1 as pb;

/// Commands of `peshub issuers types`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TypesCommand {
    /// Publish a credential type, or the next version of one, from a file. What is published is never changed.
    Publish(PublishArgs),
    /// List credential types by name, each with all its versions.
    List(ListArgs),
    /// Show a version of a credential type.
    Show(ShowArgs),
    /// End a version: nothing more is issued of it, what was issued stays good. For who published it.
    Retire(RetireArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct PublishArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// JSON files as those under `samples/credential-types`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// Its version; the newest when 0.
    #[arg(long, default_value_t = 0)]
    version: i32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RetireArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// Its version.
    version: i32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(command: TypesCommand) -> Outcome {
    match command {
        TypesCommand::Publish(args) => publish(args).await,
        TypesCommand::List(args) => list(args).await,
        TypesCommand::Show(args) => show(args).await,
        TypesCommand::Retire(args) => retire(args).await,
    }
}

async fn publish(args: PublishArgs) -> Outcome {
    // All files are read first: one that is wrong keeps none of the others halfway.
    let mut types = Vec::new();
    for path in &args.files {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        types.push(credential_type::read(&text).map_err(|error| wrong(error.to_string()))?);
    }
    let mut client = args.client.connect().await?.issuers();
    for (path, it) in args.files.iter().zip(types) {
        let request =
            pb::CreateCredentialTypeRequest { credential_type: Some(it), ..Default::default() };
        let answer = client.create_credential_type(request).await.map_err(ClientError::from);
        let answer = answer.map_err(|error| format!("{}: {error}", path.display()))?;
        let published = answer.into_inner().credential_type.unwrap_or_default();
        tell("CredentialType", &published, args.json, |it| output::line(&headline(it)))?;
    }
    Ok(())
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = args.client.connect().await?.issuers();
    let mut request = pb::ListCredentialTypesRequest::default();
    loop {
        let answer = client.list_credential_types(request.clone()).await;
        let page = answer.map_err(ClientError::from)?.into_inner();
        for it in &page.credential_types {
            tell("CredentialType", it, args.json, |it| output::line(&headline(it)))?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn show(args: ShowArgs) -> Outcome {
    let request =
        pb::GetCredentialTypeRequest { name: args.name, version: args.version, vct: String::new() };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.get_credential_type(request).await.map_err(ClientError::from)?;
    let it = answer.into_inner().credential_type.unwrap_or_default();
    tell("CredentialType", &it, args.json, words)
}

async fn retire(args: RetireArgs) -> Outcome {
    let request = pb::RetireCredentialTypeRequest {
        name: args.name,
        version: args.version,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.issuers();
    let answer = client.retire_credential_type(request).await.map_err(ClientError::from)?;
    let it = answer.into_inner().credential_type.unwrap_or_default();
    tell("CredentialType", &it, args.json, |it| output::line(&headline(it)))
}

fn headline(it: &pb::CredentialType) -> String {
    let names: Vec<_> = it.names.iter().map(|name| name.text.as_str()).collect();
    let retired = if it.retired_at.is_some() { " · retired" } else { "" };
    let names = names.join(", ");
    format!("{}/{} · {names} · {} · by {}{retired}", it.name, it.version, it.vct, it.published_by)
}

fn words(it: &pb::CredentialType) {
    output::line(&headline(it));
    if !it.description.is_empty() {
        output::line(&format!("  {}", it.description));
    }
    for claim in &it.claims {
        let path = claim.path.as_ref().map(|path| path.segments.join(".")).unwrap_or_default();
        let disclosure = match claim.disclosure() {
            pb::ClaimDisclosure::Unspecified | pb::ClaimDisclosure::Always => "the holder's",
            pb::ClaimDisclosure::Allowed => "may be hidden",
            pb::ClaimDisclosure::Never => "always seen",
        };
        let names: Vec<_> = claim.names.iter().map(|name| name.text.as_str()).collect();
        let mut line = format!("  claim {path} · {} · {disclosure}", names.join(", "));
        for (word, is_so) in [("mandatory", claim.mandatory), ("sensitive", claim.sensitive)] {
            if is_so {
                line = format!("{line} · {word}");
            }
        }
        output::line(&line);
    }
}
