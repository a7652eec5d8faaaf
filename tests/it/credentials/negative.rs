//! Tokens with one thing wrong each, and sound neighbours of them: what must be refused is, by the check that is there for it.

use std::collections::BTreeSet;
use std::path::Path;

use peshub::credentials::sdjwt::defect::{self, Check, Kind};
use serde_json::{Value, json};

use crate::credentials::maker::Token;

mod binding;
mod claims;
mod disclosures;
mod form;
mod serialised;

/// A token, and by which check it must be refused; none: it must pass.
struct Row {
    name: String,
    expected: Option<&'static Check>,
    token: Token,
    text: String,
}

/// The rows of a table.
#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A row whose token is the sound one with something changed.
    fn bad(&mut self, check: &'static Check, name: &str, change: impl FnOnce(&mut Token)) {
        let mut token = Token::sound();
        change(&mut token);
        let text = token.text();
        self.push(Some(check), name, token, text);
    }

    /// A row whose text is that of the sound one with something changed.
    fn bad_text(
        &mut self,
        check: &'static Check,
        name: &str,
        change: impl FnOnce(String) -> String,
    ) {
        let token = Token::sound();
        let text = change(token.text());
        self.push(Some(check), name, token, text);
    }

    /// A row that must pass.
    fn good(&mut self, name: &str, change: impl FnOnce(&mut Token)) {
        let mut token = Token::sound();
        change(&mut token);
        let text = token.text();
        self.push(None, name, token, text);
    }

    fn push(&mut self, expected: Option<&'static Check>, name: &str, token: Token, text: String) {
        self.rows.push(Row { name: name.to_owned(), expected, token, text });
    }
}

fn table() -> Vec<Row> {
    let mut table = Table::default();
    form::rows(&mut table);
    claims::rows(&mut table);
    disclosures::rows(&mut table);
    binding::rows(&mut table);
    serialised::rows(&mut table);
    table.rows
}

#[test]
fn every_unsound_token_is_refused_by_the_check_that_is_there_for_it() {
    let (mut wrong, mut met, mut refused, mut passed) = (Vec::new(), BTreeSet::new(), 0, 0);
    for row in table() {
        let found = row.token.verify(&row.text);
        match (&row.expected, &found) {
            (None, Ok(_)) => passed += 1,
            (Some(check), Err(defect))
                if (check.id, check.kind, check.clause)
                    == (defect.check, defect.kind, defect.clause) =>
            {
                refused += 1;
                met.insert(check.id);
                // A finding says nothing of what the token says.
                let told = ["张三", "第一机床厂", "welding", "330106"];
                assert!(!told.iter().any(|it| defect.detail.contains(it)), "{}", row.name);
            }
            (expected, found) => {
                let expected = expected.map_or("nothing", |it| it.id);
                wrong.push(format!(
                    "{}: expected {expected}, found {:?}",
                    row.name,
                    found.as_ref().err()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{refused} refused, {passed} passed");
    assert!(refused >= 200 && passed >= 30, "{refused} refused, {passed} passed");
    // Each check that a presentation can fail has a row. The chain and what issuers hand out have tests of their own.
    let apart = ["key.chain", "binding.absent"];
    let all = defect::ALL.iter().map(|it| it.id).filter(|it| !apart.contains(it));
    let unmet: Vec<_> = all.filter(|it| !met.contains(it)).collect();
    assert!(unmet.is_empty(), "no row for {unmet:?}");
}

#[test]
fn rows_have_names_of_their_own() {
    let rows = table();
    let names: BTreeSet<_> = rows.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), rows.len());
}

#[test]
fn the_guide_lists_every_check_in_its_order() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/credential-format.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let mut rest = guide.as_str();
    for check in defect::ALL {
        let outcome = match check.kind {
            Kind::Malformed => "MALFORMED",
            Kind::Untrusted => "UNTRUSTED_ISSUER",
            Kind::BadSignature => "BAD_SIGNATURE",
            Kind::BadBinding => "BAD_BINDING",
        };
        let (_, after) = rest.split_once(&format!("| `{}` | ", check.id)).expect(check.id);
        let (line, after) = after.split_once('\n').unwrap();
        assert!(line.ends_with(&format!("| {outcome} | {} |", check.clause)), "{line}");
        rest = after;
    }
}

/// What a row has in place of a value of the right form.
fn odd_values() -> [(&'static str, Value); 5] {
    [
        ("a number", json!(1)),
        ("null", Value::Null),
        ("true", json!(true)),
        ("a list", json!(["a"])),
        ("an object", json!({"a": "b"})),
    ]
}
