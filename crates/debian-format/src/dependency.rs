//! Relations between packages: `Depends`, `Build-Depends`, `Provides` and the like (Debian Policy 7,
//! deb-control(5), deb-src-control(5)).
//!
//! A relation field is a list of groups, all of which have to be satisfied; a group is a list of alternatives,
//! one of which is enough. Nothing is copied: what is read borrows from the field.
//!
//! ```
//! use debian_format::dependency::binary_relations;
//!
//! let field = binary_relations("libc6 (>= 2.36), default-mta | mail-transport-agent")?;
//! assert_eq!(field.len(), 2);
//! assert!(field[0][0].accepts(Some("2.36-9")));
//! assert_eq!(field[1][1].name, "mail-transport-agent");
//! # Ok::<(), debian_format::Error>(())
//! ```

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, Result};
use crate::version::compare;

/// The most bytes of a field: sixteen times the largest one of Debian.
const MAX_FIELD: usize = 1 << 20;

/// One alternative: `name:qualifier (operator version) [architectures] <profiles>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The name of the package. Like dpkg, this takes capitals and names of one character too.
    pub name: &'a str,
    /// The architecture qualifier after a colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// The versions that are acceptable; without it all are.
    pub version: Option<VersionRelation<'a>>,
    /// The architectures for which the relation holds, `[amd64 !i386]`; without any it holds for all.
    pub architectures: Vec<Restriction<'a>>,
    /// The build profiles with which it holds, `<!nocheck> <cross>`: one of the lists, and all of that list;
    /// without any it holds always.
    pub profiles: Vec<Vec<Restriction<'a>>>,
}

/// An architecture or a build profile, or any but that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction<'a> {
    /// Whether an exclamation mark stands before the name.
    pub negated: bool,
    /// The name, or an architecture wildcard.
    pub name: &'a str,
}

/// An operator and a version, such as `>= 1.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRelation<'a> {
    /// How a version has to compare with the one named.
    pub operator: Operator,
    /// The version named: printable ASCII. As for dpkg and apt when they read an index, it need not keep the
    /// grammar of [`Version`](crate::version::Version).
    pub version: &'a str,
}

/// How two versions have to compare (Debian Policy 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the deprecated `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the deprecated `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// What a package provides (Debian Policy 7.5): a name, and perhaps the version it does so with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provided<'a> {
    /// The name.
    pub name: &'a str,
    /// The architecture qualifier: `Provides: python3:any` satisfies `python3:any` only.
    pub qualifier: Option<&'a str>,
    /// The version; without one it satisfies no relation that names a version.
    pub version: Option<&'a str>,
}

/// Reads a relation field of a binary package: groups of alternatives. Groups that are empty are left out.
///
/// # Errors
/// - [`Error::Relation`]: no syntax of a relation, a restriction to architectures or build profiles, or the
///   qualifier `native`: those belong into source packages, and dpkg refuses them here.
/// - [`Error::Limit`]: the field is longer than a mebibyte.
pub fn binary_relations(field: &str) -> Result<Vec<Vec<Relation<'_>>>> {
    groups(bounded(field)?).map(binary_alternatives).collect()
}

/// Reads a single group of a field of a binary package.
///
/// # Errors
/// As for [`binary_relations`].
pub fn binary_alternatives(group: &str) -> Result<Vec<Relation<'_>>> {
    let alternatives = alternatives(group)?;
    for relation in &alternatives {
        if !relation.architectures.is_empty() || !relation.profiles.is_empty() {
            return Err(Error::relation(group, "has a restriction, which only a source package may have"));
        }
        if relation.qualifier == Some("native") {
            return Err(Error::relation(group, "has :native, which only a source package may have"));
        }
    }
    Ok(alternatives)
}

/// Reads a relation field of a source package, where each alternative may be restricted to architectures and
/// build profiles.
///
/// # Errors
/// [`Error::Relation`] and [`Error::Limit`] as for [`binary_relations`].
pub fn source_relations(field: &str) -> Result<Vec<Vec<Relation<'_>>>> {
    groups(bounded(field)?).map(alternatives).collect()
}

