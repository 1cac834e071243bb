//! A small writer of packages, for tests and fixtures.

use std::collections::BTreeSet;
use std::io::Write;

use crate::compression::{Compression, encode, encoder};
use crate::error::{Error, Result};
use crate::name::safe_path;

/// Makes a `.deb` in memory. The same calls give the same bytes.
///
/// The control text is not checked, so that tests can make packages that must be refused.
#[derive(Debug, Clone)]
pub struct DebBuilder {
    control: Vec<(String, Vec<u8>, u32)>,
    data: Vec<(String, Vec<u8>, u32)>,
    control_compression: Compression,
    data_compression: Compression,
    mtime: u64,
}

impl DebBuilder {
    /// A package with this control file, no data, xz for both members, and all times at 1970.
    pub fn new(control: impl Into<Vec<u8>>) -> DebBuilder {
        DebBuilder {
            control: vec![("control".to_owned(), control.into(), 0o644)],
            data: Vec::new(),
            control_compression: Compression::Xz,
            data_compression: Compression::Xz,
            mtime: 0,
        }
    }

    /// Adds a file to install: its path below `/` and without the slash at the beginning, its content, its
    /// mode. The directories above it come by themselves.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> DebBuilder {
        self.data.push((path.to_owned(), content.into(), mode));
        self
    }

    /// Adds a file beside the control file, such as `conffiles` or `postinst`.
    pub fn control_file(mut self, name: &str, content: impl Into<Vec<u8>>, mode: u32) -> DebBuilder {
        self.control.push((name.to_owned(), content.into(), mode));
        self
    }

    /// Sets the compressions of control.tar and of data.tar.
    pub fn compression(mut self, control: Compression, data: Compression) -> DebBuilder {
        (self.control_compression, self.data_compression) = (control, data);
        self
    }

    /// Sets the time of everything inside, in seconds since 1970.
    pub fn mtime(mut self, seconds: u64) -> DebBuilder {
        self.mtime = seconds;
        self
    }

    /// Writes the package.
    ///
    /// # Errors
    /// [`Error::Name`] for a path that is not [safe](safe_path), [`Error::Limit`] for a time or a member
    /// too large for an ar header, [`Error::Io`] from the tar writer.
    pub fn build(&self) -> Result<Vec<u8>> {
        let control = encode(&self.tar(&self.control)?, self.control_compression)?;
        let data = encode(&self.tar(&self.data)?, self.data_compression)?;
        let mut deb = b"!<arch>\n".to_vec();
        self.member(&mut deb, "debian-binary", b"2.0\n")?;
        self.member(&mut deb, &tar_name("control.tar", self.control_compression), &control)?;
        self.member(&mut deb, &tar_name("data.tar", self.data_compression), &data)?;
        Ok(deb)
    }

    fn tar(&self, files: &[(String, Vec<u8>, u32)]) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(encoder(Vec::new(), Compression::None)?);
        let mut directories = BTreeSet::new();
        self.directory(&mut tar, "./")?;
        for (path, content, mode) in files {
            safe_path(path)?;
            for (end, _) in path.match_indices('/') {
                let directory = &path[..=end];
                if directories.insert(directory) {
                    self.directory(&mut tar, directory)?;
                }
            }
            let mut header = self.header(tar::EntryType::Regular, *mode);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, &content[..])?;
        }
        tar.into_inner()?.finish()
    }

    fn directory(&self, tar: &mut tar::Builder<impl Write>, path: &str) -> Result<()> {
        let mut header = self.header(tar::EntryType::Directory, 0o755);
        header.set_size(0);
        Ok(tar.append_data(&mut header, path, &[][..])?)
    }

    fn header(&self, kind: tar::EntryType, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.mtime);
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn member(&self, deb: &mut Vec<u8>, name: &str, content: &[u8]) -> Result<()> {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", self.mtime, 0, 0, 100644, content.len());
        if header.len() != 60 {
            return Err(Error::limit("digits of time or size in an ar header", 10));
        }
        deb.extend_from_slice(header.as_bytes());
        deb.extend_from_slice(content);
        if content.len() % 2 == 1 {
            deb.push(b'\n');
        }
        Ok(())
    }
}

fn tar_name(stem: &str, compression: Compression) -> String {
    match compression.extension() {
        "" => stem.to_owned(),
        extension => format!("{stem}.{extension}"),
    }
}
