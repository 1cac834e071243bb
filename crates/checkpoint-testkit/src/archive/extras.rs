//! What a suite of a real archive has beside packages.

use std::collections::BTreeSet;

use checkpoint_core::digest::Digests;
use debian_format::compression::Compression;

use super::{Archive, Listed, push};

/// What a suite has beside packages. Release lists it unless it says otherwise here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// `i18n/Translation-en`: the long descriptions, which `Packages` does not have then.
    Translations,
    /// `Contents-ARCHITECTURE`, as gz only: which package has which file.
    Contents,
    /// `dep11/Components-ARCHITECTURE.yml` and a tarball of icons: what AppStream shows.
    Dep11,
    /// `cnf/Commands-ARCHITECTURE`, as xz only: what command-not-found says.
    Commands,
    /// `Release` beside `Packages` and `Sources`, which old installers read.
    Releases,
    /// Images of the installer, `current` only. Release lists `SHA256SUMS` and `MD5SUMS`, and these the other files.
    Installer,
    /// A file of a kind that nobody knows: `extra/unknown`.
    Unknown,
}

impl Extra {
    /// All of them.
    pub const ALL: [Extra; 7] = [
        Extra::Translations,
        Extra::Contents,
        Extra::Dep11,
        Extra::Commands,
        Extra::Releases,
        Extra::Installer,
        Extra::Unknown,
    ];
}

const IMAGES_PATH: &str = "main/installer-amd64/current/images";
/// The files of the installer below that.
const IMAGES: [(&str, &str); 3] = [
    ("MANIFEST", "netboot/mini.iso -- tiny CD image\n"),
    ("netboot/debian-installer/amd64/linux", "a kernel\n"),
    ("netboot/mini.iso", "an image\n"),
];

impl Archive {
    /// Adds those of a component to what Release lists.
    pub(super) fn add_extras(&self, files: &mut Vec<Listed>, component: &str) {
        let has = |extra| self.extras.contains(&extra);
        if has(Extra::Translations) {
            let text = self.translation(component).into_bytes();
            push(files, &format!("{component}/i18n/Translation-en"), text, &[Compression::Xz], false);
        }
        if has(Extra::Dep11) {
            // Two blocks of zeros are a tar archive without members.
            let (path, tar) = (format!("{component}/dep11/icons-48x48.tar"), vec![0; 1024]);
            push(files, &path, tar, &[Compression::Gz], false);
        }
        for architecture in &self.architectures {
            if has(Extra::Contents) {
                let text = self.contents(component, architecture).into_bytes();
                push(files, &format!("{component}/Contents-{architecture}"), text, &[Compression::Gz], false);
            }
            if has(Extra::Dep11) {
                let path = format!("{component}/dep11/Components-{architecture}.yml");
                let origin = format!("{}-{component}-{architecture}", self.suite);
                let text = format!("---\nFile: DEP-11\nVersion: '0.16'\nOrigin: {origin}\n");
                push(files, &path, text.into_bytes(), &[Compression::Gz, Compression::Xz], false);
            }
            if has(Extra::Commands) {
                let path = format!("{component}/cnf/Commands-{architecture}");
                let text = format!("suite: {}\ncomponent: {component}\narch: {architecture}\n", self.suite);
                push(files, &path, text.into_bytes(), &[Compression::Xz], false);
            }
        }
        if has(Extra::Releases) {
            self.add_releases(files, component);
        }
        if has(Extra::Installer) && component == "main" {
            let sums = |name: &str, digest: fn(&Digests) -> String| {
                let line = |(file, text): (&str, &str)| {
                    format!("{}  ./{file}\n", digest(&Digests::of(text.as_bytes())))
                };
                let (path, text): (_, String) =
                    (format!("{IMAGES_PATH}/{name}"), IMAGES.into_iter().map(line).collect());
                Listed { path, bytes: text.into_bytes(), served: true }
            };
            files.push(sums("SHA256SUMS", |digests| digests.sha256.to_string()));
            files.push(sums("MD5SUMS", |digests| digests.md5.to_string()));
        }
    }

    /// The files that Release does not list, by path from the suite's directory.
    pub(super) fn unlisted(&self) -> Vec<(String, Vec<u8>)> {
        let images = IMAGES.iter().filter(|_| self.extras.contains(&Extra::Installer));
        let file = |(file, text): &(&str, &str)| (format!("{IMAGES_PATH}/{file}"), text.as_bytes().to_vec());
        images.map(file).collect()
    }

    /// A Release beside each index that was made so far.
    fn add_releases(&self, files: &mut Vec<Listed>, component: &str) {
        let directory = |file: &Listed| {
            let (directory, name) = file.path.rsplit_once('/')?;
            let of_component = directory.strip_prefix(component)?.starts_with('/');
            (of_component && ["Packages", "Sources"].contains(&name)).then(|| directory.to_owned())
        };
        let directories: Vec<String> = files.iter().filter_map(directory).collect();
        for directory in directories {
            let (_, architecture) = directory.rsplit_once(['/', '-']).unwrap();
            let text = format!(
                "Archive: {}\nOrigin: {}\nComponent: {component}\nArchitecture: {architecture}\n",
                self.suite, self.origin
            );
            files.push(Listed {
                path: format!("{directory}/Release"),
                bytes: text.into_bytes(),
                served: true,
            });
        }
    }

    /// The descriptions of a component's packages.
    fn translation(&self, component: &str) -> String {
        let packages = self.architectures.iter().flat_map(|name| self.of(component, ".deb", name));
        let packages: BTreeSet<(&str, &str)> = packages.collect();
        let stanza = |(path, stanza): (&str, &str)| {
            let (_, description) = shorten(stanza);
            let name = path.rsplit('/').nth(1).unwrap();
            format!(
                "Package: {name}\nDescription-md5: {}\nDescription-en: {description}\n",
                md5(&description)
            )
        };
        packages.into_iter().map(stanza).collect()
    }

    /// The files of packages, as [`debs`](crate::debs) makes them.
    fn contents(&self, component: &str, architecture: &str) -> String {
        let packages = self.of(component, ".deb", architecture);
        let line = |(path, _): (&str, &str)| {
            let name = path.rsplit('/').nth(1).unwrap();
            format!("usr/share/doc/{name}/README  misc/{name}\n")
        };
        packages.map(line).collect()
    }
}

/// A stanza with the first line of its description only, and the whole description.
pub(super) fn shorten(stanza: &str) -> (String, String) {
    let (before, rest) = stanza.split_once("\nDescription: ").unwrap();
    let mut end = rest.find('\n').unwrap();
    let short = &rest[..end];
    while rest[end..].starts_with("\n ") {
        end += 1 + rest[end + 1..].find('\n').unwrap();
    }
    let description = format!("{}\n", &rest[..end]);
    let md5 = md5(&description);
    (format!("{before}\nDescription: {short}\nDescription-md5: {md5}{}", &rest[end..]), description)
}

/// What apt knows a description by: the digest of all of it with the newline at its end.
fn md5(description: &str) -> String {
    Digests::of(description.as_bytes()).md5.to_string()
}
