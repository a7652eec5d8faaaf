//! The one name of a client certificate: `spiffe://TRUST-DOMAIN/PATH`, as SPIFFE writes it.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// Longest name, in bytes. Source: SPIFFE ID, 2.3.
const NAME_BYTES_MAX: usize = 2_048;
/// Longest trust domain, in bytes. Source: SPIFFE ID, 2.3.
const DOMAIN_BYTES_MAX: usize = 255;

/// Returns the trust domain that a name belongs to, or `None` when it is no sound name: `spiffe://`, a trust domain, and a path
/// without empty or relative parts.
#[must_use]
pub fn trust_domain(uri: &str) -> Option<&str> {
    let (domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    let is_sound = uri.len() <= NAME_BYTES_MAX && is_trust_domain(domain) && is_path(path);
    is_sound.then_some(domain)
}

/// Returns whether a text can be the name of a trust domain.
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-_".contains(&it);
    let is_hidden = text.starts_with('.');
    !text.is_empty() && text.len() <= DOMAIN_BYTES_MAX && !is_hidden && text.bytes().all(is_letter)
}

/// Returns whether a text can follow the trust domain and its slash.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let is_letter = |it: u8| it.is_ascii_alphanumeric() || b".-_".contains(&it);
    path.split('/').all(|part| !["", ".", ".."].contains(&part) && part.bytes().all(is_letter))
}

/// Returns the URI names of a certificate, as they stand there. The common name never counts.
#[must_use]
pub fn uri_names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<&'a str> {
    let names =
        certificate.extensions().iter().flat_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => names.general_names.as_slice(),
            _ => &[],
        });
    names
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::platform::trust::name::trust_domain;

    #[test]
    fn a_name_is_sound_or_none() {
        let check =
            |uri: &str, expected: Option<&str>| assert_eq!(trust_domain(uri), expected, "{uri}");
        check("spiffe://hub.example/platform/north", Some("hub.example"));
        check("spiffe://a/b", Some("a"));
        check("spiffe://a/", None);
        check("spiffe://a", None);
        check("spiffe:///b", None);
        check("spiffe://a//b", None);
        check("spiffe://a/b/", None);
        check("spiffe://a/../b", None);
        check("spiffe://a/./b", None);
        check("spiffe://A/b", None);
        check("SPIFFE://a/b", None);
        check("spiffe://a:1/b", None);
        check("spiffe://u@a/b", None);
        check("spiffe://a/b?c", None);
        check("spiffe://a/b#c", None);
        check("spiffe://a/%62", None);
        check("spiffe://..data/b", None);
        check("https://a/b", None);
        check(&format!("spiffe://a/{}", "b".repeat(3_000)), None);
    }
}
