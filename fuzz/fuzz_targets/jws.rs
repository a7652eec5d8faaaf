//! Any text as a signature: key bindings, status lists, statements.

#![no_main]

use peshub_fuzz::credentials::sdjwt::binding::nonce_of;
use peshub_fuzz::credentials::sdjwt::jws::Jws;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = nonce_of(text);
    if let Ok(jws) = Jws::read(text, None, 1 << 20) {
        let _ = (jws.header().to_object(), jws.payload(), jws.claims());
    }
});
