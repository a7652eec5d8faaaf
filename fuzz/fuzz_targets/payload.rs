//! Any payload with any disclosures: the pieces are written as base64url here, and `"@1"` stands for the digest of the second
//! disclosure, so that what lies behind encoding and digests is reached.

#![no_main]

use peshub_fuzz::credentials::sdjwt::disclosure::HashFunction;
use peshub_fuzz::credentials::sdjwt::encoding::encode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut pieces: Vec<Vec<u8>> = bytes.split(|it| *it == 0).take(12).map(<[u8]>::to_vec).collect();
    // From the last to the first: a disclosure names only later ones.
    let mut texts: Vec<String> = Vec::new();
    for number in (1..pieces.len()).rev() {
        let text = encode(&pieces[number]);
        let digest = HashFunction::Sha256.digest(&text);
        for earlier in &mut pieces[..number] {
            let name = format!("@{}", number - 1);
            let own = String::from_utf8_lossy(earlier).replace(&name, &digest);
            *earlier = own.into_bytes();
        }
        texts.push(text);
    }
    let header = encode(br#"{"alg":"ES256","typ":"dc+sd-jwt"}"#);
    let mut text = format!("{header}.{}.{}~", encode(&pieces[0]), encode(&[1; 64]));
    for disclosure in texts {
        text.push_str(&disclosure);
        text.push('~');
    }
    peshub_fuzz::read(&text);
});
