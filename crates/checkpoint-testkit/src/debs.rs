//! Small packages, the same bytes every time.

use debian_format::archive::DebBuilder;
use debian_format::compression::Compression;

/// A package for all architectures with one text file in it.
pub fn deb(name: &str, version: &str) -> Vec<u8> {
    deb_with(name, version, "all", "")
}

/// A package with more fields, each of them a whole line.
pub fn deb_with(name: &str, version: &str, architecture: &str, fields: &str) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
         Maintainer: debpoint tests <tests@example.org>\nPriority: optional\nSection: misc\n{fields}\
         Description: test package {name}\n It exists to be published.\n"
    );
    let text = format!("{name} {version}\n");
    let built = DebBuilder::new(control)
        .file(&format!("usr/share/doc/{name}/README"), text, 0o644)
        .compression(Compression::Gz, Compression::Gz)
        .build();
    built.unwrap_or_else(|error| panic!("cannot build {name}: {error}"))
}

/// What `dpkg-deb` and apt call the file.
pub fn file_name(name: &str, version: &str, architecture: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}_{version}_{architecture}.deb")
}
