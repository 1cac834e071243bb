//! A Debian archive as its maintainers would publish it, to be put onto an [`Upstream`].

mod extras;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use checkpoint_core::digest::Digests;
use checkpoint_core::signer::Signer;
use checkpoint_core::time::Timestamp;
use debian_format::archive::read_deb;
use debian_format::compression::{Compression, encode};
use debian_format::deb822::Stanza;
use debian_format::release::{Release, ReleaseFile};

use crate::debs::file_name;
use crate::upstream::Upstream;
pub use extras::Extra;

/// An archive with one suite, which has `main`, `all` and `amd64` and what is added to it.
pub struct Archive {
    /// The suite. One that ends in a slash is a directory that everything is in (a flat repository, as sources.list(5)
    /// says it), such as `./`.
    pub suite: String,
    /// `Origin` of Release.
    pub origin: String,
    /// `Date` of Release, in seconds since 1970.
    pub date: i64,
    /// `Valid-Until` of Release.
    pub valid_until: Option<i64>,
    /// Whether indices are there by their hash, and Release says so.
    pub by_hash: bool,
    /// The components; what is added to another one adds it.
    pub components: Vec<String>,
    /// The architectures; a package for another one adds it.
    pub architectures: Vec<String>,
    /// In which compressions there are `Packages` and `Sources`.
    pub compressions: Vec<Compression>,
    /// Whether these are there uncompressed, too. Release lists that form in any case, as in Debian.
    pub plain: bool,
    /// Whether the index of each architecture has the packages for all of them, too, and Release says so, as in Debian.
    pub all_in_each: bool,
    /// What there is beside packages.
    pub extras: BTreeSet<Extra>,
    /// Packages by path: the bytes, and the stanza in the index. The path says which component it is and whether it is
    /// an udeb.
    pub packages: BTreeMap<String, (Vec<u8>, String)>,
    /// Source packages: the files by path, and the stanza in the index.
    pub sources: Vec<(BTreeMap<String, Vec<u8>>, String)>,
    signer: Box<dyn Signer>,
}

/// A file below the suite's directory that Release lists.
struct Listed {
    path: String,
    bytes: Vec<u8>,
    /// Whether it is really there.
    served: bool,
}

impl Archive {
    /// An archive without packages, which was published half an hour ago.
    pub fn new(signer: impl Signer + 'static) -> Archive {
        Archive {
            suite: "bookworm".into(),
            origin: "Upstream".into(),
            date: Timestamp::of(SystemTime::now()).unix() - 1800,
            valid_until: None,
            by_hash: true,
            components: vec!["main".into()],
            architectures: vec!["all".into(), "amd64".into()],
            compressions: vec![Compression::Xz],
            plain: true,
            all_in_each: false,
            extras: BTreeSet::new(),
            packages: BTreeMap::new(),
            sources: Vec::new(),
            signer: Box::new(signer),
        }
    }

    /// The public key, armored.
    pub fn key(&self) -> String {
        self.signer.public_keys().unwrap()
    }

    /// Adds a package to main at Debian's path; a later state has a later date.
    pub fn add(&mut self, name: &str, version: &str, deb: Vec<u8>) {
        self.add_to("main", name, version, deb);
    }

    /// Adds a package to a component.
    pub fn add_to(&mut self, component: &str, name: &str, version: &str, deb: Vec<u8>) {
        let architecture = architecture(&deb);
        let path = format!("{}/{}", self.directory(component, name), file_name(name, version, &architecture));
        self.insert(path, deb);
    }

    /// Adds a package of the installer to main.
    pub fn add_udeb(&mut self, name: &str, version: &str, udeb: Vec<u8>) {
        let file = file_name(name, version, &architecture(&udeb)).replace(".deb", ".udeb");
        self.insert(format!("{}/{file}", self.directory("main", name)), udeb);
    }

    fn insert(&mut self, path: String, deb: Vec<u8>) {
        let control = read_deb(&deb[..]).unwrap().control;
        let digests = Digests::of(&deb);
        let stanza = format!(
            "{}\nX-Unknown: kept as it is\nFilename: {path}\nSize: {}\nMD5sum: {}\nSHA256: {}\n",
            String::from_utf8_lossy(control.raw()),
            digests.size,
            digests.md5,
            digests.sha256
        );
        let know = |list: &mut Vec<String>, name: &str| {
            if !list.iter().any(|known| known == name) {
                list.push(name.to_owned());
            }
        };
        know(&mut self.architectures, control.architecture());
        if !self.is_flat() {
            know(&mut self.components, component(&path));
        }
        self.packages.insert(path, (deb, stanza));
        self.date += 60;
    }

