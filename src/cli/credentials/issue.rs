//! `peshub credentials issue`

use std::path::PathBuf;

use clap::Args;
use prost_types::Timestamp;

use crate::cli::client::ClientArgs;
use crate::cli::credentials::{read_text, said};
use crate::cli::issuers::said::instant;
use crate::cli::{Outcome, output};
use crate::client::connect::Connection;
use crate::client::error::ClientError;
use crate::pb::peshub::credentials::v1 as pb;

#[derive(Args, Debug)]
pub(in crate::cli) struct IssueArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// File of the claims, a JSON object; `-` reads it from the standard input.
    claims: PathBuf,
    /// Short name of the issuer.
    #[arg(long)]
    issuer: String,
    /// Name of the credential type.
    #[arg(long = "type")]
    type_name: String,
    /// Its version; the newest when 0.
    #[arg(long, default_value_t = 0)]
    type_version: i32,
    /// File of a holder's public key, a JSON Web Key. Again for more: one credential is issued for each, to be shown once.
    #[arg(long = "holder", value_name = "FILE")]
    holders: Vec<PathBuf>,
    /// Your reference to the worker whom it is about.
    #[arg(long, default_value = "")]
    worker: String,
    /// Short name of the participant that it is for, by whose own name the worker is called in it.
    #[arg(long, default_value = "", requires = "worker")]
    subject_for: String,
    /// From when on it is valid, RFC 3339 or a day; at once when absent.
    #[arg(long, value_parser = instant)]
    valid_from: Option<Timestamp>,
    /// Until when, RFC 3339 or a day; as long as its type allows when absent.
    #[arg(long, value_parser = instant)]
    valid_until: Option<Timestamp>,
    /// Without a place in a status list: it can never be revoked.
    #[arg(long)]
    without_status: bool,
    /// A claim that everybody sees, of those that the type leaves to the issuer: names with dots between them. Again for more.
    #[arg(long = "disclose", value_name = "PATH")]
    disclosed: Vec<String>,
    /// Fill up digests at each level to a multiple of this number.
    #[arg(long, default_value_t = 0)]
    digests_multiple_of: i32,
    /// The file has many: a JSON object of claims a line, without anything else. Each is answered by a line with its number.
    #[arg(long)]
    lines: bool,
    /// Makes it safe to repeat; with `--lines`, each line has its number put to it.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: IssueArgs) -> Outcome {
    let text = read_text(&args.claims)?;
    let jwks = args.holders.iter().map(|path| read_text(path)).collect::<Result<Vec<_>, _>>()?;
    let disclosed = args
        .disclosed
        .iter()
        .map(|path| pb::ClaimPath { segments: path.split('.').map(ToOwned::to_owned).collect() });
    let draft = pb::CredentialDraft {
        issuer: args.issuer.clone(),
        type_name: args.type_name.clone(),
        type_version: args.type_version,
        claims_json: String::new(),
        holder_jwks: jwks,
        worker_reference: args.worker.clone(),
        subject_for: args.subject_for.clone(),
        valid_from: args.valid_from,
        valid_until: args.valid_until,
        without_status: args.without_status,
        disclosed: disclosed.collect(),
        digests_multiple_of: args.digests_multiple_of,
    };
    let connection = args.client.connect().await?;
    if args.lines {
        return issue_lines(&connection, &args, &draft, &text).await;
    }
    let request = pb::IssueCredentialRequest {
        draft: Some(pb::CredentialDraft { claims_json: text, ..draft }),
        request_id: args.request_id,
    };
    let answer = connection.credentials().issue_credential(request).await;
    for issued in answer.map_err(ClientError::from)?.into_inner().credentials {
        tell(&issued, args.json)?;
    }
    Ok(())
}

/// Issues what stands in each line, on one stream. Fails in the end if one was refused.
async fn issue_lines(
    connection: &Connection,
    args: &IssueArgs,
    draft: &pb::CredentialDraft,
    text: &str,
) -> Outcome {
    let lines = (1_i64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let request = |(number, line): (i64, &str)| pb::IssueCredentialsRequest {
        number,
        draft: Some(pb::CredentialDraft { claims_json: line.to_owned(), ..draft.clone() }),
        request_id: match args.request_id.as_str() {
            "" => String::new(),
            id => format!("{id}-{number}"),
        },
    };
    let requests: Vec<pb::IssueCredentialsRequest> = lines.map(request).collect();
    let stream = connection.credentials().issue_credentials(tokio_stream::iter(requests)).await;
    let mut stream = stream.map_err(ClientError::from)?.into_inner();
    let mut refused = 0;
    while let Some(answer) = stream.message().await.map_err(ClientError::from)? {
        if args.json {
            said::json("IssueCredentialsResponse", &answer)?;
        } else if answer.reason.is_empty() {
            for issued in &answer.credentials {
                output::line(&format!("{} {}", answer.number, issued.sd_jwt));
            }
        } else {
            let (number, reason, message) = (answer.number, &answer.reason, &answer.message);
            output::error(&format!("line {number}: {reason}: {message}"));
        }
        refused += usize::from(!answer.reason.is_empty());
    }
    if refused > 0 { Err(format!("{refused} lines were refused").into()) } else { Ok(()) }
}

/// Tells of an issued credential: the credential itself is the output, and its id a word to the person.
fn tell(issued: &pb::IssuedCredential, as_json: bool) -> Outcome {
    if as_json {
        return said::json("IssuedCredential", issued);
    }
    output::error(&format!("credential {}", issued.credential_id));
    output::line(&issued.sd_jwt);
    Ok(())
}
