//! One request over a connection of its own, and its answer.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::body::Body;
use super::head::Head;
use super::url::BaseUrl;

/// A request; `path` comes behind the prefix of the server's URL. Nothing in it may have line
/// ends or other control characters: they would be another request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Until the connection is there, and between two pieces of the answer.
    pub(crate) idle: Duration,
    /// For the whole of it; no limit for what may go on for ever.
    pub(crate) total: Option<Duration>,
}

/// An answer, of which the head was read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Body<BufReader<Wire>>,
}

/// Send a request and read the head of its answer.
pub(crate) fn exchange(
    base: &BaseUrl,
    authorization: Option<&str>,
    request: &Request,
    times: Times,
) -> io::Result<Response> {
    let deadline = times
        .total
        .and_then(|total| Instant::now().checked_add(total));
    let request_head = head_of(base, authorization, request)?;
    let stream = connect(base, times.idle, deadline)?;
    let mut wire = Wire {
        stream,
        idle: times.idle,
        deadline,
    };
    let sent = wire
        .write_all(&request_head)
        .and_then(|()| wire.write_all(request.body.as_deref().unwrap_or_default()));
    // A server that refuses a large body answers and closes without reading it.
    let mut input = BufReader::with_capacity(64 * 1024, wire);
    let head = Head::read(&mut input).map_err(|unread| sent.err().unwrap_or(unread))?;
    let framing = head.framing()?;
    let body = Body::new(input, &framing);
    Ok(Response { head, body })
}

fn head_of(base: &BaseUrl, authorization: Option<&str>, request: &Request) -> io::Result<Vec<u8>> {
    let length = request.body.as_ref().map_or(0, Vec::len).to_string();
    let mut headers = vec![
        ("Host", base.authority.as_str()),
        (
            "User-Agent",
            concat!("hiveweb-client/", env!("CARGO_PKG_VERSION")),
        ),
        ("Connection", "close"),
    ];
    if let Some(value) = authorization {
        headers.push(("Authorization", value));
    }
    if request.body.is_some() {
        headers.push(("Content-Type", "application/json"));
    }
    if request.method != "GET" {
        headers.push(("Content-Length", &length));
    }
    for (name, value) in &request.headers {
        headers.push((name, value));
    }
    let target = format!("{}{}", base.prefix, request.path);
    let mut lines = vec![format!("{} {} HTTP/1.1", request.method, target)];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{}: {}", name, value)),
    );
    let is_bad = |line: &String| line.bytes().any(|byte| byte.is_ascii_control());
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || lines.iter().any(is_bad) {
        let what = "the request holds a character that has no place in it";
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    Ok((lines.join("\r\n") + "\r\n\r\n").into_bytes())
}

fn connect(base: &BaseUrl, idle: Duration, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let mut last = None;
    for address in (base.host.as_str(), base.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(idle, deadline)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(ErrorKind::NotFound, "the host has no address")))
}

/// How long the next step may take.
fn left(idle: Duration, deadline: Option<Instant>) -> io::Result<Duration> {
    let left = deadline.map_or(idle, |deadline| {
        idle.min(deadline.saturating_duration_since(Instant::now()))
    });
    if left.is_zero() {
        return Err(late());
    }
    Ok(left)
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the server did not answer in time")
}

/// A connection whose every step has its time.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    idle: Duration,
    deadline: Option<Instant>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = left(self.idle, self.deadline)?;
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(late()),
                done => return done,
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let left = left(self.idle, self.deadline)?;
        self.stream.set_write_timeout(Some(left))?;
        match self.stream.write(data) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(late()),
            done => done,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
