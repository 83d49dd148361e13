//! The hive behind the JSON API.

mod client;
mod follow;
mod outputs;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::{Error, Result};
use crate::hive::HiveMind;
use crate::json::Json;
use crate::model::{checked_uuid, field, NewSession, SessionSummary};
use crate::retry::Retries;

use client::Client;
pub use follow::{Ending, LogChunk, LogFollower};
pub use outputs::{OutputFile, Outputs};
pub use session::HttpSession;

/// A cleanup answers when all is removed.
const CLEANUP_EXTRA: Duration = Duration::from_secs(600);

/// The hive behind the JSON API of a hiveweb server (docs/api.md).
///
/// A call has 30 seconds and is tried three times, 1 s apart, where the connection breaks or the
/// server says "not now"; a create and a start carry an `Idempotency-Key`, so that no try makes a
/// second session. What waits (`wait`, logs, downloads) bears a server that is away for up to 60
/// seconds.
///
/// There is no TLS: the connection belongs on loopback, or behind a local proxy that adds it.
#[derive(Clone, Debug)]
pub struct HttpHiveMind {
    client: Client,
}

impl HttpHiveMind {
    /// The hive at a URL such as `http://127.0.0.1:8765`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no such URL.
    pub fn new(url: &str) -> Result<HttpHiveMind> {
        let client = Client::new(url)?;
        Ok(HttpHiveMind { client })
    }

    /// With a bearer token.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is empty or has characters that no token has.
    pub fn with_token(mut self, token: impl AsRef<str>) -> Result<HttpHiveMind> {
        self.client.set_token(token.as_ref())?;
        Ok(self)
    }

    /// With another time for each call.
    pub fn with_timeout(mut self, timeout: Duration) -> HttpHiveMind {
        self.client.timeout = timeout;
        self
    }

    /// With so many tries for each call, so far apart.
    pub fn with_retries(mut self, tries: u32, pause: Duration) -> HttpHiveMind {
        self.client.retries = Retries { tries, pause };
        self
    }

    /// With another time for which waits, logs and downloads bear a server that is away.
    pub fn with_patience(mut self, patience: Duration) -> HttpHiveMind {
        self.client.patience = patience;
        self
    }

    /// Any other request below `/api/v1`, made once: `request("POST", "/sessions/ID/pause", None)`.
    pub fn request(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Json> {
        let request = self.client.request(method, path, body);
        self.client.json(&request, Duration::ZERO)
    }

    fn make(&self, new: &NewSession, start: bool) -> Result<HttpSession> {
        let key = new.idempotency_key.clone().unwrap_or_else(client::new_key);
        let body = creation(new, start);
        let request = self.client.request("POST", "/sessions", Some(&body));
        let request = client::with_key(request, key)?;
        let answer = self.client.json_again(&request, Duration::ZERO)?;
        let uuid = field(&answer, "session_id", &self.client.doing(&request))?;
        self.session(&uuid)
    }
}

impl HiveMind for HttpHiveMind {
    type Session = HttpSession;

    /// `POST /sessions`
    fn create(&self, new: &NewSession) -> Result<HttpSession> {
        self.make(new, false)
    }

    /// `POST /sessions` with `"start": true`
    fn spawn(&self, new: &NewSession) -> Result<HttpSession> {
        self.make(new, true)
    }

    fn session(&self, uuid: &str) -> Result<HttpSession> {
        Ok(HttpSession::new(self.client.clone(), checked_uuid(uuid)?))
    }

    /// `GET /registry`
    fn list(&self) -> Result<Vec<SessionSummary>> {
        let request = self.client.request("GET", "/registry", None);
        let answer = self.client.json_again(&request, Duration::ZERO)?;
        SessionSummary::all_from_json(&answer, &self.client.doing(&request))
    }

    /// `POST /cleanup`
    fn cleanup(&self, max_age_hours: u32) -> Result<u64> {
        let body = Json::object([("hours", max_age_hours.into())]);
        let request = self.client.request("POST", "/cleanup", Some(&body));
        let answer = self.client.json(&request, CLEANUP_EXTRA)?;
        let removed = answer.get("removed").and_then(Json::as_array);
        removed
            .map(|removed| removed.len() as u64)
            .ok_or_else(|| Error::Answer {
                doing: self.client.doing(&request),
                what: "the answer does not list what was removed".to_string(),
            })
    }
}

/// The body of a create. What was left out is not sent: the server's defaults hold.
fn creation(new: &NewSession, start: bool) -> Json {
    let mut members = vec![("task", Json::from(new.task.as_str()))];
    let mut text = |name, value: &Option<String>| {
        if let Some(value) = value {
            members.push((name, value.as_str().into()));
        }
    };
    text("priority", &new.priority);
    text("profile", &new.profile);
    text("on_usage_limit", &new.on_usage_limit);
    if let Some(metadata) = &new.metadata {
        members.push(("metadata", metadata.clone()));
    }
    if !new.args.is_empty() {
        members.push(("args", Json::array(new.args.iter().cloned())));
    }
    if !new.limits.is_empty() {
        let value = |value: &Option<String>| value.clone().map_or(Json::Null, Json::from);
        let limits = new.limits.iter();
        let limits = limits.map(|(name, limit)| (name.as_str(), value(limit)));
        members.push(("limits", Json::object(limits)));
    }
    if start {
        members.push(("start", true.into()));
    }
    Json::object(members)
}
