//! One session behind the JSON API.

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{sync_channel, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{new_key, with_key, Client};
use super::follow::LogFollower;
use super::outputs::{self, OutputFile, Outputs};
use crate::error::{Error, Result};
use crate::hive::Session;
use crate::json::Json;
use crate::lines::Lines;
use crate::model::{field, SessionInfo};
use crate::retry::Patience;
use crate::status::SessionStatus;

/// The longest that one request waits for the end.
const LONGEST_POLL: Duration = Duration::from_secs(60);
/// How long a stop is waited for, as the server takes it.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Lines that wait for who takes them; the server is read no further then.
const LINES_KEPT: usize = 1000;

/// A session of an [`HttpHiveMind`](crate::HttpHiveMind).
#[derive(Clone, Debug)]
pub struct HttpSession {
    client: Client,
    uuid: String,
}

impl HttpSession {
    pub(super) fn new(client: Client, uuid: String) -> HttpSession {
        HttpSession { client, uuid }
    }

    /// Follow the log from a byte offset on: `GET .../log/stream`.
    ///
    /// Its bytes come in order, each of them once, also when the connection breaks or the server
    /// is started anew in between, until the session has ended.
    pub fn follow_log(&self, offset: u64) -> LogFollower {
        LogFollower::new(self.client.clone(), self.path("/log"), offset)
    }

    /// The files in its output directory: `GET .../outputs`.
    pub fn outputs(&self) -> Result<Outputs> {
        outputs::list(&self.client, &self.path("/outputs"))
    }

    /// Write an output file to `to`; returns how many bytes it has.
    ///
    /// It goes on where it was when the connection breaks.
    ///
    /// # Errors
    /// [`Error::Answer`] when the file was changed meanwhile: what was written then is a part of
    /// the old one.
    pub fn download(&self, file: &OutputFile, to: &mut dyn Write) -> Result<u64> {
        outputs::download(&self.client, &self.path("/outputs"), file, to)
    }

    /// Write all output files to `to`, as one ZIP archive; returns how many bytes it has.
    ///
    /// The server makes it while it is sent, so a broken connection is an error here.
    pub fn download_all(&self, to: &mut dyn Write) -> Result<u64> {
        outputs::download_all(&self.client, &self.path("/outputs.zip"), to)
    }

    /// The path below `/api/v1` of something that belongs to the session.
    fn path(&self, rest: &str) -> String {
        format!("/sessions/{}{}", self.uuid, rest)
    }

    fn status_in(answer: &Json, doing: &str) -> Result<SessionStatus> {
        field(answer, "status", doing)?.parse()
    }
}

/// `not_found` as a status.
fn or_not_found(done: Result<SessionStatus>) -> Result<SessionStatus> {
    match done {
        Err(error) if error.is_not_found() => Ok(SessionStatus::NotFound),
        other => other,
    }
}

impl Session for HttpSession {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    /// `POST .../start`
    fn start(&self, args: &[&str]) -> Result<()> {
        let body = Json::object([("args", Json::array(args.iter().copied()))]);
        let path = self.path("/start");
        let request = self.client.request("POST", &path, Some(&body));
        let request = with_key(request, new_key())?;
        self.client.json_again(&request, Duration::ZERO)?;
        Ok(())
    }

    /// `GET .../status`
    fn get_status(&self) -> Result<SessionStatus> {
        let request = self.client.request("GET", &self.path("/status"), None);
        let answer = self.client.json_again(&request, Duration::ZERO);
        or_not_found(
            answer.and_then(|answer| Self::status_in(&answer, &self.client.doing(&request))),
        )
    }

    /// `GET /sessions/ID`
    fn get(&self) -> Result<SessionInfo> {
        let request = self.client.request("GET", &self.path(""), None);
        let answer = self.client.json_again(&request, Duration::ZERO)?;
        SessionInfo::from_json(answer, &self.client.doing(&request))
    }

    /// Of `GET /sessions/ID`
    fn get_output_dir(&self) -> Result<PathBuf> {
        Ok(self.get()?.output_dir)
    }

    /// Of `GET /sessions/ID`
    fn get_log_file(&self) -> Result<PathBuf> {
        Ok(self.get()?.log_file)
    }

    /// `GET .../log/stream`; 1,000 lines are kept for a receiver that is slower than the log.
    fn tail_logs(&self) -> Result<Receiver<String>> {
        let mut follower = self.follow_log(0);
        follower.connect()?; // that there is no such session is told here
        let (sender, receiver) = sync_channel(LINES_KEPT);
        let work = move || {
            let mut lines = Lines::default();
            let mut listening = true;
            while let Some(Ok(chunk)) = follower.next() {
                lines.take(&chunk.bytes, |line| {
                    listening = listening && sender.send(line).is_ok();
                });
                if !listening {
                    return;
                }
            }
            if let Some(line) = lines.last() {
                let _ = sender.send(line);
            }
        };
        let spawned = thread::Builder::new()
            .name("hive log".to_string())
            .spawn(work);
        spawned.map_err(|source| Error::Program {
            program: "a thread for the log".to_string(),
            source,
        })?;
        Ok(receiver)
    }

    fn write_log(&self, to: &mut dyn Write) -> Result<SessionStatus> {
        let mut follower = self.follow_log(0);
        for chunk in follower.by_ref() {
            to.write_all(&chunk?.bytes).map_err(Error::Writer)?;
        }
        to.flush().map_err(Error::Writer)?;
        match follower.ending() {
            Some(ending) => Ok(ending.status),
            None => self.get_status(),
        }
    }

    /// `GET .../wait?until=end`, again and again
    fn wait(&self, timeout: Option<Duration>) -> Result<SessionStatus> {
        let begun = Instant::now();
        let deadline = timeout.and_then(|timeout| begun.checked_add(timeout));
        let mut patience = Patience::new(self.client.patience);
        loop {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            let poll = left.map_or(LONGEST_POLL, |left| left.min(LONGEST_POLL));
            let path = self.path(&format!(
                "/wait?until=end&timeout={:.3}",
                poll.as_secs_f64()
            ));
            let request = self.client.request("GET", &path, None);
            let answer = self.client.json(&request, poll);
            let status =
                answer.and_then(|answer| Self::status_in(&answer, &self.client.doing(&request)));
            match or_not_found(status) {
                Ok(status) if status.is_final() => return Ok(status),
                Ok(_) => patience.restore(),
                Err(error) => patience.bear(error, deadline)?,
            }
            if deadline.map_or(false, |deadline| Instant::now() >= deadline) {
                return Err(Error::TimedOut {
                    doing: format!("waiting for the end of session {}", self.uuid),
                    after: begun.elapsed(),
                });
            }
        }
    }

    /// `POST .../stop?wait=30`
    fn stop(&self) -> Result<SessionStatus> {
        let path = self.path(&format!("/stop?wait={}", STOP_WAIT.as_secs()));
        let request = self.client.request("POST", &path, None);
        let doing = self.client.doing(&request);
        let answer = self.client.json_again(&request, STOP_WAIT)?;
        let status = Self::status_in(&answer, &doing)?;
        if !status.is_final() {
            let after = STOP_WAIT;
            return Err(Error::TimedOut { doing, after });
        }
        Ok(status)
    }
}
