//! Whatever a file holds: nothing panics, nothing unsound comes out, and reading ends.

use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::kernel::fields;
use crate::postings::import::tests::{fixture, read_text};

const FILES: [&str; 9] = [
    "schema-org/board.jsonl",
    "schema-org/page.json",
    "jobtech/source_ads.json",
    "jobtech/platsannonser.json",
    "jobtech/gathered.json",
    "jobtech/stream.jsonl",
    "hr-xml/open.xml",
    "hr-xml/several.xml",
    "csv/jobs.csv",
];

/// Beginnings by which a format is recognised, so that arbitrary bytes reach its reader.
const BEGINNINGS: [(&str, &str); 5] = [
    ("a.jsonl", "{\"@type\":\"JobPosting\"}\n"),
    ("a.json", "[{\"@type\":\"JobPosting\"},"),
    ("a.json", "{\"hits\":[{\"annonsrubrik\":\"x\"},"),
    ("a.xml", "<PositionOpening>"),
    (
        "a.csv",
        "board,title,company,place,district,pay,pay_min,pay_max,experience,education,benefits,size,kind,day\n",
    ),
];

fn check(name: &str, content: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let Ok(import) = read_text(name, content) else { return Ok(()) };
    // Every record takes at least one byte.
    for one in import.take(content.len() + 2).flatten() {
        prop_assert_eq!(fields::check(&one.change), []);
        prop_assert!(!one.change.external_id.is_empty());
    }
    Ok(())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let alphabet: Vec<&'static [u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"\\",
        b",",
        b":",
        b"\n",
        b"<",
        b">",
        b"/",
        b"&",
        b";",
        b"-",
        b"PositionOpening",
        b"PositionProfile",
        b"<![CDATA[",
        b"]]>",
        b"title",
        b"JobPosting",
        b"1-3",
        b"K",
        b"99999999999999999999",
        b"\xFF",
        b"\0",
        "万".as_bytes(),
        "北京".as_bytes(),
        "·14薪".as_bytes(),
        b"elm",
        b"null",
        b"9e999",
        b" ",
    ];
    let word = prop::sample::select(alphabet).prop_map(<[u8]>::to_vec);
    let any = prop::collection::vec(any::<u8>(), 0..8);
    let piece = proptest::prop_oneof![4 => word, 1 => any];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes(which in 0..BEGINNINGS.len(), rest in bytes()) {
        let (name, beginning) = BEGINNINGS[which];
        check(name, &[beginning.as_bytes(), &rest].concat())?;
    }

    #[test]
    fn files_that_end_too_early(which in 0..FILES.len(), share in 0..1000_usize) {
        let content = std::fs::read(fixture(FILES[which])).unwrap();
        let end = content.len() * share / 1000;
        check(FILES[which].split('/').next_back().unwrap(), &content[..end])?;
    }

    #[test]
    fn files_with_changed_bytes(
        which in 0..FILES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut content = std::fs::read(fixture(FILES[which])).unwrap();
        for (index, byte) in changes {
            let index = index.index(content.len());
            content[index] = byte;
        }
        check(FILES[which].split('/').next_back().unwrap(), &content)?;
    }

    #[test]
    fn files_with_strange_values(
        which in 0..FILES.len(),
        at in any::<prop::sample::Index>(),
        inserted in bytes(),
    ) {
        let mut content = std::fs::read(fixture(FILES[which])).unwrap();
        let at = at.index(content.len());
        content.splice(at..at, inserted);
        check(FILES[which].split('/').next_back().unwrap(), &content)?;
    }
}
