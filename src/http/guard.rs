//! Which addresses a server may send us to: realms, redirects, upload locations and next pages are hostile input.
//!
//! Owns the rules for URLs and for the addresses that names resolve to. Sends nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Origin, Url};

/// How far a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A server that settings or a reference name: also in a private network, never link-local.
    Named,
    /// A server that only an answer names: public addresses alone.
    Foreign,
}

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// What one registry's answers may lead to.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Servers that settings or references name.
    pub(crate) named: Vec<Origin>,
    /// Whether plain http is allowed, since the registry itself is reached that way.
    pub(crate) plain: bool,
}

impl Guard {
    /// How far a request to this URL may reach, if it may be sent at all.
    pub(crate) fn check(&self, url: &Url) -> Result<Reach, Refused> {
        let refuse = |why: &str| Err(Refused(format!("{}: {why}", shown(url))));
        match url.scheme() {
            "https" => {}
            "http" if self.plain => {}
            "http" => return refuse("the registry leads from https to plain http, which is never followed"),
            _ => return refuse("the registry leads to something that is not https"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the registry leads to a URL with a user name in it");
        }
        let reach = if self.named.contains(&url.origin()) { Reach::Named } else { Reach::Foreign };
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) if reach == Reach::Foreign && proxies().any(|proxy| proxy == name) => {
                return refuse("the registry leads to the proxy itself");
            }
            Some(Host::Domain(_)) => return Ok(reach),
            None => return refuse("the URL has no host"),
        };
        check_address(address, reach).map(|()| reach).or_else(|error| refuse(&error.0))
    }
}

/// A URL as messages show it: without query, where tokens may stand, and bounded.
pub(crate) fn shown(url: &Url) -> String {
    super::bounded(&format!("{}{}", url.origin().ascii_serialization(), url.path()))
}

/// Whether this address may be reached.
pub(crate) fn check_address(address: IpAddr, reach: Reach) -> Result<(), Refused> {
    let class = match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    };
    match (class, reach) {
        (Class::Public, _) | (Class::Private, Reach::Named) => Ok(()),
        (Class::Private, Reach::Foreign) => {
            Err(Refused(format!("it leads to the private address {address}, which no registry may name but its own")))
        }
        (Class::Never, _) => Err(Refused(format!("it leads to the link-local or metadata address {address}"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private,
    Never,
}

fn class_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        // Unspecified, link-local (with most clouds' metadata), multicast and broadcast; the metadata of Alibaba, Azure, Oracle.
        [0 | 224..=239, ..]
        | [169, 254, ..]
        | [255, 255, 255, 255]
        | [100, 100, 100, 200]
        | [168, 63, 129, 16]
        | [192, 0, 0, 192] => Class::Never,
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Class::Private,
        // Protocol assignments, documentation, benchmarks, reserved.
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [240..=255, ..] => {
            Class::Private
        }
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        class_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Private,
        // Mapped, translated, compatible and NAT64 addresses are what they carry, and so is 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        // Link-local, multicast; the metadata of AWS and of Oracle.
        [0xfe80..=0xfebf | 0xff00..=0xffff, ..] | [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd00, 0xc1, ..] => {
            Class::Never
        }
        // Unique local, site-local, local NAT64, Teredo and other protocol assignments, documentation, discard.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..]
        | [0x64, 0xff9b, 1, ..]
        | [0x2001, 0..=0x1ff | 0xdb8, ..]
        | [0x3fff, 0..=0xfff, ..]
        | [0x100, 0, 0, 0, ..] => Class::Private,
        _ => Class::Public,
    }
}

/// Resolves names for one reach, leaving out the addresses that it may not have.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    reach: Reach,
    proxies: Arc<[String]>,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach, proxies: proxies().collect() }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { reach, proxies } = self.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = {
                let name = name.clone();
                tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs()).await??
            };
            let addresses = allowed(found.collect(), reach, proxies.contains(&name))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be used; an error where there were some and none may. A proxy may be anywhere: the environment names it.
