//! The service: parse, do, render.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::kernel::fields::Rule;
use crate::kernel::ids::PostingId;
use crate::pb::peshub::postings::v1 as pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::pb::raw::peshub::postings::v1::posting_service_server::PostingService;
use crate::platform::action::Action;
use crate::platform::mutation::{self, RequestKey, once};
use crate::platform::serve::Draining;
use crate::platform::tasks::Tasks;
use crate::platform::{rpc, status};
use crate::postings::commands::{self, UnaryBatch};
use crate::postings::domain::CHANGES_PER_BATCH_MAX;
use crate::postings::error::PostingError;
use crate::postings::page::PageTokens;
use crate::postings::queries;
use crate::postings::store::read::{Criteria, Key, Stored};
use crate::postings::sync::commit::Committer;
use crate::postings::sync::stream::SyncStreams;
use crate::postings::watch::{Watches, Wish};
use crate::postings::wire;

/// Postings a page when the request does not say.
const PAGE_SIZE: i64 = 100;
/// Seconds between two bookmarks when the request does not say.
const BOOKMARK_SECONDS: u64 = 5;

/// Serves `peshub.postings.v1.PostingService`.
#[derive(Clone, Debug)]
pub struct PostingGrpc {
    /// Commits batches.
    pub committer: Committer,
    /// Serves sync streams.
    pub streams: SyncStreams,
    /// Serves watches.
    pub watches: Watches,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// Where work runs.
    pub tasks: Tasks,
}

type Stream<T> = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

fn outgoing<T: Send + 'static>(
    receiver: tokio::sync::mpsc::Receiver<Result<T, Fault>>,
) -> Response<Stream<T>> {
    let stream = ReceiverStream::new(receiver);
    let span = tracing::Span::current();
    let failed = move |fault: Fault| span.in_scope(|| status::of_fault(&fault));
    Response::new(Box::pin(stream.map(move |item| item.map_err(&failed))))
}

#[tonic::async_trait]
impl PostingService for PostingGrpc {
    type SyncPostingsStream = Stream<pb::SyncPostingsResponse>;
    type WatchPostingsStream = Stream<raw::WatchPostingsResponse>;

    async fn sync_postings(
        &self,
        request: Request<Streaming<raw::SyncPostingsRequest>>,
    ) -> Result<Response<Self::SyncPostingsStream>, Status> {
        let (_, extensions, incoming) = request.into_parts();
        let (_, permit) = rpc::admit(&extensions, Action::SyncPostings)
            .map_err(|fault| status::of_fault(&fault))?;
        let draining = Draining::of(&extensions, &self.tasks);
        Ok(outgoing(self.streams.serve(permit, incoming, draining)))
    }

