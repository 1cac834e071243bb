//! The fast reader for indices: borrowed stanzas over raw bytes.

use std::io::{BufRead, Read};

use memchr::{memchr, memchr_iter};

use super::is_field_name;
use crate::error::{Error, Result};

/// The most bytes of a stanza that a [`StanzaReader`] holds unless it is told otherwise: 4 MiB, a
/// hundred times the largest stanza of Debian.
const STANZA_LIMIT: usize = 4 << 20;

/// One stanza of an index: a view of its bytes, which need not be UTF-8.
///
/// Lines without a field name and a colon are skipped, comments among them. An index has none; where one
/// stands inside a value, the value ends before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stanza<'a> {
    raw: &'a [u8],
}

impl<'a> Stanza<'a> {
    /// Takes the bytes of a single stanza, with or without a line end after the last line.
    pub fn new(raw: &'a [u8]) -> Stanza<'a> {
        Stanza { raw: strip_line_end(raw) }
    }

    /// The bytes as they are, without the line end of the last line.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The value of the first field of this name, whose case does not matter: without white space around
    /// it, continuation lines as they are. A value that begins on the line after the name begins with a
    /// newline.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The same as [`get`](Stanza::get), but `None` also for a value that is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The names and values in their order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.raw }
    }
}

/// The fields of a [`Stanza`], each a name and the value as [`Stanza::get`] gives it.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let rest = self.rest;
            let end = memchr_iter(b'\n', rest).find(|at| !matches!(rest.get(at + 1), Some(b' ' | b'\t')));
            let field = &rest[..end.unwrap_or(rest.len())];
            self.rest = end.map_or(&[], |at| &rest[at + 1..]);
            let Some(colon) = memchr(b':', field) else {
                continue;
            };
            match std::str::from_utf8(&field[..colon]) {
                Ok(name) if is_field_name(name.as_bytes()) => return Some((name, trim(&field[colon + 1..]))),
                _ => {}
            }
        }
        None
    }
}

/// The stanzas of an index in memory. Blank lines and comments between them belong to none.
pub fn stanzas(index: &[u8]) -> Stanzas<'_> {
    Stanzas { rest: index }
}

/// The iterator that [`stanzas`] returns.
#[derive(Debug, Clone)]
pub struct Stanzas<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Stanza<'a>;

    fn next(&mut self) -> Option<Stanza<'a>> {
        while is_filler(self.rest) {
            let end = memchr(b'\n', self.rest)?;
            self.rest = &self.rest[end + 1..];
        }
        let rest = self.rest;
        let end = memchr_iter(b'\n', rest).find(|at| is_end(&rest[at + 1..])).unwrap_or(rest.len());
        self.rest = &rest[end..];
        (!rest.is_empty()).then(|| Stanza::new(&rest[..end]))
    }
}

/// Reads an index one stanza at a time, in the memory of the largest one.
#[derive(Debug)]
pub struct StanzaReader<R> {
    inner: R,
    buffer: Vec<u8>,
    limit: usize,
}

impl<R: BufRead> StanzaReader<R> {
    /// A reader that accepts stanzas of up to 4 MiB.
    pub fn new(inner: R) -> StanzaReader<R> {
        StanzaReader::with_limit(inner, STANZA_LIMIT)
    }

    /// A reader that accepts stanzas of up to `limit` bytes.
    pub fn with_limit(inner: R, limit: usize) -> StanzaReader<R> {
        StanzaReader { inner, buffer: Vec::new(), limit }
    }

    /// The next stanza, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Limit`] if a stanza exceeds the limit, else whatever the reader beneath reports. There
    /// is no way to go on after an error.
    pub fn next_stanza(&mut self) -> Result<Option<Stanza<'_>>> {
        self.buffer.clear();
        loop {
            let start = self.buffer.len();
            let room = self.limit.saturating_add(1) - start;
            let count = self.inner.by_ref().take(room as u64).read_until(b'\n', &mut self.buffer)?;
            if self.buffer.len() > self.limit {
                return Err(Error::limit("bytes in one stanza", self.limit as u64));
            }
            let line = &self.buffer[start..];
            if start == 0 && count > 0 && is_filler(line) {
                self.buffer.clear();
            } else if count == 0 || (start > 0 && is_end(line)) {
                self.buffer.truncate(start);
                return Ok((start > 0).then(|| Stanza::new(&self.buffer)));
            }
        }
    }
}

/// Whether the first line is one that may stand between stanzas: blank, or a comment.
fn is_filler(text: &[u8]) -> bool {
    match text.iter().find(|c| !matches!(c, b' ' | b'\t' | b'\r')) {
        Some(b'\n') => true,
        Some(_) => text.first() == Some(&b'#'),
        None => !text.is_empty(),
    }
}

