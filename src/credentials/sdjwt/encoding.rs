//! base64url as RFC 7515 has it (section 2): without padding, and one text for each sequence of bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Writes bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends bytes to a text.
pub fn encode_onto(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Reads bytes; `None` for padding, for letters of another alphabet, and where bits that belong to no byte are set.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads what must be `N` bytes.
#[must_use]
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Room for what any reader may write before it knows how much it is.
    let mut room = [0; 96];
    let count = URL_SAFE_NO_PAD.decode_slice(text, &mut room).ok()?;
    room.get(..count)?.try_into().ok()
}

/// Reads base64 with padding, as certificates are written (RFC 7515, section 4.1.6).
#[must_use]
pub fn decode_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Writes base64 with padding, as certificates are written (RFC 7515, section 4.1.6).
#[must_use]
pub fn encode_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns whether a text is some letters of the alphabet and nothing else.
#[must_use]
pub fn is_of_alphabet(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
}

#[cfg(test)]
mod tests {
    use crate::credentials::sdjwt::encoding::{decode, encode, is_of_alphabet};

    #[test]
    fn each_sequence_of_bytes_has_one_text() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        };
        check("", Some(b""));
        check("AQ", Some(&[1]));
        check("AQ==", None);
        check("AR", None);
        check("AQI", Some(&[1, 2]));
        check("AQJ", None);
        check("A", None);
        check("-_-_", Some(&[0xfb, 0xff, 0xbf]));
        check("+/+/", None);
        check("AQ\n", None);
        check(" AQ", None);
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "-_-_");
    }

    #[test]
    fn a_separator_is_no_letter() {
        assert!(is_of_alphabet("aZ09-_"));
        assert!(["", "a.b", "a~b", "a=", "ä", "a b"].iter().all(|it| !is_of_alphabet(it)));
    }
}
