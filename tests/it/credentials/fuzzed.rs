//! Tokens changed by chance, from a seed: nothing that comes from a stranger makes the verifier panic, take what is not signed, or
//! leave a digest in what it gives out. `PESHUB_FUZZ_ROUNDS` says how many are tried.

use peshub::credentials::domain::{Algorithm, ClaimPath, Segment};
use peshub::credentials::sdjwt::Profile;
use peshub::credentials::sdjwt::binding::nonce_of;
use peshub::credentials::sdjwt::chain;
use peshub::credentials::sdjwt::encoding;
use peshub::credentials::sdjwt::json;
use peshub::credentials::sdjwt::jws::Jws;
use peshub::credentials::sdjwt::key::PublicKey;
use peshub::credentials::sdjwt::present::{Choice, present};
use peshub::credentials::sdjwt::read::Presented;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::credentials::maker::{KEYS, NOW, Token};

/// Rounds when nothing is said: some seconds.
const ROUNDS: u32 = 6_000;

fn rounds() -> u32 {
    let said = std::env::var("PESHUB_FUZZ_ROUNDS").ok();
    said.map_or(ROUNDS, |it| it.parse().expect("PESHUB_FUZZ_ROUNDS is a number"))
}

/// What is put into texts.
const PIECES: [&str; 34] = [
    "~",
    "~~",
    ".",
    "..",
    "=",
    "-",
    "_",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "_sd",
    "...",
    "_sd_alg",
    "null",
    "1e400",
    "-1",
    "18446744073709551616",
    "\u{0}",
    "é",
    "\u{202e}",
    " ",
    "\n",
    "sha-256",
    "none",
    "crit",
    "WyJzIiwibiIsMV0",
    "AAAA",
];

/// Changes a text somewhere.
fn mutate(text: &str, rng: &mut StdRng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=letters.len());
        let until = (at + rng.random_range(0..40)).min(letters.len());
        match rng.random_range(0..6) {
            0 => drop(letters.drain(at..until)),
            1 => {
                let copy = letters[at..until].to_vec();
                let place = rng.random_range(0..=letters.len());
                letters.splice(place..place, copy);
            }
            2 => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                letters.splice(at..at, piece.chars());
            }
            3 if at < letters.len() => {
                let letter = char::from(rng.random_range(32..127_u8));
                letters[at] = letter;
            }
            4 => letters.truncate(at),
            _ => letters.rotate_left(at),
        }
    }
    letters.into_iter().collect()
}

/// Makes a value by chance, with names that mean something here.
fn value(rng: &mut StdRng, depth: usize) -> Value {
    let names = [
        "_sd",
        "...",
        "_sd_alg",
        "iss",
        "exp",
        "cnf",
        "jwk",
        "status",
        "status_list",
        "idx",
        "uri",
        "a",
        "",
    ];
    match rng.random_range(0..if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(f64::from_bits(rng.random())),
        4 | 5 => json!(PIECES[rng.random_range(0..PIECES.len())]),
        6 | 7 => (0..rng.random_range(0..5)).map(|_| value(rng, depth - 1)).collect(),
        _ => {
            let member =
                |_| (names[rng.random_range(0..names.len())].to_owned(), value(rng, depth - 1));
            Value::Object((0..4).map(member).collect())
        }
    }
}

/// Returns whether something of the format is left in what is given out.
fn has_digests(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(name, value)| {
            ["_sd", "...", "_sd_alg"].contains(&name.as_str()) || has_digests(value)
        }),
        Value::Array(list) => list.iter().any(has_digests),
        _ => false,
    }
}

