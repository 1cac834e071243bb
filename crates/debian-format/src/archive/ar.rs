//! The container: an ar archive as far as dpkg reads one (deb(5), ar(5)).

use std::io::{self, Read};

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// A package has three members; deb(5) allows for some more.
const MAX_MEMBERS: u64 = 10;

/// The header of a member of an ar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, without the slash that GNU ar puts after it.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
}

/// Reads the members of an ar archive one after the other. As a [`Read`] it gives the bytes of the current
/// member, and fails with [`Error::Truncated`] where the archive ends before the member does.
#[derive(Debug)]
pub struct ArReader<R> {
    inner: R,
    current: Member,
    left: u64,
    members: u64,
}

impl<R: Read> ArReader<R> {
    /// Reads the magic bytes of the archive.
    ///
    /// # Errors
    /// [`Error::Deb`] if they are not there, [`Error::Io`].
    pub fn new(mut inner: R) -> Result<ArReader<R>> {
        let mut magic = [0; MAGIC.len()];
        if read_full(&mut inner, &mut magic)? < magic.len() || magic != *MAGIC {
            return Err(Error::Deb("it does not begin as an ar archive".to_owned()));
        }
        let current = Member { name: String::new(), size: 0 };
        Ok(ArReader { inner, current, left: 0, members: 0 })
    }

    /// Skips what is left of the current member and reads the header of the next one; `None` at the end
    /// of the archive.
    ///
    /// Names are taken as dpkg takes them: spaces and one slash at the end do not count, and the long
    /// names of GNU and BSD ar are not resolved.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the current member, or the byte that pads it to an even size, is not
    /// complete (dpkg does not insist on that byte, but apt does); [`Error::Deb`] for a header that is none;
    /// [`Error::Limit`] for the eleventh member; [`Error::Io`].
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        io::copy(self, &mut io::sink())?;
        if self.current.size % 2 == 1 && read_full(&mut self.inner, &mut [0])? == 0 {
            return Err(self.truncated(1));
        }
        // At the end, a further call must not look for the padding again.
        self.current.size = 0;
        let mut header = [0; HEADER];
        match read_full(&mut self.inner, &mut header)? {
            0 => return Ok(None),
            HEADER => {}
            _ => return Err(Error::Deb("it ends inside the header of a member".to_owned())),
        }
        if self.members == MAX_MEMBERS {
            return Err(Error::limit("members in the archive", MAX_MEMBERS));
        }
        self.members += 1;
        self.current = parse_header(&header)?;
        self.left = self.current.size;
        Ok(Some(self.current.clone()))
    }

    fn truncated(&self, missing: u64) -> Error {
        Error::Truncated { member: self.current.name.clone(), missing, size: self.current.size }
    }
}

impl<R: Read> Read for ArReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(self.truncated(self.left).into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Name (16 bytes), time (12), user (6), group (6), mode (8), size (10) and two bytes of magic.
fn parse_header(header: &[u8; HEADER]) -> Result<Member> {
    let fail = |why: &str| Err(Error::Deb(format!("the header of a member {why}")));
    if header[58..] != *b"`\n" {
        return fail("does not end as it must");
    }
    let name = header[..16].trim_ascii_end();
    let name = name.strip_suffix(b"/").unwrap_or(name);
    if name.is_empty() || !name.iter().all(|c| c.is_ascii_graphic()) {
        return fail("has no readable name");
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let digits = header[48..58].trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return fail("has no readable size");
    }
    // Ten digits always fit.
    let size = digits.iter().fold(0, |size, digit| size * 10 + u64::from(digit - b'0'));
    Ok(Member { name, size })
}

/// Reads until the buffer is full or the input ends, and says how much it was.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}
