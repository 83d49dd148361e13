//! HTTP/1.1 (RFC 9112) as a client of one server needs it: one request a connection, no TLS.

mod body;
mod connection;
mod head;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use connection::{exchange, Request, Response, Times};
pub(crate) use url::BaseUrl;
