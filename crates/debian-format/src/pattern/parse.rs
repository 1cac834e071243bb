//! The grammar of patterns.
//!
//! ```text
//! pattern  = all ("|" all)*
//! all      = one one*
//! one      = "!" one | "(" pattern ")" | "?" TERM ["(" arguments ")"] | "~" LETTER [word] | NAME ["=" VERSION]
//! ```
//!
//! Arguments are patterns or words, by the term, with commas between them and perhaps one at the end. Words are
//! apt's: in quotes, or up to a comma, a bar or a parenthesis; after a short form also up to white space, `!`,
//! `?` or `~`.

use regex::bytes::RegexBuilder;

use super::{Expression, Key, Node, Reach};
use crate::deb822::is_field_name;
use crate::dependency::{Operator, VersionRelation};
use crate::error::{Error, Result, clip};
use crate::name;
use crate::version::Version;

/// The most bytes of a pattern.
const MAX_PATTERN: usize = 1 << 16;

/// How deep patterns may be nested.
const MAX_DEPTH: usize = 100;

/// The most terms that take more memory or time than the text they are written with.
const MAX_COSTLY: usize = 100;

/// The most bytes of a compiled regular expression, and of what matching it may build.
const MAX_REGEX: usize = 1 << 20;

/// What cannot stand at the beginning of a word without quotes.
pub(super) const NEVER_FIRST: &[char] = &['!', '?', '~', '|', ',', '(', ')', '"'];

/// What ends a word without quotes.
pub(super) const WORD_END: &[char] = &['|', ',', '(', ')'];

