//! Any bytes as certificates and keys.

#![no_main]

use peshub_fuzz::credentials::sdjwt::chain;
use peshub_fuzz::credentials::sdjwt::key::{PublicKey, SecretKey};
use time::OffsetDateTime;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
    let half = bytes.len() / 2;
    let chain = [bytes[..half].to_vec(), bytes[half..].to_vec()];
    let anchors: Vec<_> = chain.iter().filter_map(|it| chain::anchor(it).ok()).collect();
    for iss in [None, Some("https://a.example/x"), Some(&*String::from_utf8_lossy(bytes))] {
        let _ = chain::leaf_key(&chain, &anchors, iss, at);
    }
    let _ = (PublicKey::of_spki(bytes), SecretKey::of_pkcs8(bytes));
    if let Ok(jwk) = serde_json::from_slice(bytes)
        && let Ok(key) = PublicKey::from_jwk(&jwk)
    {
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).as_ref(), Ok(&key));
        assert!(!key.verify(bytes, &[0; 64]));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = SecretKey::of_pem(text);
    }
});
