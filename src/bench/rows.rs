//! The records that are measured with.

use crate::pb::peshub::postings::v1::{PostingChange, posting_change};
use crate::samples::Generator;

/// Records of a batch.
pub const BATCH: usize = 1_000;

/// Returns `count` new postings of a platform, as changes.
#[must_use]
pub fn changes(seed: u64, platform_index: u32, count: usize) -> Vec<PostingChange> {
    let mut generator = Generator::new(seed, platform_index);
    (0..count).map(|_| change(generator.posting(), 1)).collect()
}

fn change(
    (external_id, posting): (String, crate::pb::peshub::postings::v1::Posting),
    revision: i64,
) -> PostingChange {
    PostingChange {
        external_id,
        source_revision: Some(revision),
        source_updated_at: None,
        change: Some(posting_change::Change::Upsert(posting)),
    }
}
