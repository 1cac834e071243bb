//! The content types of the plugin.

/// Binary packages. The body of one is its stanza in `Packages`.
pub(crate) const PACKAGE: &str = "deb.package";
/// Packages of the installer (udebs); the same.
pub(crate) const INSTALLER_PACKAGE: &str = "deb.installer_package";
/// Source packages. The body of one is its stanza in `Sources`.
pub(crate) const SOURCE_PACKAGE: &str = "deb.source_package";
/// Images of the installer.
pub(crate) const INSTALLER_FILE: &str = "deb.installer_file";
/// A suite's signed `Release` in all its forms, and the keys that it was held against.
pub(crate) const RELEASE_FILE: &str = "deb.release_file";
/// Forms of `Packages` and `Sources`, and the `Release` beside each, needed where they are published verbatim.
pub(crate) const PACKAGE_INDEX: &str = "deb.package_index";
/// Checksums of the installer's images.
pub(crate) const INSTALLER_FILE_INDEX: &str = "deb.installer_file_index";
/// Everything else that Release lists: translations, contents, dep11, unknown things.
pub(crate) const GENERIC: &str = "deb.generic";
/// Components that are there although nothing stands in them. Those where something does need no unit.
pub(crate) const RELEASE_COMPONENT: &str = "deb.release_component";

/// What is served at paths of its own, so that it makes a suite.
pub(crate) const PACKAGES: [&str; 3] = [PACKAGE, SOURCE_PACKAGE, INSTALLER_PACKAGE];
/// All types, and whether their files are served by themselves. The first is what an upload makes.
pub(crate) const ALL: [(&str, bool); 9] = [
    (PACKAGE, true),
    (SOURCE_PACKAGE, true),
    (INSTALLER_PACKAGE, true),
    (INSTALLER_FILE, true),
    (RELEASE_FILE, false),
    (PACKAGE_INDEX, false),
    (INSTALLER_FILE_INDEX, false),
    (GENERIC, false),
    (RELEASE_COMPONENT, false),
];
