//! Binary packages as files (deb(5)): an ar archive of `debian-binary`, `control.tar` and `data.tar`.

mod ar;
mod builder;

use std::io::{self, Read};

pub use ar::{ArReader, Member};
pub use builder::DebBuilder;

use crate::compression::{Compression, decoder};
use crate::control::Control;
use crate::error::{Error, Result};

/// The largest control file: 4 MiB. The largest of Debian is below 100 KiB.
const MAX_CONTROL: u64 = 4 << 20;

/// The largest control.tar, decompressed: 32 MiB, for packages with very many files in `md5sums`.
const MAX_CONTROL_TAR: u64 = 32 << 20;

/// The most files in a control.tar. A package has about ten.
const MAX_CONTROL_MEMBERS: usize = 4096;

/// The largest `debian-binary`, of which only the first line means anything.
const MAX_FORMAT: u64 = 4096;

/// What a `.deb` says about itself.
#[derive(Debug, Clone)]
pub struct Deb {
    /// The control file.
    pub control: Control,
    /// The names of all files in control.tar, such as `control`, `md5sums` and `postinst`, in order.
    /// They are as in the tar, but for a `./` before them: text to show, not paths to open.
    pub control_members: Vec<String>,
    /// The compression of control.tar.
    pub control_compression: Compression,
    /// The compression of data.tar by its name.
    pub data_compression: Compression,
}

/// Reads a binary package to its end, in bounded memory.
///
/// `debian-binary` must come first and say 2.something, then control.tar, then data.tar, with members
/// whose name begins with `_` anywhere between (deb(5)). control.tar is read in full, its checksums
/// included; of data.tar only the size is checked against what is there. Members after data.tar are
/// ignored, but must be complete as well.
///
/// # Errors
/// - [`Error::Deb`]: the archive has not this form.
/// - [`Error::Truncated`], [`Error::Corrupt`]: it ends too early, or control.tar is damaged.
/// - [`Error::Limit`]: control.tar, the control file or the number of members is too large.
/// - [`Error::Unsupported`]: another version of the format.
/// - [`Error::Io`]: from the reader.
/// - All of [`Control::parse`].
pub fn read_deb(reader: impl Read) -> Result<Deb> {
    let mut archive = ArReader::new(reader)?;
    check_format(&mut archive)?;
    let (control_name, control_compression) = next_tar(&mut archive, "control.tar")?;
    let (text, control_members) =
        read_control_tar(&mut archive, control_compression).map_err(|error| located(error, &control_name))?;
    let control = Control::parse(&text)?;
    let (_, data_compression) = next_tar(&mut archive, "data.tar")?;
    while archive.next_member()?.is_some() {}
    Ok(Deb { control, control_members, control_compression, data_compression })
}

fn check_format(archive: &mut ArReader<impl Read>) -> Result<()> {
    match archive.next_member()? {
        Some(member) if member.name == "debian-binary" => {}
        Some(member) => {
            let name = member.name;
            return Err(Error::Deb(format!("the first member is {name:?} and not debian-binary")));
        }
        None => return Err(Error::Deb("the archive has no members".to_owned())),
    }
    let mut text = Vec::new();
    archive.by_ref().take(MAX_FORMAT).read_to_end(&mut text)?;
    let line = text.split(|c| *c == b'\n').next().unwrap_or_default();
    let version = String::from_utf8_lossy(line);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match version.split_once('.') {
        Some(("2", minor)) if is_number(minor) => Ok(()),
        Some((major, minor)) if is_number(major) && is_number(minor) => {
            Err(Error::Unsupported(format!("version {} of the package format", crate::error::clip(&version))))
        }
        _ => Err(Error::Deb("debian-binary has no format version".to_owned())),
    }
}

/// Goes to the next member that readers must not ignore, which has to be the given one.
fn next_tar(archive: &mut ArReader<impl Read>, wanted: &str) -> Result<(String, Compression)> {
    loop {
        let Some(Member { name, .. }) = archive.next_member()? else {
            return Err(Error::Deb(format!("there is no {wanted}")));
        };
        if name.starts_with('_') {
            continue;
        }
        let extension = match name.strip_prefix(wanted) {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('.').filter(|extension| !extension.is_empty()),
            None => {
                return Err(Error::Deb(format!("member {name:?} stands where {wanted} must be")));
            }
        };
        return match extension.and_then(Compression::from_extension) {
            Some(compression) => Ok((name, compression)),
            None => Err(Error::Deb(format!("the compression of member {name:?} is not known"))),
        };
    }
}

