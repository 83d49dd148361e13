//! The URL of a server.

use crate::error::{shortened, Error, Result};

/// Where a server is, and below which path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the `Host` header says.
    pub(crate) authority: String,
    /// The path before ours: empty, or with a slash at its beginning and none at its end.
    pub(crate) prefix: String,
}

impl BaseUrl {
    /// Read `http://HOST[:PORT][/PREFIX]`.
    pub(crate) fn parse(text: &str) -> Result<BaseUrl> {
        let refuse = |what: &str| {
            let shown = shortened(text, 100);
            Err(Error::Invalid(format!("the URL {:?} {}", shown, what)))
        };
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("https://") {
            return refuse(
                "needs TLS, which Rust's standard library does not have: \
                 use http:// to loopback, or to a local proxy that adds TLS",
            );
        }
        if !lower.starts_with("http://") {
            return refuse("does not begin with http://");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("has white space or characters that are not ASCII");
        }
        let rest = &text["http://".len()..];
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(Error::Invalid(
                "the URL has a user name or password: give the token to with_token".to_string(),
            ));
        }
        if rest.contains(['?', '#'].as_slice()) {
            return refuse("must not have a query or a fragment");
        }
        let (host, port) = match split_authority(authority) {
            Some(found) => found,
            None => return refuse("has no host, or a port that is no number from 1 to 65535"),
        };
        Ok(BaseUrl {
            host: host.to_string(),
            port,
            authority: authority.to_string(),
            prefix: path.trim_end_matches('/').to_string(),
        })
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// Host without brackets, and port: 80 if none is given.
fn split_authority(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some("80"))?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = port.parse().ok().filter(|port| is_number && *port > 0)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let fits = !host.is_empty() && host.bytes().all(is_name);
    fits.then_some((host, port))
}