/// Reads the field `Provides`.
///
/// # Errors
/// [`Error::Relation`] also for alternatives and for an operator other than `=`; [`Error::Limit`].
pub fn provides(field: &str) -> Result<Vec<Provided<'_>>> {
    groups(bounded(field)?).map(provided).collect()
}

/// The groups of a relation field as they stand there, without the empty ones.
pub fn groups(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').map(str::trim_ascii).filter(|group| !group.is_empty())
}

fn alternatives(group: &str) -> Result<Vec<Relation<'_>>> {
    bounded(group)?.split('|').map(Relation::parse).collect()
}

fn bounded(field: &str) -> Result<&str> {
    match field.len() {
        0..=MAX_FIELD => Ok(field),
        _ => Err(Error::limit("bytes in a relation field", MAX_FIELD as u64)),
    }
}

fn provided(group: &str) -> Result<Provided<'_>> {
    let relation = match &binary_alternatives(group)?[..] {
        [relation] => relation.clone(),
        _ => return Err(Error::relation(group, "has alternatives, which Provides must not have")),
    };
    let version = match relation.version {
        Some(VersionRelation { operator: Operator::Equal, version }) => Some(version),
        Some(_) => return Err(Error::relation(group, "has an operator other than '=' in Provides")),
        None => None,
    };
    Ok(Provided { name: relation.name, qualifier: relation.qualifier, version })
}

impl<'a> Relation<'a> {
    fn parse(text: &'a str) -> Result<Relation<'a>> {
        let fail = |why| Err(Error::relation(text.trim_ascii(), why));
        let (name, rest) =
            split_while(text.trim_ascii(), |c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return fail("does not begin with the name of a package");
        }
        let mut relation = Relation {
            name,
            qualifier: None,
            version: None,
            architectures: Vec::new(),
            profiles: Vec::new(),
        };
        let mut rest = rest;
        if let Some(after) = rest.strip_prefix(':') {
            let (qualifier, after) = split_while(after, |c| c.is_ascii_alphanumeric() || c == b'-');
            if !qualifier.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                return fail("has no architecture after the colon");
            }
            (relation.qualifier, rest) = (Some(qualifier), after);
        }
        if let Some((version, after)) = bracketed(rest, '(', ')') {
            (relation.version, rest) = (Some(VersionRelation::parse(version)?), after);
        }
        if let Some((list, after)) = bracketed(rest, '[', ']') {
            (relation.architectures, rest) = (restrictions(list)?, after);
        }
        while let Some((list, after)) = bracketed(rest, '<', '>') {
            relation.profiles.push(restrictions(list)?);
            rest = after;
        }
        if !rest.trim_ascii().is_empty() {
            return fail("is not of the form \"name (operator version)\"");
        }
        Ok(relation)
    }

    /// Whether a package of the name is good enough by its version, or a package that provides the name by the
    /// version it does so with. `None` is a name provided without a version (Debian Policy 7.5).
    pub fn accepts(&self, version: Option<&str>) -> bool {
        match (&self.version, version) {
            (None, _) => true,
            (Some(wanted), Some(version)) => wanted.accepts(version),
            (Some(_), None) => false,
        }
    }
}

impl<'a> VersionRelation<'a> {
    /// Reads what stands between the parentheses.
    ///
    /// # Errors
    /// [`Error::Relation`]: no operator, or no version of printable ASCII after it.
    pub fn parse(text: &'a str) -> Result<VersionRelation<'a>> {
        let text = text.trim_ascii();
        let Some((operator, version)) = Operator::split(text) else {
            return Err(Error::relation(text, "does not begin with <<, <=, =, >= or >>"));
        };
        let plain = |c: u8| c.is_ascii_graphic() && !b"<=>()[]|,".contains(&c);
        if version.is_empty() || !version.bytes().all(plain) {
            return Err(Error::relation(text, "has no version after the operator"));
        }
        Ok(VersionRelation { operator, version })
    }

    /// Whether a version is among those that are acceptable.
    pub fn accepts(&self, version: &str) -> bool {
        self.operator.accepts(compare(version, self.version))
    }
}

impl Operator {
    /// Whether versions of this order are acceptable, where the one to be judged stands on the left.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }

