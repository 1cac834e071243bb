//! All that packages need, transitively.

use std::collections::{BTreeSet, HashSet};

use super::candidates::{ALL, Architecture, Candidates, Index, MultiArch, Package};
use super::{Reach, Unsatisfied};
use crate::dependency::{Relation, binary_alternatives, groups};
use crate::error::{Error, Result, clip};
use crate::version::compare;

/// The most packages that are looked at to satisfy relations, one of them as often as a relation asks for it. All
/// of Debian takes a hundredth of it in one architecture.
const MAX_STEPS: usize = 10_000_000;

/// Adds what the marked packages need to them.
pub(super) fn close(
    candidates: &Candidates<'_>,
    reach: Reach,
    roots: Vec<bool>,
    unsatisfied: &mut BTreeSet<Unsatisfied>,
) -> Result<Vec<bool>> {
    let index = candidates.index();
    let mut closure = Closure {
        index,
        unsatisfied,
        chosen: roots,
        pending: Vec::new(),
        seen: HashSet::new(),
        followed: HashSet::new(),
        steps: 0,
    };
    closure.begin()?;
    while let Some((package, host)) = closure.pending.pop() {
        for (name, value) in candidates.stanza(&index.packages[package]).fields() {
            if reach.follows(name) {
                closure.follow_field(value, host)?;
            }
        }
    }
    Ok(closure.chosen)
}

impl Reach {
    fn follows(self, field: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(field);
        is("Depends") || is("Pre-Depends") || (self == Reach::Recommends && is("Recommends"))
    }
}

/// The state of the search. Packages are numbers in the index; each is looked at for the architecture of the
/// host it would be installed on, which matters for those of `all`.
struct Closure<'c, 'a> {
    index: &'c Index<'a>,
    unsatisfied: &'c mut BTreeSet<Unsatisfied>,
    /// By position among the candidates.
    chosen: Vec<bool>,
    pending: Vec<(usize, Architecture)>,
    seen: HashSet<(usize, Architecture)>,
    /// The groups of alternatives that have been followed already, as they stand in their fields.
    followed: HashSet<(&'a str, Architecture)>,
    steps: usize,
}

impl<'a> Closure<'_, 'a> {
    /// Marks the packages to begin with: those for all architectures on a host of each.
    fn begin(&mut self) -> Result<()> {
        // An archive of nothing but packages for all architectures has a host nevertheless.
        let hosts = ALL + 1..self.index.architectures.len().max(ALL + 2);
        for (number, package) in self.index.packages.iter().enumerate() {
            if !self.chosen[package.position] {
                continue;
            }
            if package.architecture != ALL {
                self.add(number, package.architecture);
                continue;
            }
            for host in hosts.clone() {
                self.step(1)?;
                self.add(number, host);
            }
        }
        Ok(())
    }

    fn add(&mut self, number: usize, host: Architecture) {
        let package = &self.index.packages[number];
        let host = if package.architecture == ALL { host } else { package.architecture };
        if self.seen.insert((number, host)) {
            self.chosen[package.position] = true;
            self.pending.push((number, host));
        }
    }

    fn follow_field(&mut self, value: &'a [u8], host: Architecture) -> Result<()> {
        let Ok(field) = std::str::from_utf8(value) else {
            self.missing(&String::from_utf8_lossy(value), host);
            return Ok(());
        };
        for group in groups(field) {
            if self.followed.insert((group, host)) {
                self.follow(group, host)?;
            }
        }
        Ok(())
    }

    /// Adds what satisfies a group: the first alternative for which there is a package of the host's
    /// architecture, else the first one for which there is one of another architecture that may serve it. A
    /// group that cannot be read has none.
    fn follow(&mut self, group: &'a str, host: Architecture) -> Result<()> {
        let relations = binary_alternatives(group).unwrap_or_default();
        for foreign in [false, true] {
            for relation in &relations {
                let host = match relation.qualifier {
                    None | Some("any") => Some(host),
                    Some(name) => self.index.architecture(name),
                };
                let Some(host) = host else { continue };
                let found = self.satisfying(relation, host, foreign)?;
                if !found.is_empty() {
                    found.into_iter().for_each(|number| self.add(number, host));
                    return Ok(());
                }
            }
        }
        self.missing(group, host);
        Ok(())
    }

