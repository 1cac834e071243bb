//! One signing key: how it is made, when apt's verifiers accept it, and how it signs.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use checkpoint_core::Error;
use chrono::{DateTime, SecondsFormat, Utc};
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::cert::{Cert, CertBuilder, CertParser, CipherSuite, ValidCert};
use sequoia_openpgp::crypto::{KeyPair, S2K, mpi};
use sequoia_openpgp::packet::key::{
    Key as KeyPacket, KeyParts, KeyRole, PublicParts, SecretKeyMaterial, SecretParts,
};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::{Curve, HashAlgorithm, KeyFlags};
use sequoia_openpgp::{Profile, packet::UserID};

/// RSA keys below this still verify everywhere, but apt's policy file ends RSA 2048 on 2030-02-01.
const RSA_STRONG_BITS: usize = 3072;

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyAlgorithm {
    /// Small and fast; every apt since Debian 9 verifies it. The default.
    #[default]
    Ed25519,
    /// RSA with 4096 bits, for clients that know nothing else.
    Rsa4096,
}

impl FromStr for KeyAlgorithm {
    type Err = Error;

    /// Reads `ed25519` or `rsa4096`; anything else is [`Error::Invalid`].
    fn from_str(text: &str) -> Result<KeyAlgorithm, Error> {
        match text {
            "ed25519" => Ok(KeyAlgorithm::Ed25519),
            "rsa4096" => Ok(KeyAlgorithm::Rsa4096),
            _ => Err(Error::Invalid(format!("there is no key algorithm '{text}', use ed25519 or rsa4096"))),
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyAlgorithm::Ed25519 => "ed25519",
            KeyAlgorithm::Rsa4096 => "rsa4096",
        })
    }
}

/// What everybody may know of a signing key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyInfo {
    /// The fingerprint of the primary key, 40 upper-case hexadecimal digits; what apt's `Signed-By` takes.
    pub fingerprint: String,
    /// The primary user id, without control characters.
    pub user_id: String,
    /// The algorithm that signs, as people write it: `Ed25519`, `RSA 4096`, `NIST P-256`.
    pub algorithm: String,
    /// When the primary key was made, in Unix seconds.
    pub created: u64,
    /// When the key stops signing, in Unix seconds; `None`: never.
    pub expires: Option<u64>,
}

/// A secret key that apt's verifiers accept. `Debug` shows its [`KeyInfo`] only.
pub(super) struct Key {
    cert: Cert,
    info: KeyInfo,
    weak: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.info).finish()
    }
}

/// Why a key cannot be used: the end of a sentence that begins with what was tried.
type Reason = String;

impl Key {
    /// Makes a version 4 key (RFC 9580 section 5.5.2.2: all that gpgv of Debian 12 reads) that never expires
    /// and whose primary key signs. Fails if the user id is not printable or `now` is not an OpenPGP time.
    pub(super) fn generate(algorithm: KeyAlgorithm, user_id: &str, now: SystemTime) -> Result<Key, Reason> {
        if user_id.trim().is_empty() || user_id.contains(char::is_control) {
            return Err("its name must not be empty or contain control characters".to_owned());
        }
        let suite = match algorithm {
            KeyAlgorithm::Ed25519 => CipherSuite::Cv25519,
            KeyAlgorithm::Rsa4096 => CipherSuite::RSA4k,
        };
        let made = CertBuilder::new()
            .set_profile(Profile::RFC4880)
            .and_then(|builder| {
                builder
                    .set_cipher_suite(suite)
                    .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
                    .set_creation_time(now)
                    .add_userid(UserID::from(user_id))
                    .generate()
            })
            .map_err(|error| error.root_cause().to_string())?;
        Key::examine(made.0)
    }

