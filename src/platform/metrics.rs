//! What the hub measures: every metric in one place, with its name, unit, labels and meaning.
//!
//! A metric is recorded once and leaves twice: `/metrics` on the internal listener, and OTLP where a collector is named. The page
//! `docs/reference/metrics.md` is written from what stands here, and the dashboard and the alert rules are held against it.
//!
//! **Invariant:** values of labels are `&'static str`, so that none can have been sent by a client: the number of series is
//! bounded by the program, and no label has personal data. No metric has a participant's name; what a participant does stands
//! in the audit trail.

use crate::platform::metrics::instrument::{
    Counter, Declared, Gauge, Histogram, Level, Meta, Seconds,
};

pub mod instrument;
pub mod meters;
pub mod observe;
pub mod reference;
pub mod store;

/// Bounds of the time that a call, a stage or a tick takes, in seconds.
const QUICK: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

macro_rules! metrics {
    ($($kind:ident $id:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: $kind = $kind::new(Meta {
                name: $name,
                unit: $unit,
                labels: &[$($label),*],
                help: $help,
            });
        )*

        /// Every metric, in the order of the reference.
        pub static ALL: &[&(dyn Declared + Sync)] = &[$(&$id),*];
    };
}

metrics! {
    Counter CALLS "peshub_calls_total" "{call}" ["method", "code", "reason"]
        "Calls that ended, by RPC (empty for what is no RPC of the hub), gRPC code and reason of failure.";
    Histogram CALL_SECONDS "peshub_call_seconds" "s" ["method", "code"]
        "Time until a call was answered; of a stream, until it was opened.";
    Level CALLS_OPEN "peshub_calls_open" "{call}" ["method"]
        "Calls under way, streams included.";
    Counter CALLS_SHED "peshub_calls_shed_total" "{call}" []
        "Calls that were refused with `OVERLOADED`: the hub, a connection or a participant had as many under way as it may.";
    Counter QUOTA_REFUSED "peshub_quota_refused_total" "{call}" ["class"]
        "Calls and batches that were refused with `QUOTA_EXCEEDED`, by class of quota.";
    Level CONNECTIONS "peshub_connections" "{connection}" []
        "Connections that are open on the gRPC listener.";
    Counter CONNECTIONS_REFUSED "peshub_connections_refused_total" "{connection}" []
        "Connections that were refused because all places were taken by busy ones.";
    Counter HANDSHAKES "peshub_handshakes_total" "{handshake}" ["outcome"]
        "TLS handshakes, by outcome: `done`, `failed`, `gave_way`.";
    Counter INGEST_BATCHES "peshub_ingest_batches_total" "{batch}" ["outcome"]
        "Batches of postings that were answered, by outcome: committed, replayed, failed.";
    Counter INGEST_RECORDS "peshub_ingest_records_total" "{record}" ["outcome"]
        "Records of committed batches, by outcome: created, changed, unchanged, closed, held, rejected.";
    Counter INGEST_BYTES "peshub_ingest_bytes_total" "By" []
        "Bytes of the changes of committed batches, as they were encoded.";
    Histogram INGEST_SECONDS "peshub_ingest_seconds" "s" ["stage"]
        "Time that a batch of postings takes, by stage: prepare, commit.";
    Gauge CLOSES_HELD "peshub_closes_held" "{posting}" []
        "Postings whose close is held and waits for somebody to release or discard it; 100,001 stands for more than 100,000.";
    Gauge FEED_POSITION "peshub_feed_position" "{position}" []
        "Last position of the feed, as far as this replica has read it.";
    Gauge FEED_OLDEST "peshub_feed_oldest_position" "{position}" []
        "First position that the feed still has.";
    Seconds FEED_LAG "peshub_feed_lag_seconds" "s" []
        "Age of the oldest change that has no position yet; 0 when every change has one.";
    Seconds FEED_LOOK_AGE "peshub_feed_look_age_seconds" "s" []
        "Time since this replica has last brought its tail of the feed up to date.";
    Counter FEED_TICKS "peshub_feed_ticks_total" "{tick}" ["outcome"]
        "Ticks of the sequencer that this replica tried, by outcome: positioned, skipped (another replica did it).";
    Histogram FEED_TICK_SECONDS "peshub_feed_tick_seconds" "s" []
        "Time of a tick that gave positions.";
    Counter FEED_POSITIONED "peshub_feed_positioned_total" "{change}" []
        "Changes to which this replica gave a position.";
    Gauge FEED_TAIL_BYTES "peshub_feed_tail_bytes" "By" []
        "Memory of the tail that all watches of this replica share.";
    Gauge FEED_WATCHERS "peshub_feed_watchers" "{watch}" []
        "Watches that follow the feed on this replica.";
    Counter FEED_DELIVERED "peshub_feed_delivered_total" "{event}" []
        "Events that were handed to watches.";
    Histogram FEED_DELIVERY_SECONDS "peshub_feed_delivery_seconds" "s" []
        "Age of the newest change of each lot of events when it was handed to a watch that follows the tail.";
    Gauge DATABASE_CONNECTIONS "peshub_database_connections" "{connection}" ["state"]
        "Connections of the pool, by state: used, idle.";
    Gauge DATABASE_CONNECTIONS_MAX "peshub_database_connections_max" "{connection}" []
        "Most connections that the pool may have.";
    Level DATABASE_WAITING "peshub_database_waiting" "{transaction}" []
        "Transactions that wait because every connection of the pool is in use.";
    Counter DATABASE_ERRORS "peshub_database_errors_total" "{error}" ["kind"]
        "Statements that failed, by kind: unavailable, contended, constraint, refused.";
    Gauge AUDIT_UNSEALED "peshub_audit_unsealed" "{row}" []
        "Rows of the audit trail that have no place in the chain yet; 100,001 stands for more than 100,000.";
    Seconds AUDIT_UNCOVERED "peshub_audit_uncovered_seconds" "s" []
        "Age of the oldest row of the audit trail that no signed checkpoint covers; 0 when all are covered.";
    Counter VERDICTS "peshub_verdicts_total" "{credential}" ["outcome"]
        "Credentials that were verified, by verdict.";
    Counter VERIFICATION_CACHE "peshub_verification_cache_total" "{signature}" ["outcome"]
        "Issuers' signatures that were looked up among those verified before, by outcome: hit, miss.";
    Counter CREDENTIALS_ISSUED "peshub_credentials_issued_total" "{credential}" []
        "Credentials that were issued or deposited.";
    Seconds STATUS_LISTS_AGE "peshub_status_lists_age_seconds" "s" []
        "Time since this replica has last seen that its status lists are complete.";
    Gauge STATUS_UNPUBLISHED "peshub_status_unpublished" "{change}" []
        "Changes of statuses that are not in a list yet; 100,001 stands for more than 100,000.";
    Counter DETERMINATIONS "peshub_determinations_total" "{determination}" ["kind", "outcome"]
        "Determinations by what they were made for (check, sweep) and verdict.";
    Counter APPLICATION_STEPS "peshub_application_steps_total" "{step}" ["kind"]
        "Steps of applications and offers, by step.";
    Counter CLAIMS_REFUSED "peshub_claims_refused_total" "{application}" []
        "Applications and offers that were not made because something was claimed already.";
    Counter SWEPT "peshub_swept_subjects_total" "{subject}" []
        "Subjects of populations that were looked at by sweeps.";
    Histogram SWEEP_SECONDS "peshub_sweep_seconds" "s" ["outcome"]
        "Time from the start of a sweep to its end, by outcome: done, failed.";
    Gauge OFFERS_STANDING "peshub_offers_standing" "{offer}" []
        "Offers that wait to be accepted; 100,001 stands for more than 100,000.";
    Gauge TASKS "peshub_tasks" "{task}" []
        "Pieces of background work under way, streams included.";
    Gauge BUILD "peshub_build_info" "1" ["version", "revision"]
        "Always 1; the labels say which program runs.";
}
