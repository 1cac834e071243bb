//! Owned paragraphs that keep their order and their text.

use std::collections::HashSet;
use std::fmt;

use super::is_field_name;
use crate::error::{Error, Result, clip};

/// The fields of one paragraph, in their order, unknown ones included.
///
/// A value is kept as it was written, continuation lines with their indentation, but without the white
/// space at its beginning and end, and without comments. A value that begins on the line after the name
/// begins with a newline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// A paragraph without fields.
    pub fn new() -> Paragraph {
        Paragraph::default()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value of a field; the case of its name does not matter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name).map(|at| self.fields[at].1.as_str())
    }

    /// The names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Gives a field a value: in its place if it is there already, else at the end.
    ///
    /// # Errors
    /// [`Error::Field`] if the name is none, or if the value would change the structure of the
    /// paragraph: a line after the first must begin with a space or a tab and must not be blank, and no
    /// control character but newline and tab is allowed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = checked(name, value)?;
        match self.position(name) {
            Some(at) => self.fields[at].1 = value,
            None => self.fields.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Puts a field before another one, or at the end if that one is missing. A field of the same name
    /// is moved.
    ///
    /// # Errors
    /// As for [`set`](Paragraph::set).
    pub fn insert_before(&mut self, before: &str, name: &str, value: &str) -> Result<()> {
        let value = checked(name, value)?;
        let same = before.eq_ignore_ascii_case(name);
        let old = self.position(name).map(|at| (at, self.fields.remove(at)));
        let at = match old {
            Some((at, _)) if same => at,
            _ => self.position(before).unwrap_or(self.fields.len()),
        };
        self.fields.insert(at, (name.to_owned(), value));
        Ok(())
    }

    /// Takes a field out and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.position(name).map(|at| self.fields.remove(at).1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// One line `Name: value` per field, continuation lines after it; no blank line at the end.
impl fmt::Display for Paragraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.fields {
            let space = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(f, "{name}:{space}{value}")?;
        }
        Ok(())
    }
}

/// Reads all paragraphs of a text. Lines that begin with `#` are comments and are dropped.
///
/// # Errors
/// [`Error::Line`]: no field name and colon, a continuation line without a field, a field twice in one
/// paragraph, a NUL byte or a carriage return inside a line.
pub fn parse_paragraphs(text: &str) -> Result<Vec<Paragraph>> {
    let mut paragraphs = Vec::new();
    let mut current = Paragraph::new();
    let mut names = HashSet::new();
    for (line, content) in (1..).zip(text.split('\n')) {
        let content = content.strip_suffix('\r').unwrap_or(content);
        let fail = |why: String| Err(Error::Line { line, why });
        if content.contains(['\0', '\r']) {
            return fail("has a NUL byte or a carriage return".to_owned());
        }
        if content.starts_with('#') {
            continue;
        }
        if content.is_empty() {
            names.clear();
            paragraphs.extend(Some(std::mem::take(&mut current)).filter(|done| !done.is_empty()));
        } else if content.starts_with([' ', '\t']) {
            match current.fields.last_mut() {
                Some((_, value)) => {
                    value.push('\n');
                    value.push_str(content);
                }
                None if is_blank(content) => {}
                None => return fail("a continuation line without a field before it".to_owned()),
            }
        } else {
            let Some((name, value)) = content.split_once(':') else {
                return fail(format!("no colon after the field name in {:?}", clip(content)));
            };
            if !is_field_name(name.as_bytes()) {
                return fail(format!("{:?} is not the name of a field", clip(name)));
            }
            if !names.insert(name.to_ascii_lowercase()) {
                return fail(format!("field {} appears twice", clip(name)));
            }
            current.fields.push((name.to_owned(), value.to_owned()));
        }
    }
    paragraphs.extend(Some(current).filter(|last| !last.is_empty()));
    for (_, value) in paragraphs.iter_mut().flat_map(|paragraph| &mut paragraph.fields) {
        *value = trim(value).to_owned();
    }
    Ok(paragraphs)
}

/// A newline at the beginning stays: it says that the value begins on the next line.
fn trim(value: &str) -> &str {
    value.trim_start_matches([' ', '\t']).trim_end_matches([' ', '\t', '\n'])
}

fn is_blank(line: &str) -> bool {
    line.trim_matches([' ', '\t']).is_empty()
}

