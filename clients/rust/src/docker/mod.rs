//! The hive behind `docker exec`: DockerHiveMind of session-api.md.

mod handle;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::time::Duration;

use crate::command::{self, Ran, Running};
use crate::error::{Error, Result};
use crate::hive::{HiveMind, Session};
use crate::json::Json;
use crate::model::{checked_uuid, NewSession, SessionSummary};
use crate::retry::Retries;

pub use handle::SessionHandle;

/// Where the container has its session manager.
const SESSION_MANAGER: &str = "/app/scripts/hive-session-manager.sh";
/// What docker says when it could not even start a command.
const NOT_STARTED: [&str; 4] = [
    "Error response from daemon",
    "Error: No such container",
    "Cannot connect to the Docker daemon",
    "permission denied while trying to connect",
];
/// What the session manager says when it does not know whether a create was carried out.
const BROKE_OFF: &str = "the server broke off";

/// The hive in a container, called with `docker exec`.
///
/// Every call has 30 seconds, is tried three times, 1 s apart, where that is safe, and blocks
/// until it is done.
#[derive(Clone, Debug)]
pub struct DockerHiveMind {
    container_name: String,
    session_manager: String,
    program: Vec<String>,
    timeout: Duration,
    retries: Retries,
}

impl DockerHiveMind {
    /// The hive in the container of this name.
    pub fn new(container_name: impl Into<String>) -> DockerHiveMind {
        DockerHiveMind {
            container_name: container_name.into(),
            session_manager: SESSION_MANAGER.to_string(),
            program: vec!["docker".to_string()],
            timeout: Duration::from_secs(30),
            retries: Retries::default(),
        }
    }

    /// With the session manager at another path in the container.
    pub fn with_session_manager(mut self, path: impl Into<String>) -> DockerHiveMind {
        self.session_manager = path.into();
        self
    }

    /// With another program in the place of `docker`: `["podman"]`, `["sudo", "-n", "docker"]`.
    pub fn with_program<W: Into<String>>(
        mut self,
        words: impl IntoIterator<Item = W>,
    ) -> DockerHiveMind {
        self.program = words.into_iter().map(Into::into).collect();
        self
    }

    /// With another time for each call. A stop has 15 seconds more.
    pub fn with_timeout(mut self, timeout: Duration) -> DockerHiveMind {
        self.timeout = timeout;
        self
    }

    /// With so many tries for each call, so far apart.
    pub fn with_retries(mut self, tries: u32, pause: Duration) -> DockerHiveMind {
        self.retries = Retries { tries, pause };
        self
    }

    /// The container's name.
    pub fn container_name(&self) -> &str {
        &self.container_name
    }

    /// Run any of the session manager's verbs once, such as `["pause", id]`, and return what it
    /// prints.
    ///
    /// # Errors
    /// [`Error::Command`] when it exits with anything but 0.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let ran = self.exec(words, self.timeout)?.succeeded()?;
        Ok(ran.stdout)
    }

    fn exec(&self, words: &[&str], timeout: Duration) -> Result<Ran> {
        command::run(&self.command(words)?, self.name(words), timeout)
    }

    /// What may be repeated: until it succeeds, or fails for good.
    fn exec_again(&self, words: &[&str], timeout: Duration) -> Result<Ran> {
        self.retries.run(Error::is_temporary, |_| {
            self.exec(words, timeout)?.succeeded()
        })
    }

    fn follow(&self, uuid: &str) -> Result<Running> {
        let words = ["log", "--follow", uuid];
        Running::start(&self.command(&words)?, self.name(&words))
    }

    fn command(&self, words: &[&str]) -> Result<Vec<OsString>> {
        if words.iter().any(|word| word.contains('\0')) {
            let what = "a word of a command line cannot hold a NUL character";
            return Err(Error::Invalid(what.to_string()));
        }
        let program = self.program.iter().map(String::as_str);
        let place = ["exec", &self.container_name, &self.session_manager];
        let all = program.chain(place).chain(words.iter().copied());
        Ok(all.map(OsString::from).collect())
    }

    /// What stands for a command in messages: without the task, which may be long or private.
    fn name(&self, words: &[&str]) -> String {
        let verb = words.first().copied().unwrap_or_default();
        let program = self.program.join(" ");
        format!("{} exec {} hive {}", program, self.container_name, verb)
    }
}

