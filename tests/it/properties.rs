//! What holds for any input.

use bytes::Bytes;
use peshub::pb::peshub::postings::v1::{Posting, PostingChange};
use peshub::postings::finding::{Finding, FindingCode};
use peshub::postings::{parse, wire};
use peshub::samples::{self, Generator};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;
use prost::Message as _;
use time::OffsetDateTime;

use crate::support::postings::{close, posting, upsert};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn config(cases: u32) -> ProptestConfig {
    // A failure is told with its input; nothing is kept in files.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A generated posting of some platform.
fn sample(seed: u64, platform: u32, skipped: usize) -> Posting {
    let mut generator = Generator::new(seed, platform);
    for _ in 0..skipped {
        drop(generator.posting());
    }
    generator.posting().1
}

/// Bytes as they are after somebody has written over some of them, and cut them where told to.
fn damaged(mut bytes: Vec<u8>, blows: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    for (at, byte) in blows {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

/// What comes out of reading is either content or a reason, never both and never neither.
fn read(bytes: &[u8]) -> Option<(peshub::postings::domain::Content, Vec<Finding>)> {
    match parse::posting(bytes) {
        Ok((content, fixes)) => {
            assert!(Posting::decode(content.body.clone()).is_ok());
            assert_eq!(content.digest, wire::digest(&content.body));
            let mut facets = content.facets.clone();
            facets.sort_unstable();
            facets.dedup();
            assert_eq!(facets.len(), content.facets.len(), "a facet comes twice");
            assert!(content.facets.iter().all(|facet| !facet.contains('\0')));
            assert!(!content.search_text.contains('\0'));
            Some((content, fixes))
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "rejected without a reason");
            None
        }
    }
}

/// A posting without what the hub sets: names, lineage, codes brought up to date, kinds of employment in order.
fn essence(mut posting: Posting) -> Posting {
    posting.lineage.clear();
    for workplace in &mut posting.workplaces {
        if let Some(division) = &mut workplace.division {
            division.name.clear();
            division.code = samples::current_division(&division.code).to_owned();
        }
    }
    for occupation in &mut posting.occupations {
        occupation.name.clear();
    }
    posting.employment_types.sort_unstable();
    posting.employment_types.dedup();
    posting
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        read(&bytes);
        if let Err((_, findings)) = wire::change(Bytes::from(bytes), NOW) {
            assert!(!findings.is_empty(), "rejected without a reason");
        }
    }

    #[test]
    fn a_damaged_change_is_read_or_rejected_with_a_reason(
        which in 0_usize..3,
        blows in vec((any::<Index>(), any::<u8>()), 0..6),
        cut in option::of(any::<Index>()),
    ) {
        let change: PostingChange = match which {
            0 => close("a"),
            1 => upsert("a", posting("A", "330106")),
            _ => upsert("a", sample(1, 1, 0)),
        };
        let bytes = change.encode_to_vec();
        let bytes = damaged(bytes, &blows, cut);
        match wire::change(Bytes::from(bytes), NOW) {
            Ok(change) => {
                assert!(!change.external_id.trim().is_empty());
                if let wire::Intent::Upsert(body, _) = change.intent {
                    read(&body);
                }
            }
            Err((_, findings)) => assert!(!findings.is_empty(), "rejected without a reason"),
        }
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn a_damaged_posting_is_read_or_rejected_with_a_reason(
        (seed, platform) in (any::<u64>(), 0_u32..4),
        blows in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let bytes = sample(seed, platform, 0).encode_to_vec();
        read(&damaged(bytes.clone(), &blows, None));
        if let Some((at, _)) = blows.first() {
            read(&damaged(bytes, &[], Some(*at)));
        }
    }

    #[test]
    fn a_generated_posting_is_stored_as_it_was_sent(
        (seed, platform, skipped) in (any::<u64>(), 0_u32..4, 0_usize..12),
    ) {
        let sent = sample(seed, platform, skipped);
        let (content, fixes) = read(&sent.encode_to_vec()).expect("a posting that the hub takes");
        let stored = Posting::decode(content.body.clone()).unwrap();
        assert_eq!(essence(stored.clone()), essence(sent));
        assert_eq!(stored.lineage.len(), mapped(&fixes), "every code that was mapped has its lineage");

        // What is stored can be sent again: it stays the same, but for where its codes came from.
        let (again, fixes) = read(&content.body).expect("what is stored is sound");
        assert_eq!(mapped(&fixes), 0, "a code in force is mapped");
        let is_unmapped = stored.lineage.is_empty();
        let unmapped = Posting { lineage: Vec::new(), ..stored };
        assert_eq!(Posting::decode(again.body.clone()).unwrap(), unmapped);
        assert_eq!((&again.facets, &again.pay), (&content.facets, &content.pay));
        if is_unmapped {
            assert_eq!(again.digest, content.digest);
        }
        let (third, _) = read(&again.body).unwrap();
        assert_eq!((third.digest, third.body), (again.digest, again.body));
    }

    #[test]
    fn a_spoiled_posting_is_rejected_for_what_was_spoiled(
        (seed, platform) in (any::<u64>(), 0_u32..4),
    ) {
        let mut generator = Generator::new(seed, platform);
        let (_, sound) = generator.posting();
        let (spoiled, code) = generator.spoil(sound);
        let findings = parse::posting(&spoiled.encode_to_vec()).expect_err("a rejection");
        let codes: Vec<i32> = findings.iter().map(|finding| finding.code as i32).collect();
        assert!(codes.contains(&i32::from(code)), "{code:?} is not among {findings:?}");
    }
}

fn mapped(fixes: &[Finding]) -> usize {
    let codes =
        [FindingCode::DivisionRetired, FindingCode::DivisionSplit, FindingCode::CodeNormalised];
    fixes.iter().filter(|fix| codes.contains(&fix.code)).count()
}

#[test]
fn a_title_of_nothing_that_can_be_seen_is_no_title() {
    for title in ["", " ", "\u{1}", "\0", " \u{7f} ", "\u{3000}"] {
        let findings = parse::posting(&posting(title, "330106").encode_to_vec());
        let findings = findings.expect_err("a rejection");
        let found = findings.iter().any(|finding| {
            finding.field == "upsert.title" && finding.code == FindingCode::Required
        });
        assert!(found, "{title:?}: {findings:?}");
    }
}
