//! Any JSON as a presentation in the JSON serialisation.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The brace is what tells it from a compact text.
    let text = format!("{{{}", String::from_utf8_lossy(bytes).trim_start_matches('{'));
    peshub_fuzz::read(&text);
});