    /// The newest package of the name that satisfies the relation, else the newest of each that provides it.
    fn satisfying(
        &mut self,
        relation: &Relation<'_>,
        host: Architecture,
        foreign: bool,
    ) -> Result<Vec<usize>> {
        let index = self.index;
        let near = |package: &Package<'_>| {
            let native = package.architecture == host || package.architecture == ALL;
            native != foreign
        };
        let serves = |package: &Package<'_>| match relation.qualifier {
            None => near(package) && (!foreign || package.multi_arch == MultiArch::Foreign),
            Some("any") => near(package) && package.multi_arch == MultiArch::Allowed,
            Some(_) => near(package) && !foreign,
        };
        let named = index.named(relation.name);
        self.step(named.len())?;
        let fits = |package: &Package<'_>| serves(package) && relation.accepts(Some(package.version));
        let real: Vec<usize> = named.filter(|number| fits(&index.packages[*number])).collect();
        if !real.is_empty() {
            return Ok(newest_of_each_name(index, real));
        }
        let providers = index.providers(relation.name);
        self.step(providers.len())?;
        let fits = |package: &Package<'_>, qualifier: Option<&str>| match qualifier {
            None => serves(package),
            Some(_) => qualifier == relation.qualifier && near(package),
        };
        let providers = providers.iter().filter(|(number, provided)| {
            fits(&index.packages[*number], provided.qualifier) && relation.accepts(provided.version)
        });
        Ok(newest_of_each_name(index, providers.map(|(number, _)| *number).collect()))
    }

    fn missing(&mut self, relation: &str, host: Architecture) {
        let words: Vec<&str> = relation.split_ascii_whitespace().collect();
        let architecture = self.index.architectures.get(host).copied().unwrap_or("all");
        let relation = clip(&words.join(" "));
        self.unsatisfied.insert(Unsatisfied { relation, architecture: architecture.to_owned() });
    }

    fn step(&mut self, count: usize) -> Result<()> {
        self.steps += count;
        if self.steps > MAX_STEPS {
            return Err(Error::limit("steps to follow the relations of packages", MAX_STEPS as u64));
        }
        Ok(())
    }
}

