//! Every format, from files as sources send them to what is sent to the hub.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::kernel::fields;
use crate::pb::DESCRIPTORS;
use crate::pb::peshub::postings::v1::posting_change::Change;
use crate::pb::peshub::postings::v1::{Posting, PostingChange, PostingClose};
use crate::postings::import::error::ImportError;
use crate::postings::import::mapping::Mapping;
use crate::postings::import::{Import, Item, Options, Reject, open};
use crate::postings::parse;

mod golden;
mod measured;
mod never;

/// Where the files of this project's own making are.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/postings").join(name)
}

pub(crate) fn mapping(path: &Path) -> Mapping {
    Mapping::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn with_mapping() -> Options {
    Options { mapping: Some(mapping(&fixture("csv/mapping.toml"))), ..Options::default() }
}

/// Reads a file and holds what comes out against the contract.
pub(crate) fn read(path: &Path, options: Options) -> Vec<Result<Item, Reject>> {
    let all: Vec<_> = open(path, options).unwrap().collect();
    for item in all.iter().flatten() {
        assert_eq!(fields::check(&item.change), [], "{}", item.locator);
        if let Some(Change::Upsert(posting)) = &item.change.change {
            // What the hub itself would reject, the importer must not send.
            let taken = parse::posting(&posting.encode_to_vec());
            assert!(taken.is_ok(), "{}: {:?}", item.locator, taken.err());
        }
    }
    all
}

/// Returns what was read, in a form that a person can hold against the file.
pub(crate) fn shown(all: &[Result<Item, Reject>]) -> String {
    let mut text = String::new();
    for one in all {
        match one {
            Ok(item) => {
                writeln!(text, "{} {}", item.locator, change(&item.change)).unwrap();
                for note in &item.fixes {
                    let given = note.given.replace('\n', "⏎");
                    writeln!(text, "  ! {} {:?}: {} <{given}>", note.field, note.code, note.done)
                        .unwrap();
                }
            }
            Err(reject) => {
                let id = reject.external_id.as_deref().unwrap_or("?");
                let field = &reject.field;
                writeln!(text, "{} REJECTED {id} {field} {:?}", reject.locator, reject.code)
                    .unwrap();
            }
        }
    }
    text
}

fn change(change: &PostingChange) -> String {
    let updated = change.source_updated_at.map_or(String::new(), |at| format!("@{}", at.seconds));
    let id = &change.external_id;
    match change.change.as_ref().unwrap() {
        Change::Upsert(posting) => format!("{id}{updated}\n{}", self::posting(posting)),
        Change::Close(PostingClose { reason, closed_at }) => {
            let at = closed_at.map_or(0, |at| at.seconds);
            format!("{id}{updated} close {reason} at {at}")
        }
    }
}

/// Returns a line for every value that is there.
fn posting(posting: &Posting) -> String {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let message = pool.get_message_by_name("peshub.postings.v1.Posting").unwrap();
    let message = DynamicMessage::decode(message, posting.encode_to_vec().as_slice()).unwrap();
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
    let mut lines = Vec::new();
    flatten("  ", &value, &mut lines);
    lines.join("\n")
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let child = |name: &str| match path.trim() {
        "" => format!("{path}{name}"),
        _ => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| flatten(&child(name), value, lines));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), value, lines);
            }
        }
        value => lines.push(format!("{path}: {value}")),
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_names_and_formats_are_told_apart() {
    let mut import = open(&fixture(""), with_mapping()).unwrap();
    let mut files: Vec<(String, &str)> = Vec::new();
    while let Some(one) = import.next() {
        let locator = one.map_or_else(|reject| reject.locator, |item| item.locator);
        let name = locator.split(['#', ':']).next().unwrap().to_owned();
        let format = import.format().unwrap();
        if files.last().is_none_or(|(last, _)| *last != name) {
            files.push((name, format));
        }
    }
    let expected = [
        ("csv/jobs.csv", "csv"),
        ("hr-xml/open.xml", "hr-xml"),
        ("hr-xml/several.xml", "hr-xml"),
        ("jobtech/gathered.json", "jobtech"),
        ("jobtech/platsannonser.json", "jobtech"),
        ("jobtech/source_ads.json", "jobtech"),
        ("jobtech/stream.jsonl", "jobtech"),
        ("schema-org/board.jsonl", "schema-org"),
        ("schema-org/page.json", "schema-org"),
    ];
    assert_eq!(files, expected.map(|(name, format)| (name.to_owned(), format)));
    let skipped: Vec<_> = import.skipped().iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(skipped, ["README.md", "mapping.toml"]);
    let progress = import.progress();
    assert!(progress.read_bytes > 0 && progress.read_bytes <= progress.total_bytes);
    assert_eq!((progress.items, progress.rejects), (17, 9));
}