    /// Reads one secret key, armored or binary. Fails unless it is exactly one and `examine` accepts it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Key, Reason> {
        // A parser stops at the end of the first armored block; a second key must not be lost in silence.
        let begin = b"-----BEGIN PGP ";
        let blocks = bytes.windows(begin.len()).filter(|window| window == begin).count();
        let mut certs = CertParser::from_bytes(bytes).map_err(|_| "it is not an OpenPGP key".to_owned())?;
        match (certs.next(), certs.next()) {
            (Some(Ok(cert)), None) if blocks <= 1 => Key::examine(cert),
            (Some(Ok(_)), None | Some(Ok(_))) => {
                Err("it holds more than one key, use a file for each".to_owned())
            }
            _ => Err("it is not an OpenPGP key".to_owned()),
        }
    }

    /// Accepts what gpgv and sqv of current Debian and Ubuntu releases will accept signatures of, and what
    /// can sign without a person.
    fn examine(cert: Cert) -> Result<Key, Reason> {
        if !cert.is_tsk() {
            return Err("it is a public key, the secret key is needed".to_owned());
        }
        if cert.primary_key().key().version() != 4 {
            return Err("it is not a version 4 key, which is all that gpgv of Debian 12 reads".to_owned());
        }
        // Whatever hash the revocation uses, and since whenever: a revoked key does not vouch for anything.
        if cert.primary_key().self_revocations().next().is_some() {
            return Err("it is revoked".to_owned());
        }
        accepted(cert.primary_key().key())?;
        let policy = policy();
        let valid = cert
            .with_policy(&policy, newest_statement(&cert))
            .map_err(|error| format!("apt's verifiers refuse it: {}", error.root_cause()))?;
        let user_id = valid.primary_userid().map_err(|_| "it has no valid user id".to_owned())?;
        let signing = signing_key(&valid).ok_or_else(|| why_none_signs(&valid))?;
        let (algorithm, weak) = accepted(signing.key())?;
        let expires = [valid.primary_key().key_expiration_time(), signing.key_expiration_time()];
        let info = KeyInfo {
            fingerprint: cert.fingerprint().to_hex(),
            user_id: String::from_utf8_lossy(user_id.userid().value()).replace(char::is_control, "\u{fffd}"),
            algorithm,
            created: unix(valid.primary_key().key().creation_time()),
            expires: expires.into_iter().flatten().min().map(unix),
        };
        Ok(Key { cert, info, weak })
    }

    /// What everybody may know of it.
    pub(super) fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// Without any secret.
    pub(super) fn public(&self) -> Cert {
        self.cert.clone().strip_secret_key_material()
    }

    /// Armored, with the secret: for its file only.
    pub(super) fn armored_secret(&self) -> Result<Vec<u8>, Reason> {
        self.cert.as_tsk().armored().to_vec().map_err(|error| error.root_cause().to_string())
    }

    /// The key pair whose signature made at `time` verifies. Fails if the key does not exist yet or has
    /// expired at `time`: such a signature is worthless to everybody.
    pub(super) fn signer(&self, time: SystemTime) -> Result<KeyPair, Reason> {
        let seconds = unix(time);
        if seconds < self.info.created {
            return Err("it was made later".to_owned());
        }
        if self.info.expires.is_some_and(|expires| expires <= seconds) {
            return Err("it has expired".to_owned());
        }
        let policy = policy();
        let valid = self.cert.with_policy(&policy, time).map_err(|error| error.root_cause().to_string())?;
        let key = signing_key(&valid).ok_or_else(|| why_none_signs(&valid))?;
        key.key().clone().into_keypair().map_err(|error| error.root_cause().to_string())
    }

    /// Logs what its owner should know before it hurts.
    pub(super) fn warn(&self) {
        let KeyInfo { fingerprint, algorithm, expires, .. } = &self.info;
        if let Some(expires) = expires {
            let date = i64::try_from(*expires).ok().and_then(|secs| DateTime::<Utc>::from_timestamp(secs, 0));
            let date = date.map_or_else(String::new, |date| date.to_rfc3339_opts(SecondsFormat::Secs, true));
            tracing::warn!(
                %fingerprint,
                "this signing key expires at {date}; from then on gpgv (Debian 12) refuses what it signed before",
            );
        }
        if self.weak {
            tracing::warn!(%fingerprint, "apt will refuse {algorithm} signatures from 2030-02-01 on");
        }
    }
}

