//! One session behind `docker exec`: SessionHandle of session-api.md.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{json, DockerHiveMind};
use crate::error::{Error, Result};
use crate::hive::Session;
use crate::lines::Lines;
use crate::model::SessionInfo;
use crate::retry::{Patience, Pauses};
use crate::status::SessionStatus;

/// A stop takes this much longer than other calls: the session manager itself waits 28 s.
const STOP_EXTRA: Duration = Duration::from_secs(15);
/// How long a wait bears calls that fail.
const WAIT_PATIENCE: Duration = Duration::from_secs(60);
/// How long `log --follow` has for its end once its output has ended.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A session of a [`DockerHiveMind`].
#[derive(Clone, Debug)]
pub struct SessionHandle {
    hive: DockerHiveMind,
    uuid: String,
}

impl SessionHandle {
    pub(super) fn new(hive: DockerHiveMind, uuid: String) -> SessionHandle {
        SessionHandle { hive, uuid }
    }

    fn path(&self, verb: &str) -> Result<PathBuf> {
        let ran = self
            .hive
            .exec_again(&[verb, &self.uuid], self.hive.timeout)?;
        match ran.stdout.trim_end_matches(['\r', '\n'].as_slice()) {
            "" => Err(Error::Answer {
                doing: ran.name,
                what: "it printed no path".to_string(),
            }),
            path => Ok(PathBuf::from(path)),
        }
    }

    /// The status and how the command went.
    fn look(&self) -> Result<SessionStatus> {
        let ran = self.hive.exec(&["status", &self.uuid], self.hive.timeout)?;
        match ran.stdout.parse() {
            Ok(status) => Ok(status), // not_found comes with an exit code of its own
            Err(error) => Err(ran.succeeded().err().unwrap_or(error)),
        }
    }
}

impl Session for SessionHandle {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    /// `docker exec CONTAINER MANAGER start --detach UUID ARGS...`, which returns when the start
    /// is accepted, and unlike `docker exec -d` tells when it is not.
    fn start(&self, args: &[&str]) -> Result<()> {
        let mut words = vec!["start", "--detach", &self.uuid];
        words.extend(args);
        let hive = &self.hive;
        hive.retries.run(Error::is_temporary, |number| {
            match hive.exec(&words, hive.timeout)?.succeeded() {
                // The try before was carried out after all, and the session has ended since.
                Err(error) if number > 1 && error.code() == Some("conflict") => Ok(()),
                other => other.map(|_| ()),
            }
        })
    }

    fn get_status(&self) -> Result<SessionStatus> {
        let retries = &self.hive.retries;
        retries.run(Error::is_temporary, |_| self.look())
    }

    fn get(&self) -> Result<SessionInfo> {
        let ran = self
            .hive
            .exec_again(&["get", &self.uuid], self.hive.timeout)?;
        SessionInfo::from_json(json(&ran)?, &ran.name)
    }

    fn get_output_dir(&self) -> Result<PathBuf> {
        self.path("output-dir")
    }

    fn get_log_file(&self) -> Result<PathBuf> {
        self.path("log")
    }

    /// `docker exec CONTAINER MANAGER log --follow UUID`. Lines that nobody takes are kept in
    /// memory, for `log --follow` does not wait for slow readers once the session has ended.
    fn tail_logs(&self) -> Result<Receiver<String>> {
        let mut running = self.hive.follow(&self.uuid)?;
        let output = running.stdout();
        let (sender, receiver) = channel();
        spawn(move || {
            let mut lines = Lines::default();
            let mut listening = true;
            pump(output, |data| {
                lines.take(data, |line| listening &= sender.send(line).is_ok());
                listening
            });
            if let Some(line) = lines.last() {
                let _ = sender.send(line);
            }
            drop(running); // killed, if nobody listens any more
        })?;
        Ok(receiver)
    }

    fn write_log(&self, to: &mut dyn Write) -> Result<SessionStatus> {
        let mut running = self.hive.follow(&self.uuid)?;
        let output = running.stdout();
        let (sender, receiver): (Sender<Vec<u8>>, _) = channel();
        // A thread in between, so that a slow writer loses nothing (see tail_logs).
        spawn(move || pump(output, |data| sender.send(data.to_vec()).is_ok()))?;
        for data in receiver {
            to.write_all(&data).map_err(Error::Writer)?;
        }
        to.flush().map_err(Error::Writer)?;
        running.end(Vec::new(), END_TIMEOUT)?.succeeded()?;
        self.wait(Some(END_TIMEOUT))
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<SessionStatus> {
        let begun = Instant::now();
        let deadline = timeout.and_then(|timeout| begun.checked_add(timeout));
        let mut pauses = Pauses::new();
        let mut patience = Patience::new(WAIT_PATIENCE);
        loop {
            match self.look() {
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
            pauses.sleep(deadline);
        }
    }

    fn stop(&self) -> Result<SessionStatus> {
        let timeout = self.hive.timeout.saturating_add(STOP_EXTRA);
        self.hive.exec_again(&["stop", &self.uuid], timeout)?;
        self.get_status()
    }
}

/// Hand on what a pipe gives until it ends or nobody wants more.
fn pump(pipe: Option<impl Read>, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    if let Some(mut pipe) = pipe {
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) if take(&buffer[..count]) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new()
        .name("hive log".to_string())
        .spawn(work);
    spawned.map(|_| ()).map_err(|source| Error::Program {
        program: "a thread for the log".to_string(),
        source,
    })
}
