//! Where a session is: one of six words.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// It is there and was not started.
    Created,
    /// It was started and waits for a slot.
    Starting,
    /// It runs.
    Running,
    /// It ended well.
    Completed,
    /// It ended otherwise; [`SessionInfo::reason`](crate::SessionInfo::reason) says how.
    Failed,
    /// There is no such session (any more).
    NotFound,
}

impl SessionStatus {
    /// The word, as the command line and the API spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStatus::Created => "created",
            SessionStatus::Starting => "starting",
            SessionStatus::Running => "running",
            SessionStatus::Completed => "completed",
            SessionStatus::Failed => "failed",
            SessionStatus::NotFound => "not_found",
        }
    }

    /// Whether nothing will come after it: completed, failed or not found.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            SessionStatus::Completed | SessionStatus::Failed | SessionStatus::NotFound
        )
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SessionStatus {
    type Err = Error;

    /// The status of a word; white space around it does not matter.
    fn from_str(word: &str) -> Result<Self, Error> {
        let all = [
            SessionStatus::Created,
            SessionStatus::Starting,
            SessionStatus::Running,
            SessionStatus::Completed,
            SessionStatus::Failed,
            SessionStatus::NotFound,
        ];
        all.into_iter()
            .find(|status| status.as_str() == word.trim())
            .ok_or_else(|| Error::Answer {
                doing: "reading a status".to_string(),
                what: format!("no state is called {:?}", crate::error::shortened(word, 60)),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_states_and_back() {
        for word in [
            "created",
            "starting",
            "running",
            "completed",
            "failed",
            "not_found",
        ] {
            let status: SessionStatus = format!("{}\n", word).parse().expect(word);
            assert_eq!(status.to_string(), word);
        }
        for word in ["", "Running", "done", "not found"] {
            assert!(word.parse::<SessionStatus>().is_err(), "{}", word);
        }
    }
}