/// Of several packages that would do, in the order of the index, those of the newest version of each name.
fn newest_of_each_name(index: &Index<'_>, numbers: Vec<usize>) -> Vec<usize> {
    let package = |number: &usize| &index.packages[*number];
    let mut chosen = Vec::new();
    for alike in numbers.chunk_by(|a, b| package(a).name == package(b).name) {
        let versions = alike.iter().map(|number| package(number).version);
        let newest = versions.max_by(|a, b| compare(a, b)).unwrap_or_default();
        chosen.extend(alike.iter().filter(|number| compare(package(number).version, newest).is_eq()));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use crate::deb822::{Stanza, stanzas};
    use crate::pattern::{Candidates, Pattern, Selection};
    use crate::testing::{Apt, have, real_indices};
    use proptest::prelude::*;

    /// An index from lines such as `app 1 amd64; Depends: lib`.
    fn index(lines: &[&str]) -> String {
        let stanza = |line: &&str| {
            let mut fields = line.split("; ");
            let words: Vec<&str> = fields.next().unwrap().split(' ').collect();
            let rest: String = fields.map(|field| format!("{field}\n")).collect();
            let digest = "0".repeat(64);
            format!(
                "Package: {}\nVersion: {}\nArchitecture: {}\nFilename: ./{0}_{1}.deb\nSize: 1\nSHA256: {digest}\n{rest}\n",
                words[0], words[1], words[2]
            )
        };
        lines.iter().map(stanza).collect()
    }

    fn select(index: &[u8], pattern: &str) -> Selection {
        let candidates: Candidates<'_> = stanzas(index).collect();
        Pattern::parse(pattern).unwrap().select(&candidates).unwrap()
    }

    fn label(stanza: &Stanza<'_>) -> String {
        let [name, version, architecture] =
            ["Package", "Version", "Architecture"].map(|field| stanza.get_str(field).unwrap());
        format!("{name}_{version}_{architecture}")
    }

    /// What is chosen, and what is left unsatisfied after a bar.
    fn chosen(lines: &[&str], pattern: &str) -> String {
        let index = index(lines);
        let selection = select(index.as_bytes(), pattern);
        let chosen = stanzas(index.as_bytes()).zip(selection.chosen).filter(|(_, chosen)| *chosen);
        let mut words: Vec<String> = chosen.map(|(stanza, _)| label(&stanza)).collect();
        words.sort();
        let missing = selection.unsatisfied.iter();
        words.extend(missing.map(|missing| format!("| {} for {}", missing.relation, missing.architecture)));
        words.join(" ")
    }

    #[test]
    fn dependencies_are_followed_transitively_and_in_cycles() {
        let archive = [
            "app 1 amd64; Depends: liba; Recommends: extra",
            "liba 1 amd64; Pre-Depends: libb (>= 1)",
            "libb 1 amd64; Depends: liba, app",
            "extra 1 all; Depends: more",
            "more 1 all; Suggests: other",
            "other 1 all",
        ];
        assert_eq!(chosen(&archive, "?with-dependencies(app)"), "app_1_amd64 liba_1_amd64 libb_1_amd64");
        assert_eq!(
            chosen(&archive, "?with-recommends(app)"),
            "app_1_amd64 extra_1_all liba_1_amd64 libb_1_amd64 more_1_all"
        );
        assert_eq!(chosen(&archive, "?with-dependencies(app) !~nlib"), "app_1_amd64");
        assert_eq!(chosen(&archive, "?with-dependencies(nothing)"), "");
    }

    #[test]
    fn the_first_alternative_that_something_satisfies_is_taken() {
        let archive = [
            "app 1 amd64; Depends: gone | liba (>= 2) | libb | libc",
            "liba 1 amd64",
            "libb 1 amd64",
            "libc 1 amd64",
        ];
        assert_eq!(chosen(&archive, "?with-dependencies(app)"), "app_1_amd64 libb_1_amd64");
    }

    #[test]
    fn the_newest_version_that_satisfies_is_taken() {
        let archive = [
            "app 1 amd64; Depends: lib (>= 1.1), lib (<< 2)",
            "new 1 amd64; Depends: lib",
            "lib 1.0 amd64",
            "lib 1.9 amd64",
            "lib 1.10 amd64",
            "lib 1.10 amd64",
            "lib 2.0 amd64",
        ];
        // The two groups of app are satisfied one by one: that a version has to satisfy both is not seen.
        assert_eq!(
            chosen(&archive, "?with-dependencies(app)"),
            "app_1_amd64 lib_1.10_amd64 lib_1.10_amd64 lib_2.0_amd64"
        );
        assert_eq!(chosen(&archive, "?with-dependencies(new)"), "lib_2.0_amd64 new_1_amd64");
    }

    #[test]
    fn a_virtual_package_is_the_newest_of_each_that_provides_it() {
        let archive = [
            "app 1 amd64; Depends: mta",
            "exim 1 amd64; Provides: mta",
            "exim 2 amd64; Provides: mta",
            "exim 3 amd64",
            "postfix 1 all; Provides: x, mta (= 7)",
            "nullmailer 1 i386; Provides: mta",
        ];
        assert_eq!(chosen(&archive, "?with-dependencies(app)"), "app_1_amd64 exim_2_amd64 postfix_1_all");
        let real = [&archive[..], &["mta 1 amd64"]].concat();
        assert_eq!(chosen(&real, "?with-dependencies(app)"), "app_1_amd64 mta_1_amd64");
    }

    #[test]
    fn a_version_is_satisfied_by_versioned_provides_only() {
        let archive = |provides| {
            let provider = format!("impl 9 amd64; Provides: {provides}");
            chosen(&["app 1 amd64; Depends: api (>= 2)", "api 1 amd64", &provider], "?with-dependencies(app)")
        };
        assert_eq!(archive("api (= 2)"), "app_1_amd64 impl_9_amd64");
        assert_eq!(archive("api (= 1.9)"), "app_1_amd64 | api (>= 2) for amd64");
        assert_eq!(archive("api"), "app_1_amd64 | api (>= 2) for amd64");
        assert_eq!(archive("api (>= 3), bad bad, api (= 3)"), "app_1_amd64 impl_9_amd64");
    }

    #[test]
    fn a_package_for_all_architectures_needs_its_dependencies_in_that_of_its_host() {
        let archive = [
            "app 1 amd64; Depends: data",
            "data 1 all; Depends: lib",
            "lib 1 amd64",
            "lib 1 i386",
            "lib 2 armhf",
        ];
        assert_eq!(chosen(&archive, "?with-dependencies(app)"), "app_1_amd64 data_1_all lib_1_amd64");
        let everywhere = "data_1_all lib_1_amd64 lib_1_i386 lib_2_armhf";
        assert_eq!(chosen(&archive, "?with-dependencies(data)"), everywhere);
        let archive = ["data 1 all; Depends: doc, gone", "doc 1 all"];
        assert_eq!(chosen(&archive, "?with-dependencies(data)"), "data_1_all doc_1_all | gone for all");
    }

    #[test]
    fn another_architecture_serves_only_where_multi_arch_allows_it() {
        let archive = [
            "tool 1 amd64",
            "foreign 1 amd64; Multi-Arch: foreign",
            "allowed 1 amd64; Multi-Arch: allowed; Provides: virtual, qualified:any",
            "same 1 amd64; Multi-Arch: same",
        ];
        for (depends, expected) in [
            ("tool", None),
            ("tool:any", None),
            ("tool:amd64", Some("tool_1_amd64")),
            ("tool:i386", None),
            ("tool:riscv64", None),
            ("foreign", Some("foreign_1_amd64")),
            ("foreign:any", None),
            ("allowed", None),
            ("allowed:any", Some("allowed_1_amd64")),
            ("same", None),
            ("same:any", None),
            ("virtual", None),
            ("virtual:any", Some("allowed_1_amd64")),
            ("qualified", None),
            ("qualified:any", Some("allowed_1_amd64")),
        ] {
            let app = format!("zz 1 i386; Depends: {depends}");
            let expected = match expected {
                Some(package) => format!("{package} zz_1_i386"),
                None => format!("zz_1_i386 | {depends} for i386"),
            };
            assert_eq!(chosen(&[&archive[..], &[&app]].concat(), "?with-dependencies(zz)"), expected);
        }
        let archive = ["app 1 i386; Depends: a1 | b1", "a1 2 amd64; Multi-Arch: foreign", "b1 1 i386"];
        assert_eq!(chosen(&archive, "?with-dependencies(app)"), "app_1_i386 b1_1_i386");
    }

    #[test]
    fn what_cannot_be_read_is_left_unsatisfied() {
        let archive = ["app 1 amd64; Depends: lib (> =  1), lib, x [amd64]", "lib 1 amd64"];
        assert_eq!(
            chosen(&archive, "?with-dependencies(app)"),
            "app_1_amd64 lib_1_amd64 | lib (> = 1) for amd64 | x [amd64] for amd64"
        );
        let selection =
            select(b"Package: a1\nVersion: 1\nArchitecture: all\nDepends: \xff\n", "?with-recommends(a1)");
        assert_eq!(selection.unsatisfied[0].relation, "\u{fffd}");
    }

    #[test]
    fn relations_without_end_are_refused() {
        let mut index = String::new();
        for number in 0..3300 {
            index += &format!("Package: p{number}\nVersion: 1\nArchitecture: all\nProvides: v\n");
            index += &format!("Depends: v | x{number}\n\n");
        }
        let candidates: Candidates<'_> = stanzas(index.as_bytes()).collect();
        let error = Pattern::parse("?with-dependencies(?true)").unwrap().select(&candidates).unwrap_err();
        assert_eq!(error.to_string(), "more than 10000000 steps to follow the relations of packages");
    }

    proptest! {
        #[test]
        fn a_closure_is_closed(lines in prop::collection::vec(
            "[ab][1-3] [12] (amd64|i386|all)(; Depends: [ab][1-4]( [(]>= 2[)])?( [|] [ab][12])?)?(; Provides: [ab]4)?", 0..8,
        )) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let index = index(&lines);
            let once = select(index.as_bytes(), "?with-dependencies(~V1)");
            let twice = select(index.as_bytes(), "?with-dependencies(?with-dependencies(~V1))");
            prop_assert!(once.chosen.iter().zip(&twice.chosen).all(|(once, twice)| *once <= *twice));
            let reversed: Vec<&str> = lines.iter().rev().copied().collect();
            let mut other = select(super::tests::index(&reversed).as_bytes(), "?with-dependencies(~V1)");
            other.chosen.reverse();
            prop_assert_eq!(once, other);
        }
    }

    #[test]
    fn apt_can_install_from_nothing_but_the_closure() {
        let (Some(indices), true) = (real_indices(), have("apt-get")) else { return };
        let index = indices.concat();
        let whole = Apt::new(&index);
        for (name, least) in [("hello", 4), ("vim", 10), ("nginx", 10), ("gnome-core", 500)] {
            let selection = select(&index, &format!("?with-dependencies(?newest(1, {name}))"));
            assert_eq!(selection.unsatisfied, [], "{name}");
            let chosen = stanzas(&index).zip(&selection.chosen).filter(|(_, chosen)| **chosen);
            let chosen: Vec<Stanza<'_>> = chosen.map(|(stanza, _)| stanza).collect();
            assert!(chosen.len() >= least, "{name}: {}", chosen.len());
            let closure: Vec<&[u8]> = chosen.iter().map(|stanza| stanza.raw()).collect();
            let apt = Apt::new(&[closure.join(&b"\n\n"[..]), b"\n".to_vec()].concat());
            let plan =
                apt.run("apt-get", &["install", "--simulate", "--no-install-recommends", name]).unwrap();
            assert!(plan.contains(&format!("Inst {name} ")), "{plan}");

            // apt-cache goes through every alternative and every version, so it finds all of these too.
            let args = ["depends", "--recurse", "--important", name];
            let all = whole.run("apt-cache", &args).unwrap();
            let all: std::collections::HashSet<&str> = all.lines().collect();
            for stanza in chosen {
                let found = stanza.get_str("Package").unwrap();
                assert!(all.contains(found), "{name} does not need {found}");
            }
        }
    }
}
