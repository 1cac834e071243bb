//! What names bytes: digests, and the hasher that computes all of them in one pass.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use md5::Digest as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// From exactly as many bytes as the digest has.
            pub fn from_slice(bytes: &[u8]) -> Result<Self> {
                let bytes = bytes.try_into().map_err(|_| {
                    Error::Corrupt(format!("a {} of {} bytes instead of {}", $noun, bytes.len(), $bytes))
                })?;
                Ok(Self(bytes))
            }
        }

        impl From<[u8; $bytes]> for $name {
            fn from(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Lower or upper case hexadecimal.
            fn from_str(text: &str) -> Result<Self> {
                let wrong = || Error::Invalid(format!("'{text}' is not a {} in hexadecimal", $noun));
                if text.len() != 2 * $bytes || !text.is_ascii() {
                    return Err(wrong());
                }
                let mut bytes = [0; $bytes];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let digit = |c: u8| (c as char).to_digit(16).ok_or_else(wrong);
                    *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
                }
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type! {
    /// A SHA-256 digest: the name of an artifact.
    Sha256, 32, "SHA-256 digest"
}
digest_type! {
    /// An MD5 digest. Never trusted; listed because old clients and `Packages` files carry it.
    Md5, 16, "MD5 digest"
}

digest_type! {
    /// A SHA-512 digest; asked for by clients of upstreams whose Release lists it.
    Sha512, 64, "SHA-512 digest"
}

/// Size in bytes and digests of one run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Digests {
    /// What names the bytes.
    pub sha256: Sha256,
    /// For old clients.
    pub md5: Md5,
    /// Length in bytes.
    pub size: u64,
}

impl Digests {
    /// The digests of bytes in memory.
    pub fn of(bytes: &[u8]) -> Digests {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Computes [`Digests`] in one pass. It is a [`Write`], so bytes can be copied through it.
#[derive(Default)]
pub struct Hasher {
    sha256: sha2::Sha256,
    md5: md5::Md5,
    size: u64,
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.md5.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// What all bytes taken together amount to.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: Sha256(self.sha256.finalize().into()),
            md5: Md5(self.md5.finalize().into()),
            size: self.size,
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let digests = Digests::of(b"abc");
        assert_eq!(
            digests.sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digests.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digests.size, 3);
    }

    #[test]
    fn hexadecimal_of_the_wrong_length_or_alphabet_is_refused() {
        for text in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
        assert!("A".repeat(64).parse::<Sha256>().is_ok());
    }
}
