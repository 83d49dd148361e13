//! What a session is made of, and what is told of it.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::json::Json;
use crate::status::SessionStatus;

/// A session to be made: `NewSession::new("Port the tests").priority("high").limit("run_time", "2h")`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewSession {
    /// What the hive is to do.
    pub task: String,
    /// `high`, `medium` or `low`; medium when left out.
    pub priority: Option<String>,
    /// A JSON object that is kept with the session.
    pub metadata: Option<Json>,
    /// Arguments for the command, after the task.
    pub args: Vec<String>,
    /// The command profile; the hive's default one when left out.
    pub profile: Option<String>,
    /// Limits by name (`run_time`, `idle_time`, `log_size`, `memory`); none as a value is no limit.
    pub limits: Vec<(String, Option<String>)>,
    /// `retry` or `fail`; the profile's own when left out.
    pub on_usage_limit: Option<String>,
    /// Two creates over HTTP with the same key make one session; a random one when left out.
    pub idempotency_key: Option<String>,
}

impl NewSession {
    /// A session with this task, and nothing else decided.
    pub fn new(task: impl Into<String>) -> NewSession {
        NewSession {
            task: task.into(),
            priority: None,
            metadata: None,
            args: Vec::new(),
            profile: None,
            limits: Vec::new(),
            on_usage_limit: None,
            idempotency_key: None,
        }
    }

    /// With a priority: `high`, `medium` or `low`.
    pub fn priority(mut self, priority: impl Into<String>) -> NewSession {
        self.priority = Some(priority.into());
        self
    }

    /// With metadata: a JSON object.
    pub fn metadata(mut self, metadata: Json) -> NewSession {
        self.metadata = Some(metadata);
        self
    }

    /// With these arguments for the command, too.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> NewSession {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// By the command of this profile.
    pub fn profile(mut self, profile: impl Into<String>) -> NewSession {
        self.profile = Some(profile.into());
        self
    }

    /// With a limit: `limit("run_time", "2h")`, `limit("memory", "2GB")`.
    pub fn limit(mut self, name: impl Into<String>, value: impl Into<String>) -> NewSession {
        self.limits.push((name.into(), Some(value.into())));
        self
    }

    /// Without a limit that the profile or the settings have.
    pub fn no_limit(mut self, name: impl Into<String>) -> NewSession {
        self.limits.push((name.into(), None));
        self
    }

    /// What comes when the account's usage limit ends it: `retry` or `fail`.
    pub fn on_usage_limit(mut self, what: impl Into<String>) -> NewSession {
        self.on_usage_limit = Some(what.into());
        self
    }

    /// With a key of your own, so that also a program that was started anew makes no second one.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> NewSession {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// All that is known of a session: the eleven fields of session-api.md, how it ended, and the
/// rest as JSON.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id.
    pub session_id: String,
    /// What the hive is to do.
    pub task: String,
    /// `high`, `medium` or `low`.
    pub priority: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it changed last (RFC 3339).
    pub updated: String,
    /// Where it is.
    pub status: SessionStatus,
    /// The directory that it works in.
    pub working_dir: PathBuf,
    /// The directory that its results are in.
    pub output_dir: PathBuf,
    /// Its database.
    pub database: PathBuf,
    /// Its log.
    pub log_file: PathBuf,
    /// What was given at its creation.
    pub metadata: Json,
    /// Why it ended: `exited`, `reported`, `stopped`, `timed_out`, ...
    pub reason: Option<String>,
    /// The same in words.
    pub detail: Option<String>,
    /// The command's exit code, once there is one.
    pub exit_code: Option<i64>,
    /// The number of the signal that ended the command.
    pub exit_signal: Option<i64>,
    /// The whole object, with all fields of docs/api.md.
    pub json: Json,
}

impl SessionInfo {
    /// A session as `get` and the API give it.
    pub(crate) fn from_json(json: Json, doing: &str) -> Result<SessionInfo> {
        let text = |name| field(&json, name, doing);
        let maybe = |name| json.get(name).and_then(Json::as_str).map(str::to_string);
        let number = |name| json.get(name).and_then(Json::as_i64);
        Ok(SessionInfo {
            session_id: text("session_id")?,
            task: text("task")?,
            priority: text("priority")?,
            created: text("created")?,
            updated: text("updated")?,
            status: text("status")?.parse()?,
            working_dir: text("working_dir")?.into(),
            output_dir: text("output_dir")?.into(),
            database: text("database")?.into(),
            log_file: text("log_file")?.into(),
            metadata: json.get("metadata").cloned().unwrap_or(Json::Null),
            reason: maybe("reason"),
            detail: maybe("detail"),
            exit_code: number("exit_code"),
            exit_signal: number("exit_signal"),
            json,
        })
    }
}