    /// Adds a source package of a .dsc and a tarball to main.
    pub fn add_source(&mut self, name: &str, version: &str) {
        let directory = self.directory("main", name);
        let tarball =
            (format!("{name}_{version}.tar.gz"), format!("the source of {name} {version}").into_bytes());
        let line = |(file, bytes): &(String, Vec<u8>)| {
            let digests = Digests::of(bytes);
            (
                format!("\n {} {} {file}", digests.md5, digests.size),
                format!("\n {} {} {file}", digests.sha256, digests.size),
            )
        };
        let (md5, sha256) = line(&tarball);
        let dsc = format!(
            "Format: 3.0 (native)\nSource: {name}\nBinary: {name}\nArchitecture: any\nVersion: {version}\n\
             Maintainer: nobody <nobody@example.org>\nChecksums-Sha256:{sha256}\nFiles:{md5}\n"
        );
        let dsc = (format!("{name}_{version}.dsc"), dsc.into_bytes());
        let (dsc_md5, dsc_sha256) = line(&dsc);
        let stanza = format!(
            "Package: {name}\nBinary: {name}\nVersion: {version}\nMaintainer: nobody <nobody@example.org>\n\
             Architecture: any\nFormat: 3.0 (native)\nDirectory: {directory}\nFiles:{dsc_md5}{md5}\n\
             Checksums-Sha256:{dsc_sha256}{sha256}\n"
        );
        let files = [dsc, tarball].map(|(file, bytes)| (format!("{directory}/{file}"), bytes));
        self.sources.push((BTreeMap::from(files), stanza));
    }

    /// Puts all of it onto the upstream, replacing what was there.
    pub fn publish(&self, upstream: &Upstream) {
        self.publish_changed(upstream, |_| {});
    }

    /// As [`Self::publish`], with a Release that somebody who has the key has changed.
    pub fn publish_changed(&self, upstream: &Upstream, change: impl FnOnce(&mut Release)) {
        let files = self.files();
        let mut release = self.release();
        release.files = files.iter().map(listing).collect();
        change(&mut release);
        let text = release.write().unwrap();
        let now = SystemTime::now();
        let root = self.root();
        upstream.clear();
        upstream.set(&format!("{root}/InRelease"), &self.signer.clearsign(&text, now).unwrap());
        upstream.set(&format!("{root}/Release.gpg"), &self.signer.detach(&text, now).unwrap());
        upstream.set(&format!("{root}/Release"), &text);
        for Listed { path, bytes, .. } in files.iter().filter(|file| file.served) {
            if self.by_hash {
                let directory =
                    path.rsplit_once('/').map_or(String::new(), |(directory, _)| format!("/{directory}"));
                let sha256 = Digests::of(bytes).sha256;
                upstream.set(&format!("{root}{directory}/by-hash/SHA256/{sha256}"), bytes);
            }
            upstream.set(&format!("{root}/{path}"), bytes);
        }
        for (path, bytes) in self.unlisted() {
            upstream.set(&format!("{root}/{path}"), &bytes);
        }
        let packages = self.packages.iter().map(|(path, (deb, _))| (path, deb));
        for (path, bytes) in packages.chain(self.sources.iter().flat_map(|(files, _)| files)) {
            upstream.set(&format!("/{}", path.trim_start_matches("./")), bytes);
        }
    }

    /// Release without its files.
    fn release(&self) -> Release {
        let suite = Some(self.suite.clone()).filter(|_| !self.is_flat());
        Release {
            origin: Some(self.origin.clone()),
            label: Some(self.origin.clone()),
            suite: suite.clone(),
            codename: suite,
            date: self.date,
            valid_until: self.valid_until,
            acquire_by_hash: self.by_hash,
            no_support_for_architecture_all: self.all_in_each.then(|| "Packages".into()),
            architectures: self.architectures.clone(),
            components: if self.is_flat() { Vec::new() } else { self.components.clone() },
            ..Release::default()
        }
    }