    async fn batch_upsert_postings(
        &self,
        request: Request<raw::BatchUpsertPostingsRequest>,
    ) -> Result<Response<pb::BatchUpsertPostingsResponse>, Status> {
        let (committer, tail) = (self.committer.clone(), self.streams.tail.clone());
        let action = Action::BatchUpsertPostings;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let batch = unary_batch(request)?;
            let acknowledgement = commands::upsert(&committer, &tail, &permit, batch).await?;
            Ok(pb::BatchUpsertPostingsResponse { acknowledgement: Some(acknowledgement) })
        })
        .await
    }

    async fn get_posting(
        &self,
        request: Request<pb::GetPostingRequest>,
    ) -> Result<Response<raw::GetPostingResponse>, Status> {
        let db = self.committer.db().clone();
        rpc::unary(&self.tasks, Action::GetPosting, request, |_, permit, request| async move {
            let key = match request.posting {
                Some(pb::get_posting_request::Posting::Key(key)) => external(key),
                Some(pb::get_posting_request::Posting::Name(name)) => {
                    wire::id_of_name(&name).map(Key::Id).ok_or(PostingError::NotFound { name })?
                }
                None => return Err(PostingError::NotFound { name: String::new() }.into()),
            };
            Ok(raw::GetPostingResponse { record: queries::posting(&db, &permit, &key).await? })
        })
        .await
    }

    async fn batch_get_postings(
        &self,
        request: Request<pb::BatchGetPostingsRequest>,
    ) -> Result<Response<raw::BatchGetPostingsResponse>, Status> {
        let db = self.committer.db().clone();
        let action = Action::BatchGetPostings;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let keys: Vec<Key> = request.keys.iter().cloned().map(external).collect();
            let (records, missing) = queries::postings(&db, &permit, &keys).await?;
            let not_found =
                missing.into_iter().filter_map(|index| request.keys.get(index).cloned()).collect();
            Ok(raw::BatchGetPostingsResponse { records, not_found })
        })
        .await
    }

    async fn list_postings(
        &self,
        request: Request<pb::ListPostingsRequest>,
    ) -> Result<Response<raw::ListPostingsResponse>, Status> {
        let (db, pages) = (self.committer.db().clone(), self.pages.clone());
        rpc::unary(&self.tasks, Action::ListPostings, request, |_, permit, request| async move {
            let mut criteria = criteria(&request, &pages)?;
            criteria.facets = queries::filter(&db, &permit, request.filter.as_ref()).await?;
            let (rows, more) = queries::list(&db, &permit, criteria).await?;
            let next = rows.last().filter(|_| more);
            let next_page_token = next.map_or_else(String::new, |last| {
                pages.seal(&fingerprint(&request), last.updated_at, last.id)
            });
            let render = |stored: &Stored| {
                if request.omit_content { stored.header.clone() } else { queries::record(stored) }
            };
            let records = rows.iter().map(render).collect();
            Ok(raw::ListPostingsResponse { records, next_page_token })
        })
        .await
    }

    async fn watch_postings(
        &self,
        request: Request<pb::WatchPostingsRequest>,
    ) -> Result<Response<Self::WatchPostingsStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let serve = async {
            let (_, permit) = rpc::admit(&extensions, Action::WatchPostings)?;
            let violations = fields::check(&request);
            if !violations.is_empty() {
                return Err(Fault::fields(violations));
            }
            let db = self.committer.db();
            let filter = queries::filter(db, &permit, request.filter.as_ref()).await?;
            let start = queries::watch_start(db, &permit, &self.watches, &request).await?;
            let seconds = u64::try_from(request.bookmark_seconds).unwrap_or(0);
            let seconds = if seconds == 0 { BOOKMARK_SECONDS } else { seconds };
            let bookmarks_every = Duration::from_secs(seconds);
            let draining = Draining::of(&extensions, &self.tasks);
            let wish = Wish { filter, start, bookmarks_every, draining };
            Ok(outgoing(self.watches.serve(permit, wish)))
        };
        serve.await.map_err(|fault: Fault| status::of_fault(&fault))
    }

    async fn acknowledge_watch(
        &self,
        request: Request<pb::AcknowledgeWatchRequest>,
    ) -> Result<Response<pb::AcknowledgeWatchResponse>, Status> {
        let (committer, watches) = (self.committer.clone(), self.watches.clone());
        let action = Action::AcknowledgeWatch;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let cursor = watches.open_cursor(&request.cursor)?;
            let (now, key) = (committer.now(), RequestKey::new(&request.request_id, &request)?);
            once(committer.db(), &permit, &key, now, |tx| {
                Box::pin(async move {
                    let consumer = &request.consumer;
                    Ok(commands::acknowledge_watch(tx, consumer, cursor, now).await?)
                })
            })
            .await
        })
        .await
    }

    async fn list_held_closes(
        &self,
        request: Request<pb::ListHeldClosesRequest>,
    ) -> Result<Response<pb::ListHeldClosesResponse>, Status> {
        let (db, pages) = (self.committer.db().clone(), self.pages.clone());
        rpc::unary(&self.tasks, Action::ListHeldCloses, request, |_, permit, request| async move {
            let fingerprint = request.source.clone().into_bytes();
            let after = match request.page_token.as_str() {
                "" => PostingId(0),
                token => pages.open(&fingerprint, token).ok_or(PostingError::PageTokenInvalid)?.1,
            };
            let limit = page_size(request.page_size);
            let (mut listed, total) =
                queries::held_closes(&db, &permit, &request.source, after, limit + 1).await?;
            let more = i64::try_from(listed.len()).is_ok_and(|length| length > limit);
            listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let next = listed.last().filter(|_| more);
            let next_page_token = next.map_or_else(String::new, |last| {
                pages.seal(&fingerprint, last.held_at, last.held.id)
            });
            let held = listed.into_iter().map(|listed| pb::HeldClose {
                key: Some(pb::PostingKey {
                    source: request.source.clone(),
                    external_id: listed.held.external_id,
                }),
                close: Some(pb::PostingClose {
                    reason: i32::from(listed.held.close.reason),
                    closed_at: Some(wire::timestamp(listed.held.close.at)),
                }),
                held_at: Some(wire::timestamp(listed.held_at)),
            });
            Ok(pb::ListHeldClosesResponse { held: held.collect(), next_page_token, total })
        })
        .await
    }

    async fn resolve_held_closes(
        &self,
        request: Request<pb::ResolveHeldClosesRequest>,
    ) -> Result<Response<pb::ResolveHeldClosesResponse>, Status> {
        let (committer, tail) = (self.committer.clone(), self.streams.tail.clone());
        let action = Action::ResolveHeldCloses;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            commands::resolve_held(&committer, &tail, &permit, request).await
        })
        .await
    }
}

