//! `peshub feed`

use clap::{Args, Subcommand};

use crate::cli::{Outcome, output};
use crate::credentials::issuing::places;
use crate::dev::{self, Database};
use crate::platform::config::{DatabaseOptions, Surroundings};
use crate::platform::db::Db;
use crate::platform::feed::store as feed;

/// Commands of `peshub feed`.
#[derive(Debug, Subcommand)]
pub(super) enum FeedCommand {
    /// Begin a new life of the feed, after every restore and while no replica runs. Watchers begin again with a snapshot, and issuers
    /// with new status lists.
    Rebase(RebaseArgs),
}

#[derive(Args, Debug)]
pub(super) struct RebaseArgs {
    #[command(flatten)]
    database: DatabaseOptions,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: FeedCommand) -> Outcome {
    let FeedCommand::Rebase(args) = &command;
    let options = &args.database;
    let surroundings = Surroundings::of_process();
    let data_dir = match &options.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let url = options.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), 4);
    let mut sequencer = db.sequencer().await?;
    feed::rebase(&mut sequencer).await?;
    let (head, _) = feed::probe(&mut sequencer).await?;
    let issuers = places::begin_new_lists(&db).await?;
    if args.json {
        let position = head.position.to_string();
        output::json(&serde_json::json!({ "position": position, "issuers": issuers }));
    } else {
        output::line(&format!(
            "the feed begins anew after position {}; cursors of before end with FEED_REWOUND",
            head.position
        ));
        if issuers > 0 {
            output::line(&format!(
                "{issuers} issuers begin new status lists: places of before may have been given out since"
            ));
        }
    }
    drop(sequencer);
    db.close().await;
    database.close().await?;
    Ok(())
}
