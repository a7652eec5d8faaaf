//! `peshub watch`

use clap::Args;

use crate::cli::client::ClientArgs;
use crate::cli::postings::{FilterArgs, headline};
use crate::cli::{Outcome, client, output};
use crate::client::watch::{Watch, WatchItem, WatchOptions};
use crate::json;
use crate::pb::peshub::feed::v1::EventKind;
use crate::pb::peshub::postings::v1::PostingEvent;

/// Arguments of `peshub watch`.
#[derive(Args, Debug)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Name under which the hub keeps how far this consumer has come: a later watch with the same name goes on there.
    #[arg(long)]
    consumer: Option<String>,
    /// Begin at the end of the feed, without a snapshot.
    #[arg(long)]
    skip_snapshot: bool,
    /// End when the snapshot is complete.
    #[arg(long)]
    snapshot_only: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: WatchArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let options = WatchOptions {
        filter: args.filter.filter()?,
        consumer: args.consumer.clone().unwrap_or_default(),
        skip_snapshot: args.skip_snapshot,
        ..WatchOptions::default()
    };
    let mut watch = Watch::new(&connection, options);
    let stop = client::interrupted();
    tokio::pin!(stop);
    loop {
        let item = tokio::select! {
            stopped = &mut stop => return stopped,
            item = watch.next() => item?,
        };
        match item {
            WatchItem::Event(event) => {
                if !show(&event, args.json)? {
                    return Ok(());
                }
            }
            WatchItem::Bookmark(bookmark) => {
                if args.consumer.is_some() {
                    watch.acknowledge().await?;
                }
                if bookmark.snapshot_complete {
                    output::error(&format!("snapshot complete at position {}", bookmark.position));
                    if args.snapshot_only {
                        return Ok(());
                    }
                }
            }
            WatchItem::Restart(why) => {
                output::error(&format!("the watch begins again with a snapshot: {why:?}"));
            }
        }
    }
}

/// Prints an event. Returns false when nobody reads any more.
fn show(event: &PostingEvent, as_json: bool) -> Result<bool, json::JsonError> {
    if as_json {
        return Ok(output::json(&json::of_posting_message("PostingEvent", event)?));
    }
    let kind = match EventKind::try_from(event.kind) {
        Ok(EventKind::Snapshot) => "snapshot",
        Ok(EventKind::Entered) => "entered",
        Ok(EventKind::Changed) => "changed",
        Ok(EventKind::Left) => "left",
        Ok(EventKind::Unspecified) | Err(_) => "?",
    };
    let record = event.record.clone().unwrap_or_default();
    output::line(&format!("{:>10} {kind:<8} {}", event.position, headline(&record)));
    Ok(true)
}
