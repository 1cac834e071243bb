//! The signing seam: who vouches for a publication.

use std::time::SystemTime;

use crate::error::Result;

/// Signs what a plugin publishes. The application implements it over its keys; plugins only call it.
///
/// With several keys every method signs with each of them, so that clients which know only the old
/// or only the new key both accept the result.
pub trait Signer: Send + Sync {
    /// `text` in the cleartext signature framework (RFC 9580 section 7), as apt expects in `InRelease`.
    /// The signature carries `time`.
    fn clearsign(&self, text: &[u8], time: SystemTime) -> Result<Vec<u8>>;

    /// An armored detached signature over `data`, as apt expects in `Release.gpg`.
    fn detach(&self, data: &[u8], time: SystemTime) -> Result<Vec<u8>>;

    /// The public keys, ASCII-armored in one block.
    fn public_keys(&self) -> Result<String>;
}
