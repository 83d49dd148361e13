//! The body of an answer: of a given length, in chunks, or until the connection is closed.

use std::io::{self, BufRead, Read};

use super::head::{ended, garbage, line, Framing};

/// The most bytes of a line that tells a chunk's size, and of all trailers.
const MAX_LINE: usize = 4 * 1024;

/// A body being read. Its end is an end, never a broken connection.
#[derive(Debug)]
pub(crate) struct Body<R> {
    input: R,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes are left, and nothing comes behind them.
    Length(u64),
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// A line with a chunk's size comes next.
    Size,
    UntilClose,
    Done,
}

impl<R: BufRead> Body<R> {
    pub(super) fn new(input: R, framing: &Framing) -> Body<R> {
        let state = match framing {
            Framing::Length(length) => State::Length(*length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        };
        Body { input, state }
    }

    /// Up to `left` bytes; that there are none is an error.
    fn some(&mut self, buffer: &mut [u8], left: u64) -> io::Result<usize> {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match self.input.read(&mut buffer[..most])? {
            0 => Err(ended()),
            count => Ok(count),
        }
    }

    /// The size of the next chunk; 0 when there is none, and then the trailers were read, too.
    fn next_chunk(&mut self) -> io::Result<u64> {
        let size = size_of(&line(&mut self.input, &mut MAX_LINE.clone())?)?;
        if size == 0 {
            let mut left = MAX_LINE;
            while !line(&mut self.input, &mut left)?.is_empty() {}
        }
        Ok(size)
    }

    fn end_of_chunk(&mut self) -> io::Result<()> {
        let rest = line(&mut self.input, &mut MAX_LINE.clone())?;
        if rest.is_empty() {
            return Ok(());
        }
        Err(garbage("a chunk is longer than it says"))
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Length(0) | State::Done => return Ok(0),
                State::Length(left) => {
                    let count = self.some(buffer, left)?;
                    self.state = State::Length(left - count as u64);
                    return Ok(count);
                }
                State::Size => {
                    self.state = match self.next_chunk()? {
                        0 => State::Done,
                        size => State::Chunk(size),
                    }
                }
                State::Chunk(0) => {
                    self.end_of_chunk()?;
                    self.state = State::Size;
                }
                State::Chunk(left) => {
                    let count = self.some(buffer, left)?;
                    self.state = State::Chunk(left - count as u64);
                    return Ok(count);
                }
                State::UntilClose => return self.input.read(buffer),
            }
        }
    }
}

/// A chunk's size, in hexadecimal digits; what stands behind a semicolon is not for us.
fn size_of(line: &[u8]) -> io::Result<u64> {
    let line = String::from_utf8_lossy(line);
    let digits = line.split(';').next().unwrap_or_default();
    let digits = digits.trim_end_matches([' ', '\t'].as_slice());
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(digits, 16).ok();
    size.filter(|_| is_hexadecimal)
        .ok_or_else(|| garbage("a chunk has no size"))
}
