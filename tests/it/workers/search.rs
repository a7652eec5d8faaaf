//! Finds what must not be there, however it is written.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Bytes by which needles are looked up; none is shorter.
const PREFIX: usize = 6;
/// Digits of a piece of a number that tell whose it is.
const DIGITS: usize = 10;

/// Needles, by their first bytes.
#[derive(Default)]
pub(crate) struct Search(HashMap<[u8; PREFIX], Vec<(Vec<u8>, String)>>);

impl Search {
    /// Adds a text in every form in which it might be written.
    pub(crate) fn text(&mut self, text: &str) {
        let what = |form: &str| format!("{text} {form}");
        self.add(text.as_bytes().to_vec(), what("in clear"));
        self.add(text.to_lowercase().into_bytes(), what("in lower case"));
        self.add(text.to_uppercase().into_bytes(), what("in upper case"));
        self.add(text.chars().rev().collect::<String>().into_bytes(), what("reversed"));
        self.add(text.bytes().rev().collect(), what("reversed byte by byte"));
        let hex = hex(text.as_bytes());
        self.add(hex.to_uppercase().into_bytes(), what("in hex"));
        self.add(hex.into_bytes(), what("in hex"));
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.add(self::hex(&utf16).into_bytes(), what("in UTF-16, in hex"));
        let escaped: String = text.escape_unicode().to_string();
        self.add(escaped.into_bytes(), what("escaped"));
        // In base64 a text looks different by what stands before it; its first and last letters mix with the neighbours'.
        for before in 0..3 {
            let padded = [&b"???"[..before], text.as_bytes()].concat();
            let first = [0, 2, 3][before];
            for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
                let last = encoded.len() - usize::from(!padded.len().is_multiple_of(3));
                self.add(encoded.as_bytes()[first..last].to_vec(), what("in base64"));
            }
        }
    }

    /// Adds an identity number: as a text, in pieces, and as an integer.
    pub(crate) fn number(&mut self, number: &str) {
        self.text(number);
        let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
        for piece in digits.windows(DIGITS) {
            self.add(piece.to_vec(), format!("a piece of {number}"));
            let reversed = piece.iter().rev().copied().collect();
            self.add(reversed, format!("a reversed piece of {number}"));
        }
        if let Ok(value) = std::str::from_utf8(&digits).unwrap().parse::<u64>() {
            let hex = |bytes: [u8; 8]| bytes.map(|byte| format!("{byte:02x}")).concat();
            self.add(hex(value.to_be_bytes()).into_bytes(), format!("{number} as an integer"));
            self.add(hex(value.to_le_bytes()).into_bytes(), format!("{number} as an integer"));
        }
    }

    fn add(&mut self, needle: Vec<u8>, what: String) {
        if let Some(prefix) = needle.first_chunk::<PREFIX>() {
            self.0.entry(*prefix).or_default().push((needle, what));
        }
    }

    /// Returns what is there, in the text itself and in the bytes that it writes as `\\x…`.
    pub(crate) fn found(&self, haystack: &[u8]) -> Vec<String> {
        [haystack, &unhexed(haystack)].into_iter().flat_map(|it| self.found_in(it)).collect()
    }

    fn found_in(&self, haystack: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, window) in haystack.windows(PREFIX).enumerate() {
            let prefix: [u8; PREFIX] = window.try_into().unwrap();
            for (needle, what) in self.0.get(&prefix).into_iter().flatten() {
                if haystack[at..].starts_with(needle) {
                    let from = at.saturating_sub(80);
                    let to = (at + 80).min(haystack.len());
                    let around = String::from_utf8_lossy(&haystack[from..to]);
                    found.push(format!("{what}: …{around}…"));
                }
            }
        }
        found
    }
}

/// Returns the bytes that a text writes as `\\x…`, with a line break between them.
fn unhexed(text: &[u8]) -> Vec<u8> {
    let value = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|it| it == b"\\x") {
        rest = &rest[at + 2..];
        while let [high, low, ..] = rest {
            let (Some(high), Some(low)) = (value(*high), value(*low)) else { break };
            bytes.push(high << 4 | low);
            rest = &rest[2..];
        }
        bytes.push(b'\n');
    }
    bytes
}

#[test]
fn whatever_is_written_somewhere_is_found_however_it_is_written() {
    let mut search = Search::default();
    search.number("11010519491231002X");
    search.text("王小明");
    search.text("Wang Xiaoming");
    let check = |haystack: &str, is_there: bool| {
        assert_eq!(!search.found(haystack.as_bytes()).is_empty(), is_there, "{haystack}");
    };
    check("nothing of the kind, 1101051949", true);
    check("nothing of the kind, 110105194, 王小, Wang", false);
    check("id=11010519491231002X;", true);
    check("x20013219494501011", true);
    check("\\x313130313035313934393132333130303258", true);
    check(&hex(b"..\x0811010519491231002X.."), true);
    check(&hex("王小明".as_bytes()), true);
    check("wang xiaoming", true);
    check("name: 明小王", true);
    for before in ["", "a", "ab", "abc"] {
        for after in ["", "z", "zy"] {
            let text = format!("{before}11010519491231002X{after}");
            check(&STANDARD_NO_PAD.encode(&text), true);
            check(&URL_SAFE_NO_PAD.encode(format!("{before}王小明{after}")), true);
        }
    }
    check(&format!("\\x{}", hex(STANDARD_NO_PAD.encode("ab11010519491231002X").as_bytes())), true);
    check(&format!("\\x{:016x}", 11_010_519_491_231_002_u64), true);
    check(&format!("\\x{:016x}", 11_010_519_491_231_003_u64), false);
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|it| b"0123456789abcdef"[it as usize] as char)
        .collect()
}