    /// All that Release lists.
    fn files(&self) -> Vec<Listed> {
        let mut files = Vec::new();
        if self.is_flat() {
            let all = self.packages.values().map(|(_, stanza)| format!("{stanza}\n")).collect();
            self.index(&mut files, "Packages", all);
            if !self.sources.is_empty() {
                self.index(&mut files, "Sources", self.source_stanzas(|_| true));
            }
        }
        for component in self.components.iter().filter(|_| !self.is_flat()) {
            for architecture in &self.architectures {
                let path = format!("{component}/binary-{architecture}/Packages");
                self.index(&mut files, &path, self.stanzas(component, ".deb", architecture));
                if self.packages.keys().any(|path| path.ends_with(".udeb")) {
                    let path = format!("{component}/debian-installer/binary-{architecture}/Packages");
                    self.index(&mut files, &path, self.stanzas(component, ".udeb", architecture));
                }
            }
            if !self.sources.is_empty() {
                let stanzas = self.source_stanzas(|path| self::component(path) == component);
                self.index(&mut files, &format!("{component}/source/Sources"), stanzas);
            }
            self.add_extras(&mut files, component);
        }
        if self.extras.contains(&Extra::Unknown) {
            files.push(Listed { path: "extra/unknown".into(), bytes: b"unknown\n".to_vec(), served: true });
        }
        files
    }

    /// `Packages` or `Sources` in all their forms.
    fn index(&self, files: &mut Vec<Listed>, path: &str, text: String) {
        push(files, path, text.into_bytes(), &self.compressions, self.plain);
    }

    /// The stanzas of a component's packages for one architecture.
    fn stanzas(&self, of: &str, ending: &str, architecture: &str) -> String {
        let shortened = self.extras.contains(&Extra::Translations) && ending == ".deb";
        let packages = self.of(of, ending, architecture);
        let stanza = |(_, stanza): (&str, &str)| match shortened {
            true => format!("{}\n", extras::shorten(stanza).0),
            false => format!("{stanza}\n"),
        };
        packages.map(stanza).collect()
    }

    /// The packages of a component for one architecture: path and stanza.
    fn of<'a>(
        &'a self,
        of: &'a str,
        ending: &'a str,
        architecture: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let packages = self.packages.iter().map(|(path, (_, stanza))| (path.as_str(), stanza.as_str()));
        packages.filter(move |(path, stanza)| {
            let is = Stanza::new(stanza.as_bytes()).get_str("Architecture");
            let fits = is == Some(architecture) || self.all_in_each && is == Some("all");
            component(path) == of && path.ends_with(ending) && fits
        })
    }

    /// The stanzas of source packages with files at such paths.
    fn source_stanzas(&self, wanted: impl Fn(&str) -> bool) -> String {
        let sources = self.sources.iter().filter(|(files, _)| files.keys().any(|path| wanted(path)));
        sources.map(|(_, stanza)| format!("{stanza}\n")).collect()
    }

    fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// Where Release is on the server.
    fn root(&self) -> String {
        match self.suite.strip_suffix('/') {
            Some(".") => String::new(),
            Some(directory) => format!("/{directory}"),
            None => format!("/dists/{}", self.suite),
        }
    }

    /// Where a package's files are.
    fn directory(&self, component: &str, name: &str) -> String {
        match self.suite.strip_suffix('/') {
            Some(directory) => directory.to_owned(),
            None => format!("pool/{component}/{}/{name}", &name[..1]),
        }
    }
}

/// Adds a file in some compressions. Release lists the plain file, too, whether it is served or not: by that name apt
/// decides whether there is such an index.
fn push(files: &mut Vec<Listed>, path: &str, bytes: Vec<u8>, compressions: &[Compression], plain: bool) {
    for compression in compressions {
        let path = format!("{path}.{}", compression.extension());
        files.push(Listed { path, bytes: encode(&bytes, *compression).unwrap(), served: true });
    }
    files.push(Listed { path: path.to_owned(), bytes, served: plain });
}

/// The entry in Release.
fn listing(file: &Listed) -> ReleaseFile {
    let Digests { sha256, md5, size } = Digests::of(&file.bytes);
    let (md5, sha256) = (Some(*md5.as_bytes()), Some(*sha256.as_bytes()));
    ReleaseFile { path: file.path.clone(), size, md5, sha1: None, sha256, sha512: None }
}

fn architecture(deb: &[u8]) -> String {
    read_deb(deb).unwrap().control.architecture().to_owned()
}

