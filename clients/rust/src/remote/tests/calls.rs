//! Calls: keys, retries, refusals, identity.

use super::*;
use crate::error::Error;
use crate::hive::Session;
use crate::json::Json;
use crate::model::NewSession;
use crate::remote::LogFollower;
use crate::status::SessionStatus;
use crate::testing::{answer, header};

fn made() -> String {
    answer(201, "", &format!(r#"{{"session_id": "{}"}}"#, ID))
}

fn problem(status: u16, code: &str, headers: &str) -> String {
    let body = format!(
        r#"{{"status": {}, "code": "{}", "detail": "no"}}"#,
        status, code
    );
    answer(status, headers, &body)
}

#[test]
fn a_create_sends_what_was_given_and_nothing_else() {
    let server = Scripted::new([made(), made()]);
    let hive = hive(&server).with_token("tok-1").expect("a token");
    let new = NewSession::new("a \"task\"")
        .priority("high")
        .metadata(Json::object([("a", 1.into())]))
        .args(["--max-workers", "8"])
        .profile("sample")
        .limit("run_time", "2h")
        .no_limit("memory")
        .on_usage_limit("retry")
        .idempotency_key("mine");
    assert_eq!(hive.spawn(&new).expect("a session").uuid(), ID);
    hive.create(&NewSession::new("x")).expect("a session");
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_eq!(
        header(&requests[0], "authorization").as_deref(),
        Some("Bearer tok-1")
    );
    assert_eq!(
        header(&requests[0], "idempotency-key").as_deref(),
        Some("mine")
    );
    assert!(requests[0].ends_with(
        r#"{"task":"a \"task\"","priority":"high","profile":"sample","on_usage_limit":"retry","metadata":{"a":1},"args":["--max-workers","8"],"limits":{"run_time":"2h","memory":null},"start":true}"#
    ));
    assert!(requests[1].ends_with("\r\n\r\n{\"task\":\"x\"}"));
}

#[test]
fn every_try_of_a_create_has_the_same_key_and_every_create_another() {
    let answers = [
        String::new(),
        problem(503, "unavailable", "Retry-After: 0\r\n"),
        made(),
    ];
    let server = Scripted::new([answers.as_slice(), &[made()]].concat());
    let hive = hive(&server);
    hive.create(&NewSession::new("x")).expect("the third try");
    hive.create(&NewSession::new("x")).expect("another one");
    let requests = server.requests();
    let keys = requests
        .iter()
        .map(|request| header(request, "idempotency-key"));
    let keys: Vec<String> = keys.map(|key| key.expect("a key")).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[3]);
    assert_eq!(keys[0].len(), "rust-".len() + 32);
}

#[test]
fn a_refusal_tells_code_and_detail_and_is_not_repeated() {
    let body = r#"{"type": "about:blank", "title": "X", "status": 422, "code": "invalid",
        "detail": "body.colour: no", "errors": [{"where": "body.colour", "what": "no"}]}"#;
    let server = Scripted::new([answer(422, "", body)]);
    let error = hive(&server)
        .create(&NewSession::new("x"))
        .expect_err("refused");
    let wanted = format!(
        "POST {}/api/v1/sessions: refused with 422 invalid: body.colour: no",
        server.url
    );
    assert_eq!(error.to_string(), wanted);
    assert_eq!(error.code(), Some("invalid"));
    let problem = match error {
        Error::Problem(problem) => problem,
        other => panic!("no problem: {:?}", other),
    };
    assert_eq!(problem.errors[0].place, "body.colour");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_answer_of_somebody_else_is_told_as_it_is() {
    for (answer, said) in [
        (
            answer(502, "", "<h1>Bad\u{1b} Gateway</h1>"),
            "refused with 502: <h1>Bad\\u{1b} Gate",
        ),
        (
            answer(302, "Location: http://evil/\r\n", ""),
            "redirected to http://evil/",
        ),
        (answer(200, "", "<html>"), "not JSON at byte 0"),
        (answer(200, "", "{}"), "the answer has no \"session_id\""),
        (
            answer(200, "", r#"{"session_id": "../../x"}"#),
            "no session's id",
        ),
        ("SSH-2.0-OpenSSH\r\n".to_string(), "not HTTP as we know it"),
    ] {
        let server = Scripted::new([answer]);
        let hive = hive(&server).with_retries(1, QUICK);
        let error = hive.create(&NewSession::new("x")).expect_err(said);
        assert!(error.to_string().contains(said), "{}", error);
    }
}

#[test]
fn a_server_that_is_away_is_an_error_that_passes() {
    let server = Scripted::new([String::new()]);
    let hive = hive(&server);
    let gone = hive
        .clone()
        .with_retries(1, QUICK)
        .list()
        .expect_err("no answer");
    assert!(gone.is_temporary(), "{}", gone);
    drop(server);
    let error = hive.list().expect_err("nobody listens");
    assert!(matches!(error, Error::Connection { .. }), "{}", error);
    assert!(error.to_string().starts_with("GET http://127.0.0.1:"));
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let hive = HttpHiveMind::new(&url)
        .expect("a URL")
        .with_retries(1, QUICK);
    let error = hive
        .with_timeout(Duration::from_millis(50))
        .list()
        .expect_err("too late");
    assert!(
        error.to_string().contains("did not answer in time"),
        "{}",
        error
    );
}

#[test]
fn a_token_is_never_shown_and_never_splits_a_request() {
    let hive = HttpHiveMind::new("http://127.0.0.1:1").expect("a URL");
    for wrong in ["", "a b", "a\r\nX: y", "tök"] {
        let error = hive.clone().with_token(wrong).expect_err("no token");
        assert!(wrong.is_empty() || !error.to_string().contains(wrong));
    }
    let hive = hive
        .with_token("s3cret-token")
        .expect("a token")
        .with_retries(1, QUICK);
    let session = hive.session(ID).expect("an id");
    let follower = session.follow_log(0);
    let error = session.get_status().expect_err("nobody listens");
    for shown in [
        format!("{:?} {:#?}", hive, hive),
        format!("{:?} {:?} {:?} {}", session, follower, error, error),
    ] {
        assert!(!shown.contains("s3cret"), "{}", shown);
    }
    for (method, path) in [("GET", "/a b"), ("GET", "/x\r\nY: z"), ("GET\n", "/x")] {
        let error = hive.request(method, path, None).expect_err("no request");
        assert!(matches!(error, Error::Invalid(_)), "{}", error);
    }
    let new = NewSession::new("x").idempotency_key("a\nb");
    assert!(matches!(hive.create(&new), Err(Error::Invalid(_))));
}

#[test]
fn not_found_is_a_status_and_elsewhere_an_error() {
    let refusal = || problem(404, "not_found", "");
    let server = Scripted::new([refusal(), refusal(), refusal(), refusal()]);
    let session = session(&server);
    assert_eq!(session.get_status().ok(), Some(SessionStatus::NotFound));
    assert_eq!(session.wait(None).ok(), Some(SessionStatus::NotFound));
    assert!(session.get().expect_err("not found").is_not_found());
    assert!(session.tail_logs().expect_err("not found").is_not_found());
}

#[test]
fn a_wait_outlives_the_server_and_ends_at_its_deadline() {
    let now = |status: &str| answer(200, "", &format!(r#"{{"status": "{}"}}"#, status));
    let server = Scripted::new([now("running"), String::new(), now("completed")]);
    let done = session(&server).wait(Some(Duration::from_secs(3600)));
    assert_eq!(done.ok(), Some(SessionStatus::Completed));
    assert!(server.requests()[0].contains("/wait?until=end&timeout=60.000 "));
    let server = Scripted::new([now("running")]);
    let error = session(&server).wait(Some(Duration::ZERO));
    assert!(matches!(error, Err(Error::TimedOut { .. })));
    let away = Scripted::new([String::new()]);
    let impatient = hive(&away).with_patience(Duration::ZERO);
    let error = impatient.session(ID).expect("an id").wait(None);
    assert!(error.expect_err("away").is_temporary());
}

#[test]
fn handles_go_between_threads() {
    fn sendable<T: Send + Sync + Clone + 'static>() {}
    sendable::<HttpHiveMind>();
    sendable::<HttpSession>();
    sendable::<crate::DockerHiveMind>();
    sendable::<crate::SessionHandle>();
    fn movable<T: Send + 'static>() {}
    movable::<LogFollower>();
    movable::<Error>();
}