#[test]
fn what_cannot_be_read_at_all_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let failure = |path: &Path, options: Options| open(path, options).unwrap_err();
    let named = |name: &str| Options { format: Some(name.to_owned()), ..Options::default() };
    assert!(matches!(
        failure(&folder.path().join("none"), Options::default()),
        ImportError::Unreadable { .. }
    ));
    assert!(matches!(
        failure(&folder.path().join("x"), named("x")),
        ImportError::NoSuchFormat { .. }
    ));
    let picture = file("a.png", b"\x89PNG");
    assert!(matches!(failure(&picture, Options::default()), ImportError::UnknownFormat { .. }));
    let table = file("a.csv", b"a,b\n1,2\n");
    assert!(matches!(failure(&table, Options::default()), ImportError::UnknownFormat { .. }));
    assert!(matches!(failure(&table, named("csv")), ImportError::NoMapping { .. }));
    let ImportError::MissingColumns { columns, .. } = failure(&table, with_mapping()) else {
        panic!("columns are there");
    };
    assert_eq!(columns.len(), 14);
    // 职位,公司,城市,薪资,学历 in GBK.
    let gbk =
        b"\xD6\xB0\xCE\xBB,\xB9\xAB\xCB\xBE,\xB3\xC7\xCA\xD0,\xD0\xBD\xD7\xCA,\xD1\xA7\xC0\xFA\n";
    let error = failure(&file("gbk.csv", gbk), with_mapping());
    assert!(error.to_string().contains("GB18030"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(failure(empty.path(), Options::default()), ImportError::NothingToRead { .. }));
}

#[test]
fn one_bad_file_of_a_folder_does_not_end_the_import() {
    let folder = tempfile::tempdir().unwrap();
    let posting = |id: &str| {
        format!(
            r#"{{"@type":"JobPosting","identifier":"{id}","title":"T","hiringOrganization":"E","jobLocation":{{"address":"Sweden"}}}}"#
        )
    };
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("1.json", posting("1").as_bytes());
    write("2.json", &[b"\xFF\xFE", b"JobPosting".as_slice()].concat());
    write("3.csv", b"a,b\n");
    write("4.json", posting("4").as_bytes());
    let mut options = with_mapping();
    options.language = Some("sv".to_owned());
    let all: Vec<_> = open(folder.path(), options).unwrap().collect();
    let ok: Vec<bool> = all.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, false, true], "{}", shown(&all));
}

#[test]
fn a_mapping_says_all_that_is_wrong_with_it() {
    let check = |text: &str, expected: &[&str]| {
        let error = Mapping::parse(text).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{error}");
        }
    };
    check("name = 1", &["cannot be read"]);
    check("name = 'x'\nfield = []\nnonsense = 1\n[external_id]", &["nonsense"]);
    check("name = 'x'\n[external_id]\ncolumns = ['a']\n[[field]]\nto = 'titel'\n", &["titel"]);
    check(
        "name = 'x'\nutc_offset = '8'\ncountry = 'XX'\n[external_id]\n[[field]]\nto = 'title'\n\
         [[field]]\nto = 'pay'\nfrom = ['a']\nlookup = 'b'\n[[field]]\nto = 'occupation'\nfrom = ['a']\n",
        &[
            "external_id needs",
            "utc_offset",
            "country",
            "no field for EmployerName",
            "either from or const",
            "no table lookup.b",
            "needs a currency",
            "list must be",
        ],
    );
}

#[test]
fn the_mapping_that_comes_with_the_project_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/mappings/cn-platforms.toml");
    assert_eq!(mapping(&path).name(), "cn-platforms");
}

/// Reads a text as if it were a file of this name.
pub(crate) fn read_text(name: &str, content: &[u8]) -> Result<Import, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    // The file stays open when its folder is gone.
    open(&path, with_mapping())
}