    fn split(text: &str) -> Option<(Operator, &str)> {
        let (operator, rest) = split_while(text, |c| matches!(c, b'<' | b'=' | b'>'));
        let operator = match operator {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierOrEqual,
            "=" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::Later,
            _ => return None,
        };
        Some((operator, rest.trim_ascii_start()))
    }
}

/// What stands between two brackets, if the text begins with one, and the rest of the text.
fn bracketed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    text.trim_ascii_start().strip_prefix(open)?.split_once(close)
}

/// The names of a list, with or without an exclamation mark.
fn restrictions(list: &str) -> Result<Vec<Restriction<'_>>> {
    let mut found = Vec::new();
    for word in list.split_ascii_whitespace() {
        let name = word.strip_prefix('!').unwrap_or(word);
        let (_, rest) = split_while(name, |c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !rest.is_empty() {
            return Err(Error::relation(list, "is not a list of architectures or build profiles"));
        }
        found.push(Restriction { negated: name != word, name });
    }
    if found.is_empty() {
        return Err(Error::relation(list, "is an empty list of architectures or build profiles"));
    }
    Ok(found)
}

fn split_while(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|c| !wanted(c)).unwrap_or(text.len()))
}

/// As in a control file; what is written reads back the same.
impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some(version) = self.version {
            write!(f, " ({version})")?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", Words(&self.architectures))?;
        }
        self.profiles.iter().try_for_each(|list| write!(f, " <{}>", Words(list)))
    }
}

impl fmt::Display for VersionRelation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.version)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        })
    }
}

