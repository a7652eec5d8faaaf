//! Generated job postings that look like real ones, for the demonstration, tests and measurements.
//!
//! The texts are written for this purpose and the employers are invented; only figures come from real
//! postings: pay, experience, education, sizes of employers, occupations, lengths. The same seed and
//! platform give the same bytes. Every generated posting is one that the hub takes, some of them with
//! retired division codes that it brings up to date; [`Generator::spoil`] makes one that it rejects.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::Posting;

mod draw;
mod edits;
mod employers;
mod facts;
mod fields;
mod jobs;
mod pay;
mod places;
mod spoiled;
mod texts;

/// Each posting of this many is one that the other platforms have as well, in other words. Real
/// platforms share about two in a hundred.
const SHARED_EVERY: u64 = 50;
const PURPOSE_PLATFORM: u64 = 1;
const PURPOSE_SHARED: u64 = 2;

/// Makes the postings of one platform, one after the other.
#[derive(Debug)]
pub struct Generator {
    seed: u64,
    platform_index: u32,
    made: u64,
    rng: StdRng,
}

impl Generator {
    /// Starts the postings of a platform. Generators with the same seed and different platforms make
    /// different postings of the same employers, and a few postings that all of them have.
    #[must_use]
    pub fn new(seed: u64, platform_index: u32) -> Self {
        let rng = draw::stream(seed, PURPOSE_PLATFORM, platform_index.into());
        Self { seed, platform_index, made: 0, rng }
    }

    /// Makes the next posting, with the platform's own id for it. Ids do not repeat.
    pub fn posting(&mut self) -> (String, Posting) {
        let number = self.made;
        self.made += 1;
        // The facts of a shared posting are drawn from a stream that all platforms have; its wording is not.
        let posting = if number % SHARED_EVERY == 7 {
            let shared = &mut draw::stream(self.seed, PURPOSE_SHARED, number);
            facts::posting(shared, &mut self.rng, self.seed)
        } else {
            let own = &mut draw::stream(self.rng.random(), PURPOSE_PLATFORM, number);
            facts::posting(own, &mut self.rng, self.seed)
        };
        (self.external_id(number), posting)
    }

    /// Edits a posting as employers do: its pay, its text, its openings or its closing day. The result
    /// always differs from what it was.
    pub fn edit(&mut self, posting: &Posting) -> Posting {
        edits::edit(&mut self.rng, posting)
    }

    /// Moves a posting's first workplace to another division.
    pub fn move_division(&mut self, posting: &Posting) -> Posting {
        edits::move_division(&mut self.rng, posting)
    }

    /// Breaks a posting in one of the ways that real feeds do, and says which finding rejects it.
    pub fn spoil(&mut self, posting: Posting) -> (Posting, FindingCode) {
        spoiled::spoil(&mut self.rng, posting)
    }

    /// Returns an id in the style of a platform: ids look random and are unique.
    fn external_id(&self, number: u64) -> String {
        // An odd factor permutes the numbers below a power of two.
        let scattered = (number + 1).wrapping_mul(0x9E37_79B1) % (1 << 40);
        match self.platform_index % 3 {
            0 => format!("ZP{scattered:013}"),
            1 => format!("{scattered:010x}"),
            _ => format!("job-{}-{scattered}", self.platform_index),
        }
    }
}

/// Returns the code that stands today for a division code that a generated posting carries: itself,
/// or the successor of a retired one.
#[must_use]
pub fn current_division(code: &str) -> &str {
    places::current(code)
}

/// Returns whether a division code that a generated posting carries is a retired one.
#[must_use]
pub fn is_retired_division(code: &str) -> bool {
    places::is_retired(code)
}

#[cfg(test)]
mod tests;
