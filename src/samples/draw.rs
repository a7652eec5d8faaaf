//! Drawing from tables with whole numbers only, so that a seed gives the same bytes everywhere.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// Returns a generator for one purpose; different purposes give unrelated streams.
pub(crate) fn stream(seed: u64, purpose: u64, index: u64) -> StdRng {
    // The multipliers are odd and have no pattern, so nearby indices end far apart (SplitMix64).
    let mixed = seed
        ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ index.wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31);
    StdRng::seed_from_u64(mixed)
}

/// Returns one of the items; the default of an empty list.
pub(crate) fn pick<T: Copy + Default>(rng: &mut StdRng, items: &[T]) -> T {
    items.choose(rng).copied().unwrap_or_default()
}

/// Returns whether a thing of this share in a thousand happens.
pub(crate) fn happens(rng: &mut StdRng, permille: u32) -> bool {
    rng.random_range(0..1000) < permille
}

/// Returns a number of `0..count`; 0 of an empty range.
pub(crate) fn below(rng: &mut StdRng, count: usize) -> usize {
    if count == 0 { 0 } else { rng.random_range(0..count) }
}

/// Returns an item as often as its weight says.
pub(crate) fn weighted<T: Copy>(rng: &mut StdRng, table: &[(u32, T)], otherwise: T) -> T {
    let total: u32 = table.iter().map(|(weight, _)| weight).sum();
    if total == 0 {
        return otherwise;
    }
    let mut left = rng.random_range(0..total);
    for (weight, item) in table {
        if left < *weight {
            return *item;
        }
        left -= weight;
    }
    otherwise
}

/// Returns a number whose quantiles at 10, 25, 50, 75 and 90 per cent are given; between them it is even.
pub(crate) fn by_quantiles(rng: &mut StdRng, points: [i64; 5]) -> i64 {
    let [p10, p25, p50, p75, p90] = points;
    // The tenths beyond the outer quantiles are as wide as the halves of their neighbours.
    let (low, high) = (p10 - (p25 - p10) / 2, p90 + (p90 - p75) / 2);
    let at = rng.random_range(0..1000_i64);
    let (from, to, start, width) = match at {
        0..100 => (low, p10, 0, 100),
        100..250 => (p10, p25, 100, 150),
        250..500 => (p25, p50, 250, 250),
        500..750 => (p50, p75, 500, 250),
        750..900 => (p75, p90, 750, 150),
        _ => (p90, high, 900, 100),
    };
    from + (to - from) * (at - start) / width
}

/// Returns up to `count` items in their order.
pub(crate) fn some_of<'a>(rng: &mut StdRng, items: &[&'a str], count: usize) -> Vec<&'a str> {
    let mut taken = Vec::with_capacity(count);
    let mut wanted = count.min(items.len());
    let mut left = items.len();
    for item in items {
        if below(rng, left) < wanted {
            taken.push(*item);
            wanted -= 1;
        }
        left -= 1;
    }
    taken
}
