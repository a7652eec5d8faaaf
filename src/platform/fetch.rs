//! Fetching documents from elsewhere: over TLS, from public addresses, without following anybody anywhere, within bounds of size and
//! time.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where a document may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At a public address: what participants write leads nowhere into the network that the hub stands in.
    Public,
    /// At any address: who runs the hub says so.
    Anywhere,
    /// At any address, on this machine also without TLS: for development.
    Development,
}

impl Reach {
    fn takes(self, address: IpAddr) -> bool {
        self != Self::Public
            || match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            }
    }
}

/// This network, private ones, carriers', loopback, link-local, protocols', documentation, benchmarks, multicast, reserved and broadcast
/// are not public (IANA's registry of special-purpose addresses).
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Global unicast addresses are public, but for those of protocols, tunnels and documentation. One that stands for an address of
/// IPv4, mapped or translated, is what that is.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

/// Finds the addresses of names. A connection is made to one of these and to no other, so that a name which leads somewhere else the
/// next time it is looked up leads nowhere.
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let taken = found.filter(|it| reach.takes(it.ip())).collect::<Vec<_>>();
            if taken.is_empty() {
                return Err(NotPublic.into());
            }
            let taken: Addrs = Box::new(taken.into_iter());
            Ok(taken)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its host has no public address")]
struct NotPublic;

/// Within what bounds something is fetched.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Most bytes of the answer.
    pub bytes_max: usize,
    /// Longest time, from the first word to the last.
    pub timeout: Duration,
    /// Authorities of the server, PEM, when the machine does not know them.
    pub authorities: Option<Vec<u8>>,
    /// Where it may lie.
    pub reach: Reach,
}

/// Reads an address that may be fetched from: `https`, or `http` on the loopback where that is allowed. What a name leads to is seen
/// when it is fetched from.
#[must_use]
pub fn address(text: &str, reach: Reach) -> Option<Url> {
    let address: Url = text.parse().ok()?;
    let is_safe = match address.scheme() {
        "https" => true,
        "http" => reach == Reach::Development && is_loopback(&address),
        _ => false,
    };
    let is_plain = address.username().is_empty() && address.password().is_none();
    let number = address.host_str()?.trim_matches(['[', ']']).parse();
    let is_within_reach = number.map_or(true, |number| reach.takes(number));
    (is_safe && is_plain && is_within_reach).then_some(address)
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
    // The client looks up names only, numbers it takes as they stand.
    if self::address(address.as_str(), bounds.reach).is_none() {
        return Err("the address is not one that is asked".into());
    }
    let mut client = reqwest::Client::builder()
        .https_only(bounds.reach != Reach::Development)
        .dns_resolver(Resolver(bounds.reach))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(bounds.timeout);
    if let Some(authorities) = &bounds.authorities {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(authorities)?);
    }
    let mut response = client.build()?.get(address.clone()).send().await.map_err(cause)?;
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

/// Returns why nothing was sent: that of which the client says nothing is what people must know.
fn cause(error: reqwest::Error) -> Box<dyn Error + Send + Sync> {
    let mut cause = error.source();
    while let Some(it) = cause {
        if it.is::<NotPublic>() {
            return NotPublic.into();
        }
        cause = it.source();
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use crate::platform::fetch::{self, Bounds, Reach, address};

    /// Addresses within the network, and ways to write them.
    const WITHIN: &str = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 \
         169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.0.1 \
         198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 \
         255.255.255.255 [::] [::1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:10.0.0.1] \
         [::ffff:a9fe:a9fe] [64:ff9b::192.168.0.1] [64:ff9b:1::1] [100::1] [2001::1] [2001:1ff::1] \
         [2001:db8::1] [2002:7f00:1::1] [3fff::1] [3fff:fff::1] [fc00::1] [fdff::1] [fe80::1] [fec0::1] \
         [ff02::1] [ff0e::1] 2130706433 0x7f000001 0177.0.0.1 127.1 127.0.0.1. 0 10.1 \
         \u{ff11}\u{ff10}.0.0.1";
    /// Public ones, many beside a range that is not, and a name.
    const OUTSIDE: &str = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.1.1.1 128.0.0.1 169.253.0.1 \
         172.15.255.255 172.32.0.0 192.0.1.1 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 \
         223.255.255.255 [2001:200::1] [2001:db9::1] [2606:4700::1111] [3fff:1000::1] [::ffff:1.1.1.1] \
         [64:ff9b::1.1.1.1] a.example";

    #[test]
    fn no_address_within_the_network_is_public_however_it_is_written() {
        for host in WITHIN.split(' ') {
            let text = format!("https://{host}:8443/x");
            assert!(address(&text, Reach::Public).is_none(), "{host}");
            assert!(address(&text, Reach::Anywhere).is_some(), "{host}");
        }
        for host in OUTSIDE.split(' ') {
            assert!(address(&format!("https://{host}/x"), Reach::Public).is_some(), "{host}");
        }
    }

    /// Returns whether a fetch makes a connection, and what it says.
    async fn connects(host: &str, reach: Reach) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://{host}:{port}/x").parse().unwrap();
        let timeout = Duration::from_secs(10);
        let bounds = Bounds { bytes_max: 1, timeout, authorities: None, reach };
        let asked = async { fetch::get(&url, &bounds).await.unwrap_err().to_string() };
        tokio::pin!(asked);
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                // Whoever connects is sent away.
                drop(accepted);
                (true, asked.await)
            }
            why = &mut asked => (false, why),
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_into_the_network_is_refused_when_it_is_connected_to() {
        let said = "its host has no public address".to_owned();
        for host in ["localhost", "LOCALHOST"] {
            assert!(address(&format!("https://{host}/"), Reach::Public).is_some());
            assert_eq!(connects(host, Reach::Public).await, (false, said.clone()), "{host}");
        }
        let said = "the address is not one that is asked".to_owned();
        assert_eq!(connects("127.0.0.1", Reach::Public).await, (false, said));
        for reach in [Reach::Anywhere, Reach::Development] {
            for host in ["localhost", "127.0.0.1"] {
                assert!(connects(host, reach).await.0, "{host}, {reach:?}");
            }
        }
    }

    #[test]
    fn nothing_is_fetched_without_tls_but_from_this_machine_where_that_is_allowed() {
        let check = |text: &str, expected: (bool, bool)| {
            let allowed = (address(text, Reach::Public), address(text, Reach::Development));
            let allowed = (allowed.0.is_some(), allowed.1.is_some());
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
