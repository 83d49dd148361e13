//! Output files: the list, and one of them whole.

use super::*;
use crate::error::Error;
use crate::remote::OutputFile;
use crate::testing::{answer, header};

fn listed(url: &str) -> OutputFile {
    OutputFile {
        path: "a b".to_string(),
        size: 6,
        modified: "x".to_string(),
        url: url.to_string(),
    }
}

#[test]
fn outputs_are_listed_and_fetched_whole() {
    let url = format!("/api/v1/sessions/{}/outputs/r/a%20b%ff", ID);
    let body = format!(
        r#"{{"files": [{{"path": "r/a b?", "size": 6, "modified": "x", "url": "{}"}}],
            "truncated": true}}"#,
        url
    );
    let cut = "HTTP/1.1 200 OK\r\nETag: \"t\"\r\nContent-Length: 6\r\n\r\nfir";
    let rest = answer(206, "ETag: \"t\"\r\nContent-Range: bytes 3-5/6\r\n", "st\n");
    let server = Scripted::new([answer(200, "", &body), cut.to_string(), rest]);
    let session = session(&server);
    let outputs = session.outputs().expect("a list");
    assert!(outputs.truncated);
    let mut content = Vec::new();
    let size = session.download(&outputs.files[0], &mut content);
    assert_eq!((size.ok(), content.as_slice()), (Some(6), &b"first\n"[..]));
    let requests = server.requests();
    assert!(requests[1].starts_with(&format!("GET {} HTTP/1.1\r\n", url)));
    assert_eq!(header(&requests[2], "range").as_deref(), Some("bytes=3-"));
    assert_eq!(header(&requests[2], "if-range").as_deref(), Some("\"t\""));
}

#[test]
fn all_outputs_come_as_one_archive_or_not_at_all() {
    let chunked = |rest: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{}4\r\nPK..\r\n{}", head, rest)
    };
    let server = Scripted::new([chunked("0\r\n\r\n"), chunked("4\r\n")]);
    let session = session(&server);
    let mut archive = Vec::new();
    assert_eq!(session.download_all(&mut archive).ok(), Some(4));
    assert_eq!(archive, b"PK..");
    let error = session.download_all(&mut archive).expect_err("cut off");
    assert!(error.is_temporary(), "{}", error);
    let path = format!("GET /api/v1/sessions/{}/outputs.zip HTTP/1.1\r\n", ID);
    assert!(server.requests()[0].starts_with(&path));
}

#[test]
fn a_file_that_changed_while_it_was_fetched_is_no_whole() {
    let cut = |tag: &str| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 6\r\n\r\nfir", tag);
    for (first, second) in [
        (
            cut("ETag: \"t\"\r\n"),
            answer(200, "ETag: \"u\"\r\n", "second"),
        ),
        (
            cut("ETag: \"t\"\r\n"),
            answer(206, "Content-Range: bytes 0-5/6\r\n", "second"),
        ),
        (cut(""), answer(200, "", "second")),
    ] {
        let server = Scripted::new([first, second]);
        let file = listed("/api/v1/sessions/x/outputs/a");
        let error = session(&server).download(&file, &mut Vec::new());
        let error = error.expect_err("another file");
        assert!(error.to_string().contains("was changed"), "{}", error);
    }
}

#[test]
fn a_url_of_the_list_does_not_choose_the_server_nor_split_the_request() {
    let server = Scripted::new([answer(200, "", "x")]);
    let session = session(&server);
    let file = listed("http://evil.example/outputs/x");
    session
        .download(&file, &mut Vec::new())
        .expect("of our server");
    let path = format!("/api/v1/sessions/{}/outputs/x ", ID);
    assert!(server.requests()[0].contains(&path));
    for url in [
        "http://evil.example/x",
        "/outputs/x\r\nY: z",
        "/outputs/a b",
    ] {
        let error = session.download(&listed(url), &mut Vec::new());
        assert!(matches!(error, Err(Error::Invalid(_))));
    }
}

#[test]
fn a_path_of_the_list_stays_below_where_it_is_put() {
    let relative = |path: &str| {
        let mut file = listed("x");
        file.path = path.to_string();
        file.relative_path()
    };
    assert_eq!(relative("a/b c"), Some("a/b c".into()));
    for path in ["", "/etc/passwd", "../x", "a/../../x"] {
        assert_eq!(relative(path), None, "{}", path);
    }
}
