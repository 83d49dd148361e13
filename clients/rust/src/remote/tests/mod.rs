//! What is sent, what is sent again, and what is made of the answers, broken ones too.

mod calls;
mod files;
mod logs;

use std::time::Duration;

use super::{HttpHiveMind, HttpSession};
use crate::hive::HiveMind;
use crate::testing::Scripted;

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";
const QUICK: Duration = Duration::from_millis(1);

fn hive(server: &Scripted) -> HttpHiveMind {
    let hive = HttpHiveMind::new(&server.url).expect("a URL");
    hive.with_retries(3, QUICK)
        .with_timeout(Duration::from_secs(20))
}

fn session(server: &Scripted) -> HttpSession {
    hive(server).session(ID).expect("an id")
}
