//! Requests to one server: identity, times, retries, and errors out of answers.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::{shortened, Error, Problem, Result, Wrong};
use crate::http::{exchange, BaseUrl, Request, Response, Times};
use crate::json::Json;
use crate::retry::Retries;

/// The most bytes of an answer that is JSON, and of one that tells an error.
const MAX_JSON: u64 = 256 * 1024 * 1024;
const MAX_PROBLEM: u64 = 1024 * 1024;

/// One server, and who we are to it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: BaseUrl,
    token: Option<Token>,
    pub(crate) timeout: Duration,
    pub(crate) patience: Duration,
    pub(crate) retries: Retries,
}

/// The `Authorization` header; never shown.
#[derive(Clone)]
struct Token {
    header: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Client> {
        Ok(Client {
            base: BaseUrl::parse(url)?,
            token: None,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            retries: Retries::default(),
        })
    }

    pub(crate) fn set_token(&mut self, token: &str) -> Result<()> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "the token is empty, or has white space or characters that no token has";
            return Err(Error::Invalid(what.to_string()));
        }
        let header = format!("Bearer {}", token);
        self.token = Some(Token { header });
        Ok(())
    }

    /// A request to a path below `/api/v1`.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Json>) -> Request {
        Request {
            method: method.to_string(),
            path: format!("/api/v1{}", path),
            headers: Vec::new(),
            body: body.map(|json| json.to_string().into_bytes()),
        }
    }

    /// What a request is called in messages.
    pub(crate) fn doing(&self, request: &Request) -> String {
        format!("{} {}{}", request.method, self.base, request.path)
    }

    /// Make a request; an answer that is no success is an error.
    pub(crate) fn open(&self, request: &Request, times: Times) -> Result<Response> {
        let token = self.token.as_ref().map(|token| token.header.as_str());
        let response = exchange(&self.base, token, request, times)
            .map_err(|error| self.broken(request, error))?;
        match response.head.status {
            200..=299 => Ok(response),
            300..=399 => {
                let target = response.head.header("Location").unwrap_or("nowhere");
                let target = shortened(target, 200);
                self.not_understood(
                    request,
                    format!(
                        "redirected to {}, which is not followed: give that URL",
                        target
                    ),
                )
            }
            _ => Err(Error::Problem(Box::new(self.problem(request, response)))),
        }
    }

    /// Make a request once, for an answer of JSON within our time and `extra`.
    pub(crate) fn json(&self, request: &Request, extra: Duration) -> Result<Json> {
        let time = self.timeout.saturating_add(extra);
        let times = Times {
            idle: time,
            total: Some(time),
        };
        let response = self.open(request, times)?;
        let body = self.read(request, response, MAX_JSON)?;
        let text = String::from_utf8(body);
        let parsed = text
            .map_err(|error| error.to_string())
            .and_then(|text| text.parse::<Json>().map_err(|error| error.to_string()));
        parsed.or_else(|what| self.not_understood(request, format!("the answer is {}", what)))
    }

    /// [`Client::json`], again where the first try may have met a passing trouble: for what may be
    /// repeated.
    pub(crate) fn json_again(&self, request: &Request, extra: Duration) -> Result<Json> {
        self.retries
            .run(Error::is_temporary, |_| self.json(request, extra))
    }

    /// All of a body.
    pub(crate) fn read(&self, request: &Request, response: Response, most: u64) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut limited = response.body.take(most + 1);
        limited
            .read_to_end(&mut body)
            .map_err(|error| self.broken(request, error))?;
        if body.len() as u64 > most {
            return self.not_understood(request, format!("the answer exceeds {} bytes", most));
        }
        Ok(body)
    }

    /// The error for a connection that did not do what it should.
    pub(crate) fn broken(&self, request: &Request, source: io::Error) -> Error {
        let doing = self.doing(request);
        match source.kind() {
            ErrorKind::InvalidData => Error::Answer {
                doing,
                what: format!("the answer is not HTTP as we know it: {}", source),
            },
            ErrorKind::InvalidInput => Error::Invalid(format!("{}: {}", doing, source)),
            _ => Error::Connection { doing, source },
        }
    }

    /// The error for an answer that says something else than it should.
    pub(crate) fn not_understood<T>(&self, request: &Request, what: String) -> Result<T> {
        let doing = self.doing(request);
        Err(Error::Answer { doing, what })
    }

    fn problem(&self, request: &Request, response: Response) -> Problem {
        let status = response.head.status;
        let retry_after = response.head.header("Retry-After");
        let retry_after = retry_after.and_then(|text| text.parse().ok());
        // What cannot be read leaves the status, which says enough.
        let body = self.read(request, response, MAX_PROBLEM);
        let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        let json = body.parse().unwrap_or(Json::Null);
        let text = |json: &Json, name| match json.get(name).and_then(Json::as_str) {
            Some(text) => text.to_string(),
            None => String::new(),
        };
        let wrong = |error: &Json| Wrong {
            place: text(error, "where"),
            what: text(error, "what"),
        };
        let errors = json.get("errors").and_then(Json::as_array);
        Problem {
            doing: self.doing(request),
            status,
            code: text(&json, "code"),
            detail: match json.as_object() {
                Some(_) => text(&json, "detail"),
                None => shortened(&body, 200),
            },
            errors: errors.unwrap_or_default().iter().map(wrong).collect(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }
}

/// The request with an `Idempotency-Key`.
pub(crate) fn with_key(mut request: Request, key: String) -> Result<Request> {
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "an idempotency key has 1 to 255 visible ASCII characters";
        return Err(Error::Invalid(what.to_string()));
    }
    request.headers.push(("Idempotency-Key", key));
    Ok(request)
}

/// A key that nobody else has: 128 bits by the system's randomness, which seeds `RandomState`.
pub(crate) fn new_key() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let half = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
        hasher.write_u32(std::process::id());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        hasher.write_u128(now.unwrap_or_default().as_nanos());
        hasher.finish()
    };
    format!("rust-{:016x}{:016x}", half(), half())
}