impl fields::Check for raw::BatchUpsertPostingsRequest {
    fn check(&self, at: &mut fields::Path, found: &mut Vec<fields::Violation>) {
        // The changes are read one by one later on; the rest is held against the contract here.
        let plain = pb::BatchUpsertPostingsRequest {
            source: self.source.clone(),
            changes: Vec::new(),
            request_id: self.request_id.clone(),
            validate_only: self.validate_only,
        };
        plain.check(at, found);
    }
}

fn unary_batch(request: raw::BatchUpsertPostingsRequest) -> Result<UnaryBatch, PostingError> {
    mutation::sound_id(&request.request_id).map_err(PostingError::Invalid)?;
    if request.changes.is_empty() {
        let expected = format!("1 to {CHANGES_PER_BATCH_MAX} changes");
        let violation = wire::violation("changes", Rule::TooShort, &expected, "");
        return Err(PostingError::Invalid(Fault::fields(vec![violation])));
    }
    Ok(UnaryBatch {
        source: request.source,
        changes: request.changes,
        request_id: request.request_id,
        validate_only: request.validate_only,
    })
}

fn external(key: pb::PostingKey) -> Key {
    Key::External(key.source, key.external_id)
}

fn page_size(asked: i32) -> i64 {
    if asked == 0 { PAGE_SIZE } else { i64::from(asked) }
}

/// Returns what a page token is bound to: the request without its page token.
fn fingerprint(request: &pb::ListPostingsRequest) -> Bytes {
    let mut request = request.clone();
    // Without a word about pages means the same as with an empty one.
    let paging = request.paging.get_or_insert_default();
    paging.page_token.clear();
    paging.page_size = 0;
    request.encode_to_vec().into()
}

fn criteria(
    request: &pb::ListPostingsRequest,
    pages: &PageTokens,
) -> Result<Criteria, PostingError> {
    let paging = request.paging.clone().unwrap_or_default();
    let limited = request.pay_month_minor_min.is_some() || request.pay_month_minor_max.is_some();
    if limited && request.pay_currency.is_empty() {
        let expected = "the currency that the pay limits are in";
        let violation = wire::violation("pay_currency", Rule::Required, expected, "");
        return Err(PostingError::Invalid(Fault::fields(vec![violation])));
    }
    let updated_since = request.updated_since.map(wire::instant);
    if updated_since == Some(None) {
        let expected = "a time between the years 1 and 9999";
        let violation = wire::violation("updated_since", Rule::BadFormat, expected, "");
        return Err(PostingError::Invalid(Fault::fields(vec![violation])));
    }
    let after = match paging.page_token.as_str() {
        "" => None,
        token => {
            let opened = pages.open(&fingerprint(request), token);
            Some(opened.ok_or(PostingError::PageTokenInvalid)?)
        }
    };
    Ok(Criteria {
        pay_min: request.pay_month_minor_min,
        pay_max: request.pay_month_minor_max,
        pay_currency: request.pay_currency.clone(),
        text: request.text.clone(),
        updated_since: updated_since.flatten(),
        newest_first: paging.order == i32::from(pb::PostingOrder::UpdatedDesc),
        after,
        limit: page_size(paging.page_size),
        ..Criteria::default()
    })
}
