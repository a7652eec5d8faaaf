//! Credentials that fall: applications that rest on one are opened again, and the bureau is told.
//!
//! The feed brings every change of a credential that somebody follows; whoever rests an application on one does. How far it was read is
//! kept, so that a hub that starts goes on where the last one stopped. Every replica follows, and one of them is first. As long as no
//! application rests on a credential, nothing is read: the feed is mostly about other things.

use std::time::Duration;

use futures_util::future::BoxFuture;
use prost::Message as _;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kernel::fault::Fault;
use crate::kernel::ids::Position;
use crate::pb::peshub::credentials::v1 as credentials;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::feed::event::{Event, Topic};
use crate::platform::feed::reader::{Feed, Manner, Mark, Reader, Telling};
use crate::platform::permit::Permit;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::held::Held;
use crate::subsidies::application::machine::{State, Step};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::evidence::{self as store, Spot};

/// Changes that may wait to be worked on.
const QUEUE: usize = 64;
/// Longest time until it is noted how far the feed has been read.
const NOTED_EVERY: Duration = Duration::from_secs(5);
/// How long nothing is tried after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Places that are looked at in one go.
const PLACES: i64 = 1_000;

/// What the feed brings.
#[derive(Clone, Copy, Debug)]
enum News {
    /// The credential of this place does not stand any more.
    Fallen(Spot),
    /// Everything up to here was told.
    UpTo(Position),
}

/// Follows the feed until told to stop.
pub async fn run(desk: Desk, feed: Feed, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = follow(&desk, &feed, &stop).await {
            tracing::warn!("applications do not follow credentials for the moment: {error}");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Follows the feed from where it was read to, if anything rests on a credential.
async fn follow(desk: &Desk, feed: &Feed, stop: &CancellationToken) -> Result<(), SubsidyError> {
    // In this order: what begins to rest on a credential after this is looked for lies behind the head.
    let head = feed.head().await?;
    let mut tx = desk.db.read(&Permit::of_hub()).await?;
    if !store::is_anything_resting(tx.connection()).await? {
        return Ok(store::advance(tx.connection(), head.epoch, head.position.0).await?);
    }
    let known = store::position(tx.connection()).await?;
    drop(tx);
    let kept = known.filter(|(epoch, seq)| {
        *epoch == head.epoch && *seq <= head.position.0 && seq.saturating_add(1) >= head.oldest.0
    });
    let from = kept.map_or(head.position, |(_, seq)| Position(seq));
    let (sender, mut news) = mpsc::channel(QUEUE);
    let draining = stop.child_token();
    let _ended = draining.clone().drop_guard();
    let manner = Manner { bookmarks_every: NOTED_EVERY, draining };
    let mut reader = Reader::new(feed.clone(), Falls, manner, sender);
    let counted = feed.tail.watch();
    reader.stand_at(head.epoch, from);
    let reading = async move {
        let _counted = counted;
        if let Err(end) = reader.follow().await {
            reader.end(end).await;
        }
    };
    drop(feed.tasks.spawn(reading));
    if kept.is_none() {
        // Nobody knows what was missed: the register is asked.
        catch_up(desk, feed).await?;
    }
    while let Some(Ok(told)) = news.recv().await {
        match told {
            News::Fallen(spot) => reopen_all(desk, feed, spot).await?,
            News::UpTo(position) => {
                let mut tx = desk.db.read(&Permit::of_hub()).await?;
                store::advance(tx.connection(), head.epoch, position.0).await?;
            }
        }
    }
    Ok(())
}

/// Opens everything again that rests on a credential that has fallen by the hub's own register.
async fn catch_up(desk: &Desk, feed: &Feed) -> Result<(), SubsidyError> {
    loop {
        let mut tx = desk.db.read(&Permit::of_hub()).await?;
        let fallen = store::fallen(tx.connection(), PLACES).await?;
        drop(tx);
        for spot in &fallen {
            reopen_all(desk, feed, *spot).await?;
        }
        if fallen.is_empty() {
            return Ok(());
        }
    }
}

/// Opens everything again that rests on a credential.
async fn reopen_all(desk: &Desk, feed: &Feed, spot: Spot) -> Result<(), SubsidyError> {
    let mut tx = desk.db.read(&Permit::of_hub()).await?;
    let resting = store::resting_on(tx.connection(), spot).await?;
    drop(tx);
    for id in resting {
        reopen(desk, (id, spot), feed.clock.now()).await?;
    }
    Ok(())
}

async fn reopen(
    desk: &Desk,
    (id, spot): (ApplicationId, Spot),
    now: OffsetDateTime,
) -> Result<(), SubsidyError> {
    let mut tx = desk.db.write(&Permit::of_hub()).await?;
    let mut held = Held::open(desk, &mut tx, &id.to_string(), now).await?;
    let facts = store::end(held.tx(), id, spot, now).await?;
    if facts.is_empty() {
        return Ok(());
    }
    // What has ended is not opened again: it is noted, and nobody is told.
    if let Ok(state) = held.leads(Step::Lapse, None) {
        held.row.reopened = true;
        held.save(state, pb::ApplicationStep::Lapsed).await?;
    } else if let Ok(state) = held.leads(Step::Reopen, None) {
        held.row.reopened = true;
        if state == State::EvidenceRequested {
            held.row.answer_by = None;
            held.row.asked.extend(facts);
            held.row.asked.sort_unstable();
            held.row.asked.dedup();
        }
        held.save(state, pb::ApplicationStep::Reopened).await?;
    }
    let record = held.record("application.reopened");
    drop(held);
    Ok(tx.commit(record).await?)
}

/// What is told of the feed: credentials that fall.
struct Falls;

impl Telling for Falls {
    type Message = News;

    fn concerns(&self, event: &Event) -> bool {
        event.topic == Some(Topic::CredentialStatus)
    }

    fn event<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<Option<News>, Fault>> {
        Box::pin(async move {
            let Some(spot) = event.body.as_deref().and_then(spot) else { return Ok(None) };
            let told = credentials::StatusEvent::decode(event.header.clone());
            let corrupt = |_| SubsidyError::Corrupt { what: "event of a status" };
            let has_fallen = match told.map_err(corrupt)?.status() {
                credentials::CredentialStatus::Revoked
                | credentials::CredentialStatus::Suspended => true,
                credentials::CredentialStatus::Unspecified
                | credentials::CredentialStatus::Valid => false,
            };
            Ok(has_fallen.then_some(News::Fallen(spot)))
        })
    }

    fn bookmark(&self, mark: Mark) -> News {
        News::UpTo(mark.position)
    }
}

/// Reads the place of a status as the feed has it: the list and the place, each as eight bytes.
fn spot(bytes: &[u8]) -> Option<Spot> {
    let (list, rest) = bytes.split_first_chunk::<8>()?;
    let index = rest.first_chunk::<8>().filter(|it| it.len() == rest.len())?;
    let list_id = i64::from_be_bytes(*list);
    Some(Spot { list_id, index: i64::from_be_bytes(*index) })
}