impl HiveMind for DockerHiveMind {
    type Session = SessionHandle;

    /// `docker exec CONTAINER MANAGER create TASK PRIORITY METADATA`.
    ///
    /// It is repeated only where it certainly was not carried out: there is no key here that
    /// would keep a repetition from making a second session.
    fn create(&self, new: &NewSession) -> Result<SessionHandle> {
        if !new.args.is_empty() {
            let what = "create takes no arguments over docker exec: give them to start, or spawn";
            return Err(Error::Invalid(what.to_string()));
        }
        let words = create_words(new)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.retries.run(certainly_not_done, |_| {
            let ran = self.exec(&words, self.timeout)?;
            // An id was printed, so there is a session, whatever came behind it.
            match checked_uuid(ran.stdout.trim()) {
                Ok(uuid) => Ok(SessionHandle::new(self.clone(), uuid)),
                Err(_) => Err(no_id(ran)),
            }
        })
    }

    fn spawn(&self, new: &NewSession) -> Result<SessionHandle> {
        let mut without_args = new.clone();
        let args = std::mem::take(&mut without_args.args);
        let session = self.create(&without_args)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        session.start(&args)?;
        Ok(session)
    }

    fn session(&self, uuid: &str) -> Result<SessionHandle> {
        Ok(SessionHandle::new(self.clone(), checked_uuid(uuid)?))
    }

    fn list(&self) -> Result<Vec<SessionSummary>> {
        let ran = self.exec_again(&["list"], self.timeout)?;
        SessionSummary::all_from_json(&json(&ran)?, &ran.name)
    }

    fn cleanup(&self, max_age_hours: u32) -> Result<u64> {
        let hours = max_age_hours.to_string();
        let ran = self.exec_again(&["cleanup", &hours], self.timeout)?;
        let mut words = ran.stdout.split_whitespace();
        words
            .find_map(|word| word.parse().ok())
            .ok_or_else(|| Error::Answer {
                doing: ran.name.clone(),
                what: "it did not print how many sessions it removed".to_string(),
            })
    }
}

/// `create`'s words: the plain form of session-api.md, with options before it if there are any.
fn create_words(new: &NewSession) -> Result<Vec<String>> {
    let mut words = vec!["create".to_string()];
    if let Some(profile) = &new.profile {
        words.extend(["--profile".to_string(), profile.clone()]);
    }
    for (name, value) in &new.limits {
        if !name
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
        {
            return Err(Error::Invalid(format!("no limit is called {:?}", name)));
        }
        let value = value.clone().unwrap_or_else(|| "off".to_string());
        words.extend([format!("--{}", name.replace('_', "-")), value]);
    }
    if let Some(what) = &new.on_usage_limit {
        words.extend(["--on-usage-limit".to_string(), what.clone()]);
    }
    if words.len() > 1 {
        words.push("--".to_string());
    }
    words.push(new.task.clone());
    words.push(new.priority.clone().unwrap_or_else(|| "medium".to_string()));
    words.push(new.metadata.as_ref().unwrap_or(&Json::Null).to_string());
    Ok(words)
}

fn no_id(ran: Ran) -> Error {
    match ran.code {
        Some(0) => Error::Answer {
            doing: ran.name,
            what: "it did not print the id of a session".to_string(),
        },
        _ => ran.failure(),
    }
}

/// Whether a create that failed so has certainly made no session.
fn certainly_not_done(error: &Error) -> bool {
    match error {
        Error::Command { code, stderr, .. } => match code {
            Some(125..=127) => true,
            Some(75) => !stderr.contains(BROKE_OFF),
            Some(1) => NOT_STARTED
                .iter()
                .any(|said| stderr.trim_start().starts_with(said)),
            _ => false,
        },
        _ => false,
    }
}

/// What a verb has printed, as JSON.
fn json(ran: &Ran) -> Result<Json> {
    ran.stdout
        .parse()
        .map_err(|error: crate::json::JsonError| Error::Answer {
            doing: ran.name.clone(),
            what: error.to_string(),
        })
}