fn allowed(found: Vec<SocketAddr>, reach: Reach, proxy: bool) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = None;
    let mut addresses = Vec::new();
    for address in found {
        match check_address(address.ip(), reach) {
            Err(error) if !proxy => refused = Some(error),
            _ => addresses.push(address),
        }
    }
    match refused {
        Some(error) if addresses.is_empty() => Err(error),
        _ => Ok(addresses),
    }
}

/// The hosts of the proxies that the environment names. What a proxy resolves for us is its own affair.
pub(crate) fn proxies() -> impl Iterator<Item = String> {
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|text| {
            let url = if text.contains("://") { Url::parse(&text) } else { Url::parse(&format!("http://{text}")) };
            url.ok()?.host_str().map(str::to_owned)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_public_private_or_never() {
        let check = |address: &str, expected: Class| {
            let address: IpAddr = address.parse().unwrap();
            let reaches = [Reach::Named, Reach::Foreign].map(|reach| check_address(address, reach).is_ok());
            let expected = match expected {
                Class::Public => [true, true],
                Class::Private => [true, false],
                Class::Never => [false, false],
            };
            assert_eq!(reaches, expected, "{address}");
        };
        for address in
            ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
        {
            check(address, Class::Public);
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "203.0.113.9",
            "240.0.0.1",
            "192.0.2.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:0:10.0.0.1",
        ] {
            check(address, Class::Private);
        }
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::169.254.169.254",
        ] {
            check(address, Class::Never);
        }
    }

    #[test]
    fn urls_stay_on_https_and_out_of_private_networks() {
        let own: Url = "https://10.0.0.5:5000/v2/".parse().unwrap();
        let guard = Guard { named: vec![own.origin()], plain: false };
        let check = |url: &str, expected: Option<Reach>| {
            assert_eq!(guard.check(&url.parse().unwrap()).ok(), expected, "{url}");
        };
        check("https://10.0.0.5:5000/token", Some(Reach::Named));
        check("https://10.0.0.5/token", None);
        check("https://10.0.0.5:5001/token", None);
        check("http://10.0.0.5:5000/token", None);
        check("https://auth.example/token", Some(Reach::Foreign));
        check("http://auth.example/token", None);
        check("ftp://auth.example/token", None);
        check("file:///etc/passwd", None);
        check("https://user@auth.example/", None);
        check("https://user:secret@10.0.0.5:5000/", None);
        check("https://127.0.0.1/", None);
        check("https://2130706433/", None);
        check("https://0x7f.1/", None);
        check("https://[::1]/", None);
        check("https://[::ffff:169.254.169.254]/latest", None);
        check("https://8.8.8.8/", Some(Reach::Foreign));
        let plain = Guard { named: vec![own.origin()], plain: true };
        assert_eq!(plain.check(&"http://auth.example/".parse().unwrap()).ok(), Some(Reach::Foreign));
        assert!(plain.check(&"http://169.254.169.254/".parse().unwrap()).is_err());
        let link_local: Url = "http://169.254.169.254/v2/".parse().unwrap();
        let named = Guard { named: vec![link_local.origin()], plain: true };
        assert!(named.check(&link_local).is_err(), "not even where a reference names it");
    }

    #[test]
    fn names_lose_the_addresses_that_they_may_not_have() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = addresses(&["127.0.0.1:0", "8.8.8.8:0", "169.254.169.254:0"]);
        assert_eq!(allowed(mixed.clone(), Reach::Foreign, false).unwrap(), addresses(&["8.8.8.8:0"]));
        assert_eq!(allowed(mixed.clone(), Reach::Named, false).unwrap(), addresses(&["127.0.0.1:0", "8.8.8.8:0"]));
        assert_eq!(allowed(mixed.clone(), Reach::Foreign, true).unwrap(), mixed);
        assert!(allowed(addresses(&["127.0.0.1:0"]), Reach::Foreign, false).is_err());
        assert!(allowed(addresses(&["169.254.169.254:0"]), Reach::Named, false).is_err());
    }
}
