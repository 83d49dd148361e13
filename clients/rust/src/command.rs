//! Running a program to its end: bounded in time and in what it may say.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The most that is kept of what a program prints.
const MAX_OUTPUT: u64 = 256 * 1024 * 1024;
const MAX_ERRORS: u64 = 64 * 1024;

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What is told of it in messages.
    pub(crate) name: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The error that its exit code means.
    pub(crate) fn failure(self) -> Error {
        Error::Command {
            command: self.name,
            code: self.code,
            stderr: self.stderr,
        }
    }

    /// Itself if it exited with 0.
    pub(crate) fn succeeded(self) -> Result<Ran> {
        match self.code {
            Some(0) => Ok(self),
            _ => Err(self.failure()),
        }
    }
}

/// A program that runs; killed when it is let go before its end.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
    errors: Receiver<Vec<u8>>,
}

impl Running {
    /// Start a program with its standard output for us; `name` stands for it in messages.
    pub(crate) fn start(words: &[OsString], name: String) -> Result<Running> {
        let program = words.first().cloned().unwrap_or_default();
        let failed = |source| Error::Program {
            program: program.to_string_lossy().into_owned(),
            source,
        };
        let mut child = Command::new(&program)
            .args(words.iter().skip(1))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stderr = child.stderr.take();
        let mut running = Running {
            child,
            name,
            errors: channel().1,
        };
        running.errors = drain(stderr, MAX_ERRORS).map_err(failed)?;
        Ok(running)
    }

    /// Its standard output; to be taken once.
    pub(crate) fn stdout(&mut self) -> Option<impl Read + Send + 'static> {
        self.child.stdout.take()
    }

    /// Wait for its end; `stdout` is what it has printed.
    pub(crate) fn end(mut self, stdout: Vec<u8>, timeout: Duration) -> Result<Ran> {
        let begun = Instant::now();
        let stderr = self.errors.recv_timeout(timeout);
        let late = || Error::TimedOut {
            doing: self.name.clone(),
            after: timeout,
        };
        let stderr = stderr.map_err(|_| late())?;
        let mut pause = Duration::from_micros(200);
        let status: ExitStatus = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if begun.elapsed() < timeout => thread::sleep(pause),
                Ok(None) => return Err(late()),
                Err(source) => {
                    let program = self.name.clone();
                    return Err(Error::Program { program, source });
                }
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        Ok(Ran {
            name: self.name.clone(),
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without effect once it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Run a program to its end, whatever its exit code. Both its pipes must end in time, too.
pub(crate) fn run(words: &[OsString], name: String, timeout: Duration) -> Result<Ran> {
    let begun = Instant::now();
    let mut running = Running::start(words, name)?;
    let stdout = drain(running.stdout(), MAX_OUTPUT).map_err(|source| Error::Program {
        program: running.name.clone(),
        source,
    })?;
    match stdout.recv_timeout(timeout) {
        Ok(output) if output.len() as u64 > MAX_OUTPUT => Err(Error::Answer {
            doing: running.name.clone(),
            what: format!("it printed more than {} bytes", MAX_OUTPUT),
        }),
        Ok(output) => {
            let ran = running.end(output, timeout.saturating_sub(begun.elapsed()));
            ran.map_err(|error| match error {
                Error::TimedOut { doing, .. } => Error::TimedOut {
                    doing,
                    after: timeout,
                },
                other => other,
            })
        }
        Err(_) => Err(Error::TimedOut {
            doing: running.name.clone(),
            after: timeout,
        }),
    }
}

/// Read a pipe to its end in a thread; what exceeds the limit by more than a byte is dropped.
fn drain<R: Read + Send + 'static>(pipe: Option<R>, limit: u64) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    thread::Builder::new().spawn(move || {
        let mut kept = Vec::new();
        if let Some(pipe) = pipe {
            let mut first = pipe.take(limit + 1);
            let _ = first.read_to_end(&mut kept);
            let _ = io::copy(&mut first.into_inner(), &mut io::sink());
        }
        let _ = sender.send(kept);
    })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: Duration) -> Result<Ran> {
        let words: Vec<OsString> = ["sh", "-c", script].iter().map(Into::into).collect();
        run(&words, "a script".to_string(), timeout)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn both_outputs_and_the_code_come_back() {
        let ran = sh("echo out; echo err >&2; exit 7", LONG).expect("it runs");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "out\n"));
        assert_eq!(ran.failure().to_string(), "a script exited with 7: err");
        let ran = sh("kill -9 $$", LONG).expect("it runs");
        assert_eq!(ran.failure().to_string(), "a script was ended by a signal");
    }

    #[test]
    fn much_output_on_both_pipes_blocks_nobody() {
        let script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero";
        let ran = sh(script, LONG).expect("it runs");
        assert_eq!(ran.stdout.len(), 3_000_000);
        assert_eq!(ran.stderr.len() as u64, MAX_ERRORS + 1);
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        for script in ["exec sleep 60", "exec >/dev/null 2>&1; exec sleep 60"] {
            let begun = Instant::now();
            let error = sh(script, Duration::from_millis(200)).expect_err("too late");
            assert_eq!(error.to_string(), "a script: not done after 0.2 s");
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }

    #[test]
    fn one_that_is_missing_is_named() {
        let words = [OsString::from("/nonexistent/docker")];
        let error = run(&words, "x".to_string(), LONG).expect_err("no such program");
        assert!(matches!(error, Error::Program { .. }));
        assert!(error
            .to_string()
            .starts_with("/nonexistent/docker could not be started"));
    }
}