/// The bytes of the control file, and the names of all files beside it. The whole tar is unpacked first:
/// that reads the checksum at the end of the compression, and leaves only faults of the tar for later.
fn read_control_tar(member: &mut impl Read, compression: Compression) -> Result<(Vec<u8>, Vec<String>)> {
    let mut bytes = Vec::new();
    decoder(member, compression, MAX_CONTROL_TAR)?.read_to_end(&mut bytes)?;
    let damaged = |error: io::Error| Error::Corrupt { what: "tar".to_owned(), why: error.to_string() };
    let mut control = None;
    let mut names = Vec::new();
    for entry in tar::Archive::new(&bytes[..]).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.strip_prefix("./").unwrap_or(&path);
        let is_file = entry.header().entry_type().is_file();
        if name == "control" {
            if !is_file {
                return Err(Error::Deb("the control file is not a regular file".to_owned()));
            }
            if control.is_some() {
                return Err(Error::Deb("there are two control files".to_owned()));
            }
            control = Some(read_entry(&mut entry)?);
        }
        if is_file {
            names.push(name.to_owned());
        }
        if names.len() > MAX_CONTROL_MEMBERS {
            return Err(Error::limit("files in control.tar", MAX_CONTROL_MEMBERS as u64));
        }
    }
    let control = control.ok_or_else(|| Error::Deb("there is no control file in control.tar".to_owned()))?;
    Ok((control, names))
}

