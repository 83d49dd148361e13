//! What unit tests share: a server that answers from a script, and scripts in the place of docker.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server whose connections are answered one after the other with prepared bytes, then closed.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn new<A: Into<Vec<u8>>>(answers: impl IntoIterator<Item = A>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut answers: VecDeque<Vec<u8>> = answers.into_iter().map(Into::into).collect();
        thread::spawn(move || {
            while let Some(answer) = answers.pop_front() {
                let (mut connection, _) = listener.accept().expect("a connection");
                let request = read_request(&mut connection);
                seen.lock().expect("the list").push(request);
                let _ = connection.write_all(&answer);
            }
        });
        Scripted {
            url: format!("http://{}", address),
            requests,
        }
    }

    /// The requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("the list").clone()
    }
}

fn read_request(connection: &mut TcpStream) -> String {
    let timeout = Some(Duration::from_secs(20));
    connection.set_read_timeout(timeout).expect("a timeout");
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).expect("a request's head");
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).expect("text");
    let length = header(&head, "content-length").map_or(0, |text| text.parse().expect("a number"));
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("a request's body");
    head + &String::from_utf8(body).expect("text")
}

/// A header of a request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| {
        let (given, value) = line.split_once(": ")?;
        given
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_string())
    })
}

/// An answer with a body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}",
        status,
        body.len(),
        headers,
        body
    )
}

/// A directory for a test, gone with it.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
}

impl Directory {
    pub(crate) fn new() -> Directory {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hiveweb-client-{}-{}", std::process::id(), number);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a directory");
        Directory { path }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Texts with random damage: bytes replaced, removed, doubled. The same ones at each run.
pub(crate) fn damaged(whole: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut made = Vec::new();
    for _ in 0..count {
        let mut text = whole.to_vec();
        for _ in 0..=random(4) {
            let at = random(text.len());
            match random(4) {
                0 => text.truncate(at + 1),
                1 => text[at] = random(256) as u8,
                2 => text.insert(at, whole[random(whole.len())]),
                _ => text[at] = b"\r\n:;0{}[]\"\\u-e"[random(14)],
            }
        }
        made.push(text);
    }
    made
}