/// The component that a path in the pool says.
fn component(path: &str) -> &str {
    path.split('/').nth(1).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debs::{deb, deb_with};
    use crate::fake::FakeSigner;

    fn archive(suite: &str) -> Archive {
        let mut archive = Archive::new(FakeSigner);
        archive.suite = suite.into();
        archive.plain = false;
        archive.extras.extend(Extra::ALL);
        archive.add("data", "1:1.0", deb("data", "1:1.0"));
        archive.add_to("contrib", "tool", "1.0", deb_with("tool", "1.0", "arm64", ""));
        archive.add_udeb("tool", "1.0", deb_with("tool", "1.0", "amd64", ""));
        archive.add_source("tool", "1.0");
        archive
    }

    /// The Release, and the paths of those that it lists and that are there.
    fn published(archive: &Archive, upstream: &Upstream) -> (Release, Vec<String>) {
        archive.publish(upstream);
        let root = archive.root();
        let release = Release::parse(&upstream.file(&format!("{root}/Release"))).unwrap();
        let paths = upstream.paths();
        let there = |path: &str| paths.contains(&format!("{root}/{path}"));
        let listed = release.files.iter().filter(|file| there(&file.path));
        let listed: Vec<String> = listed.map(|file| file.path.clone()).collect();
        for file in release.files.iter().filter(|file| listed.contains(&file.path)) {
            let digests = Digests::of(&upstream.file(&format!("{root}/{}", file.path)));
            assert_eq!((file.size, file.sha256), (digests.size, Some(*digests.sha256.as_bytes())));
        }
        (release, listed)
    }

    #[test]
    fn what_a_real_archive_has_is_listed_and_there() {
        let upstream = Upstream::default();
        let (release, listed) = published(&archive("bookworm"), &upstream);
        assert_eq!(release.architectures, ["all", "amd64", "arm64"]);
        assert_eq!(release.components, ["main", "contrib"]);
        for path in [
            "contrib/Contents-arm64.gz",
            "contrib/binary-arm64/Packages.xz",
            "contrib/binary-arm64/Release",
            "extra/unknown",
            "main/cnf/Commands-amd64.xz",
            "main/debian-installer/binary-amd64/Packages.xz",
            "main/dep11/Components-amd64.yml.gz",
            "main/dep11/icons-48x48.tar.gz",
            "main/i18n/Translation-en.xz",
            "main/installer-amd64/current/images/SHA256SUMS",
            "main/source/Release",
            "main/source/Sources.xz",
        ] {
            assert!(listed.iter().any(|listed| listed == path), "{path} is not in {listed:?}");
        }
        let plain = release.files.iter().find(|file| file.path == "main/binary-amd64/Packages").unwrap();
        assert!(!listed.contains(&plain.path), "plain files are listed and not there");
        let paths = upstream.paths();
        for path in [
            "/dists/bookworm/main/installer-amd64/current/images/netboot/mini.iso",
            "/pool/contrib/t/tool/tool_1.0_arm64.deb",
            "/pool/main/d/data/data_1.0_all.deb",
            "/pool/main/t/tool/tool_1.0.dsc",
            "/pool/main/t/tool/tool_1.0_amd64.udeb",
        ] {
            assert!(paths.iter().any(|there| there == path), "{path} is not in {paths:?}");
        }
    }

    #[test]
    fn a_flat_archive_is_one_directory() {
        for (suite, root) in [("./", ""), ("sub/", "/sub")] {
            let upstream = Upstream::default();
            let (release, listed) = published(&archive(suite), &upstream);
            assert_eq!((release.suite, release.components.len()), (None, 0));
            assert_eq!(listed, ["Packages.xz", "Sources.xz", "extra/unknown"]);
            let paths = upstream.paths();
            for file in ["InRelease", "data_1.0_all.deb", "tool_1.0_arm64.deb", "tool_1.0.dsc"] {
                assert!(paths.contains(&format!("{root}/{file}")), "{file} is not in {paths:?}");
            }
        }
    }

    #[test]
    fn a_translation_has_the_descriptions_that_packages_lack() {
        let (mut archive, upstream) = (archive("bookworm"), Upstream::default());
        archive.plain = true;
        archive.publish(&upstream);
        let text = |path: &str| String::from_utf8(upstream.file(&format!("/dists/bookworm/{path}"))).unwrap();
        let packages = text("main/binary-all/Packages");
        let md5 = packages.split_once("Description-md5: ").unwrap().1.split('\n').next().unwrap();
        assert!(packages.contains("Description: test package data\nDescription-md5: "), "{packages}");
        assert!(packages.contains("\nX-Unknown: kept as it is\n"), "{packages}");
        let expected = Digests::of(b"test package data\n It exists to be published.\n").md5.to_string();
        assert_eq!(md5, expected);
    }
}
