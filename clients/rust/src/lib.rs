//! Start hive-mind sessions, follow their logs, wait for their ends and fetch what they made:
//! over `docker exec` ([`DockerHiveMind`]) or over the JSON API ([`HttpHiveMind`]), by the same
//! two traits, [`HiveMind`] and [`Session`]. The standard library is all it needs.
//!
//! ```no_run
//! use hiveweb_client::{DockerHiveMind, Error, HiveMind, Session};
//!
//! fn main() -> Result<(), Error> {
//!     let hive = DockerHiveMind::new("multi-agent-container");
//!     let session = hive.spawn_task("Build a Rust CLI tool", Some("high"), None)?;
//!     for line in session.tail_logs()? {
//!         println!("{}", line);
//!     }
//!     println!("{}: {:?}", session.get_status()?, session.get_output_dir()?);
//!     Ok(())
//! }
//! ```
//!
//! All calls block. `docs/rust.md` beside this crate's repository tells how to use them from
//! asynchronous code, and which request each `docker exec` call becomes over HTTP.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod command;
mod docker;
mod error;
mod hive;
mod http;
mod json;
mod lines;
mod model;
mod remote;
mod retry;
mod sse;
mod status;
#[cfg(test)]
mod testing;

pub use docker::{DockerHiveMind, SessionHandle};
pub use error::{DockerHiveMindError, Error, Problem, Result, Wrong};
pub use hive::{HiveMind, Session};
pub use json::{Json, JsonError, Number};
pub use model::{NewSession, SessionInfo, SessionSummary};
pub use remote::{Ending, HttpHiveMind, HttpSession, LogChunk, LogFollower, OutputFile, Outputs};
pub use status::SessionStatus;
