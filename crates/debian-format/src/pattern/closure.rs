//! All that packages need, transitively.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::candidates::{ALL, Architecture, Candidates, Index, MultiArch, Package};
use super::{Reach, Unsatisfied};
use crate::dependency::{Relation, binary_alternatives, groups};
use crate::error::{Error, Result, clip};
use crate::version::compare;

/// The most packages that are looked at to satisfy the relations, some together for each of them. All of Debian
/// in one architecture takes less than a hundredth of it.
const MAX_STEPS: usize = 50_000_000;

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

/// Of several packages that would do, those of the newest version of each name.
fn newest_of_each_name(index: &Index<'_>, mut numbers: Vec<usize>) -> Vec<usize> {
    let mut newest: HashMap<&str, &str> = HashMap::new();
    for number in &numbers {
        let package = &index.packages[*number];
        let best = newest.entry(package.name).or_insert(package.version);
        if compare(package.version, best).is_gt() {
            *best = package.version;
        }
    }
    numbers.retain(|number| {
        let package = &index.packages[*number];
        newest.get(package.name).is_some_and(|best| compare(package.version, best).is_eq())
    });
    numbers
}
