//! Logs: every byte once.

use super::*;
use crate::error::{Error, Result};
use crate::hive::Session;
use crate::json::Json;
use crate::remote::LogChunk;
use crate::status::SessionStatus;
use crate::testing::{answer, header};

/// An event stream that is cut off where the text ends.
fn stream(events: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{}",
        events
    )
}

fn log_event(offset: usize, id: usize, text: &str) -> String {
    let data = Json::object([("offset", (offset as u64).into()), ("text", text.into())]);
    format!("id: {}\nevent: log\ndata: {}\n\n", id, data)
}

fn end_event(id: usize) -> String {
    let data = r#"{"status": "failed", "reason": "exited", "exit_code": 3}"#;
    format!("id: {}\nevent: end\ndata: {}\n\n", id, data)
}

#[test]
fn a_log_that_is_cut_off_goes_on_where_it_was() {
    let first = log_event(0, 4, "one\n") + &log_event(4, 8, "two\n")[..20];
    let again = ": still here\n\n".to_string() + &log_event(0, 4, "one\n");
    let last = log_event(4, 8, "two\n") + &log_event(8, 14, "é\nend") + &end_event(14);
    let server = Scripted::new([stream(&first), stream(&again), stream(&last)]);
    let mut log = Vec::new();
    let status = session(&server).write_log(&mut log);
    assert_eq!(status.ok(), Some(SessionStatus::Failed));
    assert_eq!(String::from_utf8_lossy(&log), "one\ntwo\né\nend");
    let ids: Vec<_> = server
        .requests()
        .iter()
        .map(|r| header(r, "last-event-id"))
        .collect();
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    assert_eq!(ids, ["0", "4", "4"]);
}

#[test]
fn the_ending_is_told_and_lines_are_the_same() {
    let events = log_event(0, 7, "one\ntwo") + &log_event(7, 13, "\nthree") + &end_event(13);
    let rest = log_event(4, 7, "two") + &log_event(7, 13, "\nthree") + &end_event(13);
    let server = Scripted::new([stream(&events), stream(&rest)]);
    let lines: Vec<String> = session(&server)
        .tail_logs()
        .expect("a log")
        .iter()
        .collect();
    assert_eq!(lines, ["one", "two", "three"]);
    let mut follower = session(&server).follow_log(4);
    let chunks: Result<Vec<LogChunk>> = follower.by_ref().collect();
    assert_eq!(chunks.expect("chunks").len(), 2);
    let ending = follower.ending().expect("an ending");
    assert_eq!(ending.status, SessionStatus::Failed);
    assert_eq!(
        (ending.reason.as_deref(), ending.exit_code),
        (Some("exited"), Some(3))
    );
    assert_eq!(follower.position(), 13);
    assert!(follower.next().is_none());
}

#[test]
fn bytes_that_are_no_text_come_from_the_log_itself() {
    // one that is longer as text, and one that is as long: three bytes of a cut character
    let events = log_event(0, 2, "a\n") + &log_event(2, 5, "\u{fffd}\u{fffd}\n");
    let events = events + &log_event(5, 9, "\u{fffd}\n") + &end_event(9);
    let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\n".to_vec();
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xf0\x9f\x90\n".to_vec();
    let server = Scripted::new([stream(&events).into_bytes(), raw, cut]);
    let mut log = Vec::new();
    session(&server).write_log(&mut log).expect("a log");
    assert_eq!(log, b"a\n\xff\xfe\n\xf0\x9f\x90\n");
    assert!(server.requests()[1].starts_with(&format!(
        "GET /api/v1/sessions/{}/log?offset=2&limit=3 HTTP/1.1\r\n",
        ID
    )));
}

#[test]
fn a_part_that_is_there_already_is_not_given_twice_and_a_gap_is_passed_over() {
    let overlap = log_event(0, 4, "one\n") + &log_event(2, 6, "e\nxy");
    let rest = log_event(100, 104, "far\n") + &end_event(104);
    let server = Scripted::new([stream(&(overlap + &rest)), answer(200, "", "xy")]);
    let mut follower = session(&server).follow_log(0);
    let chunks: Result<Vec<LogChunk>> = follower.by_ref().collect();
    let chunks = chunks.expect("chunks");
    let seen: Vec<(u64, &[u8])> = chunks
        .iter()
        .map(|c| (c.offset, c.bytes.as_slice()))
        .collect();
    assert_eq!(seen, [(0, &b"one\n"[..]), (4, b"xy"), (100, b"far\n")]);
    assert!(server.requests()[1].contains("/log?offset=4&limit=2 "));
}

#[test]
fn streams_that_make_no_sense_end_with_an_error() {
    for events in [
        "data: {}\nevent: log\nid: 1\n\n",
        "data: [\nevent: log\nid: 1\n\n",
        "data: {\"offset\": 5, \"text\": \"x\"}\nevent: log\nid: x\n\n",
        "data: {\"offset\": -1, \"text\": \"x\"}\nevent: log\nid: 1\n\n",
        "data: {\"offset\": 9, \"text\": \"x\"}\nevent: log\nid: 5\n\n",
        "data: {\"status\": \"dancing\"}\nevent: end\nid: 1\n\n",
        "data: no JSON\nevent: end\nid: 1\n\n",
    ] {
        let server = Scripted::new([stream(events)]);
        let error = session(&server)
            .write_log(&mut Vec::new())
            .expect_err(events);
        assert!(
            matches!(error, Error::Answer { .. }),
            "{}: {}",
            events,
            error
        );
    }
    let server = Scripted::new([answer(200, "Content-Type: text/html\r\n", "hello")]);
    let error = session(&server)
        .write_log(&mut Vec::new())
        .expect_err("a page");
    assert!(
        error.to_string().contains("no stream of events"),
        "{}",
        error
    );
}

#[test]
fn one_that_only_lets_in_is_given_up() {
    let server = Scripted::new(vec![stream("retry: 1000\n\n"); 50]);
    let patient = hive(&server).with_patience(Duration::from_millis(150));
    let session = patient.session(ID).expect("an id");
    let error = session
        .write_log(&mut Vec::new())
        .expect_err("nothing comes");
    assert!(
        error.to_string().contains("ended before the session"),
        "{}",
        error
    );
    assert!((2..20).contains(&server.requests().len()));
}
