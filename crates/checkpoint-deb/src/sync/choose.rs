//! Which of the files that Release lists a remote is about.

use std::collections::{BTreeMap, BTreeSet};

use checkpoint_core::digest::Sha256;
use checkpoint_core::{Error, Result};
use debian_format::compression::Compression;
use debian_format::release::{Release, ReleaseFile};

use crate::files::Listed;
use crate::options::{RemoteOptions, SuiteName};
use crate::place;

/// What an index lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Packages,
    InstallerPackages,
    Sources,
}

/// One `Packages` or `Sources`.
pub(super) struct Index {
    pub(super) lists: Lists,
    /// The one that its packages are for, if not for all; none in a flat repository, whose index has all.
    pub(super) architecture: Option<String>,
    pub(super) forms: Forms,
}

/// A file in all compressions that Release lists. Not all of them need to be there: the plain one rarely is.
pub(super) struct Forms {
    /// The path of the plain file, from the suite's directory.
    pub(super) stem: String,
    /// The smallest first.
    pub(super) listed: Vec<(Compression, Listed)>,
}

impl Forms {
    /// The digest that stands for the content: of the plain file if Release lists it, else of the smallest.
    pub(super) fn sha256(&self) -> Option<Sha256> {
        let plain = self.plain().or_else(|| self.listed.first().map(|(_, listed)| listed));
        plain.map(|listed| listed.sha256)
    }

    /// The plain file, if Release lists it.
    pub(super) fn plain(&self) -> Option<&Listed> {
        let mut plain = self.listed.iter().filter(|(compression, _)| *compression == Compression::None);
        plain.next().map(|(_, listed)| listed)
    }

    /// The forms that are worth asking for: the compressed ones, if there are any, unless the plain one is wanted too.
    pub(super) fn worth_fetching(&self, plain_too: bool) -> impl Iterator<Item = &Listed> {
        let all_plain = self.listed.iter().all(|(compression, _)| *compression == Compression::None);
        let worth =
            move |compression: Compression| all_plain || plain_too || compression != Compression::None;
        self.listed.iter().filter(move |(compression, _)| worth(*compression)).map(|(_, listed)| listed)
    }
}

/// What a remote is about in one component, in a flat suite, or in no component of a suite.
#[derive(Default)]
pub(super) struct Part {
    pub(super) indices: Vec<Index>,
    /// Indices whose packages stand in others, too, and the `Release` beside each index. They matter to clients that take
    /// whatever Release lists, as debmirror does.
    pub(super) unread: Vec<Forms>,
    pub(super) files: Vec<Forms>,
    /// Lists of the checksums of installer images, by the directory that they are about.
    pub(super) images: Vec<Forms>,
}

impl Part {
    /// Everything that decides whether the part is what it was.
    pub(super) fn digests(&self) -> impl Iterator<Item = (String, Sha256)> {
        let forms = self.indices.iter().map(|index| &index.forms).chain(&self.unread);
        let forms = forms.chain(&self.files).chain(&self.images);
        forms.filter_map(|forms| Some((forms.stem.clone(), forms.sha256()?)))
    }
}

/// The parts of a suite by component; `None` is the flat suite, or what belongs to no component.
pub(super) type Parts = BTreeMap<Option<String>, Part>;

/// Chooses the parts. What the remote names has to be there.
pub(super) fn choose(release: &Release, options: &RemoteOptions, suite: &SuiteName) -> Result<Parts> {
    let chosen = Chosen::new(release, options, suite)?;
    let mut parts = Parts::new();
    if !chosen.is_flat {
        parts.extend(chosen.components.iter().map(|component| (Some(component.clone()), Part::default())));
    }
    for forms in forms(release)? {
        let (component, inside) = match chosen.component(&forms.stem) {
            Some((component, inside)) => (Some(component), inside),
            None => (None, forms.stem.as_str()),
        };
        let Some(wanted) = chosen.wanted(component, inside) else { continue };
        let part = parts.entry(component.map(str::to_owned)).or_default();
        match wanted {
            Wanted::Index(lists, architecture) => part.indices.push(Index { lists, architecture, forms }),
            Wanted::Unread => part.unread.push(forms),
            // It is about the index beside it, and as little of use where that is made anew.
            Wanted::File if forms.stem.ends_with("/Release") => part.unread.push(forms),
            Wanted::File => part.files.push(forms),
            Wanted::Images => part.images.push(forms),
        }
    }
    let empty = |(component, part): &(&Option<String>, &Part)| {
        part.indices.is_empty() && (component.is_some() || chosen.is_flat)
    };
    let suite = suite.as_str();
    match parts.iter().find(empty) {
        Some((Some(component), _)) => {
            Err(Error::Invalid(format!("suite '{suite}' lists no Packages for component '{component}'")))
        }
        Some((None, _)) => Err(Error::Invalid(format!("the flat suite '{suite}' lists no Packages"))),
        None if parts.is_empty() => {
            Err(Error::Invalid(format!("suite '{suite}' lists nothing that is wanted")))
        }
        None => Ok(parts),
    }
}

