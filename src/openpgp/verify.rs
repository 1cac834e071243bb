//! Whether an upstream's signature holds, by the rules that apt applies (apt.md of the design, sqv).

use std::io::Read as _;
use std::time::SystemTime;

use checkpoint_core::signer::Verifier;
use checkpoint_core::{Error, Result};
use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::{KeyHandle, armor};

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// Verifies by sequoia's standard policy, the engine behind the sqv that apt 3 calls.
pub struct SequoiaVerifier;

impl Verifier for SequoiaVerifier {
    fn verify_clearsigned(&self, keys: &[u8], message: &[u8], now: SystemTime) -> Result<Vec<u8>> {
        check_shape(message).map_err(|why| Error::Signing(format!("it is not a signed message: {why}")))?;
        let (policy, helper) = (StandardPolicy::at(now), Keys::parse(keys)?);
        let verifier = VerifierBuilder::from_bytes(message).and_then(|b| b.with_policy(&policy, now, helper));
        let mut verifier = verifier.map_err(|error| Error::Signing(error.to_string()))?;
        let mut text = Vec::new();
        verifier.read_to_end(&mut text).map_err(|error| Error::Signing(error.to_string()))?;
        Ok(text)
    }

    fn verify_detached(&self, keys: &[u8], data: &[u8], signature: &[u8], now: SystemTime) -> Result<()> {
        let (policy, helper) = (StandardPolicy::at(now), Keys::parse(keys)?);
        let verifier =
            DetachedVerifierBuilder::from_bytes(signature).and_then(|b| b.with_policy(&policy, now, helper));
        let verified = verifier.and_then(|mut verifier| verifier.verify_bytes(data));
        verified.map_err(|error| Error::Signing(error.to_string()))
    }
}

/// Refuses what makes different readers see different texts: anything before, between or after the parts of one
/// message (apt CVE-2013-1051).
fn check_shape(message: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(message).map_err(|_| "it is not UTF-8")?;
    let mut lines = text.lines();
    if lines.next() != Some(BEGIN_MESSAGE) {
        return Err("it does not begin as one");
    }
    let mut headers = lines.by_ref().take_while(|line| !line.is_empty());
    if headers.any(|line| !line.starts_with("Hash: ")) {
        return Err("it has an unknown header");
    }
    let mut body = lines.by_ref().take_while(|line| *line != BEGIN_SIGNATURE);
    if body.any(|line| line.starts_with('-') && !line.starts_with("- ")) {
        return Err("a line of it begins with an unescaped dash");
    }
    let mut signature = lines.by_ref().take_while(|line| *line != END_SIGNATURE);
    if signature.any(|line| line.starts_with('-')) || !text.contains(END_SIGNATURE) {
        return Err("its signature does not end");
    }
    match lines.next() {
        None => Ok(()),
        Some(_) => Err("something follows its signature"),
    }
}

/// Whom we trust. One good signature is enough: archives sign with several keys, of which we may know one.
struct Keys(Vec<Cert>);

impl Keys {
    fn parse(keys: &[u8]) -> Result<Keys> {
        let wrong = |why: String| Error::Signing(format!("the keyring cannot be read: {why}"));
        let mut certs = Vec::new();
        // A file may hold several armored blocks; sequoia reads one at a time.
        let mut rest = keys;
        while !rest.is_empty() {
            let block = match find(rest, b"-----END PGP PUBLIC KEY BLOCK-----") {
                Some(end) => &rest[..end],
                None if certs.is_empty() => rest,
                None => break,
            };
            let parser = CertParser::from_bytes(block).map_err(|error| wrong(error.to_string()))?;
            for cert in parser {
                certs.push(cert.map_err(|error| wrong(error.to_string()))?);
            }
            rest = &rest[block.len()..];
        }
        match certs.is_empty() {
            true => Err(wrong("there is no public key in it".into())),
            false => Ok(Keys(certs)),
        }
    }
}

/// The position after the first `needle`.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len())
}

