//! Output files: their list, and one of them whole.

use std::io::{ErrorKind, Read, Write};
use std::path::{Component, PathBuf};
use std::time::Duration;

use super::client::Client;
use crate::error::{Error, Result};
use crate::http::{Response, Times};
use crate::json::Json;
use crate::model::field;
use crate::retry::Patience;

/// The files in a session's output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outputs {
    /// At most 10,000 of them.
    pub files: Vec<OutputFile>,
    /// Whether there are more.
    pub truncated: bool,
}

/// A file that a session has left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputFile {
    /// Where it lies below the output directory. Bytes that are not UTF-8 show as `?`.
    pub path: String,
    /// How large it was when it was listed, in bytes.
    pub size: u64,
    /// When it was changed last (RFC 3339).
    pub modified: String,
    /// Where to fetch it, exact for every name.
    pub url: String,
}

impl OutputFile {
    /// The path as one that stays below whatever it is joined to; none when it would not.
    pub fn relative_path(&self) -> Option<PathBuf> {
        let path = PathBuf::from(&self.path);
        let mut parts = path.components();
        let stays = parts.all(|part| matches!(part, Component::Normal(_)));
        (stays && !self.path.is_empty()).then_some(path)
    }
}

/// The files at `path`, below `/api/v1`.
pub(super) fn list(client: &Client, path: &str) -> Result<Outputs> {
    let request = client.request("GET", path, None);
    let doing = client.doing(&request);
    let answer = client.json_again(&request, Duration::ZERO)?;
    let file = |json: &Json| {
        let size = json.get("size").and_then(Json::as_u64);
        Ok(OutputFile {
            path: field(json, "path", &doing)?,
            size: size.ok_or_else(|| Error::Answer {
                doing: doing.clone(),
                what: "a file has no size".to_string(),
            })?,
            modified: field(json, "modified", &doing)?,
            url: field(json, "url", &doing)?,
        })
    };
    let files = answer.get("files").and_then(Json::as_array);
    let files = files.ok_or_else(|| Error::Answer {
        doing: doing.clone(),
        what: "the answer lists no files".to_string(),
    })?;
    Ok(Outputs {
        files: files.iter().map(file).collect::<Result<_>>()?,
        truncated: answer.get("truncated").and_then(Json::as_bool) == Some(true),
    })
}

/// Write a file to `to`, going on where it was when the connection breaks.
pub(super) fn download(
    client: &Client,
    path: &str,
    file: &OutputFile,
    to: &mut dyn Write,
) -> Result<u64> {
    // Of the URL only the name counts: it does not decide which server is asked.
    let (_, name) = file
        .url
        .split_once("/outputs/")
        .ok_or_else(|| Error::Invalid(format!("{:?} is no URL of an output file", file.url)))?;
    let mut part = Part {
        client,
        path: format!("{}/{}", path, name),
        done: 0,
        tag: None,
    };
    let mut patience = Patience::new(client.patience);
    loop {
        let before = part.done;
        match part.fetch(to) {
            Ok(()) => break,
            Err(error) => {
                if part.done > before {
                    patience.restore();
                }
                patience.bear(error, None)?;
            }
        }
    }
    to.flush().map_err(Error::Writer)?;
    Ok(part.done)
}

/// Write the archive at `path` to `to`.
pub(super) fn download_all(client: &Client, path: &str, to: &mut dyn Write) -> Result<u64> {
    let mut archive = Part {
        client,
        path: path.to_string(),
        done: 0,
        tag: None,
    };
    archive.fetch(to)?;
    to.flush().map_err(Error::Writer)?;
    Ok(archive.done)
}

/// A file of which we have the first bytes.
struct Part<'a> {
    client: &'a Client,
    path: String,
    done: u64,
    /// The `ETag` of the file that they are of.
    tag: Option<String>,
}

impl Part<'_> {
    /// Fetch the rest.
    fn fetch(&mut self, to: &mut dyn Write) -> Result<()> {
        let mut request = self.client.request("GET", &self.path, None);
        let changed = "the file was changed while it was fetched".to_string();
        if self.done > 0 {
            let tag = match self.tag.clone() {
                Some(tag) => tag,
                None => return self.client.not_understood(&request, changed),
            };
            let range = format!("bytes={}-", self.done);
            request.headers.push(("Range", range));
            request.headers.push(("If-Range", tag));
        }
        let times = Times {
            idle: self.client.timeout,
            total: None,
        };
        let Response { head, mut body } = self.client.open(&request, times)?;
        let goes_on = head.status == 206 && self.is_next(head.header("Content-Range"));
        if self.done > 0 && !goes_on {
            return self.client.not_understood(&request, changed);
        }
        self.tag = head.header("ETag").map(str::to_string);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    to.write_all(&buffer[..count]).map_err(Error::Writer)?;
                    self.done += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.client.broken(&request, error)),
            }
        }
    }

    fn is_next(&self, range: Option<&str>) -> bool {
        let begin = format!("bytes {}-", self.done);
        range.map_or(false, |range| range.starts_with(&begin))
    }
}
