//! Following a log: every byte once, across broken connections and restarts of the server.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use super::client::Client;
use crate::error::Result;
use crate::http::{Request, Response, Times};
use crate::json::Json;
use crate::retry::Patience;
use crate::sse::{Event, Item, Parser};
use crate::status::SessionStatus;

/// A quiet stream says every 15 seconds that it is there; after so long it is not.
const SILENCE: Duration = Duration::from_secs(45);

/// Bytes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogChunk {
    /// Where in the log they stand. It lies behind the end of the chunk before where a limit on
    /// the log's size has removed what was between.
    pub offset: u64,
    /// The bytes as the run wrote them.
    pub bytes: Vec<u8>,
}

/// How a session ended, as its log's stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// Where it is; [`SessionStatus::NotFound`] when it was removed meanwhile.
    pub status: SessionStatus,
    /// Why: `exited`, `stopped`, ...
    pub reason: Option<String>,
    /// The command's exit code.
    pub exit_code: Option<i64>,
}

/// The chunks of a log as they are written; ends with the session.
///
/// After an error there is nothing more; [`LogFollower::position`] tells where to go on.
#[derive(Debug)]
pub struct LogFollower {
    client: Client,
    /// Of the log, below `/api/v1`.
    path: String,
    position: u64,
    stream: Option<Stream>,
    patience: Patience,
    ending: Option<Ending>,
    over: bool,
}

impl LogFollower {
    pub(super) fn new(client: Client, path: String, offset: u64) -> LogFollower {
        let patience = Patience::new(client.patience);
        LogFollower {
            client,
            path,
            position: offset,
            stream: None,
            patience,
            ending: None,
            over: false,
        }
    }

    /// The offset behind the last byte that was given.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How the session ended, once the log has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Connect now rather than at the first look.
    pub(super) fn connect(&mut self) -> Result<()> {
        let path = format!("{}/stream", self.path);
        let mut request = self.client.request("GET", &path, None);
        let id = self.position.to_string();
        request.headers.push(("Last-Event-ID", id));
        let times = Times {
            idle: self.client.timeout.max(SILENCE),
            total: None,
        };
        let response = self.client.open(&request, times)?;
        let kind = response.head.header("Content-Type").unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("text/event-stream") {
            let what = "the answer is no stream of events".to_string();
            return self.client.not_understood(&request, what);
        }
        self.stream = Some(Stream {
            request,
            response,
            parser: Parser::default(),
            items: VecDeque::new(),
        });
        Ok(())
    }

    /// The next bytes, or none when the stream has told something else.
    fn step(&mut self) -> Result<Option<LogChunk>> {
        let item = match &mut self.stream {
            Some(stream) => stream.next(&self.client)?,
            None => return self.connect().map(|()| None),
        };
        let mut chunk = None;
        match item {
            Item::Event(event) if event.kind == "log" => chunk = self.log(&event)?,
            Item::Event(event) if event.kind == "end" => {
                self.ending = Some(ending(&event).or_else(|what| self.bad_event(what))?);
            }
            _ => {}
        }
        self.patience.restore(); // not before: to be let in alone is no progress
        Ok(chunk)
    }

    /// What a `log` event adds to what we have.
    fn log(&mut self, event: &Event) -> Result<Option<LogChunk>> {
        let what = "a log event has no offset, text or id";
        let data: Json = event.data.parse().unwrap_or(Json::Null);
        let offset = data.get("offset").and_then(Json::as_u64);
        let text = data.get("text").and_then(Json::as_str);
        let (offset, text, end) = match (offset, text, event.id.parse::<u64>()) {
            (Some(offset), Some(text), Ok(end)) if offset <= end => (offset, text, end),
            _ => return self.bad_event(what),
        };
        if end <= self.position {
            return Ok(None); // we have it
        }
        let begin = offset.max(self.position);
        let is_exact = begin == offset
            && text.len() as u64 == end - offset
            && !text.contains(char::REPLACEMENT_CHARACTER);
        let bytes = match is_exact {
            true => text.as_bytes().to_vec(),
            false => self.raw(begin, end)?,
        };
        self.position = end;
        Ok(Some(LogChunk {
            offset: begin,
            bytes,
        }))
    }

    /// Bytes that no text can tell, or of which we have a part: from the log itself.
    fn raw(&self, begin: u64, end: u64) -> Result<Vec<u8>> {
        let length = end - begin;
        let path = format!("{}?offset={}&limit={}", self.path, begin, length);
        let request = self.client.request("GET", &path, None);
        let times = Times {
            idle: self.client.timeout,
            total: None,
        };
        let response = self.client.open(&request, times)?;
        let bytes = self.client.read(&request, response, length)?;
        if bytes.len() as u64 != length {
            let what = format!("{} bytes instead of {}", bytes.len(), length);
            return self.client.not_understood(&request, what);
        }
        Ok(bytes)
    }

    fn bad_event<T>(&self, what: &str) -> Result<T> {
        let request = self.client.request("GET", &self.path, None);
        self.client.not_understood(&request, what.to_string())
    }
}

impl Iterator for LogFollower {
    type Item = Result<LogChunk>;

    fn next(&mut self) -> Option<Result<LogChunk>> {
        while !self.over && self.ending.is_none() {
            match self.step() {
                Ok(Some(chunk)) => return Some(Ok(chunk)),
                Ok(None) => {}
                Err(error) => {
                    self.stream = None;
                    if let Err(error) = self.patience.bear(error, None) {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
            }
        }
        self.stream = None;
        None
    }
}

/// An open stream.
#[derive(Debug)]
struct Stream {
    request: Request,
    response: Response,
    parser: Parser,
    items: VecDeque<Item>,
}

impl Stream {
    fn next(&mut self, client: &Client) -> Result<Item> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(item);
            }
            let read = self.response.body.read(&mut buffer);
            let count = read.map_err(|error| client.broken(&self.request, error))?;
            if count == 0 {
                let what = "the stream ended before the session";
                let error = io::Error::new(ErrorKind::UnexpectedEof, what);
                return Err(client.broken(&self.request, error));
            }
            if self.parser.take(&buffer[..count], &mut self.items).is_err() {
                let what = "an event is too large".to_string();
                return client.not_understood(&self.request, what);
            }
        }
    }
}

fn ending(event: &Event) -> std::result::Result<Ending, &'static str> {
    let data: Json = event.data.parse().unwrap_or(Json::Null);
    let status = data.get("status").and_then(Json::as_str);
    let status = status.and_then(|word| word.parse().ok());
    Ok(Ending {
        status: status.ok_or("an end event has no status")?,
        reason: data
            .get("reason")
            .and_then(Json::as_str)
            .map(str::to_string),
        exit_code: data.get("exit_code").and_then(Json::as_i64),
    })
}
