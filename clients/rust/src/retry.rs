//! Another try, and how long to wait for it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The longest that a server's `Retry-After` is heeded.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Pauses between looks at something that takes a while: from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How often a call is tried, and how far apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    pub(crate) tries: u32,
    pub(crate) pause: Duration,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            tries: 3,
            pause: Duration::from_secs(1),
        }
    }
}

impl Retries {
    /// The first success of `act`, or its last error; `again` tells which errors deserve another
    /// try. `act` gets the number of the try, from 1 on.
    pub(crate) fn run<T>(
        &self,
        again: impl Fn(&Error) -> bool,
        mut act: impl FnMut(u32) -> Result<T>,
    ) -> Result<T> {
        let mut number = 1;
        loop {
            match act(number) {
                Err(error) if number < self.tries && again(&error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    sleep(asked.clamp(self.pause, LONGEST_WAIT.max(self.pause)));
                    number += 1;
                }
                done => return done,
            }
        }
    }
}

/// Pauses that grow while nothing happens.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Pauses {
        Pauses { next: FIRST_PAUSE }
    }

    /// Sleep, not beyond the deadline.
    pub(crate) fn sleep(&mut self, deadline: Option<Instant>) {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        sleep(left.map_or(self.next, |left| left.min(self.next)));
        self.next = (self.next * 3 / 2).min(LAST_PAUSE);
    }
}

/// How long errors are borne in a row until one is given to the caller.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    failing_since: Option<Instant>,
    pauses: Pauses,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Patience {
        Patience {
            limit,
            failing_since: None,
            pauses: Pauses::new(),
        }
    }

    /// Something went well.
    pub(crate) fn restore(&mut self) {
        self.failing_since = None;
        self.pauses = Pauses::new();
    }

    /// Wait a little after an error that may pass, not beyond the deadline; give back one that
    /// does not pass, or that has not for too long.
    pub(crate) fn bear(&mut self, error: Error, deadline: Option<Instant>) -> Result<()> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if !error.is_temporary() || since.elapsed() >= self.limit {
            return Err(error);
        }
        self.pauses.sleep(deadline);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn broken() -> Error {
        Error::Connection {
            doing: "x".to_string(),
            source: io::Error::from(io::ErrorKind::BrokenPipe),
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_so_often_and_no_more() {
        let retries = Retries {
            tries: 3,
            pause: Duration::from_millis(1),
        };
        let mut seen = Vec::new();
        let done = retries.run(Error::is_temporary, |number| {
            seen.push(number);
            Err::<(), _>(broken())
        });
        assert!(done.is_err());
        assert_eq!(seen, [1, 2, 3]);
        let mut count = 0;
        let done = retries.run(Error::is_temporary, |_| {
            count += 1;
            Err::<(), _>(Error::Invalid("no".to_string()))
        });
        assert!(done.is_err());
        assert_eq!(count, 1);
        let third = retries.run(Error::is_temporary, |number| match number {
            3 => Ok(number),
            _ => Err(broken()),
        });
        assert_eq!(third.ok(), Some(3));
    }

    #[test]
    fn patience_ends_and_comes_back_with_success() {
        let mut none = Patience::new(Duration::ZERO);
        assert!(none.bear(broken(), None).is_err());
        let mut some = Patience::new(Duration::from_millis(80));
        let begun = Instant::now();
        while some.bear(broken(), None).is_ok() {}
        assert!(begun.elapsed() >= Duration::from_millis(80));
        some.restore();
        assert!(some.bear(broken(), None).is_ok());
    }
}
