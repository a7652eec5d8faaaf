//! The pieces of the write and the read path, one by one. Budgets, on one core of a small machine: reading a change whose
//! content is known 2 µs, reading and checking a posting 40 µs, sealing a cursor 2 µs, holding an event against a filter 1 µs.

#![allow(missing_docs, clippy::unwrap_used, reason = "a measurement, not part of the hub")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peshub::kernel::ids::Position;
use peshub::pb::peshub::postings::v1::{PostingChange, posting_change};
use peshub::platform::feed::cursor::{Cursor, CursorKey};
use peshub::platform::feed::event::{Event, FacetFilter, FacetSet, Topic};
use peshub::postings::{parse, wire};
use peshub::samples::Generator;
use prost::Message as _;
use time::OffsetDateTime;

fn samples() -> Vec<(Bytes, Bytes)> {
    let mut generator = Generator::new(1, 0);
    let sample = |_| {
        let (external_id, posting) = generator.posting();
        let body = Bytes::from(posting.encode_to_vec());
        let change = PostingChange {
            external_id,
            source_revision: Some(1),
            source_updated_at: None,
            change: Some(posting_change::Change::Upsert(posting)),
        };
        (Bytes::from(change.encode_to_vec()), body)
    };
    (0..1_000).map(sample).collect()
}

fn write_path(criterion: &mut Criterion) {
    let samples = samples();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(1));
    let mut next = samples.iter().cycle();
    group.bench_function("read a change", |bencher| {
        bencher.iter(|| {
            let (change, _) = next.next().unwrap();
            black_box(wire::change(change.clone(), OffsetDateTime::UNIX_EPOCH).is_ok())
        });
    });
    let mut next = samples.iter().cycle();
    group.bench_function("read and check a posting", |bencher| {
        bencher.iter(|| black_box(parse::posting(&next.next().unwrap().1).is_ok()));
    });
    let mut generator = Generator::new(2, 0);
    group.bench_function("generate a posting", |bencher| {
        bencher.iter(|| black_box(generator.posting()));
    });
    group.finish();
}

fn read_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    let key = CursorKey::new(b"a secret");
    let cursor = Cursor { epoch: uuid::Uuid::from_u128(1), position: Position(7) };
    group.bench_function("seal a cursor", |bencher| {
        bencher.iter(|| black_box(key.seal(black_box(cursor))));
    });
    let tokens = ["d:CN", "d:330000", "d:330100", "d:330106", "e:1", "o:csco-2022:6", "s:1", "x:1"];
    let facets = Arc::new(FacetSet::new(tokens));
    let event = Event {
        trace: None,
        topic: Some(Topic::Posting),
        position: Position(1),
        entity: 1,
        cursor: Bytes::new(),
        at: OffsetDateTime::UNIX_EPOCH,
        header: Bytes::new(),
        body: None,
        before: Arc::clone(&facets),
        after: facets,
    };
    let filter = FacetFilter::default()
        .and_any_of(vec!["d:330000".to_owned()])
        .and_any_of(vec!["x:1".to_owned()]);
    group.bench_function("hold an event against a filter", |bencher| {
        bencher.iter(|| black_box(event.meaning(black_box(&filter))));
    });
    group.finish();
}

criterion_group!(benches, write_path, read_path);
criterion_main!(benches);
