//! The signing seam: who vouches for a publication, and whom upstreams' signatures are held against.

use std::time::SystemTime;

use crate::error::Result;
use crate::time::Timestamp;

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

    /// Each key by itself; none if there is no key yet.
    fn keys(&self) -> Result<Vec<SigningKey>> {
        Ok(Vec::new())
    }
}

/// A key that signs, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its user id.
    pub name: String,
    /// Its fingerprint, 40 upper-case hexadecimal digits.
    pub fingerprint: String,
    /// The public key, ASCII-armored.
    pub public_key: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Holds upstreams' signatures against keys. The application implements it; plugins only call it.
pub trait Verifier: Send + Sync {
    /// The text of a cleartext-signed message (RFC 9580 section 7) that has a valid signature by one of `keys`,
    /// armored or binary: exactly the bytes that are signed. Anything before, after or between is refused.
    fn verify_clearsigned(&self, keys: &[u8], message: &[u8], now: SystemTime) -> Result<Vec<u8>>;

    /// Checks a detached signature over `data` by one of `keys`.
    fn verify_detached(&self, keys: &[u8], data: &[u8], signature: &[u8], now: SystemTime) -> Result<()>;
}