/// Restrictions with a space between them.
struct Words<'a>(&'a [Restriction<'a>]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, restriction) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            let mark = if restriction.negated { "!" } else { "" };
            write!(f, "{space}{mark}{}", restriction.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb822::stanzas;
    use crate::error::ErrorKind;
    use crate::testing::{have, real_indices};
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn only(text: &str) -> Relation<'_> {
        source_relations(text).unwrap().remove(0).remove(0)
    }

    #[test]
    fn the_parts_of_a_relation_are_told_apart() {
        let relation = only("libx-1.0:any(>=1:2~) [amd64 !i386 linux-any]<!nocheck x>\n <cross>");
        assert_eq!((relation.name, relation.qualifier), ("libx-1.0", Some("any")));
        let version = VersionRelation { operator: Operator::LaterOrEqual, version: "1:2~" };
        assert_eq!(relation.version, Some(version));
        let i386 = Restriction { negated: true, name: "i386" };
        assert_eq!((relation.architectures.len(), relation.architectures[1]), (3, i386));
        assert_eq!(relation.profiles.len(), 2);
        assert_eq!(
            relation.profiles[0],
            [Restriction { negated: true, name: "nocheck" }, Restriction { negated: false, name: "x" },]
        );
        let text = "libx-1.0:any (>= 1:2~) [amd64 !i386 linux-any] <!nocheck x> <cross>";
        assert_eq!(relation.to_string(), text);
    }

    #[test]
    fn a_field_is_a_list_of_groups_of_alternatives() {
        let field = "\n a1 | b1 (<< 2),,c1,\n";
        let names = |field: Vec<Vec<Relation<'_>>>| -> Vec<Vec<String>> {
            field
                .iter()
                .map(|group| group.iter().map(|relation| relation.name.to_owned()).collect())
                .collect()
        };
        assert_eq!(names(binary_relations(field).unwrap()), [vec!["a1", "b1"], vec!["c1"]]);
        assert_eq!(binary_relations("").unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(groups(field).collect::<Vec<_>>(), ["a1 | b1 (<< 2)", "c1"]);
    }

    #[test]
    fn each_operator_accepts_what_policy_says() {
        for (operator, accepted) in [
            ("<<", [true, false, false]),
            ("<=", [true, true, false]),
            ("<", [true, true, false]),
            ("=", [false, true, false]),
            (">=", [false, true, true]),
            (">", [false, true, true]),
            (">>", [false, false, true]),
        ] {
            let text = format!("x1 ({operator} 1.0)");
            let relation = only(&text);
            assert_eq!(
                ["1.0~a", "0:1.00-0", "1.0+a"].map(|version| relation.accepts(Some(version))),
                accepted
            );
            assert!(!relation.accepts(None), "a name provided without a version satisfies none with one");
        }
        assert!(only("x1").accepts(Some("1")) && only("x1").accepts(None));
    }

    #[test]
    fn provides_may_name_an_exact_version() {
        let provided = provides("mta, libx (= 1.0), python3:any (= 3)").unwrap();
        assert_eq!(provided[0], Provided { name: "mta", qualifier: None, version: None });
        assert_eq!(provided[1], Provided { name: "libx", qualifier: None, version: Some("1.0") });
        assert_eq!(provided[2], Provided { name: "python3", qualifier: Some("any"), version: Some("3") });
    }

    #[test]
    fn what_only_a_source_package_may_have_is_refused_in_a_binary_one() {
        for text in ["x1 [amd64]", "x1 <!nocheck>", "x1:native"] {
            assert!(source_relations(text).is_ok());
            assert!(
                binary_relations(text).unwrap_err().to_string().ends_with("only a source package may have")
            );
        }
        assert!(binary_relations("x1:any, x2:amd64").is_ok());
    }

    #[test]
    fn each_fault_has_its_own_message() {
        for (text, message) in [
            ("a1 | ", "relation \"\" does not begin with the name of a package"),
            ("+a", "relation \"+a\" does not begin with the name of a package"),
            ("a1:", "relation \"a1:\" has no architecture after the colon"),
            ("a1 b1", "relation \"a1 b1\" is not of the form \"name (operator version)\""),
            ("a1 (= 1", "relation \"a1 (= 1\" is not of the form \"name (operator version)\""),
            ("a1 (1)", "relation \"1\" does not begin with <<, <=, =, >= or >>"),
            ("a1 (== 1)", "relation \"== 1\" does not begin with <<, <=, =, >= or >>"),
            ("a1 (>=)", "relation \">=\" has no version after the operator"),
            ("a1 (>= 1 2)", "relation \">= 1 2\" has no version after the operator"),
            ("a1 [ ]", "relation \" \" is an empty list of architectures or build profiles"),
            ("a1 [!]", "relation \"!\" is not a list of architectures or build profiles"),
        ] {
            let error = source_relations(text).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.kind()), (message, ErrorKind::Syntax));
        }
        let message = |text| provides(text).unwrap_err().to_string();
        assert_eq!(message("a1 (>= 1)"), "relation \"a1 (>= 1)\" has an operator other than '=' in Provides");
        assert_eq!(message("a1 | b1"), "relation \"a1 | b1\" has alternatives, which Provides must not have");
    }

    #[test]
    fn a_field_without_end_is_refused() {
        let field = "ab,".repeat(1 << 19);
        for error in [binary_relations(&field).unwrap_err(), provides(&field).unwrap_err()] {
            assert_eq!(error.to_string(), "more than 1048576 bytes in a relation field");
        }
        assert!(binary_alternatives(&"ab|".repeat(1 << 19)).is_err());
    }

    /// What perl's Dpkg::Deps makes of each text, in its own spelling; an empty line where it refuses it.
    fn dpkg(texts: &[String], options: &str) -> Vec<String> {
        let script = format!(
            "$SIG{{__WARN__}} = sub {{}}; $/ = chr(0); binmode STDOUT;
             while (<STDIN>) {{ chomp; my $deps = eval {{ deps_parse($_, {options}) }}; print $deps // '', chr(0) }}"
        );
        let mut child = Command::new("perl")
            .args(["-MDpkg::Deps", "-e", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let text: String = texts.iter().map(|text| format!("{text}\0")).collect();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let answers: Vec<String> =
            String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect();
        assert_eq!(answers.len(), texts.len());
        answers
    }

    fn spelling(groups: &[Vec<Relation<'_>>]) -> String {
        let group =
            |group: &Vec<Relation<'_>>| group.iter().map(Relation::to_string).collect::<Vec<_>>().join(" | ");
        groups.iter().map(group).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_relation_of_the_real_index_reads_as_dpkg_reads_it() {
        let (Some(indices), true) = (real_indices(), have("dpkg-architecture")) else { return };
        let (mut relations, mut provided) = (BTreeSet::new(), BTreeSet::new());
        for (name, value) in indices.iter().flat_map(|index| stanzas(index)).flat_map(|s| s.fields()) {
            let into = match name {
                "Provides" => &mut provided,
                "Pre-Depends" | "Depends" | "Recommends" | "Suggests" | "Breaks" | "Conflicts" => {
                    &mut relations
                }
                _ => continue,
            };
            into.extend(groups(std::str::from_utf8(value).unwrap()).map(str::to_owned));
        }
        let relations: Vec<String> = relations.into_iter().collect();
        assert!(relations.len() > 10_000, "{}", relations.len());
        for (text, theirs) in relations.iter().zip(dpkg(&relations, "")) {
            assert_eq!(spelling(&binary_relations(text).unwrap()), theirs);
        }
        let provided: Vec<String> = provided.into_iter().collect();
        for (text, theirs) in provided.iter().zip(dpkg(&provided, "virtual => 1")) {
            provides(text).unwrap();
            assert_eq!(spelling(&binary_relations(text).unwrap()), theirs);
        }
    }

    #[test]
    fn odd_relations_read_as_dpkg_reads_them() {
        if !have("dpkg-architecture") {
            return;
        }
        // One in a few choices is wrong, so that enough of the fields are right as a whole.
        let version = "( |\n )?[(] ?(<<|<=|=|>=|>>|<|>|<<|>=|=|==|) ?(1:0~b|v1|1|2-1|3| )( ?)[)]";
        let lists =
            "( ?\\[ ?!?(amd64|any-i386|arm|x|a_b)( !arm)? ?\\]| ?\\[\\])?( <(!nocheck|a x)( b)? ?>){0,2}";
        let name = "(a1|B|b[.]c[+]|x|0y|zz|[+]c|d_e)(:any|:amd64|:i386|:native|:|: any)?";
        let relation = format!("{name}({version})?({lists})?( [)])?");
        let field = format!("{relation}(( ?, ?| ?[|] ?|,){relation})?,?");
        let field = proptest::string::string_regex(&field).unwrap();
        let mut runner = TestRunner::deterministic();
        let texts: Vec<String> = (0..4000).map(|_| field.new_tree(&mut runner).unwrap().current()).collect();
        for (build, options) in [(false, ""), (true, "build_dep => 1")] {
            let mut accepted = 0;
            for (text, theirs) in texts.iter().zip(dpkg(&texts, options)) {
                // Where the version is missing it takes a part of the operator for one; dpkg itself does not.
                if ["= =", "= <", "= >"].iter().any(|odd| theirs.contains(odd)) {
                    continue;
                }
                let Ok(groups) = source_relations(text) else {
                    assert_eq!(theirs, "", "{text:?}");
                    continue;
                };
                // Outside of source packages dpkg's library reads restrictions, but dpkg refuses them.
                let native = groups.iter().flatten().any(|relation| relation.qualifier == Some("native"));
                let ours = if native && !build { String::new() } else { spelling(&groups) };
                assert_eq!(ours, theirs, "{text:?}");
                accepted += usize::from(!ours.is_empty());
            }
            assert!(accepted > 400, "{accepted}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            text in "[a-z]{2}(:any)?( [(](<<|>)1~[)])?( \\[!?[a-z]{1,2}\\])?( <a !b>)?([,|]ab){0,2}"
        ) {
            let groups = source_relations(&text).unwrap();
            let written = spelling(&groups);
            prop_assert_eq!(source_relations(&written).unwrap(), groups);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a:,|()<>=!\\[\\] 1]{0,30}|.*") {
            let _ = (source_relations(&text), binary_relations(&text), provides(&text));
            let _ = VersionRelation::parse(&text);
        }
    }
}