/// All files that Release lists, those together that differ in compression only.
fn forms(release: &Release) -> Result<Vec<Forms>> {
    let mut by_stem: BTreeMap<&str, Vec<(Compression, Listed)>> = BTreeMap::new();
    for file in &release.files {
        let compression =
            Compression::ALL.into_iter().filter(|compression| !compression.extension().is_empty());
        let split = |compression: Compression| {
            let stem = file.path.strip_suffix(compression.extension())?.strip_suffix('.')?;
            Some((stem, compression))
        };
        let (stem, compression) =
            compression.filter_map(split).next().unwrap_or((file.path.as_str(), Compression::None));
        by_stem.entry(stem).or_default().push((compression, listed(file)?));
    }
    let sorted = |(stem, mut listed): (&str, Vec<(Compression, Listed)>)| {
        listed.sort_by_key(|(_, listed)| listed.size);
        Forms { stem: stem.to_owned(), listed }
    };
    Ok(by_stem.into_iter().map(sorted).collect())
}

fn listed(file: &ReleaseFile) -> Result<Listed> {
    let weak =
        || Error::Invalid(format!("Release lists '{}' without a SHA256, so it cannot be trusted", file.path));
    Ok(Listed {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256.ok_or_else(weak)?.into(),
        md5: file.md5.map(Into::into),
        held: false,
    })
}

/// What a listed file is to the remote.
enum Wanted {
    Index(Lists, Option<String>),
    /// An index that is kept, to be published as it is, and not read.
    Unread,
    File,
    Images,
}

/// What the remote names, or all that the suite has.
struct Chosen<'a> {
    options: &'a RemoteOptions,
    is_flat: bool,
    components: BTreeSet<String>,
    architectures: BTreeSet<String>,
}