fn checked(name: &str, value: &str) -> Result<String> {
    if !is_field_name(name.as_bytes()) {
        return Err(Error::field(name, "this is not the name of a field"));
    }
    let value = trim(value);
    if value.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Error::field(name, "the value has a control character"));
    }
    for line in value.split('\n').skip(1) {
        if !line.starts_with([' ', '\t']) || is_blank(line) {
            return Err(Error::field(name, "the value has a line that is blank or not indented"));
        }
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal_lines, paragraph_text, real_indices};
    use proptest::prelude::*;

    #[test]
    fn fields_keep_their_order_and_their_text() {
        let text = "Package: a\nX-Odd:  b \nDescription: short\n  long\n .\n   more\nDepends:\n x,\n y\n";
        let paragraph = parse_paragraphs(text).unwrap().remove(0);
        let names: Vec<&str> = paragraph.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Package", "X-Odd", "Description", "Depends"]);
        assert_eq!(paragraph.get("x-odd"), Some("b"));
        assert_eq!(paragraph.get("Description"), Some("short\n  long\n .\n   more"));
        assert_eq!(paragraph.get("Depends"), Some("\n x,\n y"));
        assert_eq!(paragraph.get("Nothing"), None);
        assert_eq!(paragraph.to_string(), text.replace("  b ", " b"));
    }

    #[test]
    fn comments_are_dropped_even_inside_a_value() {
        let text = "# first\n\n# second\nA: 1\n# third\n 2\n#fourth\n\nB: 3";
        let paragraphs = parse_paragraphs(text).unwrap();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].get("A"), Some("1\n 2"));
    }

    #[test]
    fn setting_replaces_in_place_or_appends() {
        let mut paragraph = parse_paragraphs("A: 1\nB: 2\n").unwrap().remove(0);
        paragraph.set("a", "one").unwrap();
        paragraph.set("C", "").unwrap();
        paragraph.insert_before("b", "Aa", "x\n y").unwrap();
        paragraph.insert_before("A", "C", "3").unwrap();
        paragraph.insert_before("C", "C", "4").unwrap();
        assert_eq!(paragraph.remove("B").as_deref(), Some("2"));
        assert_eq!(paragraph.to_string(), "C: 4\nA: one\nAa: x\n y\n");
    }

    #[test]
    fn a_value_cannot_add_a_field_or_a_paragraph() {
        let mut paragraph = Paragraph::new();
        for value in ["a\nB: c", "a\n\nB: c", "a\n \t\n b", "a\rB: c", "a\0", "a\n b\x1b[1m"] {
            assert!(paragraph.set("A", value).is_err(), "{value:?}");
        }
        for name in ["", "#A", "-A", "A:", "A b", "A\n", "Ä"] {
            assert!(paragraph.set(name, "x").is_err(), "{name:?}");
        }
        assert!(paragraph.is_empty());
    }

    #[test]
    fn an_error_names_its_line() {
        for (text, message) in [
            ("A: 1\n\nB 2\n", "line 3: no colon after the field name in \"B 2\""),
            (" x\n", "line 1: a continuation line without a field before it"),
            ("A: 1\nB: 2\na: 3\n", "line 3: field a appears twice"),
            ("A : 1\n", "line 1: \"A \" is not the name of a field"),
            ("A: 1\n-B: 1\n", "line 2: \"-B\" is not the name of a field"),
            ("A: 1\rB: 2\n", "line 1: has a NUL byte or a carriage return"),
        ] {
            assert_eq!(parse_paragraphs(text).unwrap_err().to_string(), message);
        }
    }

    fn pairs(paragraph: &Paragraph) -> Vec<(String, String)> {
        paragraph.iter().map(|(name, value)| (name.to_owned(), normal_lines(value))).collect()
    }

    fn oracle(text: &str) -> Vec<Vec<(String, String)>> {
        let fields = |p: debcontrol::Paragraph<'_>| {
            p.fields.into_iter().map(|f| (f.name.to_owned(), normal_lines(&f.value))).collect()
        };
        debcontrol::parse_str(text).unwrap().into_iter().map(fields).collect()
    }

    #[test]
    fn the_real_index_reads_as_debcontrol_reads_it() {
        let Some(indices) = real_indices() else { return };
        for index in indices {
            let text = String::from_utf8_lossy(&index[..index.len().min(5_000_000)]);
            let text = &text[..text.rfind("\n\n").unwrap() + 1];
            let ours: Vec<_> = parse_paragraphs(text).unwrap().iter().map(pairs).collect();
            assert_eq!(ours, oracle(text));
        }
    }

    proptest! {
        #[test]
        fn generated_text_reads_as_debcontrol_reads_it(text in paragraph_text(true)) {
            let ours: Vec<_> = parse_paragraphs(&text).unwrap().iter().map(pairs).collect();
            prop_assert_eq!(ours, oracle(&text));
        }

        #[test]
        fn what_is_written_reads_back(text in paragraph_text(true)) {
            let paragraphs = parse_paragraphs(&text).unwrap();
            let written: Vec<String> = paragraphs.iter().map(Paragraph::to_string).collect();
            prop_assert_eq!(parse_paragraphs(&written.join("\n")).unwrap(), paragraphs);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A: \t\r\n#-]{0,40}|.*") {
            let _ = parse_paragraphs(&text);
        }
    }
}
