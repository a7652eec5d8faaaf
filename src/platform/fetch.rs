//! Fetching documents from elsewhere: over TLS, without following anybody anywhere, within bounds of size and time.

use std::error::Error;
use std::time::Duration;

use reqwest::Url;

/// Within what bounds something is fetched.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Most bytes of the answer.
    pub bytes_max: usize,
    /// Longest time, from the first word to the last.
    pub timeout: Duration,
    /// Authorities of the server, PEM, when the machine does not know them.
    pub authorities: Option<Vec<u8>>,
    /// Whether it may also be on this machine, without TLS: for development.
    pub allows_loopback: bool,
}

/// Reads an address that may be fetched from: `https`, or `http` on the loopback where that is allowed.
#[must_use]
pub fn address(text: &str, allows_loopback: bool) -> Option<Url> {
    let address: Url = text.parse().ok()?;
    let is_safe = match address.scheme() {
        "https" => true,
        "http" => allows_loopback && is_loopback(&address),
        _ => false,
    };
    let is_plain = address.username().is_empty() && address.password().is_none();
    (is_safe && is_plain && address.has_host()).then_some(address)
}

/// Returns whether an address is on this machine.
#[must_use]
pub fn is_loopback(address: &Url) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].contains(&address.host_str().unwrap_or_default())
}

/// Fetches a document.
///
/// # Errors
///
/// It cannot be had, is too large, or the answer is anything but 200.
pub async fn get(address: &Url, bounds: &Bounds) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    if self::address(address.as_str(), bounds.allows_loopback).is_none() {
        return Err("the address is not one of https".into());
    }
    let mut client = reqwest::Client::builder()
        .https_only(!bounds.allows_loopback)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(bounds.timeout);
    if let Some(authorities) = &bounds.authorities {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(authorities)?);
    }
    let mut response = client.build()?.get(address.clone()).send().await?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer is {}", response.status()).into());
    }
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        content.extend_from_slice(&chunk);
        if content.len() > bounds.bytes_max {
            return Err("the answer is too large".into());
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use crate::platform::fetch::address;

    #[test]
    fn nothing_is_fetched_without_tls_but_from_this_machine_where_that_is_allowed() {
        let check = |text: &str, expected: (bool, bool)| {
            let allowed = (address(text, false).is_some(), address(text, true).is_some());
            assert_eq!(allowed, expected, "{text}");
        };
        check("https://a.example/x", (true, true));
        check("http://127.0.0.1:80/x", (false, true));
        check("http://localhost/x", (false, true));
        check("http://a.example/x", (false, false));
        check("http://127.0.0.1.a.example/x", (false, false));
        check("http://user@127.0.0.1/x", (false, false));
        check("https://a.example@b.example/x", (false, false));
        check("file:///etc/passwd", (false, false));
        check("nonsense", (false, false));
    }
}