/// Whether the text begins with the empty line, or the end of the index, that ends a stanza.
fn is_end(text: &[u8]) -> bool {
    text.is_empty() || text.starts_with(b"\n") || text.starts_with(b"\r\n")
}

fn strip_line_end(text: &[u8]) -> &[u8] {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A newline at the beginning stays: it says that the value begins on the next line.
fn trim(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii_end();
    let start = value.iter().position(|c| !matches!(c, b' ' | b'\t')).unwrap_or(value.len());
    &value[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal_lines, paragraph_text, real_indices};
    use proptest::prelude::*;
    use std::io::BufReader;

    const INDEX: &[u8] =
        b"# head\n\nPackage: a\nDescription: x\n  y\n .\n\xff: z\nno colon\nsize:12\n\n\nPackage: b";

    #[test]
    fn a_field_is_found_whatever_its_case() {
        let stanza = stanzas(INDEX).next().unwrap();
        assert_eq!(stanza.get("PACKAGE"), Some(&b"a"[..]));
        assert_eq!(stanza.get_str("Size"), Some("12"));
        assert_eq!(stanza.get_str("description"), Some("x\n  y\n ."));
        assert_eq!(stanza.get("y"), None);
        assert_eq!(stanza.get(""), None);
        assert_eq!(stanza.fields().count(), 3);
    }

    #[test]
    fn raw_gives_the_bytes_of_the_stanza() {
        let raw: Vec<&[u8]> = stanzas(INDEX).map(|stanza| stanza.raw()).collect();
        assert_eq!(raw, [&INDEX[8..INDEX.len() - 13], b"Package: b"]);
    }

    #[test]
    fn carriage_returns_before_newlines_are_tolerated() {
        let index = b"Package: a\r\nSize: 1\r\n\r\n\r\nPackage: b\r\n";
        let found: Vec<_> = stanzas(index).map(|stanza| stanza.get_str("Package")).collect();
        assert_eq!(found, [Some("a"), Some("b")]);
    }

    #[test]
    fn a_line_of_spaces_ends_no_stanza() {
        assert_eq!(stanzas(b" \nA: 1\n \nB: 2\n").count(), 1);
        assert_eq!(stanzas(b"").count(), 0);
        assert_eq!(stanzas(b"\n \n\n# x").count(), 0);
    }

    #[test]
    fn the_reader_stops_at_its_limit() {
        let mut reader = StanzaReader::with_limit(&b"A: 12\n\nA: 123456789\n"[..], 8);
        assert_eq!(reader.next_stanza().unwrap().unwrap().raw(), b"A: 12");
        let error = reader.next_stanza().unwrap_err();
        assert_eq!(error.to_string(), "more than 8 bytes in one stanza");
    }

    fn streamed(index: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut reader = StanzaReader::new(BufReader::with_capacity(capacity, index));
        let mut found = Vec::new();
        while let Some(stanza) = reader.next_stanza().unwrap() {
            found.push(stanza.raw().to_vec());
        }
        found
    }

    fn same_as_debcontrol(text: &str) {
        let mut scanned = stanzas(text.as_bytes());
        for paragraph in debcontrol::parse_str(text).unwrap() {
            let stanza = scanned.next().unwrap();
            let text = |value: &[u8]| normal_lines(std::str::from_utf8(value).unwrap());
            let ours: Vec<_> = stanza.fields().map(|(name, value)| (name, text(value))).collect();
            let theirs: Vec<_> = paragraph.fields.iter().map(|f| (f.name, normal_lines(&f.value))).collect();
            assert_eq!(ours, theirs);
        }
        assert_eq!(scanned.next(), None);
    }

    #[test]
    fn the_real_index_scans_as_debcontrol_reads_it() {
        let Some(indices) = real_indices() else { return };
        for index in indices {
            same_as_debcontrol(std::str::from_utf8(&index).unwrap());
            let raw: Vec<&[u8]> = stanzas(&index).map(|stanza| stanza.raw()).collect();
            assert!(streamed(&index, 65536) == raw);
        }
    }

    proptest! {
        #[test]
        fn generated_text_scans_as_debcontrol_reads_it(text in paragraph_text(false)) {
            same_as_debcontrol(&text);
        }

        #[test]
        fn the_reader_agrees_with_the_slice(index in "[A: \r\n#]{0,40}|.*", capacity in 1usize..9) {
            let raw: Vec<&[u8]> = stanzas(index.as_bytes()).map(|stanza| stanza.raw()).collect();
            prop_assert_eq!(streamed(index.as_bytes(), capacity), raw);
            let _ = Stanza::new(index.as_bytes()).fields().count();
        }
    }
}
