//! The language by which packages are chosen: docs/patterns.md, which follows apt-patterns(7).
//!
//! ```
//! use debian_format::deb822::stanzas;
//! use debian_format::pattern::{Candidates, Pattern};
//!
//! let index = b"Package: app\nVersion: 1\nArchitecture: amd64\nDepends: lib\n\n\
//!               Package: lib\nVersion: 2\nArchitecture: all\n\n\
//!               Package: lib-dev\nVersion: 2\nArchitecture: all\n";
//!
//! let pattern = Pattern::parse("~nLIB !~n-dev$")?;
//! let matches = pattern.predicate().unwrap();
//! assert_eq!(stanzas(index).filter(|stanza| matches(stanza)).count(), 1);
//!
//! let pattern = Pattern::parse("?with-dependencies(app)")?;
//! assert!(pattern.predicate().is_none(), "one package at a time is not enough");
//! let candidates: Candidates = stanzas(index).collect();
//! assert_eq!(pattern.select(&candidates)?.chosen, [true, true, false]);
//! # Ok::<(), debian_format::Error>(())
//! ```

mod candidates;
mod closure;
mod parse;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use regex::bytes::Regex;

pub use candidates::Candidates;

use crate::architecture;
use crate::deb822::Stanza;
use crate::dependency::Operator;
use crate::error::Result;
use crate::version::{Version, compare};

/// A pattern, which matches packages or does not.
///
/// Its text, as [`Display`](fmt::Display) writes it, has long forms only and parses to an equal pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    root: Node,
}

/// What a pattern chooses among candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// For each candidate whether it is chosen.
    pub chosen: Vec<bool>,
    /// What `?with-dependencies` and `?with-recommends` have looked for without finding it, in order.
    pub unsatisfied: Vec<Unsatisfied>,
}

/// A group of alternatives, none of which any candidate satisfies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsatisfied {
    /// The group as it stands in its field, cut to a length fit for a log: `libfoo (>= 2) | libbar`.
    pub relation: String,
    /// The architecture for which it is missing.
    pub architecture: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`Error::Pattern`](crate::Error::Pattern) says what is wrong and at which character;
    /// [`Error::Limit`](crate::Error::Limit): the text is longer than 64 KiB.
    pub fn parse(text: &str) -> Result<Pattern> {
        Ok(Pattern { root: parse::parse(text)? })
    }

    /// What judges one package at a time, or `None` if the pattern has a term that looks at others too
    /// (`?newest`, `?with-dependencies`, `?with-recommends`) and needs [`select`](Pattern::select).
    pub fn predicate(&self) -> Option<impl Fn(&Stanza<'_>) -> bool + '_> {
        (!self.root.needs_all()).then(|| |stanza: &Stanza<'_>| self.root.judge(stanza) == Some(true))
    }

    /// Chooses among packages.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit): the relations of the packages are so many that it would take
    /// minutes to follow them.
    pub fn select(&self, candidates: &Candidates<'_>) -> Result<Selection> {
        let mut unsatisfied = BTreeSet::new();
        let chosen = self.root.choose(candidates, &mut unsatisfied)?;
        Ok(Selection { chosen, unsatisfied: unsatisfied.into_iter().collect() })
    }
}

impl FromStr for Pattern {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Pattern> {
        Pattern::parse(text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// All of them match; without any this is `?true`.
    All(Vec<Node>),
    /// One of them matches; without any this is `?false`.
    Any(Vec<Node>),
    Not(Box<Node>),
    Like(Key, Expression),
    Is(Key, String),
    Architecture(String),
    VersionIs(Operator, Version),
    Essential,
    /// The newest versions, so many, of each name and architecture among what matches.
    Newest(usize, Box<Node>),
    /// What matches, and what that needs.
    Closure(Reach, Box<Node>),
}

/// What a term looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Name,
    Version,
    Section,
    Priority,
    Source,
    SourceVersion,
    Field(String),
}

/// Which fields a closure follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// `Pre-Depends` and `Depends`.
    Dependencies,
    /// `Recommends` too.
    Recommends,
}

/// A regular expression, which is equal to another one of the same text.
#[derive(Debug, Clone)]
struct Expression(Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Expression {}

impl Node {
    fn needs_all(&self) -> bool {
        match self {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(Node::needs_all),
            Node::Not(node) => node.needs_all(),
            Node::Newest(..) | Node::Closure(..) => true,
            _ => false,
        }
    }

    /// Whether a package matches; `None` if that depends on the other packages. What is not there matches no
    /// term.
    fn judge(&self, stanza: &Stanza<'_>) -> Option<bool> {
        Some(match self {
            Node::All(nodes) => {
                for node in nodes {
                    if !node.judge(stanza)? {
                        return Some(false);
                    }
                }
                true
            }
            Node::Any(nodes) => {
                for node in nodes {
                    if node.judge(stanza)? {
                        return Some(true);
                    }
                }
                false
            }
            Node::Not(node) => !node.judge(stanza)?,
            Node::Like(key, regex) => key.value(stanza).is_some_and(|value| regex.0.is_match(value)),
            Node::Is(key, text) => key.value(stanza) == Some(text.as_bytes()),
            Node::Architecture(wildcard) => {
                stanza.get_str("Architecture").is_some_and(|name| architecture::matches(name, wildcard))
            }
            Node::VersionIs(operator, wanted) => stanza
                .get_str("Version")
                .is_some_and(|version| operator.accepts(compare(version, wanted.as_str()))),
            Node::Essential => stanza.get("Essential") == Some(b"yes"),
            Node::Newest(..) | Node::Closure(..) => return None,
        })
    }

    /// For each candidate whether it matches.
    fn choose(
        &self,
        candidates: &Candidates<'_>,
        unsatisfied: &mut BTreeSet<Unsatisfied>,
    ) -> Result<Vec<bool>> {
        let mut choose = |node: &Node| node.choose(candidates, unsatisfied);
        match self {
            Node::All(nodes) if self.needs_all() => {
                let mut chosen = vec![true; candidates.len()];
                for node in nodes {
                    chosen.iter_mut().zip(choose(node)?).for_each(|(all, this)| *all &= this);
                }
                Ok(chosen)
            }
            Node::Any(nodes) if self.needs_all() => {
                let mut chosen = vec![false; candidates.len()];
                for node in nodes {
                    chosen.iter_mut().zip(choose(node)?).for_each(|(any, this)| *any |= this);
                }
                Ok(chosen)
            }
            Node::Not(node) => Ok(choose(node)?.into_iter().map(|chosen| !chosen).collect()),
            Node::Newest(count, node) => Ok(candidates.newest(*count, &choose(node)?)),
            Node::Closure(reach, node) => {
                let roots = choose(node)?;
                closure::close(candidates, *reach, roots, unsatisfied)
            }
            _ => Ok(candidates.stanzas().map(|stanza| self.judge(stanza) == Some(true)).collect()),
        }
    }
}

impl Key {
    /// The term that compares with a regular expression, or with a name after `exact-`.
    fn term(&self) -> &'static str {
        match self {
            Key::Name => "name",
            Key::Version => "version",
            Key::Section => "section",
            Key::Priority => "priority",
            Key::Source => "source-package",
            Key::SourceVersion => "source-version",
            Key::Field(_) => "field",
        }
    }

    fn value<'a>(&self, stanza: &Stanza<'a>) -> Option<&'a [u8]> {
        match self {
            Key::Name => stanza.get("Package"),
            Key::Version => stanza.get("Version"),
            Key::Section => stanza.get("Section"),
            Key::Priority => stanza.get("Priority"),
            Key::Source => source(stanza).0,
            Key::SourceVersion => source(stanza).1,
            Key::Field(name) => stanza.get(name),
        }
    }
}

