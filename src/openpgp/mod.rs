//! The keys of this installation, and signing with them in this process.
//!
//! A keyring is a directory of armored OpenPGP secret keys without a passphrase, one a file. Every key signs
//! everything, so that a new key can be introduced long before an old one is retired. Nothing here reads the
//! clock or writes a secret anywhere but into the files of that directory.

mod files;
mod key;
mod verify;

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use checkpoint_core::signer::{Signer, SigningKey};
use checkpoint_core::time::Timestamp;
use checkpoint_core::{Error, Result};
use sequoia_openpgp::armor;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::serialize::Marshal as _;
use sequoia_openpgp::serialize::stream::{self, Armorer, Message};
use sequoia_openpgp::types::HashAlgorithm;

use key::Key;
pub use key::{KeyAlgorithm, KeyInfo};
pub use verify::{SequoiaVerifier, armored_keys};

/// The user id of a key nobody named.
pub const DEFAULT_USER_ID: &str = "debpoint archive signing key";

/// The file of the key that [`Keyring::open_or_generate`] makes. One name, whatever the fingerprint: of several
/// processes that start at once only one can create it, and the others read it.
const DEFAULT_FILE: &str = "default.asc";

/// The longest line that gpgv reads whole (`MAX_LINELEN` of GnuPG, without the dash escape).
const LONGEST_LINE: usize = 19_990;

/// All signing keys of a directory. Implements [`Signer`] with all of them at once.
///
/// A key that does not exist yet or has expired at the time of a signature is left out with a warning while
/// another one can sign, because no verifier accepts such a signature.
pub struct Keyring {
    keys: Vec<Key>,
    infos: Vec<KeyInfo>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("keys", &self.infos).finish()
    }
}

impl Keyring {
    /// Loads every `*.asc` of `dir`, in the order of the file names; a directory that does not exist is an empty
    /// keyring. Warns of keys that expire and of files that others may read.
    ///
    /// Fails with [`Error::Signing`] for a file that is not one secret version 4 key, is revoked, needs a
    /// passphrase, or that apt's verifiers (gpgv, sqv) refuse; with [`Error::Io`] if a file cannot be read.
    pub fn open(dir: &Path) -> Result<Keyring> {
        let mut keys: Vec<Key> = Vec::new();
        for path in files::list(dir)? {
            let key = Key::parse(&files::read(&path)?).map_err(|reason| {
                Error::Signing(format!("cannot use the key file {}: {reason}", path.display()))
            })?;
            let fingerprint = &key.info().fingerprint;
            if keys.iter().any(|known| known.info().fingerprint == *fingerprint) {
                tracing::warn!(path = %path.display(), %fingerprint, "this key is in another file, too");
                continue;
            }
            key.warn();
            keys.push(key);
        }
        let infos = keys.iter().map(|key| key.info().clone()).collect();
        Ok(Keyring { keys, infos })
    }

    /// Like [`Keyring::open`], but if there is no key makes an Ed25519 key first. Of several processes that do
    /// this at once one makes the key and all return it.
    pub fn open_or_generate(dir: &Path, now: SystemTime) -> Result<Keyring> {
        let found = Keyring::open(dir)?;
        if !found.keys.is_empty() {
            return Ok(found);
        }
        let key = new_key(KeyAlgorithm::default(), DEFAULT_USER_ID, now)?;
        if files::create(dir, DEFAULT_FILE, &armored_secret(&key)?)? {
            tracing::info!(fingerprint = %key.info().fingerprint, dir = %dir.display(), "made a signing key");
        }
        Keyring::open(dir)
    }

    /// Makes a key that was born at `now` and never expires, as `<FINGERPRINT>.asc` in `dir`. It is a version 4
    /// key (RFC 9580 section 5.5.2.2), which every gpgv can read, whose primary key signs.
    ///
    /// Fails with [`Error::Invalid`] if the user id is empty or has control characters, and with [`Error::Io`].
    pub fn generate(dir: &Path, algorithm: KeyAlgorithm, user_id: &str, now: SystemTime) -> Result<KeyInfo> {
        store(dir, &new_key(algorithm, user_id, now)?)
    }

    /// Adds a secret key, armored or binary, to `dir`, as `<FINGERPRINT>.asc`.
    ///
    /// Fails with [`Error::Invalid`] and the reason for what [`Keyring::open`] would refuse, with
    /// [`Error::AlreadyExists`] if `dir` has the key, and with what `open` fails with for the other keys there.
    pub fn import(dir: &Path, armored_or_binary: &[u8]) -> Result<KeyInfo> {
        let key = Key::parse(armored_or_binary)
            .map_err(|reason| Error::Invalid(format!("cannot import the key: {reason}")))?;
        if Keyring::open(dir)?.infos.iter().any(|known| known.fingerprint == key.info().fingerprint) {
            return Err(already_exists(key.info()));
        }
        key.warn();
        store(dir, &key)
    }

    /// The keys, in the order of their file names.
    pub fn keys(&self) -> &[KeyInfo] {
        &self.infos
    }

    /// All public keys as one armored block, because readers of key files differ in what they do with a second
    /// block. Never contains a secret.
    ///
    /// Fails with [`Error::Signing`] if there is no key.
    pub fn export_public(&self) -> Result<String> {
        if self.keys.is_empty() {
            return Err(no_key());
        }
        armored(&self.keys)
    }

