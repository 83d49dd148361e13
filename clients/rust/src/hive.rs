//! The one interface, whichever way the hive is reached.

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::error::Result;
use crate::json::Json;
use crate::model::{NewSession, SessionInfo, SessionSummary};
use crate::status::SessionStatus;

/// A hive that runs sessions.
pub trait HiveMind {
    /// What stands for one of its sessions.
    type Session: Session;

    /// Make a session; it does not run yet.
    fn create(&self, new: &NewSession) -> Result<Self::Session>;

    /// Make a session and start it.
    fn spawn(&self, new: &NewSession) -> Result<Self::Session>;

    /// Make a session of this task and start it: `spawn_task` of session-api.md.
    ///
    /// `priority` is `high`, `medium` (when left out) or `low`; `metadata` a JSON object.
    fn spawn_task(
        &self,
        task: &str,
        priority: Option<&str>,
        metadata: Option<Json>,
    ) -> Result<Self::Session> {
        let mut new = NewSession::new(task);
        new.priority = priority.map(str::to_string);
        new.metadata = metadata;
        self.spawn(&new)
    }

    /// A session that exists already, by its id. Nothing is asked yet.
    fn session(&self, uuid: &str) -> Result<Self::Session>;

    /// All sessions.
    fn list(&self) -> Result<Vec<SessionSummary>>;

    /// Remove sessions that ended more than so many hours ago; says how many those were. Their
    /// output directories stay.
    fn cleanup(&self, max_age_hours: u32) -> Result<u64>;
}

/// One session of a hive.
pub trait Session {
    /// Its id.
    fn uuid(&self) -> &str;

    /// Start it, with further arguments for its command. Repeating it runs nothing twice.
    fn start(&self, args: &[&str]) -> Result<()>;

    /// Where it is; [`SessionStatus::NotFound`] is no error.
    fn get_status(&self) -> Result<SessionStatus>;

    /// All that is known of it.
    fn get(&self) -> Result<SessionInfo>;

    /// The directory that its results are in, as the hive sees it.
    fn get_output_dir(&self) -> Result<PathBuf>;

    /// Its log file, as the hive sees it.
    fn get_log_file(&self) -> Result<PathBuf>;

    /// The lines of its log from the first on, as they are written.
    ///
    /// A thread reads them; it ends with the session, or at the next line once the receiver was
    /// dropped. Lines come without their line feed, bytes that are not UTF-8 as U+FFFD, a line of more than 1 MiB in
    /// pieces. The channel also ends where the log cannot be followed any longer:
    /// [`Session::wait`] behind it tells.
    fn tail_logs(&self) -> Result<Receiver<String>>;

    /// Write its log to `to`, byte for byte and as it grows, until the session has ended; returns
    /// how.
    fn write_log(&self, to: &mut dyn Write) -> Result<SessionStatus>;

    /// Wait until it has ended (or is gone), without limit or for so long; returns how it ended.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) when it has not ended by then.
    fn wait(&self, timeout: Option<Duration>) -> Result<SessionStatus>;

    /// Stop it and all its processes, and wait until that is done; returns how it ended. One that
    /// has ended already is left as it is.
    fn stop(&self) -> Result<SessionStatus>;
}
