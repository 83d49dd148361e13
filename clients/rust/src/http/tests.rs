//! Answers, whole and broken.

use std::io::{self, BufReader, ErrorKind, Read};

use super::body::Body;
use super::head::{Framing, Head, MAX_HEAD};
use super::url::BaseUrl;
use crate::testing::damaged;

fn head(text: &str) -> io::Result<Head> {
    Head::read(&mut text.as_bytes())
}

/// Everything of an answer, read a few bytes at a time.
fn whole(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut input = BufReader::with_capacity(3, text);
    let head = Head::read(&mut input)?;
    let mut body = Body::new(input, &head.framing()?);
    let mut found = Vec::new();
    let mut buffer = [0; 5];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(found),
            count => found.extend_from_slice(&buffer[..count]),
        }
    }
}

fn kind(text: &[u8]) -> ErrorKind {
    whole(text).expect_err("it is broken").kind()
}

#[test]
fn a_head_is_read() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Type:  a/b \r\n\
        X-Empty:\r\nx-latin: \u{e9}\r\nContent-Length: 3\n\r\nabc";
    let head = head(text).expect("a head");
    assert_eq!(head.status, 201);
    assert_eq!(head.header("content-type"), Some("a/b"));
    assert_eq!(head.header("X-EMPTY"), Some(""));
    assert_eq!(head.header("X-Latin"), Some("Ã©")); // bytes, as Latin-1
    assert_eq!(head.header("missing"), None);
    assert_eq!(whole(text.as_bytes()).ok().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn heads_that_are_none_are_refused() {
    for text in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX y: z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    ] {
        let error = head(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{}", text);
    }
    for text in ["", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nX: y\r\n"] {
        assert_eq!(head(text).expect_err(text).kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn heads_have_limits() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(MAX_HEAD));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD);
    for text in [long, many, interim] {
        let error = head(&text).expect_err("too much");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    let enough = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert!(head(&enough).is_ok());
}

#[test]
fn the_length_of_a_body_is_told_in_one_way() {
    let framing = |headers: &str| {
        let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", headers);
        head(&text).expect("a head").framing()
    };
    assert_eq!(framing("").ok(), Some(Framing::UntilClose));
    assert_eq!(
        framing("Content-Length: 7\r\nContent-Length: 7\r\n").ok(),
        Some(Framing::Length(7))
    );
    assert_eq!(
        framing("transfer-encoding: Chunked\r\n").ok(),
        Some(Framing::Chunked)
    );
    for wrong in [
        "Content-Length: 7\r\nContent-Length: 8\r\n",
        "Content-Length: 7, 7\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
    ] {
        assert!(framing(wrong).is_err(), "{}", wrong);
    }
    let no_content = head("HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n");
    let framing = no_content.expect("a head").framing();
    assert_eq!(framing.ok(), Some(Framing::Length(0)));
}

#[test]
fn chunks_make_a_body() {
    let begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let with = |rest: &[u8]| [begin.as_slice(), rest].concat();
    let good = b"4\r\nabcd\r\n00A ; x=\"y\"\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\nafter";
    assert_eq!(
        whole(&with(good)).ok().as_deref(),
        Some(&b"abcd0123456789"[..])
    );
    assert_eq!(whole(&with(b"0\r\n\r\n")).ok().as_deref(), Some(&b""[..]));
    for broken in [
        &b"\r\n"[..],
        b"x\r\n",
        b"-1\r\n",
        b"+4\r\nabcd\r\n0\r\n\r\n",
        b"4 4\r\nabcd\r\n",
        b"4\r\nabcde\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
    ] {
        assert_eq!(kind(&with(broken)), ErrorKind::InvalidData);
    }
    let endless = [b"4;", [b'x'; 5000].as_slice()].concat();
    assert_eq!(kind(&with(&endless)), ErrorKind::InvalidData);
    let trailers = [b"0\r\n".as_slice(), &b"X: y\r\n".repeat(1000)].concat();
    assert_eq!(kind(&with(&trailers)), ErrorKind::InvalidData);
    for cut in [
        &b""[..],
        b"4",
        b"4\r\n",
        b"4\r\nab",
        b"4\r\nabcd",
        b"4\r\nabcd\r\n",
        b"4\r\nabcd\r\n0\r\n",
        b"0\r\nX: y\r\n",
    ] {
        assert_eq!(kind(&with(cut)), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_body_that_is_cut_off_is_not_whole() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc";
    assert_eq!(kind(cut), ErrorKind::UnexpectedEof);
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nabc";
    assert_eq!(whole(until_close).ok().as_deref(), Some(&b"abc"[..]));
}

#[test]
fn a_url_has_host_port_and_prefix() {
    let parsed = |text: &str| {
        let url = BaseUrl::parse(text).expect(text);
        (url.host, url.port, url.authority, url.prefix)
    };
    let wanted = |host: &str, port, authority: &str, prefix: &str| {
        let text = |text: &str| text.to_string();
        (text(host), port, text(authority), text(prefix))
    };
    assert_eq!(
        parsed("http://127.0.0.1:8765"),
        wanted("127.0.0.1", 8765, "127.0.0.1:8765", "")
    );
    assert_eq!(
        parsed("HTTP://hive.example/"),
        wanted("hive.example", 80, "hive.example", "")
    );
    assert_eq!(
        parsed("http://[::1]:8765/hive/"),
        wanted("::1", 8765, "[::1]:8765", "/hive")
    );
    assert_eq!(parsed("http://[::1]"), wanted("::1", 80, "[::1]", ""));
    for wrong in [
        "",
        "hive.example",
        "ftp://x",
        "http://",
        "http://:80",
        "http://x:",
        "http://x:0",
        "http://x:+80",
        "http://x:65536",
        "http://[::1",
        "http://[x]:80",
        "http://[::1]80",
        "http://::1:80",
        "http://x\r\nY: z/",
        "http://x/a b",
        "http://x?y",
        "http://x/#y",
        "http://bücher.example",
    ] {
        assert!(BaseUrl::parse(wrong).is_err(), "{}", wrong);
    }
    let tls = BaseUrl::parse("https://x").expect_err("no TLS");
    assert!(tls.to_string().contains("proxy"));
    let secret = BaseUrl::parse("http://me:secret@x").expect_err("a password");
    assert!(!secret.to_string().contains("secret"));
}

#[test]
fn no_damage_makes_the_reader_panic_or_go_on_for_ever() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n\
        4;x=y\r\nabcd\r\n3\r\nefg\r\n0\r\nX: y\r\n\r\n";
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: y\r\n\r\nabcdefg";
    for text in damaged(chunked, 10_000)
        .iter()
        .chain(&damaged(sized, 10_000))
    {
        if let Ok(body) = whole(text) {
            assert!(body.len() < text.len());
        }
    }
}
