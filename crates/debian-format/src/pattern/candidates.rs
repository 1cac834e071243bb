//! The packages that a pattern chooses among, and how one finds them by name.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::deb822::Stanza;
use crate::dependency::{Provided, groups, provides};
use crate::version::compare;

/// The packages of an archive, or of a part of it, in whatever order: views of their stanzas.
///
/// Packages that stand there several times are chosen or left together. A stanza without a name, version or
/// architecture is never what another one needs, nor the newest.
#[derive(Debug, Clone)]
pub struct Candidates<'a> {
    stanzas: Vec<Stanza<'a>>,
    /// Made when a term first looks at more than one package.
    index: OnceLock<Index<'a>>,
}

impl<'a> FromIterator<Stanza<'a>> for Candidates<'a> {
    fn from_iter<I: IntoIterator<Item = Stanza<'a>>>(stanzas: I) -> Candidates<'a> {
        Candidates { stanzas: stanzas.into_iter().collect(), index: OnceLock::new() }
    }
}

impl<'a> Candidates<'a> {
    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.stanzas.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
    }

    /// The packages in their order.
    pub fn stanzas(&self) -> impl Iterator<Item = &Stanza<'a>> {
        self.stanzas.iter()
    }

    pub(super) fn index(&self) -> &Index<'a> {
        self.index.get_or_init(|| Index::new(&self.stanzas))
    }

    pub(super) fn stanza(&self, package: &Package<'a>) -> Stanza<'a> {
        self.stanzas[package.position]
    }

    /// The newest `count` versions of each name and architecture among those that are marked.
    pub(super) fn newest(&self, count: usize, among: &[bool]) -> Vec<bool> {
        let mut chosen = vec![false; self.len()];
        let alike = |a: &Package<'_>, b: &Package<'_>| a.name == b.name && a.architecture == b.architecture;
        for packages in self.index().packages.chunk_by(alike) {
            let newest_first = packages.iter().rev().filter(|package| among[package.position]);
            let (mut versions, mut last) = (0, None);
            for package in newest_first {
                if last.is_none_or(|last| compare(last, package.version).is_ne()) {
                    (versions, last) = (versions + 1, Some(package.version));
                }
                if versions > count {
                    break;
                }
                chosen[package.position] = true;
            }
        }
        chosen
    }
}

/// The number of an architecture in [`Index::architectures`].
pub(super) type Architecture = usize;

/// The architecture `all`.
pub(super) const ALL: Architecture = 0;

/// What is needed of a package to satisfy another one.
#[derive(Debug, Clone)]
pub(super) struct Package<'a> {
    /// Where it stands among the candidates.
    pub(super) position: usize,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) architecture: Architecture,
    pub(super) multi_arch: MultiArch,
}

/// The field `Multi-Arch`, as far as it lets a package serve another architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MultiArch {
    No,
    Foreign,
    Allowed,
}

/// Packages by their names and by what they provide.
#[derive(Debug, Clone)]
pub(super) struct Index<'a> {
    /// By name, architecture and version.
    pub(super) packages: Vec<Package<'a>>,
    pub(super) architectures: Vec<&'a str>,
    numbers: HashMap<&'a str, Architecture>,
    /// The first package of each name, and the first one after them.
    named: HashMap<&'a str, (usize, usize)>,
    /// Who provides a name, by numbers in `packages`.
    provided: HashMap<&'a str, Vec<(usize, Provided<'a>)>>,
}

impl<'a> Index<'a> {
    fn new(stanzas: &[Stanza<'a>]) -> Index<'a> {
        let mut architectures = vec!["all"];
        let mut numbers = HashMap::from([("all", ALL)]);
        let mut packages = Vec::with_capacity(stanzas.len());
        for (position, stanza) in stanzas.iter().enumerate() {
            let mut fields = [None; 5];
            for (name, value) in stanza.fields() {
                let wanted = ["Package", "Version", "Architecture", "Multi-Arch", "Provides"];
                if let Some(at) = wanted.iter().position(|wanted| wanted.eq_ignore_ascii_case(name)) {
                    fields[at] = fields[at].or(std::str::from_utf8(value).ok());
                }
            }
            let [Some(name), Some(version), Some(architecture), multi_arch, provides] = fields else {
                continue;
            };
            let architecture = *numbers.entry(architecture).or_insert_with(|| {
                architectures.push(architecture);
                architectures.len() - 1
            });
            let multi_arch = match multi_arch {
                Some("foreign") => MultiArch::Foreign,
                Some("allowed") => MultiArch::Allowed,
                _ => MultiArch::No,
            };
            packages.push((Package { position, name, version, architecture, multi_arch }, provides));
        }
        packages.sort_by(|(a, _), (b, _)| {
            let order = (a.name, a.architecture).cmp(&(b.name, b.architecture));
            order.then_with(|| compare(a.version, b.version))
        });
        let mut provided: HashMap<_, Vec<_>> = HashMap::new();
        for (number, (_, field)) in packages.iter().enumerate() {
            // What cannot be read there is not provided; the rest of the field is.
            for name in groups(field.unwrap_or_default()).flat_map(provides).flatten() {
                provided.entry(name.name).or_default().push((number, name));
            }
        }
        let packages: Vec<Package<'a>> = packages.into_iter().map(|(package, _)| package).collect();
        let mut named = HashMap::new();
        let mut begin = 0;
        for alike in packages.chunk_by(|a, b| a.name == b.name) {
            named.insert(alike[0].name, (begin, begin + alike.len()));
            begin += alike.len();
        }
        Index { packages, architectures, numbers, named, provided }
    }

    /// The number of an architecture, if a package has it.
    pub(super) fn architecture(&self, name: &str) -> Option<Architecture> {
        self.numbers.get(name).copied()
    }

    /// The numbers of the packages of a name, in all architectures and versions.
    pub(super) fn named(&self, name: &str) -> std::ops::Range<usize> {
        self.named.get(name).map_or(0..0, |(begin, end)| *begin..*end)
    }

    /// The numbers of the packages that provide a name, and how each does.
    pub(super) fn providers(&self, name: &str) -> &[(usize, Provided<'a>)] {
        self.provided.get(name).map_or(&[], Vec::as_slice)
    }
}
