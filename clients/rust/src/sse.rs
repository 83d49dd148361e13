//! Server-sent events (the HTML standard, 9.2.6), taken in as their bytes come.

use std::collections::VecDeque;

/// The most bytes of one event; the log's have about half a megabyte at most.
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// What a stream tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Event(Event),
    /// A line that only says that the stream is alive.
    Comment,
}

/// An event with its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) data: String,
    /// The last id that the stream has told.
    pub(crate) id: String,
}

/// An event is larger than any that we know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    /// The last line ended with a carriage return: a line feed now belongs to it.
    after_return: bool,
    begun: bool,
    kind: String,
    data: String,
    id: String,
}

impl Parser {
    /// Take bytes in, add what is complete to `items`. An event without its empty line at the end
    /// of a stream is none.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        items: &mut VecDeque<Item>,
    ) -> Result<(), TooLarge> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if self.after_return {
                self.after_return = false;
                if *first == b'\n' {
                    rest = &rest[1..];
                    continue;
                }
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let piece = &rest[..end.unwrap_or(rest.len())];
            if self.line.len() + self.data.len() + piece.len() > MAX_EVENT {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(piece);
            rest = &rest[piece.len()..];
            if let Some(byte) = rest.first() {
                self.after_return = *byte == b'\r';
                rest = &rest[1..];
                items.extend(self.end_line());
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Item> {
        let bytes = std::mem::take(&mut self.line);
        let mark = "\u{feff}".as_bytes();
        let bytes = match bytes.strip_prefix(mark) {
            Some(rest) if !self.begun => rest,
            _ => bytes.as_slice(),
        };
        self.begun = true;
        if bytes.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(bytes);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return Some(Item::Comment),
            "event" => self.kind = value.to_string(),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = value.to_string(),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Item> {
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?; // the last line's end; without data there is no event
        Some(Item::Event(Event {
            kind: if kind.is_empty() {
                "message".to_string()
            } else {
                kind
            },
            data,
            id: self.id.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<Item> {
        let mut parser = Parser::default();
        let mut items = VecDeque::new();
        for piece in pieces {
            parser.take(piece, &mut items).expect("not too large");
        }
        items.into()
    }

    fn event(kind: &str, data: &str, id: &str) -> Item {
        Item::Event(Event {
            kind: kind.to_string(),
            data: data.to_string(),
            id: id.to_string(),
        })
    }

    #[test]
    fn events_are_the_same_however_the_bytes_come() {
        let stream = "retry: 1000\n\n: still here\n\nid: 5\nevent: log\ndata: {\"x\": \"é🐝\"}\n\n\
            id: 9\r\nevent: end\r\ndata:  two\r\ndata:lines\r\n\r\ndata\rdata\r\r\n";
        let wanted = vec![
            Item::Comment,
            event("log", "{\"x\": \"é🐝\"}", "5"),
            event("end", " two\nlines", "9"),
            event("message", "\n", "9"),
        ];
        assert_eq!(parse(&[stream.as_bytes()]), wanted);
        let single: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(parse(&single), wanted);
    }

    #[test]
    fn garbage_is_no_event_and_disturbs_none() {
        assert_eq!(parse(&[b"event: log\nid: 3\n\n"]), vec![]);
        assert_eq!(parse(&[b"data: cut off\n"]), vec![]);
        assert_eq!(parse(&[b"data: x"]), vec![]);
        assert_eq!(
            parse(&[b"\xef\xbb\xbfdata: a\n\n"]),
            vec![event("message", "a", "")]
        );
        assert_eq!(
            parse(&[b"nonsense\nDATA: no\n data: no\n\xff\xfe: x\nid: a\0b\ndata: \xff\n\n"]),
            vec![event("message", "\u{fffd}", "")]
        );
        assert_eq!(
            parse(&[b"id: 7\ndata: a\n\nid\ndata: b\n\n"]),
            vec![event("message", "a", "7"), event("message", "b", "")]
        );
    }

    #[test]
    fn no_damage_makes_the_reader_panic_or_depend_on_how_the_bytes_come() {
        let whole = "id: 5\r\nevent: log\r\ndata: é\r\n\r\n: x\n\ndata: a\ndata: b\n\n";
        for text in crate::testing::damaged(whole.as_bytes(), 5_000) {
            let single: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(parse(&single), parse(&[&text]));
        }
    }

    #[test]
    fn an_event_has_a_limit() {
        let piece = [b'x'; 64 * 1024];
        for prefix in [b"data: ".as_slice(), b"", b":"] {
            let mut parser = Parser::default();
            let mut items = VecDeque::new();
            parser.take(prefix, &mut items).expect("a beginning");
            let pieces = 2 * MAX_EVENT / piece.len();
            let refused = (0..pieces).any(|_| parser.take(&piece, &mut items).is_err());
            assert!(refused);
        }
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &piece, b"\n"].concat();
        let mut items = VecDeque::new();
        let lines = 2 * MAX_EVENT / piece.len();
        assert!((0..lines).any(|_| parser.take(&line, &mut items) == Err(TooLarge)));
    }
}
