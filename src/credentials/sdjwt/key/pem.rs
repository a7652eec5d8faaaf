//! Secret keys as files hold them: PKCS #8 in PEM (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Letters of a line.
const LINE: usize = 64;

/// Writes PKCS #8.
pub(super) fn write(der: &[u8]) -> Zeroizing<String> {
    let letters = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(letters.len().saturating_mul(2)));
    text.push_str(BEGIN);
    for (number, letter) in letters.chars().enumerate() {
        if number % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

/// Reads the first PKCS #8 of a text.
pub(super) fn read(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (letters, _) = rest.split_once(END)?;
    let letters: Zeroizing<String> =
        Zeroizing::new(letters.chars().filter(|it| !it.is_ascii_whitespace()).collect());
    STANDARD.decode(letters.as_bytes()).ok().map(Zeroizing::new)
}
