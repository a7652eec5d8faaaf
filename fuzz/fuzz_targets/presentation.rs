//! Any text as a presentation.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| peshub_fuzz::read(text));