pub(super) fn parse(text: &str) -> Result<Node> {
    if text.len() > MAX_PATTERN {
        return Err(Error::limit("bytes in a pattern", MAX_PATTERN as u64));
    }
    let mut parser = Parser { text, at: 0, depth: 0, costly: 0 };
    let node = parser.any()?;
    match parser.peek() {
        None => Ok(node),
        Some(found) => parser.fail(format!("unexpected '{found}'")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Where the next character is, in bytes.
    at: usize,
    depth: usize,
    costly: usize,
}

/// An argument that is no pattern, and where it begins.
#[derive(Clone, Copy)]
struct Word<'a> {
    at: usize,
    text: &'a str,
}

/// How the arguments of a term are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `?name(word)`
    Long,
    /// `~nword`
    Short,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Node> {
        let mut nodes = vec![self.all()?];
        while self.eat('|') {
            nodes.push(self.all()?);
        }
        Ok(combine(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node> {
        let mut nodes = vec![self.one()?];
        while !matches!(self.after_space(), None | Some('|' | ',' | ')')) {
            nodes.push(self.one()?);
        }
        Ok(combine(nodes, Node::All))
    }

    fn one(&mut self) -> Result<Node> {
        if self.depth == MAX_DEPTH {
            return self.fail(format!("more than {MAX_DEPTH} patterns inside each other"));
        }
        self.depth += 1;
        let node = match self.after_space() {
            None | Some('|' | ',' | ')') => return self.fail("a pattern is missing"),
            Some('!') => {
                self.at += 1;
                Node::Not(Box::new(self.one()?))
            }
            Some('(') => {
                self.at += 1;
                let node = self.any()?;
                self.expect(')')?;
                node
            }
            Some('?') => self.long_term()?,
            Some('~') => self.short_term()?,
            Some(_) => self.bare()?,
        };
        self.depth -= 1;
        Ok(node)
    }

    /// `NAME` or `NAME=VERSION`. It stands apart from what is before it: in `~Efoo` somebody has forgotten
    /// something.
    fn bare(&mut self) -> Result<Node> {
        let before = self.text[..self.at].chars().next_back();
        if before.is_some_and(|c| !c.is_ascii_whitespace() && !matches!(c, '!' | '(' | '|' | ',')) {
            return self.fail("a space is missing before a name");
        }
        let word = self.until(|c| WORD_END.contains(&c) || c.is_ascii_whitespace());
        let (package, version) = match word.text.split_once('=') {
            Some((package, version)) => (package, Some((word.at + package.len() + 1, version))),
            None => (word.text, None),
        };
        let named = Node::Is(Key::Name, self.checked(word.at, name::package(package))?.to_owned());
        match version {
            None => Ok(named),
            Some((at, version)) => {
                let version = self.checked(at, Version::parse(version))?;
                Ok(Node::All(vec![named, Node::VersionIs(Operator::Equal, version)]))
            }
        }
    }

    fn long_term(&mut self) -> Result<Node> {
        let start = self.at;
        self.at += 1;
        let term = self.until(|c| !c.is_ascii_alphanumeric() && c != '-').text;
        let node = self.term(term, Form::Long)?;
        node.map_or_else(|| self.fail_at(start, format!("unknown term ?{}", clip(term))), Ok)
    }

    fn short_term(&mut self) -> Result<Node> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek().unwrap_or(' ');
        let term = match letter {
            'n' => "name",
            's' => "section",
            'V' => "version",
            'r' => "architecture",
            'e' => "source-package",
            'p' => "priority",
            'E' => "essential",
            'T' => "true",
            'F' => "false",
            _ => return self.fail_at(start, format!("unknown term ~{}", letter.escape_debug())),
        };
        self.at += 1;
        let node = self.term(term, Form::Short)?;
        node.map_or_else(|| self.fail_at(start, "unknown term"), Ok)
    }

    /// The rest of a term, or `None` if there is no such term.
    fn term(&mut self, term: &str, form: Form) -> Result<Option<Node>> {
        Ok(Some(match term {
            "true" | "false" | "essential" => {
                if form == Form::Long && self.after_space() == Some('(') {
                    return self.fail(format!("?{term} takes no arguments"));
                }
                match term {
                    "true" => Node::All(Vec::new()),
                    "false" => Node::Any(Vec::new()),
                    _ => Node::Essential,
                }
            }
            "and" => combine(self.patterns()?, Node::All),
            "or" => combine(self.patterns()?, Node::Any),
            "not" => Node::Not(Box::new(self.pattern()?)),
            "name" => self.like(Key::Name, form)?,
            "version" => self.like(Key::Version, form)?,
            "section" => self.like(Key::Section, form)?,
            "source-package" => self.like(Key::Source, form)?,
            "source-version" => self.like(Key::SourceVersion, form)?,
            "exact-name" => self.package(Key::Name)?,
            "exact-source-package" => self.package(Key::Source)?,
            "priority" => Node::Is(Key::Priority, self.argument(form)?.text.to_owned()),
            "architecture" => {
                let word = self.argument(form)?;
                Node::Architecture(self.checked(word.at, name::architecture(word.text))?.to_owned())
            }
            "version-is" => {
                let word = self.argument(form)?;
                let relation = self.checked(word.at, VersionRelation::parse(word.text))?;
                let version = self.checked(word.at, Version::parse(relation.version))?;
                Node::VersionIs(relation.operator, version)
            }
            "field" => self.field()?,
            "newest" => self.newest()?,
            "with-dependencies" => self.closure(Reach::Dependencies)?,
            "with-recommends" => self.closure(Reach::Recommends)?,
            _ => return Ok(None),
        }))
    }

    fn like(&mut self, key: Key, form: Form) -> Result<Node> {
        let word = self.argument(form)?;
        Ok(Node::Like(key, self.expression(word)?))
    }

    fn package(&mut self, key: Key) -> Result<Node> {
        let word = self.argument(Form::Long)?;
        Ok(Node::Is(key, self.checked(word.at, name::package(word.text))?.to_owned()))
    }

    fn field(&mut self) -> Result<Node> {
        self.expect('(')?;
        let field = self.long_word()?;
        if !is_field_name(field.text.as_bytes()) {
            return self.fail_at(field.at, format!("{:?} is not the name of a field", clip(field.text)));
        }
        self.expect(',')?;
        let word = self.long_word()?;
        self.close()?;
        Ok(Node::Like(Key::Field(field.text.to_owned()), self.expression(word)?))
    }

    fn newest(&mut self) -> Result<Node> {
        self.costly(self.at)?;
        self.expect('(')?;
        let word = self.long_word()?;
        let Some(count) = word.text.parse().ok().filter(|count| *count > 0) else {
            return self.fail_at(word.at, format!("{:?} is not a number from 1", clip(word.text)));
        };
        let comma = self.after_space() == Some(',') && self.eat(',');
        let among =
            if comma && self.after_space() != Some(')') { self.any()? } else { Node::All(Vec::new()) };
        self.close()?;
        Ok(Node::Newest(count, Box::new(among)))
    }

    fn closure(&mut self, reach: Reach) -> Result<Node> {
        self.costly(self.at)?;
        Ok(Node::Closure(reach, Box::new(self.pattern()?)))
    }

    /// The only argument of a term that takes a word.
    fn argument(&mut self, form: Form) -> Result<Word<'a>> {
        if form == Form::Short {
            return self
                .word(|c| WORD_END.contains(&c) || matches!(c, '!' | '?' | '~') || c.is_ascii_whitespace());
        }
        self.expect('(')?;
        let word = self.long_word()?;
        self.close()?;
        Ok(word)
    }

    /// The arguments of a term that takes one pattern.
    fn pattern(&mut self) -> Result<Node> {
        self.expect('(')?;
        let node = self.any()?;
        self.close()?;
        Ok(node)
    }

    /// The arguments of a term that takes any number of patterns.
    fn patterns(&mut self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        self.expect('(')?;
        while self.after_space() != Some(')') {
            nodes.push(self.any()?);
            if self.after_space() != Some(',') {
                break;
            }
            self.at += 1;
        }
        self.expect(')')?;
        Ok(nodes)
    }

    /// The end of arguments, perhaps with a comma before it.
    fn close(&mut self) -> Result<()> {
        if self.after_space() == Some(',') {
            self.at += 1;
        }
        match self.after_space() {
            Some('|' | '(') => self.fail("a word with one of | , ( ) needs quotes around it"),
            _ => self.expect(')'),
        }
    }

    fn long_word(&mut self) -> Result<Word<'a>> {
        self.after_space();
        let word = self.word(|c| WORD_END.contains(&c))?;
        Ok(Word { text: word.text.trim_ascii_end(), ..word })
    }

    fn word(&mut self, end: impl Fn(char) -> bool) -> Result<Word<'a>> {
        match self.peek() {
            Some('"') => {
                self.at += 1;
                let word = self.until(|c| c == '"');
                if !self.eat('"') {
                    return self.fail_at(word.at - 1, "the quotes are not closed");
                }
                Ok(word)
            }
            Some(c @ ('!' | '?' | '~')) => {
                self.fail(format!("a word that begins with {c} needs quotes around it"))
            }
            first if first.is_none_or(&end) => self.fail("a word is missing"),
            _ => Ok(self.until(end)),
        }
    }

    fn expression(&mut self, word: Word<'_>) -> Result<Expression> {
        self.costly(word.at)?;
        let regex = RegexBuilder::new(word.text)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(MAX_REGEX)
            .dfa_size_limit(MAX_REGEX)
            .build();
        match regex {
            Ok(regex) => Ok(Expression(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.fail_at(word.at, "the regular expression is too large")
            }
            Err(error) => {
                // The message draws the expression over several lines; the last one says what is wrong.
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.fail_at(word.at, format!("{:?} is no regular expression: {why}", clip(word.text)))
            }
        }
    }

    fn costly(&mut self, at: usize) -> Result<()> {
        self.costly += 1;
        if self.costly > MAX_COSTLY {
            return self.fail_at(
                at,
                format!("more than {MAX_COSTLY} regular expressions and terms that look at all packages"),
            );
        }
        Ok(())
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        match self.after_space() {
            Some(found) if found == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(found) => self.fail(format!("expected '{wanted}', found '{}'", found.escape_debug())),
            None => self.fail(format!("expected '{wanted}', found the end")),
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn until(&mut self, end: impl Fn(char) -> bool) -> Word<'a> {
        let rest = &self.text[self.at..];
        let word = Word { at: self.at, text: &rest[..rest.find(end).unwrap_or(rest.len())] };
        self.at += word.text.len();
        word
    }

    /// The next character after white space, which is skipped.
    fn after_space(&mut self) -> Option<char> {
        self.until(|c| !c.is_ascii_whitespace());
        self.peek()
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Places the error of a part of the text.
    fn checked<T>(&self, at: usize, part: Result<T>) -> Result<T> {
        part.or_else(|error| self.fail_at(at, error.to_string()))
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T> {
        self.fail_at(self.at, why)
    }

    fn fail_at<T>(&self, at: usize, why: impl Into<String>) -> Result<T> {
        Err(Error::Pattern { at: self.text[..at].chars().count() + 1, why: why.into() })
    }
}

/// One node stands for itself.
fn combine(mut nodes: Vec<Node>, into: impl Fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            into(nodes)
        }
    }
}
