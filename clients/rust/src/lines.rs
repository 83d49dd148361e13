//! Bytes as they come, cut into lines of text.

/// A longer line is given in pieces.
const MAX_LINE: usize = 1024 * 1024;

/// Collects bytes until they make a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Take bytes in and hand out the lines that are complete now, without their line feeds.
    pub(crate) fn take(&mut self, data: &[u8], mut line: impl FnMut(String)) {
        let mut data = data;
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&data[..end]);
            data = &data[end + 1..];
            self.cut(&mut line);
            line(text(&self.rest));
            self.rest.clear();
        }
        self.rest.extend_from_slice(data);
        self.cut(&mut line);
    }

    /// What is left when nothing more comes: a line without an end.
    pub(crate) fn last(self) -> Option<String> {
        (!self.rest.is_empty()).then(|| text(&self.rest))
    }

    /// Hand out what is too long to wait for its end, not cutting characters.
    fn cut(&mut self, line: &mut impl FnMut(String)) {
        while self.rest.len() > MAX_LINE {
            let is_inner = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
            let back = (0..4).find(|back| !is_inner(self.rest[MAX_LINE - back]));
            let end = MAX_LINE - back.unwrap_or(0);
            line(text(&self.rest[..end]));
            self.rest.drain(..end);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.take(piece, |line| found.push(line));
        }
        found.extend(lines.last());
        found
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let log = "first\n\nthe third 🐝\r\nno end".as_bytes();
        let whole = ["first", "", "the third 🐝\r", "no end"];
        assert_eq!(split(&[log]), whole);
        let single: Vec<&[u8]> = log.chunks(1).collect();
        assert_eq!(split(&single), whole);
        assert_eq!(split(&[b"a\n"]), ["a"]);
        assert_eq!(split(&[]), Vec::<String>::new());
        assert_eq!(split(&[b"\xff\xfe\n"]), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_of_whole_characters() {
        let long = "é".repeat(MAX_LINE);
        for shift in ["", "x"] {
            let log = format!("{}{}\nnext", shift, long);
            let single: Vec<&[u8]> = log.as_bytes().chunks(1000).collect();
            let mut found = split(&single);
            assert_eq!(found.pop().as_deref(), Some("next"));
            assert!(found.len() > 1 && found.iter().all(|piece| piece.len() <= MAX_LINE));
            assert_eq!(found.concat(), format!("{}{}", shift, long));
        }
    }
}
