//! Debian archive formats: deb822, versions, `.deb` files, Packages indices and Release files.
//!
//! Everything here is a format and nothing else: functions over bytes, [`Read`](std::io::Read) and
//! [`Write`](std::io::Write), with no network, no file system and no clock. All input is taken to be
//! hostile: sizes are bounded, names that end up in paths are checked, and no input makes the crate
//! panic.
//!
//! ```
//! use debian_format::archive::{DebBuilder, read_deb};
//! use debian_format::compression::Compression;
//! use debian_format::version::Version;
//!
//! let deb = DebBuilder::new("Package: hello\nVersion: 2.10-3\nArchitecture: all\n")
//!     .file("usr/share/doc/hello/README", "Hello.\n", 0o644)
//!     .compression(Compression::Gz, Compression::Xz)
//!     .build()?;
//!
//! let deb = read_deb(&deb[..])?;
//! assert_eq!(deb.control.package(), "hello");
//! assert!(*deb.control.version() > Version::parse("2.10~rc1-3")?);
//! # Ok::<(), debian_format::Error>(())
//! ```

// In the order of dependency: a module uses only those above it. The blank lines keep rustfmt from sorting.

pub mod error;

pub mod name;

pub mod architecture;

pub mod version;

pub mod dependency;

pub mod deb822;

pub mod date;

pub mod control;

pub mod compression;

pub mod archive;

pub mod release;

pub mod pattern;

pub use error::{Error, ErrorKind, Result};

#[cfg(test)]
mod testing;