/// Lets everything that reads text of strangers read this one. Returns whether it was taken.
fn read_all(token: &Token, text: &str) -> bool {
    for profile in [Profile::SdJwtVc, Profile::Plain(None)] {
        if let Ok(presented) = Presented::read_as(text, profile) {
            drop((presented.times(), presented.issuer(), presented.vct(), presented.digest()));
            let binding = presented.binding().map(nonce_of);
            drop((presented.payload(), presented.refuse_binding(), binding));
            if let Ok(disclosed) = presented.disclose() {
                assert!(!has_digests(&Value::Object(disclosed.claims)), "{text}");
            }
        }
    }
    let path = ClaimPath::new(vec![Segment::Name("skills".to_owned()), Segment::Every]).unwrap();
    drop(present(text, Choice::Paths(&[path]), None));
    drop(Jws::read(text, None, 1 << 20).and_then(|it| it.claims()));
    drop(json::object(text.as_bytes()));
    token.verify(text).is_ok()
}

#[test]
fn a_changed_text_is_refused_and_nothing_panics() {
    let mut rng = StdRng::seed_from_u64(7);
    let tokens = [Token::sound(), Token::sound_ed()];
    let texts: Vec<[String; 3]> = tokens
        .iter()
        .map(|it| [it.text(), it.flattened().to_string(), it.general().to_string()])
        .collect();
    for round in 0..rounds() {
        let number = rng.random_range(0..tokens.len());
        let (token, own) = (&tokens[number], &texts[number][rng.random_range(0..3)]);
        let changed = mutate(own, &mut rng);
        let is_taken = read_all(token, &changed);
        // White space and members that mean nothing may change in JSON; a compact text has one form.
        let is_compact = !changed.trim_start().starts_with('{');
        assert!(!is_taken || !is_compact || &changed == own, "round {round}: {changed}");
    }
}

#[test]
fn a_payload_of_any_shape_is_taken_or_refused_and_nothing_panics() {
    let mut rng = StdRng::seed_from_u64(11);
    let mut sound = 0;
    for _ in 0..rounds() / 4 {
        // Signed by the issuer: what is read behind the signature.
        let mut token = Token::sound();
        token.unbound();
        for _ in 0..rng.random_range(1..3) {
            let names =
                ["x", "y", "skills", "employer", "cnf", "status", "exp", "_sd", "_sd_alg", "vct"];
            let name = names[rng.random_range(0..names.len())];
            token.payload()[name] = value(&mut rng, 5);
        }
        for _ in 0..rng.random_range(0..3) {
            let items = if rng.random() {
                json!(["salt", "x", value(&mut rng, 4)])
            } else {
                value(&mut rng, 4)
            };
            if token.payload()["_sd"].is_array() {
                token.add("", &items);
            }
        }
        sound += u32::from(read_all(&token, &token.text()));
    }
    assert!(sound > 0, "nothing was taken: the maker makes nothing sound");
}

#[test]
fn keys_chains_and_signatures_of_any_bytes_are_refused_and_nothing_panics() {
    let mut rng = StdRng::seed_from_u64(13);
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let authority = rcgen::generate_simple_self_signed(vec!["bureau.example".to_owned()]).unwrap();
    let anchor = chain::anchor(authority.cert.der()).unwrap();
    for _ in 0..rounds() / 4 {
        let mut bytes = authority.cert.der().to_vec();
        for _ in 0..rng.random_range(1..5) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        bytes.truncate(rng.random_range(0..=bytes.len()));
        let chain = [bytes.clone(), authority.cert.der().to_vec()];
        assert!(chain::leaf_key(&chain, std::slice::from_ref(&anchor), None, now).is_err());
        drop(chain::anchor(&bytes));
        drop((PublicKey::of_spki(&bytes), PublicKey::from_jwk(&value(&mut rng, 3))));
        let length = bytes.len().min(70);
        for key in [&KEYS.issuer, &KEYS.issuer_ed] {
            assert!(!key.public().verify(b"message", &bytes[..length]));
        }
        for algorithm in Algorithm::ALL {
            drop(PublicKey::of_point(algorithm, &bytes[..length]));
        }
        drop(encoding::decode(&String::from_utf8_lossy(&bytes)));
        drop(json::object(&bytes));
    }
}
