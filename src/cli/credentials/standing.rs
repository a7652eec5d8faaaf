//! `peshub credentials revoke`, `suspend`, `reinstate`, `status` and `list`

use clap::{Args, ValueEnum};

use crate::cli::client::ClientArgs;
use crate::cli::credentials::said;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::pb::peshub::credentials::v1 as pb;

/// Why the standing of a credential is changed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reason {
    /// It was issued by mistake, or says what is not so.
    IssuedInError,
    /// It was obtained by deceit.
    Fraud,
    /// A newer one takes its place.
    Superseded,
    /// The worker asked for it.
    HolderRequest,
    /// What it attests has ceased.
    Ceased,
    /// An authority or a court has ordered it.
    Ordered,
    /// A key is in wrong hands.
    KeyCompromised,
    /// It is being looked into.
    UnderReview,
}

impl Reason {
    const fn message(self) -> pb::StatusReason {
        match self {
            Self::IssuedInError => pb::StatusReason::IssuedInError,
            Self::Fraud => pb::StatusReason::Fraud,
            Self::Superseded => pb::StatusReason::Superseded,
            Self::HolderRequest => pb::StatusReason::HolderRequest,
            Self::Ceased => pb::StatusReason::Ceased,
            Self::Ordered => pb::StatusReason::Ordered,
            Self::KeyCompromised => pb::StatusReason::KeyCompromised,
            Self::UnderReview => pb::StatusReason::UnderReview,
        }
    }
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ChangeArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Ids of the credentials, at most 1,000: all are changed or none.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Why.
    #[arg(long)]
    reason: Reason,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ReinstateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Ids of the credentials, at most 1,000: all are changed or none.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Why.
    #[arg(long)]
    reason: Option<Reason>,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Id of the credential.
    id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Standing {
    Valid,
    Revoked,
    Suspended,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the issuer.
    #[arg(long)]
    issuer: String,
    /// Only those of this type.
    #[arg(long = "type", default_value = "")]
    type_name: String,
    /// Only those of the worker with this reference of yours.
    #[arg(long, default_value = "")]
    worker: String,
    /// Only those that stand so.
    #[arg(long)]
    status: Option<Standing>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn revoke(args: ChangeArgs) -> Outcome {
    let request = pb::RevokeCredentialsRequest {
        credential_ids: args.ids,
        reason: args.reason.message().into(),
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.credentials();
    let answer = client.revoke_credentials(request).await.map_err(ClientError::from)?.into_inner();
    if args.json {
        return said::json("RevokeCredentialsResponse", &answer);
    }
    output::line(&format!("{} revoked; entry {}", answer.changed, answer.entry_id));
    Ok(())
}

pub(super) async fn suspend(args: ChangeArgs) -> Outcome {
    let request = pb::SuspendCredentialsRequest {
        credential_ids: args.ids,
        reason: args.reason.message().into(),
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.credentials();
    let answer = client.suspend_credentials(request).await.map_err(ClientError::from)?.into_inner();
    if args.json {
        return said::json("SuspendCredentialsResponse", &answer);
    }
    output::line(&format!("{} suspended", answer.changed));
    Ok(())
}

pub(super) async fn reinstate(args: ReinstateArgs) -> Outcome {
    let request = pb::ReinstateCredentialsRequest {
        credential_ids: args.ids,
        reason: args.reason.map_or(0, |reason| reason.message().into()),
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.credentials();
    let answer = client.reinstate_credentials(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.json {
        return said::json("ReinstateCredentialsResponse", &answer);
    }
    output::line(&format!("{} reinstated", answer.changed));
    Ok(())
}

pub(super) async fn status(args: StatusArgs) -> Outcome {
    let request = pb::GetCredentialRequest { credential_id: args.id };
    let mut client = args.client.connect().await?.credentials();
    let answer = client.get_credential(request).await.map_err(ClientError::from)?.into_inner();
    let credential = answer.credential.unwrap_or_default();
    if args.json {
        return said::json("Credential", &credential);
    }
    said::credential(&credential);
    Ok(())
}

pub(super) async fn list(args: ListArgs) -> Outcome {
    let status = match args.status {
        None => pb::CredentialStatus::Unspecified,
        Some(Standing::Valid) => pb::CredentialStatus::Valid,
        Some(Standing::Revoked) => pb::CredentialStatus::Revoked,
        Some(Standing::Suspended) => pb::CredentialStatus::Suspended,
    };
    let mut request = pb::ListCredentialsRequest {
        issuer: args.issuer,
        type_name: args.type_name,
        worker_reference: args.worker,
        status: status.into(),
        ..pb::ListCredentialsRequest::default()
    };
    let mut client = args.client.connect().await?.credentials();
    loop {
        let answer = client.list_credentials(request.clone()).await.map_err(ClientError::from)?;
        let page = answer.into_inner();
        for credential in &page.credentials {
            if args.json {
                said::json("Credential", credential)?;
            } else {
                output::line(&said::headline(credential));
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}
