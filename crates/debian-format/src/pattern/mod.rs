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
        (!self.root.needs_all()).then_some(|stanza: &Stanza<'_>| self.root.judge(stanza) == Some(true))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::stanzas;
    use crate::testing::{Apt, have, real_indices};
    use std::collections::BTreeSet;

    const INDEX: &[u8] = b"\
Package: bash\nVersion: 5.2-1\nArchitecture: amd64\nEssential: yes\nSection: shells\nPriority: required\n\n\
Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nSource: glibc\nSection: libs\nPriority: optional\n\n\
Package: libc6\nVersion: 2.36-9\nArchitecture: i386\nSource: glibc\nSection: libs\nPriority: optional\n\n\
Package: libc6-dbg\nVersion: 2.36-9+b1\nArchitecture: amd64\nSource: glibc (2.36-9)\nSection: debug\n\n\
Package: vim-doc\nVersion: 2:9.0-1\nArchitecture: all\nSource: vim\nSection: doc\nTag: a::b,\n c::d, J\xf6rg\n\n\
X: broken\n";

    /// The names of what a pattern chooses, with the first letter of the architecture where it is i386.
    fn chosen(index: &[u8], pattern: &str) -> Vec<String> {
        let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern:?}: {error}"));
        let candidates: Candidates<'_> = stanzas(index).collect();
        let selection = pattern.select(&candidates).unwrap();
        if let Some(matches) = pattern.predicate() {
            assert!(stanzas(index).map(|stanza| matches(&stanza)).eq(selection.chosen.iter().copied()));
        }
        let name = |stanza: &Stanza<'_>| {
            let i386 = stanza.get_str("Architecture") == Some("i386");
            format!("{}{}", stanza.get_str("Package").unwrap_or("?"), if i386 { ":i386" } else { "" })
        };
        let stanzas = candidates.stanzas().zip(selection.chosen);
        stanzas.filter(|(_, chosen)| *chosen).map(|(stanza, _)| name(stanza)).collect()
    }

    #[test]
    fn each_term_looks_at_its_field() {
        let glibc = &["libc6", "libc6:i386", "libc6-dbg"][..];
        for (pattern, expected) in [
            ("?name(C6$)", &["libc6", "libc6:i386"][..]),
            ("?exact-name(libc6)", &["libc6", "libc6:i386"]),
            ("?version(^2\\.)", glibc),
            ("?version-is(>> 2.36-9) ?version-is(<< 1:0)", &["bash", "libc6-dbg"]),
            ("?section(\"^(libs|doc)$\")", &["libc6", "libc6:i386", "vim-doc"]),
            ("?priority(required)", &["bash"]),
            ("?priority(require)", &[]),
            ("?architecture(i386)", &["libc6:i386"]),
            ("?architecture(any-amd64)", &["bash", "libc6", "libc6-dbg"]),
            ("?architecture(any) !?architecture(linux-any)", &["vim-doc"]),
            ("?source-package(^glibc$)", glibc),
            ("?source-package(^bash$)", &["bash"]),
            ("?exact-source-package(glibc)", glibc),
            ("?source-version(^2\\.36-9$)", glibc),
            ("?source-version(^5)", &["bash"]),
            ("?essential", &["bash"]),
            ("?field(tag, \"B,.*c::d, J\")", &["vim-doc"]),
            ("?field(Section, \"\") !?field(Priority, \"\")", &["libc6-dbg", "vim-doc"]),
            ("?true", &["bash", "libc6", "libc6:i386", "libc6-dbg", "vim-doc", "?"]),
            ("?false", &[]),
            ("!?name(lib)", &["bash", "vim-doc", "?"]),
            ("~nc6 (~ri386 | ~sdebug)", &["libc6:i386", "libc6-dbg"]),
            ("bash | vim-doc=2:9.0-1 | vim-doc=9.0-1", &["bash", "vim-doc"]),
            ("bash=5.02-1", &["bash"]),
        ] {
            assert_eq!(chosen(INDEX, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_newest_versions_are_counted_by_name_and_architecture() {
        let package = |(version, architecture): (&str, &str)| {
            format!("Package: app\nVersion: {version}\nArchitecture: {architecture}\n\n")
        };
        let versions = [
            ("1.9", "amd64"),
            ("1.10", "amd64"),
            ("1:0~rc1", "i386"),
            ("1.10~rc1", "amd64"),
            ("1.10", "amd64"),
            ("1.010", "amd64"),
            ("1", "all"),
            ("1:0", "i386"),
        ];
        let index = versions.map(package).concat();
        let chosen = |pattern: &str| {
            let candidates: Candidates<'_> = stanzas(index.as_bytes()).collect();
            let selection = Pattern::parse(pattern).unwrap().select(&candidates).unwrap();
            let stanzas = candidates.stanzas().zip(selection.chosen).filter(|(_, chosen)| *chosen);
            stanzas.map(|(stanza, _)| stanza.get_str("Version").unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(chosen("?newest(1)"), ["1.10", "1.10", "1.010", "1", "1:0"]);
        assert_eq!(chosen("?newest(2)"), ["1.10", "1:0~rc1", "1.10~rc1", "1.10", "1.010", "1", "1:0"]);
        assert_eq!(chosen("?newest(99)").len(), 8);
        assert_eq!(chosen("?newest(1, ?version(\"~rc\"))"), ["1:0~rc1", "1.10~rc1"]);
        assert_eq!(chosen("?newest(1) ?version(\"~rc\")"), Vec::<String>::new());
        assert_eq!(chosen("!?newest(1) ~ri386"), ["1:0~rc1"]);
    }

    /// Name, version and architecture of what `apt list` prints.
    fn listed(text: &str) -> BTreeSet<String> {
        let package = |line: &str| {
            let (name, rest) = line.split_once('/')?;
            let mut words = rest.split(' ').skip(1);
            Some(format!("{name} {} {}", words.next()?, words.next()?))
        };
        text.lines().filter_map(package).collect()
    }

    #[test]
    fn patterns_choose_from_the_real_index_what_apt_lists() {
        let (Some(indices), true) = (real_indices(), have("apt")) else { return };
        // Of several versions apt lists one.
        let mut names = BTreeSet::new();
        let once = stanzas(&indices[0]).filter(|stanza| names.insert(stanza.get("Package")));
        let index = once.map(|stanza| stanza.raw()).collect::<Vec<_>>().join(&b"\n\n"[..]);
        let apt = Apt::new(&index);
        let candidates: Candidates<'_> = stanzas(&index).collect();
        for (pattern, least) in [
            ("~n^lib", 1000),
            ("~n^LIB!~n-dev$", 1000),
            ("?name(^lib.*-dev$)?section(libdevel)|~E", 1000),
            ("?exact-name(hello)", 1),
            ("~n\"^(hello|vim)$\"", 2),
            ("?name( \"^g[+][+]-[[:digit:]]{2}$\" , )", 2),
            ("~nlibstdc\\+\\+6$", 1),
            ("~n\\.", 100),
            ("?version(\"\\+b[0-9]+$\")", 1000),
            ("~V^1:~V-2$", 10),
            ("~s^admin$", 500),
            ("?section(^SCIENCE$) !~nlib", 100),
            ("~prequired", 10),
            ("?priority(REQUIRED)", 0),
            ("~e^vim$", 5),
            ("?source-version(^2\\.36-)", 5),
            ("?not(?or(~slib,~sdev,?section(\"^(x11|doc)$\")))", 1000),
            ("?and(?true,?not(?false),~E,)", 10),
            ("?and() ?essential", 10),
            ("?or()", 0),
            ("(~n^a|~n^b) (~V^0 | ~V^1) !~sperl", 100),
        ] {
            let theirs = listed(&apt.run("apt", &["list", pattern]).unwrap());
            let chosen = Pattern::parse(pattern).unwrap().select(&candidates).unwrap().chosen;
            let package = |stanza: &Stanza<'_>| {
                ["Package", "Version", "Architecture"].map(|field| stanza.get_str(field).unwrap()).join(" ")
            };
            let ours = candidates.stanzas().zip(chosen).filter(|(_, chosen)| *chosen);
            let ours: BTreeSet<String> = ours.map(|(stanza, _)| package(stanza)).collect();
            assert!(ours.len() >= least, "{pattern} chooses {}", ours.len());
            let different: Vec<&String> = ours.symmetric_difference(&theirs).take(5).collect();
            assert!(different.is_empty(), "{pattern}: {different:?}");
        }
    }

    #[test]
    fn what_apt_refuses_is_refused() {
        if !have("apt") {
            return;
        }
        let apt = Apt::new(b"");
        for (pattern, right) in [
            ("?true()", false),
            ("?true (?true)", false),
            ("~T (?true)", true),
            ("?name", false),
            ("?name()", false),
            ("?name (x)", true),
            ("?name(\"\")", true),
            ("~n", false),
            ("~n x", false),
            ("?name(x,y)", false),
            ("?name(x", false),
            ("?name(x))", false),
            ("?name(\"x)", false),
            ("?name(^\"x\")", true),
            ("?name(\"x\"y)", false),
            ("?name(^(x)$)", false),
            ("?name(~x)", false),
            ("?and(~T,,~T)", false),
            ("?and(,)", false),
            ("?and(~T,)", true),
            ("(~T,)", false),
            ("?not(~T,~T)", false),
            ("()", false),
            ("~T|", false),
            ("?bogus", false),
            ("~Efoo", false),
        ] {
            assert_eq!(Pattern::parse(pattern).is_ok(), right, "{pattern}");
            assert_eq!(apt.run("apt", &["list", pattern]).is_ok(), right, "apt: {pattern}");
        }
    }

    fn documentation() -> String {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/patterns.md");
        std::fs::read_to_string(page).unwrap()
    }

    #[test]
    fn every_example_of_the_documentation_is_a_pattern() {
        let page = documentation();
        let examples: Vec<&str> =
            page.split("```pattern\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
        assert!(examples.len() >= 10);
        let inline = page.split('`').skip(1).step_by(2).filter(|code| {
            let stands_for = ["REGEX", "PATTERN", "RELATION", "WILDCARD", "NAME", "(N)"];
            code.starts_with(['?', '('])
                && code.contains('(')
                && !stands_for.iter().any(|word| code.contains(word))
        });
        for example in examples.iter().copied().chain(inline) {
            Pattern::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    #[test]
    fn every_term_is_documented() {
        let page = documentation();
        let rows = page.lines().filter(|line| line.starts_with("| `?"));
        let documented: BTreeSet<&str> = rows
            .map(|row| row[3..].split(|c: char| !c.is_ascii_lowercase() && !"?-".contains(c)).next().unwrap())
            .collect();
        let terms = [
            "?architecture",
            "?essential",
            "?exact-name",
            "?exact-source-package",
            "?false",
            "?field",
            "?name",
            "?newest",
            "?priority",
            "?section",
            "?source-package",
            "?source-version",
            "?true",
            "?version",
            "?version-is",
            "?with-dependencies",
            "?with-recommends",
        ];
        assert_eq!(documented, BTreeSet::from(terms));
        for term in terms {
            let unknown = format!("unknown term {term}");
            assert!(
                Pattern::parse(term).err().is_none_or(|error| !error.to_string().contains(&unknown)),
                "{term}"
            );
        }
    }
}