/// The name and version of the source package, which are those of the package unless `Source` says otherwise
/// (Debian Policy 5.6.1).
fn source<'a>(stanza: &Stanza<'a>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let Some(source) = stanza.get("Source") else {
        return (stanza.get("Package"), stanza.get("Version"));
    };
    let (name, rest) =
        source.split_at(source.iter().position(|c| b" \t(".contains(c)).unwrap_or(source.len()));
    let rest = rest.trim_ascii();
    match rest.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")) {
        Some(version) => (Some(name), Some(version.trim_ascii())),
        None => (Some(name), stanza.get("Version")),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::All(nodes) if nodes.is_empty() => f.write_str("?true"),
            Node::Any(nodes) if nodes.is_empty() => f.write_str("?false"),
            Node::All(nodes) => write!(f, "?and({})", List(nodes)),
            Node::Any(nodes) => write!(f, "?or({})", List(nodes)),
            Node::Not(node) => write!(f, "?not({node})"),
            Node::Like(Key::Field(name), regex) => {
                write!(f, "?field({}, {})", Word(name), Word(regex.0.as_str()))
            }
            Node::Like(key, regex) => write!(f, "?{}({})", key.term(), Word(regex.0.as_str())),
            Node::Is(key @ Key::Priority, text) => write!(f, "?{}({})", key.term(), Word(text)),
            Node::Is(key, text) => write!(f, "?exact-{}({text})", key.term()),
            Node::Architecture(wildcard) => write!(f, "?architecture({wildcard})"),
            Node::VersionIs(operator, version) => write!(f, "?version-is({operator} {version})"),
            Node::Essential => f.write_str("?essential"),
            Node::Newest(count, node) => match &**node {
                Node::All(nodes) if nodes.is_empty() => write!(f, "?newest({count})"),
                node => write!(f, "?newest({count}, {node})"),
            },
            Node::Closure(Reach::Dependencies, node) => write!(f, "?with-dependencies({node})"),
            Node::Closure(Reach::Recommends, node) => write!(f, "?with-recommends({node})"),
        }
    }
}

/// Patterns with commas between them.
struct List<'a>(&'a [Node]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{node}")?;
        }
        Ok(())
    }
}

/// A word, in quotes where it needs them. One that needs them has none inside, or it could not be parsed.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Word(text) = self;
        let plain = !text.is_empty()
            && text.trim_ascii() == *text
            && !text.starts_with(parse::NEVER_FIRST)
            && !text.contains(parse::WORD_END);
        if plain { f.write_str(text) } else { write!(f, "\"{text}\"") }
    }
}
