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

const NEEDS_QUOTES: &str = "a word with one of | , ( ) needs quotes around it";

pub(super) fn parse(text: &str) -> Result<Node> {
    if text.len() > MAX_PATTERN {
        return Err(Error::limit("bytes in a pattern", MAX_PATTERN as u64));
    }
    let mut parser = Parser { text, at: 0, depth: 0, costly: 0, word_end: None };
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
    /// Where the last word of a short form ended that had no quotes.
    word_end: Option<usize>,
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
            // `~n^(aa|bb)` is a regular expression to whoever writes it, and not `~n^` and a name.
            Some('(') if self.word_end == Some(self.at) => return self.fail(NEEDS_QUOTES),
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
        // Nor is `~n^aa|bb` meant as `~n^aa | bb`.
        if before == Some('|') && self.word_end == Some(self.at - 1) {
            return self.fail_at(self.at - 1, NEEDS_QUOTES);
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
        self.term(start, term, Form::Long)
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
        self.term(start, term, Form::Short)
    }

    /// The node of a term that began at `start`, after the arguments have been read.
    fn term(&mut self, start: usize, term: &str, form: Form) -> Result<Node> {
        Ok(match term {
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
            _ => return self.fail_at(start, format!("unknown term ?{}", clip(term))),
        })
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
            let quoted = self.peek() == Some('"');
            let word = self
                .word(|c| WORD_END.contains(&c) || matches!(c, '!' | '?' | '~') || c.is_ascii_whitespace())?;
            self.word_end = (!quoted).then_some(self.at);
            return Ok(word);
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
            Some('|' | '(') => self.fail(NEEDS_QUOTES),
            _ => self.expect(')'),
        }
    }

    fn long_word(&mut self) -> Result<Word<'a>> {
        self.after_space();
        self.word(|c| WORD_END.contains(&c))
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
            Some('|' | '(') => self.fail(NEEDS_QUOTES),
            first if first.is_none_or(&end) => self.fail("a word is missing"),
            _ => {
                let word = self.until(end);
                Ok(Word { text: word.text.trim_ascii_end(), ..word })
            }
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

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::pattern::Pattern;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    fn long(text: &str) -> String {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).to_string()
    }

    fn fail(text: &str) -> String {
        let error = Pattern::parse(text).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Limit));
        error.to_string()
    }

    #[test]
    fn short_forms_mean_long_ones() {
        for (short, expected) in [
            ("~n^lib", "?name(^lib)"),
            ("~slibs", "?section(libs)"),
            ("~V^1:", "?version(^1:)"),
            ("~ramd64", "?architecture(amd64)"),
            ("~evim", "?source-package(vim)"),
            ("~prequired", "?priority(required)"),
            ("~E", "?essential"),
            ("~T", "?true"),
            ("~F", "?false"),
            ("?and()", "?true"),
            ("?or()", "?false"),
            ("hello", "?exact-name(hello)"),
            ("hello=1:2.0~rc1-3", "?and(?exact-name(hello), ?version-is(= 1:2.0~rc1-3))"),
            ("?newest(2,?true)", "?newest(2)"),
        ] {
            assert_eq!(long(short), expected);
        }
    }

    #[test]
    fn not_binds_closer_than_and_and_and_closer_than_or() {
        assert_eq!(long("!~E ~T|aa bb cc"), long("?or(?and(?not(~E), ~T), ?and(aa, bb, cc))"));
        assert_eq!(long("!(~E ~T|aa) bb=1"), long("?and(?not(?or(?and(~E, ~T), aa)), bb=1)"));
        assert_eq!(long("! !~E"), "?not(?not(?essential))");
        assert_eq!(long("~E?true~T(aa|~F)!bb"), long("?and(~E, ~T, ?true, ?or(aa, ~F), ?not(bb))"));
        assert_eq!(long("?and(aa|bb,?or(aa))"), long("?and(?or(aa, bb), aa)"));
    }

    #[test]
    fn words_are_quoted_as_apt_quotes_them() {
        for (text, expected) in [
            (r#"?name("^(a|b)$")"#, r#"?name("^(a|b)$")"#),
            (r#"~n"a b"~sx"#, "?and(?name(a b), ?section(x))"),
            (r#"?name("")"#, r#"?name("")"#),
            (r#"?name( a b ,)"#, "?name(a b)"),
            (r#"?name ("a ")"#, r#"?name("a ")"#),
            (r#"?name(a"b)"#, r#"?name(a"b)"#),
            (r#"~na"b!~E"#, r#"?and(?name(a"b), ?not(?essential))"#),
            (r#"?name(a?b~!)"#, "?name(a?b~!)"),
            (r#"?name("~a")"#, r#"?name("~a")"#),
            (r#"?field( X-Y , "1,2" )"#, r#"?field(X-Y, "1,2")"#),
        ] {
            assert_eq!(long(text), expected);
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        for (text, message) in [
            ("", "1: a pattern is missing"),
            ("~E |", "5: a pattern is missing"),
            ("?and(~E,,~E)", "9: a pattern is missing"),
            ("()", "2: a pattern is missing"),
            ("!", "2: a pattern is missing"),
            ("~E)", "3: unexpected ')'"),
            ("(~E", "4: expected ')', found the end"),
            ("(~E,)", "4: expected ')', found ','"),
            ("?name", "6: expected '(', found the end"),
            ("?name()", "7: a word is missing"),
            ("~n ^a", "3: a word is missing"),
            ("?name(^a", "9: expected ')', found the end"),
            ("?name(\"a)", "7: the quotes are not closed"),
            ("?name(~a)", "7: a word that begins with ~ needs quotes around it"),
            ("?name(^(a|b)$)", "8: a word with one of | , ( ) needs quotes around it"),
            ("~n^(aa|bb)", "4: a word with one of | , ( ) needs quotes around it"),
            ("~n^aa|bb", "6: a word with one of | , ( ) needs quotes around it"),
            ("~n(a|b)", "3: a word with one of | , ( ) needs quotes around it"),
            ("?name(a,b)", "9: expected ')', found 'b'"),
            ("?true()", "6: ?true takes no arguments"),
            ("~E ?installed", "4: unknown term ?installed"),
            ("?", "1: unknown term ?"),
            ("~x", "1: unknown term ~x"),
            ("é ~x", "1: package name \"é\" has a character other than a-z, 0-9, '+', '-' and '.'"),
            ("?name(é) ~x", "10: unknown term ~x"),
            ("~Efoo", "3: a space is missing before a name"),
            ("(aa)bb", "5: a space is missing before a name"),
            ("aa=x", "4: version \"x\" has an upstream version that does not start with a digit"),
            ("?version-is(1.2)", "13: relation \"1.2\" does not begin with <<, <=, =, >= or >>"),
            (
                "?version-is(>= x)",
                "13: version \"x\" has an upstream version that does not start with a digit",
            ),
            ("?newest(0)", "9: \"0\" is not a number from 1"),
            ("?newest(-1, aa)", "9: \"-1\" is not a number from 1"),
            ("?field(a:b, x)", "8: \"a:b\" is not the name of a field"),
            ("?field(X)", "9: expected ',', found ')'"),
            ("?architecture(A)", "15: architecture name \"A\" has a character other than a-z, 0-9 and '-'"),
            ("?name(\"a(\")", "8: \"a(\" is no regular expression: unclosed group"),
            ("?not(aa, bb)", "10: expected ')', found 'b'"),
        ] {
            assert_eq!(fail(text), format!("pattern, character {message}"), "{text:?}");
        }
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        assert_eq!(
            fail(&"(".repeat(101)),
            "pattern, character 101: more than 100 patterns inside each other"
        );
        long(&format!("{}aa{}", "(".repeat(99), ")".repeat(99)));
        assert!(fail(&"!".repeat(60_000)).contains("inside each other"));
        assert!(fail(&"?not(".repeat(10_000)).contains("inside each other"));
        assert!(fail(&"~nx".repeat(101)).starts_with("pattern, character 303: more than 100 regular"));
        assert!(fail(&"?newest(1)".repeat(101)).contains("more than 100"));
        assert!(fail("~n\"(a{1000}){1000}\"").ends_with("the regular expression is too large"));
        assert!(fail(&format!("~n{}a{}", "(".repeat(1000), ")".repeat(1000))).contains("needs quotes"));
        assert!(fail(&format!("~n\"{}a{}\"", "(".repeat(1000), ")".repeat(1000))).contains("no regular"));
        assert_eq!(fail(&"aa ".repeat(30_000)), "more than 65536 bytes in a pattern");
        long(&"aa | ".repeat(10_000)[..50_000 - 3]);
    }

    fn pattern_text() -> impl Strategy<Value = String> {
        let word = r#"[a-z.^$+?~!"\[ ]{1,4}|"[a-z|(), ~]{0,4}""#;
        let leaf = prop_oneof![
            (prop::sample::select(&["name", "section", "version", "source-package", "priority"][..]), word)
                .prop_map(|(term, word)| format!("?{term}({word})")),
            ("[nsVep]", word).prop_map(|(letter, word)| format!("~{letter}{word}")),
            ("[A-Z][a-z-]{0,3}", word).prop_map(|(name, word)| format!("?field({name}, {word})")),
            "(?:[?](?:true|false|essential)|~[ETF]|[?]newest[(][1-9][)]|~r(?:any-amd64|all))",
            "[a-z]{2,3}(?:=[0-9](?::[0-9])?~?)?",
            "[?]version-is[(](?:<<|<=|=|>=|>>|<|>) ?1[)]",
            "[?]exact(?:-source-package|-name)[(]x2[)]",
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let term = "[?](?:and|or|not|with-dependencies|with-recommends|newest)";
            prop_oneof![
                (inner.clone(), "[ |!]|", inner.clone())
                    .prop_map(|(a, between, b)| format!("{a}{between}{b}")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (term, prop::collection::vec(inner, 0..3), "(?:,|)").prop_map(|(term, arguments, comma)| {
                    let count = if term.ends_with("newest") { "2, " } else { "" };
                    format!("{term}({count}{}{comma})", arguments.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_pattern_reads_back_from_what_it_prints(text in pattern_text()) {
            if let Ok(pattern) = Pattern::parse(&text) {
                let printed = pattern.to_string();
                prop_assert_eq!(&Pattern::parse(&printed).unwrap(), &pattern);
                prop_assert_eq!(Pattern::parse(&printed).unwrap().to_string(), printed);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[?~!()|,"= na1é<]{0,30}|[?](name|newest|field|and)[(].{0,9}|.*"#) {
            let _ = Pattern::parse(&text);
        }
    }

    #[test]
    fn most_of_the_generated_patterns_are_right() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut right = || Pattern::parse(&pattern_text().new_tree(&mut runner).unwrap().current()).is_ok();
        assert!((0..1000).filter(|_| right()).count() > 300);
    }
}