fn read_entry(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>> {
    let size = entry.size();
    if size > MAX_CONTROL {
        return Err(Error::limit("bytes of control file", MAX_CONTROL));
    }
    let mut text = Vec::new();
    match entry.read_to_end(&mut text) {
        Ok(_) if text.len() as u64 == size => Ok(text),
        _ => {
            Err(Error::Corrupt { what: "tar".to_owned(), why: "it ends inside the control file".to_owned() })
        }
    }
}

/// Puts the name of the member into an error about its content.
fn located(error: Error, member: &str) -> Error {
    match error {
        Error::Corrupt { what, why } => Error::Corrupt { what: format!("{what} of member {member}"), why },
        Error::Limit { what, limit } => Error::Limit { what: format!("{what} in member {member}"), limit },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::testing::{have, run};
    use std::path::PathBuf;

    const HELLO: &str = "Package: hello\nVersion: 1:2.10-3\nArchitecture: all\nMaintainer: A <a@example.org>\n\
                         Installed-Size: 1\nDescription: greets\n a user\n .\n friendly\n";

    /// A directory that goes away with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("debian-format-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn hello() -> DebBuilder {
        DebBuilder::new(HELLO)
            .file("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
            .file("usr/share/doc/hello/copyright", "free\n", 0o644)
            .control_file("conffiles", "/etc/hello\n", 0o644)
    }

    fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in members {
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, content.len());
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(content);
            bytes.extend(std::iter::repeat_n(b'\n', content.len() % 2));
        }
        bytes
    }

    fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn fail(deb: &[u8]) -> String {
        read_deb(deb).unwrap_err().to_string()
    }

    fn regular_control() -> Vec<u8> {
        tar(&[("control", tar::EntryType::Regular, HELLO.as_bytes())])
    }

    #[test]
    fn what_is_built_reads_back() {
        for compression in Compression::ALL {
            let deb = hello().compression(compression, compression).build().unwrap();
            let read = read_deb(&deb[..]).unwrap();
            assert_eq!(read.control.raw(), HELLO.trim_end().as_bytes());
            assert_eq!(read.control_members, ["control", "conffiles"]);
            assert_eq!((read.control_compression, read.data_compression), (compression, compression));
            assert_eq!(hello().compression(compression, compression).build().unwrap(), deb);
        }
    }

    #[test]
    fn dpkg_deb_accepts_what_is_built() {
        if !have("dpkg-deb") {
            return;
        }
        let scratch = Scratch::new("built");
        let deb = scratch.path("hello.deb");
        let pairs = [
            (Compression::None, Compression::None),
            (Compression::Gz, Compression::Bz2),
            (Compression::Xz, Compression::Xz),
            (Compression::Zst, Compression::Zst),
            (Compression::Gz, Compression::Lzma),
        ];
        for (control, data) in pairs {
            let package = hello().compression(control, data).mtime(1_742_306_682).build().unwrap();
            std::fs::write(&deb, package).unwrap();
            let info = String::from_utf8(run("dpkg-deb", &["-I", &deb])).unwrap();
            assert!(info.contains("conffiles") && info.contains("Package: hello"), "{info}");
            let list = String::from_utf8(run("dpkg-deb", &["-c", &deb])).unwrap();
            assert!(list.contains("-rwxr-xr-x root/root") || list.contains("-rwxr-xr-x 0/0"), "{list}");
            assert!(list.contains("2025-03-18"), "{list}");
            assert_eq!(run("dpkg-deb", &["-f", &deb]), HELLO.as_bytes());
            let tree = scratch.path("tree");
            run("dpkg-deb", &["-x", &deb, &tree]);
            let file = std::fs::read_to_string(format!("{tree}/usr/share/doc/hello/copyright")).unwrap();
            assert_eq!(file, "free\n");
        }
    }

    #[test]
    fn packages_of_dpkg_deb_are_read_as_it_reads_them() {
        if !have("dpkg-deb") {
            return;
        }
        let scratch = Scratch::new("dpkg");
        let (tree, deb) = (scratch.path("tree"), scratch.path("hello.deb"));
        std::fs::create_dir_all(format!("{tree}/DEBIAN")).unwrap();
        std::fs::create_dir_all(format!("{tree}/usr/bin")).unwrap();
        std::fs::write(format!("{tree}/DEBIAN/control"), HELLO).unwrap();
        std::fs::write(format!("{tree}/DEBIAN/md5sums"), "").unwrap();
        std::fs::write(format!("{tree}/usr/bin/hello"), [7; 100_001]).unwrap();
        for method in ["gzip", "xz", "zstd", "none"] {
            for uniform in ["--uniform-compression", "--no-uniform-compression"] {
                run("dpkg-deb", &["--root-owner-group", uniform, &format!("-Z{method}"), "-b", &tree, &deb]);
                let bytes = std::fs::read(&deb).unwrap();
                let read = read_deb(&bytes[..]).unwrap();
                assert_eq!(read.control.raw(), run("dpkg-deb", &["-f", &deb]).trim_ascii_end());
                assert_eq!(read.data_compression.to_string().replace("uncompressed", "none"), method);
                assert_eq!(read.control_members.len(), 2);
            }
        }
    }

    #[test]
    fn a_package_cut_anywhere_is_refused() {
        for compression in [Compression::None, Compression::Gz, Compression::Xz, Compression::Zst] {
            let deb = hello().compression(compression, compression).build().unwrap();
            for end in 0..deb.len() {
                assert!(read_deb(&deb[..end]).is_err(), "{compression} {end}");
            }
        }
        let deb = hello().build().unwrap();
        let message = fail(&deb[..deb.len() - 10]);
        assert!(message.starts_with("truncated in member data.tar.xz: 10 of "), "{message}");
    }

    #[test]
    fn members_with_an_underscore_and_members_at_the_end_are_ignored() {
        let (control, slash) = (regular_control(), ("debian-binary/", &b"2.1\nmore\n"[..]));
        let members = [
            slash,
            ("_a", b"x"),
            ("control.tar", &control),
            ("_b", b""),
            ("data.tar.bz2", b"x"),
            ("sig", b"y"),
        ];
        let deb = ar(&members);
        assert_eq!(read_deb(&deb[..]).unwrap().data_compression, Compression::Bz2);
        assert!(fail(&deb[..deb.len() - 2]).starts_with("truncated in member sig"));
    }

    #[test]
    fn each_fault_has_its_own_message() {
        let (control, version) = (regular_control(), ("debian-binary", &b"2.0\n"[..]));
        let link = tar(&[("control", tar::EntryType::Symlink, b"")]);
        let regular = tar::EntryType::Regular;
        let twice = tar(&[("control", regular, HELLO.as_bytes()), ("./control", regular, b"")]);
        let without = tar(&[("md5sums", regular, b"")]);
        let many: Vec<_> =
            std::iter::once(version).chain(std::iter::repeat_n(("_x", &b""[..]), 10)).collect();
        for (deb, message) in [
            (b"PK\x03\x04".to_vec(), "not a Debian package: it does not begin as an ar archive"),
            (ar(&[]), "not a Debian package: the archive has no members"),
            (
                ar(&[("control.tar", &control)]),
                "not a Debian package: the first member is \"control.tar\" and not debian-binary",
            ),
            (ar(&[("debian-binary", b"3.0\n")]), "unsupported: version 3.0 of the package format"),
            (ar(&[("debian-binary", b"two")]), "not a Debian package: debian-binary has no format version"),
            (ar(&[version]), "not a Debian package: there is no control.tar"),
            (
                ar(&[version, ("data.tar", b"")]),
                "not a Debian package: member \"data.tar\" stands where control.tar must be",
            ),
            (
                ar(&[version, ("control.tar.rar", b"")]),
                "not a Debian package: the compression of member \"control.tar.rar\" is not known",
            ),
            (ar(&[version, ("control.tar", &control)]), "not a Debian package: there is no data.tar"),
            (
                ar(&[version, ("control.tar", &link)]),
                "not a Debian package: the control file is not a regular file",
            ),
            (ar(&[version, ("control.tar", &twice)]), "not a Debian package: there are two control files"),
            (
                ar(&[version, ("control.tar", &without)]),
                "not a Debian package: there is no control file in control.tar",
            ),
            (
                ar(&[version, ("control.tar.xz", &control)]),
                "xz data of member control.tar.xz is corrupt: stream/file format not recognized",
            ),
            (
                ar(&[version, ("control.tar", &control[..600])]),
                "tar of member control.tar is corrupt: it ends inside the control file",
            ),
            (ar(&many), "more than 10 members in the archive"),
        ] {
            assert_eq!(fail(&deb), message);
        }
    }

    #[test]
    fn a_bomb_in_the_control_member_is_refused() {
        let bomb = crate::compression::encode(&vec![0; 33 << 20], Compression::Zst).unwrap();
        let error =
            read_deb(&ar(&[("debian-binary", b"2.0\n"), ("control.tar.zst", &bomb)])[..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.to_string(), "more than 33554432 bytes of zstd data in member control.tar.zst");
        let large = format!("{HELLO}X: {}\n", "x".repeat(4 << 20));
        assert!(
            fail(&DebBuilder::new(large).build().unwrap())
                .starts_with("more than 4194304 bytes of control file")
        );
    }

    #[test]
    fn an_absurd_size_in_the_tar_is_refused() {
        for size in [u64::MAX, 1 << 63, (1 << 63) - 1, u64::MAX - 511, 1 << 40, 4096] {
            for (name, kind) in
                [("control", b'0'), ("x", b'0'), ("x", b'L'), ("x", b'x'), ("x", b'g'), ("x", b'S')]
            {
                let mut header = tar::Header::new_gnu();
                header.set_path(name).unwrap();
                header.set_entry_type(tar::EntryType::new(kind));
                header.set_size(size);
                header.set_cksum();
                let tar = [&header.as_bytes()[..], &regular_control()].concat();
                let deb = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar), ("data.tar", b"")]);
                assert!(read_deb(&deb[..]).is_err(), "{size} {name} {kind}");
            }
        }
    }

    #[test]
    fn damage_to_any_byte_before_the_data_never_makes_it_panic() {
        let deb = hello().compression(Compression::None, Compression::None).build().unwrap();
        for at in 0..deb.len().min(4000) {
            let mut damaged = deb.clone();
            for bit in [0x01, 0x80] {
                damaged[at] ^= bit;
                let _ = read_deb(&damaged[..]);
            }
        }
    }
}