/// The name of the key's algorithm, and whether its end is in sight. Fails for what some current apt refuses:
/// sqv's policy (apt's default-sequoia.config) and gpgv's `assert-pubkey-algo` on Ubuntu, or cannot read at all.
fn accepted<P: KeyParts, R: KeyRole>(key: &KeyPacket<P, R>) -> Result<(String, bool), Reason> {
    let name = match key.mpis() {
        mpi::PublicKey::RSA { n, .. } if n.bits() >= 2048 => {
            return Ok((format!("RSA {}", n.bits()), n.bits() < RSA_STRONG_BITS));
        }
        mpi::PublicKey::RSA { n, .. } => format!("RSA {}", n.bits()),
        mpi::PublicKey::EdDSA { curve: Curve::Ed25519, .. } => return Ok(("Ed25519".to_owned(), false)),
        mpi::PublicKey::ECDSA { curve, .. } => match curve {
            Curve::NistP256 => return Ok(("NIST P-256".to_owned(), false)),
            Curve::NistP384 => return Ok(("NIST P-384".to_owned(), false)),
            Curve::NistP521 => return Ok(("NIST P-521".to_owned(), false)),
            other => format!("ECDSA {other}"),
        },
        mpi::PublicKey::DSA { p, .. } => format!("DSA {}", p.bits()),
        _ => key.pk_algo().to_string(),
    };
    Err(format!(
        "its algorithm ({name}) is refused by apt's verifiers, use Ed25519, RSA from 2048 bits or NIST curves",
    ))
}

/// What apt's verifiers demand of a key's self-signatures, at its strictest: whatever sequoia will refuse one
/// day (DSA, SHA-1, version 3 signatures) is refused today, for checkpoints are read years later; and SHA-224,
/// which apt's default-sequoia.config refuses since 2026-02-01. Independent of the clock.
fn policy() -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::at(UNIX_EPOCH + Duration::from_secs(u32::MAX.into()));
    policy.reject_hash(HashAlgorithm::SHA1);
    policy.reject_hash(HashAlgorithm::SHA224);
    policy
}

/// When the owner last said something about the key. To judge a key as of then takes in all there is to know
/// without asking the clock.
fn newest_statement(cert: &Cert) -> SystemTime {
    let keys = cert.keys().flat_map(|key| key.self_signatures().collect::<Vec<_>>());
    let users = cert.userids().flat_map(|user| user.self_signatures().collect::<Vec<_>>());
    let newest = keys.chain(users).filter_map(|signature| signature.signature_creation_time()).max();
    newest.unwrap_or_else(|| cert.primary_key().key().creation_time())
}

/// The newest part of the key that may and can sign without a passphrase. Subkeys come last and win a tie, as
/// in GnuPG.
fn signing_key<'a>(valid: &ValidCert<'a>) -> Option<ValidErasedKeyAmalgamation<'a, SecretParts>> {
    valid
        .keys()
        .alive()
        .supported()
        .for_signing()
        .unencrypted_secret()
        .filter(|part| part.self_revocations().next().is_none() && accepted(part.key()).is_ok())
        .max_by_key(|part| part.key().creation_time())
}

/// The most helpful reason that no part of the key signs.
fn why_none_signs(valid: &ValidCert<'_>) -> Reason {
    let parts: Vec<ValidErasedKeyAmalgamation<'_, PublicParts>> = valid.keys().for_signing().collect();
    for part in &parts {
        if let Err(reason) = accepted(part.key()) {
            return reason;
        }
        match part.key().optional_secret() {
            Some(SecretKeyMaterial::Encrypted(secret)) if !matches!(secret.s2k(), S2K::Private { .. }) => {
                return "it is protected by a passphrase, which must be removed first".to_owned();
            }
            // What GnuPG exports in place of a secret that is on a smartcard or was left out.
            Some(SecretKeyMaterial::Encrypted(_)) => return "its secret is kept elsewhere".to_owned(),
            _ => {}
        }
    }
    "it has no valid secret key for signing".to_owned()
}

/// Whole Unix seconds; OpenPGP knows no time before 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
