//! `peshub postings`

use std::io::IsTerminal as _;

use clap::{Args, Subcommand};

use crate::cli::client::ClientArgs;
use crate::cli::progress::Progress;
use crate::cli::{Outcome, output};
use crate::client::connect::Connection;
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;

/// Commands of `peshub postings`.
#[derive(Debug, Subcommand)]
pub(super) enum PostingsCommand {
    /// Show one posting, by the hub's name (`postings/7`) or by SOURCE and ID.
    Get(GetArgs),
    /// List postings, a line each.
    List(ListArgs),
    /// Write all postings that match, one JSON object a line.
    Export(ListArgs),
}

#[derive(Args, Debug)]
pub(super) struct GetArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The hub's name, or the name of the source.
    name_or_source: String,
    /// The source's own id.
    external_id: Option<String>,
    /// One JSON object on one line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Text in the title or the employer's name.
    #[arg(long, default_value = "")]
    text: String,
    /// Newest change first.
    #[arg(long)]
    newest_first: bool,
    /// Most postings; all when absent for `export`, 100 for `list`.
    #[arg(long)]
    limit: Option<usize>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Which postings.
#[derive(Args, Clone, Debug)]
pub(super) struct FilterArgs {
    /// In this division or below: a GB/T 2260 or ISO 3166-2 code. May be given several times.
    #[arg(long = "division", value_name = "CODE")]
    divisions: Vec<String>,
    /// Of this occupation or below, `csco:6-06-03-01` or `isco:2512`. May be given several times.
    #[arg(long = "occupation", value_name = "SCHEME:CODE")]
    occupations: Vec<String>,
    /// From this source. May be given several times.
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,
    /// Closed ones too.
    #[arg(long)]
    closed_too: bool,
}

impl FilterArgs {
    /// Returns the filter as the contract has it.
    pub(super) fn filter(&self) -> Result<pb::PostingFilter, String> {
        let occupations: Result<Vec<_>, _> =
            self.occupations.iter().map(|text| occupation(text)).collect();
        let states = if self.closed_too {
            vec![pb::PostingState::Open.into(), pb::PostingState::Closed.into()]
        } else {
            Vec::new()
        };
        Ok(pb::PostingFilter {
            divisions: self.divisions.iter().map(|code| division(code)).collect(),
            occupations: occupations?,
            employment_types: Vec::new(),
            sources: self.sources.clone(),
            states,
        })
    }
}

/// Returns a division by its code: digits are GB/T 2260, anything else ISO 3166-2.
pub(super) fn division(code: &str) -> common::Division {
    let digits = code.chars().all(|letter| letter.is_ascii_digit());
    let scheme =
        if digits { common::DivisionScheme::Gbt2260 } else { common::DivisionScheme::Iso31662 };
    common::Division { scheme: scheme.into(), code: code.to_owned(), name: String::new() }
}

pub(super) fn occupation(text: &str) -> Result<common::Occupation, String> {
    let scheme = match text.split_once(':') {
        Some(("csco", _)) => common::OccupationScheme::Csco2022,
        Some(("isco", _)) => common::OccupationScheme::Isco08,
        Some(("esco", _)) => common::OccupationScheme::Esco,
        Some(("onet", _)) => common::OccupationScheme::OnetSoc,
        _ => return Err(format!("{text}: write csco:CODE, isco:CODE, esco:URI or onet:CODE")),
    };
    let code = text.split_once(':').map_or("", |(_, code)| code);
    Ok(common::Occupation { scheme: scheme.into(), code: code.to_owned(), name: String::new() })
}

pub(super) async fn run(command: PostingsCommand) -> Outcome {
    match command {
        PostingsCommand::Get(args) => get(args).await,
        PostingsCommand::List(args) => {
            let limit = args.limit.unwrap_or(100);
            let as_json = args.json;
            list(&args, limit, as_json).await
        }
        PostingsCommand::Export(args) => {
            let limit = args.limit.unwrap_or(usize::MAX);
            list(&args, limit, true).await
        }
    }
}

async fn get(args: GetArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let posting = match args.external_id {
        Some(external_id) => pb::get_posting_request::Posting::Key(pb::PostingKey {
            source: args.name_or_source,
            external_id,
        }),
        None => pb::get_posting_request::Posting::Name(args.name_or_source),
    };
    let request = pb::GetPostingRequest { posting: Some(posting) };
    let answer = connection.postings().get_posting(request).await.map_err(ClientError::from)?;
    let record = answer.into_inner().record.unwrap_or_default();
    let value = json::of_posting_message("PostingRecord", &record)?;
    if args.json {
        output::json(&value);
    } else {
        output::line(&serde_json::to_string_pretty(&value)?);
    }
    Ok(())
}

async fn list(args: &ListArgs, limit: usize, as_json: bool) -> Outcome {
    let connection = args.client.connect().await?;
    let mut request = pb::ListPostingsRequest {
        filter: Some(args.filter.filter()?),
        text: args.text.clone(),
        omit_content: false,
        ..pb::ListPostingsRequest::default()
    };
    let mut shown = 0;
    let mut token = String::new();
    // Who sees the postings needs no bar among them.
    let is_seen = limit < usize::MAX || std::io::stdout().is_terminal();
    let mut progress = (!is_seen).then(|| Progress::of("postings"));
    while shown < limit {
        let order = if args.newest_first {
            pb::PostingOrder::UpdatedDesc
        } else {
            pb::PostingOrder::Unspecified
        };
        let page_size = i32::try_from((limit - shown).min(500)).unwrap_or(500);
        request.paging = Some(pb::Paging { page_size, page_token: token, order: order.into() });
        let page = page(&connection, request.clone()).await?;
        for record in &page.records {
            shown += 1;
            if as_json {
                if !output::json(&json::of_posting_message("PostingRecord", record)?) {
                    return Ok(());
                }
            } else {
                output::line(&headline(record));
            }
        }
        if let Some(progress) = &mut progress {
            progress.at(u64::try_from(shown)?, None);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    Ok(())
}

async fn page(
    connection: &Connection,
    request: pb::ListPostingsRequest,
) -> Result<pb::ListPostingsResponse, ClientError> {
    Ok(connection.postings().list_postings(request).await?.into_inner())
}

/// Returns a posting in one line.
pub(super) fn headline(record: &pb::PostingRecord) -> String {
    let key = record.key.clone().unwrap_or_default();
    let state = if record.state == i32::from(pb::PostingState::Closed) { "closed" } else { "open" };
    let posting = record.posting.clone().unwrap_or_default();
    let places: Vec<_> = posting
        .workplaces
        .iter()
        .filter_map(|place| place.division.as_ref())
        .map(|division| format!("{} {}", division.code, division.name))
        .collect();
    let employer = posting.employer.map_or_else(String::new, |employer| employer.name);
    format!(
        "{}/{} r{} {state} · {} · {employer} · {}",
        key.source,
        key.external_id,
        record.revision,
        posting.title,
        places.join(", ")
    )
}