/// What the list of all sessions tells of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Its id.
    pub session_id: String,
    /// What the hive is to do.
    pub task: String,
    /// Where it is.
    pub status: SessionStatus,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it changed last (RFC 3339).
    pub updated: String,
    /// The directory that it works in.
    pub dir: PathBuf,
}

impl SessionSummary {
    /// The sessions of a registry: `{"sessions": {ID: {...}}, "created": ...}`.
    pub(crate) fn all_from_json(registry: &Json, doing: &str) -> Result<Vec<SessionSummary>> {
        let sessions = registry.get("sessions").and_then(Json::as_object);
        let entries = sessions.ok_or_else(|| missing("sessions", doing))?;
        let summary = |(id, entry): &(String, Json)| {
            Ok(SessionSummary {
                session_id: id.clone(),
                task: field(entry, "task", doing)?,
                status: field(entry, "status", doing)?.parse()?,
                created: field(entry, "created", doing)?,
                updated: field(entry, "updated", doing)?,
                dir: field(entry, "dir", doing)?.into(),
            })
        };
        entries.iter().map(summary).collect()
    }
}

/// A text that must be there.
pub(crate) fn field(json: &Json, name: &str, doing: &str) -> Result<String> {
    let text = json.get(name).and_then(Json::as_str);
    text.map(str::to_string).ok_or_else(|| missing(name, doing))
}

fn missing(name: &str, doing: &str) -> Error {
    Error::Answer {
        doing: doing.to_string(),
        what: format!("the answer has no {:?}, or of another kind", name),
    }
}

/// An id, which must have the form of one before it becomes part of a command or a path.
pub(crate) fn checked_uuid(text: &str) -> Result<String> {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if text.len() == 36 && text.bytes().enumerate().all(fits) {
        return Ok(text.to_string());
    }
    let shown = crate::error::shortened(text, 60);
    Err(Error::Invalid(format!("{:?} is no session's id", shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_36_characters_of_lower_case_and_nothing_else() {
        let id = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(checked_uuid(id).ok().as_deref(), Some(id));
        for wrong in [
            "",
            "550E8400-E29B-41D4-A716-446655440000",
            "550e8400-e29b-41d4-a716-44665544000",
            "550e8400-e29b-41d4-a716-4466554400000",
            "550e8400-e29b-41d4-a716/446655440000",
            "../../../../../../../../../etc/passwd",
        ] {
            assert!(checked_uuid(wrong).is_err(), "{}", wrong);
        }
    }

    #[test]
    fn a_session_lacks_no_field() {
        let whole = r#"{"session_id": "i", "task": "t", "priority": "low", "created": "c",
            "updated": "u", "status": "failed", "working_dir": "/w", "output_dir": "/o/",
            "database": "/d", "log_file": "/l", "metadata": {"a": 1}, "reason": "exited",
            "exit_code": 3, "exit_signal": null}"#;
        let json: Json = whole.parse().expect("JSON");
        let info = SessionInfo::from_json(json, "x").expect("a session");
        assert_eq!(info.status, SessionStatus::Failed);
        assert_eq!(info.output_dir, PathBuf::from("/o"));
        assert_eq!(info.metadata.get("a").and_then(Json::as_i64), Some(1));
        assert_eq!((info.exit_code, info.exit_signal), (Some(3), None));
        for name in ["session_id", "task", "status", "log_file"] {
            let without = whole.replace(name, "other");
            let json: Json = without.parse().expect("JSON");
            let error = SessionInfo::from_json(json, "x").expect_err(name);
            assert!(error.to_string().contains(name), "{}", error);
        }
    }

    #[test]
    fn a_list_with_a_bad_entry_is_refused_and_says_what_is_missing() {
        let entry = r#"{"task": "t", "status": "running", "created": "c", "updated": "u"}"#;
        let registry = format!(r#"{{"sessions": {{"id": {}}}}}"#, entry);
        let json: Json = registry.parse().expect("JSON");
        let error = SessionSummary::all_from_json(&json, "list").expect_err("no dir");
        assert_eq!(
            error.to_string(),
            "list: the answer has no \"dir\", or of another kind"
        );
        assert!(SessionSummary::all_from_json(&Json::Null, "list").is_err());
    }
}
