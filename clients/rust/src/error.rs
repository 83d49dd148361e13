//! What can go wrong, in one enum.

use std::fmt;
use std::io;
use std::time::Duration;

/// What every call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// The name that session-api.md gives to [`Error`].
pub type DockerHiveMindError = Error;

/// What went wrong, whichever way the hive is reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be sent: a URL, a token, an id or a text.
    Invalid(String),
    /// The program (`docker`) could not be started.
    Program {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// The command was run and failed.
    Command {
        /// What was run, without the task and other long words.
        command: String,
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// What it said on standard error.
        stderr: String,
    },
    /// The server could not be reached, or the connection broke.
    Connection {
        /// The request.
        doing: String,
        /// What the system says.
        source: io::Error,
    },
    /// The server refused: a problem document (RFC 9457).
    Problem(Box<Problem>),
    /// The answer is none that we understand, a redirection for example.
    Answer {
        /// What was asked.
        doing: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// The caller's own writer failed.
    Writer(io::Error),
    /// It took too long.
    TimedOut {
        /// What was waited for.
        doing: String,
        /// How long.
        after: Duration,
    },
}

/// A refusal by the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The request that was refused.
    pub doing: String,
    /// The HTTP status.
    pub status: u16,
    /// A word for programs, such as `conflict`; empty when something between us and the server
    /// answered in its place.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// For each refused value where it stands and what is wrong with it.
    pub errors: Vec<Wrong>,
    /// When the server says it may be tried again.
    pub retry_after: Option<Duration>,
}

/// A value that the server refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Wrong {
    /// Where it stands, such as `body.task`.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl Error {
    /// The word for programs of docs/api.md (`not_found`, `conflict`, `invalid`, ...), for a
    /// refusal over HTTP as well as for an exit code of the command line.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Problem(problem) if !problem.code.is_empty() => Some(&problem.code),
            Error::Command { code, .. } => match code {
                Some(2) => Some("invalid"),
                Some(3) => Some("conflict"),
                Some(4) => Some("not_found"),
                Some(5) => Some("forbidden"),
                Some(75) => Some("unavailable"),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the session does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some("not_found")
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Connection { .. } | Error::TimedOut { .. } => true,
            Error::Problem(problem) => matches!(problem.status, 429 | 502 | 503 | 504),
            Error::Command { code, .. } => !matches!(code, Some(2..=5)),
            _ => false,
        }
    }

    /// When the server says it may be tried again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Problem(problem) => problem.retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(what) => write!(f, "{}", printable(what)),
            Error::Program { program, source } => {
                write!(f, "{} could not be started: {}", printable(program), source)
            }
            Error::Command {
                command,
                code,
                stderr,
            } => {
                write!(f, "{} ", printable(command))?;
                match code {
                    Some(code) => write!(f, "exited with {}", code)?,
                    None => write!(f, "was ended by a signal")?,
                }
                match shortened(stderr, 500).as_str() {
                    "" => Ok(()),
                    said => write!(f, ": {}", said),
                }
            }
            Error::Connection { doing, source } => {
                write!(f, "{}: {}", printable(doing), source)
            }
            Error::Problem(problem) => problem.fmt(f),
            Error::Answer { doing, what } => write!(f, "{}: {}", printable(doing), printable(what)),
            Error::Writer(source) => write!(f, "cannot write what was received: {}", source),
            Error::TimedOut { doing, after } => {
                let doing = printable(doing);
                write!(f, "{}: not done after {} s", doing, after.as_secs_f64())
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: refused with {}",
            printable(&self.doing),
            self.status
        )?;
        for part in [&self.code, &self.detail] {
            if !part.is_empty() {
                let separator = if part == &self.code { " " } else { ": " };
                write!(f, "{}{}", separator, shortened(part, 500))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Program { source, .. } | Error::Connection { source, .. } => Some(source),
            Error::Writer(source) => Some(source),
            _ => None,
        }
    }
}

/// Text as one line that no terminal obeys: what others wrote stands in our messages.
pub(crate) fn printable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = String::new();
    for character in words.join(" ").chars() {
        if character.is_control() || is_reordering(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

fn is_reordering(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// [`printable`] text of at most so many characters.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let line = printable(text);
    match line.char_indices().nth(characters) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_message_says_what_was_wrong_and_no_terminal_obeys_it() {
        let error = Error::Command {
            command: "docker exec box hive create".to_string(),
            code: Some(2),
            stderr: "hive: the task\u{1b}[2J is empty\n\u{202e}".to_string(),
        };
        assert_eq!(
            error.to_string(),
            "docker exec box hive create exited with 2: \
             hive: the task\\u{1b}[2J is empty \\u{202e}"
        );
        assert_eq!(error.code(), Some("invalid"));
        assert!(!error.is_temporary());
    }

    #[test]
    fn a_problem_tells_its_code_and_detail() {
        let error = Error::Problem(Box::new(Problem {
            doing: "POST http://x/api/v1/sessions".to_string(),
            status: 422,
            code: "invalid".to_string(),
            detail: "the task is empty".to_string(),
            errors: Vec::new(),
            retry_after: None,
        }));
        assert_eq!(
            error.to_string(),
            "POST http://x/api/v1/sessions: refused with 422 invalid: the task is empty"
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn the_cause_is_the_source() {
        let error = Error::Connection {
            doing: "GET http://x/".to_string(),
            source: io::Error::from(io::ErrorKind::ConnectionRefused),
        };
        assert!(error.source().is_some());
        assert!(error.is_temporary());
        assert_eq!(shortened("äöü", 2), "äö...");
    }
}