    /// Signs with every key that is valid at `time`, in the order of the keys.
    fn sign(&self, data: &[u8], time: SystemTime, form: Form) -> Result<Vec<u8>> {
        let mut pairs = Vec::new();
        let mut refused = no_key();
        for key in &self.keys {
            let fingerprint = &key.info().fingerprint;
            match key.signer(time) {
                Ok(pair) => pairs.push(pair),
                Err(reason) => {
                    tracing::warn!(%fingerprint, "this key cannot sign: {reason}");
                    refused = Error::Signing(format!("the key {fingerprint} cannot sign: {reason}"));
                }
            }
        }
        let Some(last) = pairs.pop() else {
            return Err(refused);
        };
        write_signed(last, pairs, data, time, form)
            .map_err(|error| Error::Signing(format!("cannot sign: {}", error.root_cause())))
    }
}

impl Signer for Keyring {
    /// As the trait says, with SHA-512. Blanks at the ends of lines are no part of such a text and are dropped
    /// (RFC 9580 section 7.2), lines that begin with a dash are escaped (section 7.1).
    ///
    /// Fails with [`Error::Invalid`] for a text that gpgv would read differently: with carriage returns or a
    /// line of more than 19,990 bytes.
    fn clearsign(&self, text: &[u8], time: SystemTime) -> Result<Vec<u8>> {
        if text.contains(&b'\r') {
            return Err(Error::Invalid("a text with carriage returns cannot be signed in clear".to_owned()));
        }
        if text.split(|byte| *byte == b'\n').any(|line| line.len() > LONGEST_LINE) {
            let reason =
                format!("a text with a line of more than {LONGEST_LINE} bytes cannot be signed in clear");
            return Err(Error::Invalid(reason));
        }
        // The line break before the signature is not part of the text (section 7.1). The writer puts one there
        // in any case; with that of the last line the verified text would be one empty line longer.
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        self.sign(text, time, Form::Cleartext)
    }

    /// As the trait says, with SHA-512 (RFC 9580 section 10.4).
    fn detach(&self, data: &[u8], time: SystemTime) -> Result<Vec<u8>> {
        self.sign(data, time, Form::Detached)
    }

    fn public_keys(&self) -> Result<String> {
        self.export_public()
    }

    fn keys(&self) -> Result<Vec<SigningKey>> {
        let shown = |key: &Key| {
            let public_key = armored(std::slice::from_ref(key))?;
            let KeyInfo { fingerprint, user_id, created, .. } = key.info().clone();
            let created = Timestamp::from_unix(created as i64);
            Ok(SigningKey { name: user_id, fingerprint, public_key, created })
        };
        self.keys.iter().map(shown).collect()
    }
}

/// Public keys as one armored block.
fn armored(keys: &[Key]) -> Result<String> {
    let export = || -> sequoia_openpgp::Result<String> {
        let mut block = armor::Writer::new(Vec::new(), armor::Kind::PublicKey)?;
        for key in keys {
            key.public().export(&mut block)?;
        }
        Ok(String::from_utf8(block.finalize()?)?)
    };
    export().map_err(|error| Error::Signing(format!("cannot export the public keys: {}", error.root_cause())))
}

/// How signatures and text stand to each other.
#[derive(Clone, Copy)]
enum Form {
    /// One file with both, readable: `InRelease`.
    Cleartext,
    /// The signatures alone: `Release.gpg`.
    Detached,
}

/// Signatures of `rest` and `last` over `data`, in that order.
fn write_signed(
    last: KeyPair,
    rest: Vec<KeyPair>,
    data: &[u8],
    time: SystemTime,
    form: Form,
) -> sequoia_openpgp::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut message = Message::new(&mut out);
    // A cleartext signer armors what it appends itself.
    if let Form::Detached = form {
        message = Armorer::new(message).kind(armor::Kind::Signature).build()?;
    }
    // It writes the signatures in the opposite order.
    let mut signer = stream::Signer::new(message, last)?;
    for pair in rest.into_iter().rev() {
        signer = signer.add_signer(pair)?;
    }
    signer = match form {
        Form::Cleartext => signer.cleartext(),
        Form::Detached => signer.detached(),
    };
    let mut sink = signer.hash_algo(HashAlgorithm::SHA512)?.creation_time(time).build()?;
    sink.write_all(data)?;
    sink.finalize()?;
    Ok(out)
}

/// A new key; fails with [`Error::Invalid`], because only the arguments can be wrong.
fn new_key(algorithm: KeyAlgorithm, user_id: &str, now: SystemTime) -> Result<Key> {
    Key::generate(algorithm, user_id, now)
        .map_err(|reason| Error::Invalid(format!("cannot make a key: {reason}")))
}

/// Writes the file of a key that is not in `dir` yet.
fn store(dir: &Path, key: &Key) -> Result<KeyInfo> {
    let info = key.info();
    if files::create(dir, &format!("{}.asc", info.fingerprint), &armored_secret(key)?)? {
        Ok(info.clone())
    } else {
        Err(already_exists(info))
    }
}

fn armored_secret(key: &Key) -> Result<Vec<u8>> {
    key.armored_secret().map_err(|reason| Error::Signing(format!("cannot write the key: {reason}")))
}

fn already_exists(info: &KeyInfo) -> Error {
    Error::AlreadyExists { what: "key", name: info.fingerprint.clone() }
}

fn no_key() -> Error {
    Error::Signing("there is no signing key, make one with `debpoint key generate`".to_owned())
}

#[cfg(test)]
mod tests;
