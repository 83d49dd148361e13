//! The head of an answer: status line and headers, within limits.

use std::io::{self, BufRead, ErrorKind, Read};

/// The most bytes of a head, and the most headers in it.
pub(super) const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Status and headers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

/// Where a body ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Head {
    /// Read a head; interim ones (1xx) are passed over.
    pub(super) fn read(input: &mut impl BufRead) -> io::Result<Head> {
        let mut left = MAX_HEAD;
        loop {
            let head = Head::read_one(input, &mut left)?;
            if head.status >= 200 {
                return Ok(head);
            }
            if head.status == 101 {
                return Err(garbage("it wants to speak another protocol"));
            }
        }
    }

    fn read_one(input: &mut impl BufRead, left: &mut usize) -> io::Result<Head> {
        let status = status_of(&line(input, left)?)?;
        let mut headers = Vec::new();
        loop {
            let line = line(input, left)?;
            if line.is_empty() {
                return Ok(Head { status, headers });
            }
            if headers.len() == MAX_HEADERS {
                return Err(garbage("it has too many headers"));
            }
            headers.push(header_of(&line)?);
        }
    }

    /// The value of a header; the first one where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let same = move |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        let headers = self.headers.iter().filter(same);
        headers.map(|(_, value)| value.as_str())
    }

    /// Where the body ends (RFC 9112, 6.3), for a request that is not HEAD.
    pub(super) fn framing(&self) -> io::Result<Framing> {
        if matches!(self.status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        let mut encodings = self.all("Transfer-Encoding");
        if let Some(encoding) = encodings.next() {
            if !encoding.eq_ignore_ascii_case("chunked") || encodings.next().is_some() {
                return Err(garbage("its transfer encoding is not chunked"));
            }
            if self.header("Content-Length").is_some() {
                return Err(garbage("it gives its length in two ways"));
            }
            return Ok(Framing::Chunked);
        }
        let mut lengths = self.all("Content-Length");
        let length = match lengths.next() {
            Some(length) => length,
            None => return Ok(Framing::UntilClose),
        };
        if lengths.any(|other| other != length) || !is_number(length) {
            return Err(garbage("its length is no number"));
        }
        let length = length.parse();
        length
            .map(Framing::Length)
            .map_err(|_| garbage("its length is no number"))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn status_of(line: &[u8]) -> io::Result<u16> {
    let line = String::from_utf8_lossy(line);
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    let code = parts.next().unwrap_or_default();
    if !version.starts_with("HTTP/1.") || code.len() != 3 || !is_number(code) {
        return Err(garbage("it does not begin as an answer of HTTP/1.1 does"));
    }
    let code = code.parse().ok();
    code.filter(|code| (100..600).contains(code))
        .ok_or_else(|| garbage("there is no such status"))
}

fn header_of(line: &[u8]) -> io::Result<(String, String)> {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    let (name, value) = line.split_at(colon);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(garbage("a header has no name"));
    }
    if value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return Err(garbage("a header has a control character"));
    }
    let latin1: String = value[1..].iter().map(|byte| char::from(*byte)).collect();
    let value = latin1.trim_matches([' ', '\t'].as_slice());
    Ok((
        String::from_utf8_lossy(name).into_owned(),
        value.to_string(),
    ))
}

/// A line without its end, of at most as many bytes as are left.
pub(super) fn line(input: &mut impl BufRead, left: &mut usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let limit = *left as u64;
    let count = input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    *left -= count;
    if line.pop() != Some(b'\n') {
        return Err(if *left == 0 {
            garbage("a line or all lines together are too long")
        } else {
            ended()
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// The error for what is not HTTP.
pub(super) fn garbage(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The error for an answer that ends before its end.
pub(super) fn ended() -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        "the connection was closed before the end of the answer",
    )
}
