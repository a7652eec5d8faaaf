//! Looking statuses up in memory: how much memory ten million take, and how many look-ups there are a second on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::{BenchError, Report, rate};
use crate::credentials::status::book::{Keeping, List, ListBook};
use crate::credentials::status::codec::{Bits, Entries};
use crate::credentials::status::look::{Look, Place};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::kernel::ids::{IssuerId, StatusListId};

/// Lists of 2^20 places: more than ten million.
const LISTS: i64 = 10;
/// Places of one.
const PLACES: u64 = 1 << 20;
/// Bytes of one.
const BYTES: usize = 1 << 18;
/// Look-ups that are measured.
const LOOK_UPS: usize = 4_000_000;

/// Measures, and adds the figures.
///
/// # Errors
///
/// A list cannot be made, or a look-up finds something else than what it says.
pub fn run(report: &mut Report) -> Result<(), BenchError> {
    let wrong = |what: &str| BenchError::Wrong(what.to_owned());
    let mut entries = Entries::zeros(Bits::Two, BYTES);
    for index in (0..PLACES).step_by(100) {
        entries.set(index, 1);
    }
    let compressed = entries.deflate().map_err(|_| wrong("a list cannot be compressed"))?;
    let book = ListBook::new("https://hub.example/status-lists/");
    let issuer = IssuerId(1);
    let uris: Vec<String> =
        (0..LISTS).map(|it| format!("https://hub.example/status-lists/issuer/{it}")).collect();
    let mut lists = Vec::new();
    let start = Instant::now();
    for (number, uri) in (0..LISTS).zip(&uris) {
        let entries = Entries::inflate(Bits::Two, &compressed, BYTES);
        let entries = entries.map_err(|_| wrong("a list cannot be inflated"))?;
        let list = List::new(StatusListId(number), 1, Keeping::Here { issuer }, entries);
        lists.push((Arc::from(uri.as_str()), Arc::new(list)));
    }
    let inflated = start.elapsed();
    book.change(lists, &[]);
    let now = SystemClock.now();
    book.saw_all(now, Duration::from_mins(5));
    let mut revoked = 0_usize;
    // Spread over all places, without the cost of a generator of chance.
    let mut mixed = 0x9e37_79b9_7f4a_7c15_u64;
    let start = Instant::now();
    for uri in uris.iter().cycle().take(LOOK_UPS) {
        mixed = mixed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        let place = Place { issuer, signer: None, uri, index: (mixed >> 32) % PLACES };
        match black_box(book.look_up(black_box(&place), now)) {
            Look::Known(found) => revoked += usize::from(found.status.list_value()),
            Look::OutOfRange | Look::Unavailable { .. } => return Err(wrong("a place is unknown")),
        }
    }
    let took = start.elapsed();
    if !(LOOK_UPS / 200..LOOK_UPS / 50).contains(&revoked) {
        return Err(wrong("one of a hundred is revoked, and something else was found"));
    }
    let megabytes = rate(book.weight(), Duration::from_secs(1_000_000));
    report.add("status_lookups_per_s", rate(LOOK_UPS, took));
    report.add("status_10m_mb", megabytes);
    let lists = usize::try_from(LISTS).unwrap_or(1);
    report.add("status_lists_inflated_per_s", rate(lists, inflated));
    Ok(())
}
