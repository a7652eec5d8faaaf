//! What never leaves in a log line or a span, whatever was written there by mistake: a second wall. The first is that nobody
//! writes it there.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::LazyLock;

use regex::Regex;
use tracing_subscriber::fmt::MakeWriter;

/// What stands in the place of what was left out.
const INSTEAD: &str = "[redacted]";

/// What looks like a person or a secret: mail addresses, tokens (JWT, SD-JWT), bearer headers, Chinese identity numbers (18 characters),
/// Swedish ones with their hyphen or plus sign, telephone numbers in international form, keys in PEM.
const PATTERNS: &str = r"(?x)
    [A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}
  | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?(?:~[A-Za-z0-9_.~-]*)?
  | (?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}
  | \b[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]\b
  | \b(?:18|19|20)?[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])[-+][0-9]{4}\b
  | \+[1-9][0-9]{7,14}\b
  | -----BEGIN\s[A-Z\s]*PRIVATE\sKEY-----
";

#[expect(clippy::expect_used, reason = "a pattern of the program's own, which a test compiles")]
static WHAT: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERNS).expect("a pattern"));

/// Returns a text without what looks like a person or a secret.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    WHAT.replace_all(text, INSTEAD)
}

/// Writes lines to standard error, redacted.
#[derive(Clone, Copy, Debug)]
pub struct Redacting;

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

/// Takes one line; the formatter hands it over whole.
#[derive(Clone, Copy, Debug)]
pub struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => io::stderr().lock().write_all(redacted(text).as_bytes())?,
            Err(_) => io::stderr().lock().write_all(b"[a line that is no text]\n")?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::platform::telemetry::redaction::redacted;

    #[test]
    fn persons_and_secrets_are_left_out_and_the_rest_stays() {
        for (text, expected) in [
            ("mail to li.na@example.com failed", "mail to [redacted] failed"),
            ("key (11010519491231002X) exists", "key ([redacted]) exists"),
            ("for 19811218-9876.", "for [redacted]."),
            ("for 811278-9873.", "for [redacted]."),
            ("call +8613800138000 back", "call [redacted] back"),
            ("authorization: Bearer abcdefgh.ijkl", "authorization: [redacted]"),
            ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln~WyJzIl0~", "got [redacted]"),
        ] {
            assert_eq!(redacted(text), expected);
        }
        for kept in [
            "2026-11-23T10:06:05.123456Z INFO rpc{request.id=\"0193-77b3\"}: serving on 127.0.0.1:7443",
            "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7",
            "0199a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b position 123456789012345678",
            "sources/platform-1/batches/12: 500 records, 500 written, 0 rejected",
            "the schema lacks 3 steps; run `peshub migrate up`",
        ] {
            assert_eq!(redacted(kept), kept);
        }
    }
}