impl VerificationHelper for Keys {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(self.0.clone())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        let mut why = None;
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                match result {
                    Ok(_) => return Ok(()),
                    Err(error) => why = why.or_else(|| Some(error.to_string())),
                }
            }
        }
        let why = why.unwrap_or_else(|| "there is no signature".into());
        Err(std::io::Error::other(format!("no signature by a key of the keyring holds: {why}")).into())
    }
}

/// A file of public keys as one armored text: it may be binary, as in `/usr/share/keyrings`.
pub fn armored_keys(bytes: &[u8]) -> Result<String> {
    let Keys(certs) = Keys::parse(bytes)?;
    let failed = |error: String| Error::Signing(format!("the keyring cannot be written: {error}"));
    let writer = armor::Writer::new(Vec::new(), armor::Kind::PublicKey);
    let mut writer = writer.map_err(|error| failed(error.to_string()))?;
    for cert in certs {
        use sequoia_openpgp::serialize::Serialize as _;
        cert.serialize(&mut writer).map_err(|error| failed(error.to_string()))?;
    }
    let armored = writer.finalize().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(armored).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openpgp::{KeyAlgorithm, Keyring};
    use checkpoint_core::signer::Signer as _;
    use std::time::{Duration, UNIX_EPOCH};

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_780_000_000)
    }

    fn keyring() -> Keyring {
        let directory = tempfile::tempdir().unwrap();
        Keyring::generate(directory.path(), KeyAlgorithm::Ed25519, "test", now()).unwrap();
        Keyring::open(directory.path()).unwrap()
    }

    #[test]
    fn what_a_known_key_has_signed_is_given_back() {
        let (ours, other) = (keyring(), keyring());
        let text = b"Origin: x\n\n- dash\n".to_vec();
        let signed = ours.clearsign(&text, now()).unwrap();
        let keys = other.export_public().unwrap() + &ours.export_public().unwrap();
        let verified = SequoiaVerifier.verify_clearsigned(keys.as_bytes(), &signed, now()).unwrap();
        // Of the last line break it is not known whether it is signed (RFC 9580 section 7.1).
        assert_eq!(verified.strip_suffix(b"\n").unwrap_or(&verified), text.strip_suffix(b"\n").unwrap());
        let signature = ours.detach(&text, now()).unwrap();
        SequoiaVerifier.verify_detached(keys.as_bytes(), &text, &signature, now()).unwrap();
        let armored = armored_keys(keys.as_bytes()).unwrap();
        SequoiaVerifier.verify_detached(armored.as_bytes(), &text, &signature, now()).unwrap();
    }

    #[test]
    fn an_unknown_key_or_a_changed_byte_is_refused() {
        let (ours, other) = (keyring(), keyring());
        let (known, unknown) = (ours.export_public().unwrap(), other.export_public().unwrap());
        let signed = ours.clearsign(b"Origin: x\n", now()).unwrap();
        assert!(SequoiaVerifier.verify_clearsigned(unknown.as_bytes(), &signed, now()).is_err());
        let changed = String::from_utf8(signed).unwrap().replace("Origin: x", "Origin: y");
        assert!(SequoiaVerifier.verify_clearsigned(known.as_bytes(), changed.as_bytes(), now()).is_err());
        let signature = ours.detach(b"data", now()).unwrap();
        assert!(SequoiaVerifier.verify_detached(known.as_bytes(), b"date", &signature, now()).is_err());
        assert!(SequoiaVerifier.verify_detached(b"no key", b"data", &signature, now()).is_err());
    }

    #[test]
    fn text_outside_of_the_signature_is_refused() {
        let ours = keyring();
        let keys = ours.export_public().unwrap();
        let signed = String::from_utf8(ours.clearsign(b"Origin: x\n", now()).unwrap()).unwrap();
        for message in [
            format!("Origin: y\n{signed}"),
            format!("{signed}Origin: y\n"),
            format!("{signed}{signed}"),
            signed.replace("Hash: SHA512", "Hash: SHA512\nOrigin: y"),
            signed.replace(END_SIGNATURE, ""),
            "Origin: x\n".to_owned(),
        ] {
            let refused = SequoiaVerifier.verify_clearsigned(keys.as_bytes(), message.as_bytes(), now());
            assert!(refused.is_err(), "{message}");
        }
    }
}