impl<'a> Chosen<'a> {
    fn new(release: &Release, options: &'a RemoteOptions, suite: &SuiteName) -> Result<Chosen<'a>> {
        let is_flat = place::is_flat(suite.as_str());
        let has = |wanted: &str, there: &[String], what: &str| {
            // debian-security lists `updates/main` where everybody says main.
            let found = there.iter().any(|name| name == wanted || name.rsplit('/').next() == Some(wanted));
            let there = there.join(", ");
            found.then_some(()).ok_or_else(|| {
                Error::Invalid(format!("suite '{}' has no {what} '{wanted}'; it has {there}", suite.as_str()))
            })
        };
        let components: BTreeSet<String> = match options.component.is_empty() {
            true => {
                let last = |name: &String| Some(name.rsplit('/').next()?.to_owned());
                release.components.iter().filter_map(last).collect()
            }
            false => options.component.iter().map(|name| name.as_str().to_owned()).collect(),
        };
        let mut architectures: BTreeSet<String> = match options.architecture.is_empty() {
            true => release.architectures.iter().cloned().collect(),
            false => options.architecture.iter().map(|name| name.as_str().to_owned()).collect(),
        };
        if !is_flat {
            components.iter().try_for_each(|name| has(name, &release.components, "component"))?;
            architectures.iter().try_for_each(|name| has(name, &release.architectures, "architecture"))?;
        }
        // Where every index has the packages for all architectures, nobody needs those by themselves.
        let in_each = release.no_support_for_architecture_all.as_deref() == Some("Packages");
        if in_each && architectures.len() > 1 {
            architectures.remove("all");
        } else if !in_each {
            architectures.insert("all".to_owned());
        }
        Ok(Chosen { options, is_flat, components, architectures })
    }

    /// The component that a file is in, and its path there.
    fn component<'s>(&'s self, path: &'s str) -> Option<(&'s str, &'s str)> {
        let inside = |component: &'s String| {
            Some((component.as_str(), path.strip_prefix(component.as_str())?.strip_prefix('/')?))
        };
        // The longest name, should one be the beginning of another.
        self.components.iter().filter_map(inside).max_by_key(|(component, _)| component.len())
    }

    fn has(&self, architecture: &str) -> bool {
        architecture == "all" || self.architectures.contains(architecture)
    }

    fn wanted(&self, component: Option<&str>, inside: &str) -> Option<Wanted> {
        if self.is_flat {
            return match inside {
                "Packages" => Some(Wanted::Index(Lists::Packages, None)),
                "Sources" => self.options.sources.then_some(Wanted::Index(Lists::Sources, None)),
                _ => self.options.all_indices.then_some(Wanted::File),
            };
        }
        // Where all indices are wanted, those of other architectures still are not.
        let unknown = self.options.all_indices.then_some(Wanted::File);
        if component.is_none() {
            return match inside.strip_prefix("Contents-") {
                Some(architecture) => self.contents(architecture),
                None => unknown,
            };
        }
        let (udebs, sources) = (self.options.udebs, self.options.sources);
        let segments: Vec<&str> = inside.split('/').collect();
        let of = |name: &str, prefix: &str| name.strip_prefix(prefix).map(str::to_owned);
        match segments[..] {
            ["source", "Sources"] => sources.then_some(Wanted::Index(Lists::Sources, None)),
            ["source", "Release"] => sources.then_some(Wanted::File),
            ["debian-installer", binary, file] => {
                let architecture =
                    of(binary, "binary-").filter(|architecture| udebs && self.has(architecture))?;
                self.binary(file, Lists::InstallerPackages, architecture)
            }
            [binary, file] if binary.starts_with("binary-") => {
                let architecture = of(binary, "binary-").filter(|name| self.has(name))?;
                self.binary(file, Lists::Packages, architecture)
            }
            ["i18n", file] if file.starts_with("Translation-") || file == "Index" => Some(Wanted::File),
            ["dep11", file] => self.dep11(file),
            ["cnf", file] => {
                let chosen = of(file, "Commands-").is_some_and(|architecture| self.has(&architecture));
                chosen.then_some(Wanted::File)
            }
            [file] if file.starts_with("Contents-") => self.contents(&file["Contents-".len()..]),
            [installer, .., file] if installer.starts_with("installer-") => {
                let chosen = of(installer, "installer-").is_some_and(|architecture| self.has(&architecture));
                let sums = file == "SHA256SUMS";
                match (self.options.installer && chosen, sums) {
                    (true, true) => Some(Wanted::Images),
                    (true, false) => Some(Wanted::File),
                    _ => None,
                }
            }
            _ => unknown,
        }
    }

    /// A file in the directory of an architecture's index. Its own packages only come with an architecture that was
    /// named, those for all architectures only where they stand by themselves; elsewhere their index is kept to be published
    /// as it is.
    fn binary(&self, file: &str, lists: Lists, architecture: String) -> Option<Wanted> {
        let all = architecture == "all" && !self.architectures.contains("all");
        match file {
            "Packages" if !all => Some(Wanted::Index(lists, Some(architecture))),
            "Packages" => (self.options.verbatim && self.options.filter.is_none()).then_some(Wanted::Unread),
            "Release" => Some(Wanted::File),
            _ => self.options.all_indices.then_some(Wanted::File),
        }
    }

    fn contents(&self, rest: &str) -> Option<Wanted> {
        let chosen = match rest.strip_prefix("udeb-") {
            Some(architecture) => self.options.udebs && self.has(architecture),
            None if rest == "source" => self.options.sources,
            None => self.has(rest),
        };
        // pdiffs are directories of their own and change with every publication.
        chosen.then_some(Wanted::File)
    }

    fn dep11(&self, file: &str) -> Option<Wanted> {
        let of = file.strip_prefix("Components-").or_else(|| file.strip_prefix("CID-Index-"));
        let architecture = of.and_then(|rest| rest.split('.').next());
        match architecture {
            Some(architecture) => self.has(architecture).then_some(Wanted::File),
            None => Some(Wanted::File),
        }
    }
}
