//! The verifiers are the real ones: gpgv (apt up to Debian 12) and sqv (apt from Debian 13).

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Barrier;
use std::time::{Duration, UNIX_EPOCH};

use checkpoint_testkit::program;
use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::parse::Parse as _;
use tempfile::TempDir;

use super::*;

mod gpg;

const RELEASE: &str = "Origin: debpoint\nSuite: trixie\n\n-----BEGIN nothing\n- a dash\nFrom here on\n \
                       indented\nSHA256:\n 0000 12 main/binary-amd64/Packages\n";
/// 2024-06-01.
const NOW: u64 = 1_717_200_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn temp() -> TempDir {
    // Short: the path of gpg-agent's socket has a limit of 107 bytes.
    tempfile::Builder::new().prefix("g").tempdir_in("/tmp").unwrap()
}

/// A keyring with one generated key.
fn keyring_of(dir: &TempDir, algorithm: KeyAlgorithm) -> Keyring {
    Keyring::generate(dir.path(), algorithm, "test key", at(NOW)).unwrap();
    Keyring::open(dir.path()).unwrap()
}

/// The public keys as gpgv wants them.
fn dearmor(armored: &str) -> Vec<u8> {
    let mut binary = Vec::new();
    armor::Reader::from_bytes(armored.as_bytes(), None).read_to_end(&mut binary).unwrap();
    binary
}

/// Text and signatures of a cleartext signed file, taken apart as apt does for sqv.
fn split(signed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let signed = std::str::from_utf8(signed).unwrap();
    let body = signed.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n").unwrap();
    let end = body.find("\n-----BEGIN PGP SIGNATURE-----\n").unwrap();
    let lines = body[..end].split('\n').map(|line| line.strip_prefix("- ").unwrap_or(line));
    (lines.collect::<Vec<_>>().join("\n").into_bytes(), body.as_bytes()[end + 1..].to_vec())
}

/// What the verifiers of these tests say about a signed file.
struct Verifier {
    dir: TempDir,
}

impl Verifier {
    /// Trusts the keys of one armored block only.
    fn trusting(public: &str) -> Verifier {
        let dir = temp();
        fs::write(dir.path().join("keys.gpg"), dearmor(public)).unwrap();
        Verifier { dir }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn gpgv(&self, arguments: &[&PathBuf]) -> Output {
        let mut command = Command::new("gpgv");
        command.arg("--homedir").arg(self.dir.path()).arg("--keyring").arg(self.dir.path().join("keys.gpg"));
        command.args(arguments).output().unwrap()
    }

    fn sqv(&self, signature: &[u8], data: &[u8]) -> Output {
        let (signature, data) = (self.file("sqv.sig", signature), self.file("sqv.data", data));
        let keys = self.dir.path().join("keys.gpg");
        Command::new("sqv").arg("--keyring").args([&keys, &signature, &data]).output().unwrap()
    }

    /// Whether both accept an `InRelease`; and if gpgv does, its text is `RELEASE`.
    fn accepts_clearsigned(&self, signed: &[u8]) -> bool {
        let output = self.dir.path().join("text");
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--homedir").arg(self.dir.path()).arg("--keyring").arg(self.dir.path().join("keys.gpg"));
        let gpgv = gpgv.arg("--output").arg(&output).arg(self.file("InRelease", signed)).output().unwrap();
        if gpgv.status.success() {
            assert_eq!(fs::read_to_string(&output).unwrap(), RELEASE);
            fs::remove_file(&output).unwrap();
        }
        let (text, signatures) = split(signed);
        agree(&gpgv, &self.sqv(&signatures, &text))
    }

    /// Whether both accept a `Release.gpg`.
    fn accepts_detached(&self, signature: &[u8], data: &[u8]) -> bool {
        let gpgv = self.gpgv(&[&self.file("Release.gpg", signature), &self.file("Release", data)]);
        agree(&gpgv, &self.sqv(signature, data))
    }
}

fn agree(gpgv: &Output, sqv: &Output) -> bool {
    assert_eq!(gpgv.status.success(), sqv.status.success(), "gpgv: {gpgv:?}\nsqv: {sqv:?}");
    gpgv.status.success()
}

/// Signs in both forms and shows the result to both verifiers, then with one byte changed.
fn assert_signatures_hold(keyring: &Keyring) {
    if !program("gpgv") || !program("sqv") {
        return;
    }
    let verifier = Verifier::trusting(&keyring.export_public().unwrap());
    let signed = keyring.clearsign(RELEASE.as_bytes(), at(NOW + 1)).unwrap();
    assert!(signed.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----\n"));
    assert!(signed.ends_with(b"\n-----END PGP SIGNATURE-----\n"));
    assert!(verifier.accepts_clearsigned(&signed));
    let changed = String::from_utf8(signed).unwrap().replace("trixie", "trixiE");
    assert!(!verifier.accepts_clearsigned(changed.as_bytes()));

    let signature = keyring.detach(RELEASE.as_bytes(), at(NOW + 1)).unwrap();
    assert!(signature.starts_with(b"-----BEGIN PGP SIGNATURE-----\n"));
    assert!(verifier.accepts_detached(&signature, RELEASE.as_bytes()));
    assert!(!verifier.accepts_detached(&signature, RELEASE.replace("trixie", "trixiE").as_bytes()));
}

#[test]
fn ed25519_signatures_hold_for_gpgv_and_sqv_until_a_byte_changes() {
    let dir = temp();
    let keyring = keyring_of(&dir, KeyAlgorithm::Ed25519);
    let [info] = keyring.keys() else { panic!("one key") };
    assert_eq!((info.algorithm.as_str(), info.user_id.as_str()), ("Ed25519", "test key"));
    assert_eq!((info.created, info.expires), (NOW, None));
    assert_eq!(info.fingerprint.len(), 40);
    assert_signatures_hold(&keyring);
}

#[test]
fn rsa_4096_signatures_hold_for_gpgv_and_sqv_until_a_byte_changes() {
    let dir = temp();
    let keyring = keyring_of(&dir, KeyAlgorithm::Rsa4096);
    assert_eq!(keyring.keys()[0].algorithm, "RSA 4096");
    assert_signatures_hold(&keyring);
}

#[test]
fn two_keys_both_sign_and_whoever_trusts_one_accepts() {
    let (dir, other) = (temp(), temp());
    keyring_of(&dir, KeyAlgorithm::Ed25519);
    let both = keyring_of(&dir, KeyAlgorithm::Ed25519);
    assert_eq!(both.keys().len(), 2);
    let signed = both.clearsign(RELEASE.as_bytes(), at(NOW)).unwrap();
    let detached = both.detach(RELEASE.as_bytes(), at(NOW)).unwrap();
    let exported: Vec<Cert> =
        CertParser::from_bytes(&both.export_public().unwrap()).unwrap().map(Result::unwrap).collect();
    let fingerprints: Vec<String> = exported.iter().map(|cert| cert.fingerprint().to_hex()).collect();
    assert_eq!(fingerprints, both.keys().iter().map(|key| key.fingerprint.clone()).collect::<Vec<_>>());
    if !program("gpgv") || !program("sqv") {
        return;
    }
    for info in both.keys() {
        let alone = temp();
        let name = format!("{}.asc", info.fingerprint);
        fs::copy(dir.path().join(&name), alone.path().join(&name)).unwrap();
        let alone = Keyring::open(alone.path()).unwrap();
        let verifier = Verifier::trusting(&alone.export_public().unwrap());
        // gpgv itself wants every signature to be known, apt does not: it reads the status lines.
        let path = verifier.file("InRelease", &signed);
        let said = verifier.gpgv(&[&PathBuf::from("--status-fd=1"), &path]);
        let good = format!("VALIDSIG {}", info.fingerprint);
        assert!(String::from_utf8_lossy(&said.stdout).contains(&good), "{said:?}");
        let (text, signatures) = split(&signed);
        assert!(verifier.sqv(&signatures, &text).status.success());
        assert!(verifier.sqv(&detached, RELEASE.as_bytes()).status.success());
    }
    let stranger = keyring_of(&other, KeyAlgorithm::Ed25519);
    let verifier = Verifier::trusting(&stranger.export_public().unwrap());
    assert!(!verifier.accepts_clearsigned(&signed));
}

#[test]
fn blanks_at_line_ends_and_missing_line_breaks_are_harmless() {
    if !program("gpgv") || !program("sqv") {
        return;
    }
    let dir = temp();
    let keyring = keyring_of(&dir, KeyAlgorithm::Ed25519);
    let verifier = Verifier::trusting(&keyring.export_public().unwrap());
    for text in [RELEASE.trim_end().to_owned(), RELEASE.replace("trixie\n", "trixie \t\n")] {
        assert!(verifier.accepts_clearsigned(&keyring.clearsign(text.as_bytes(), at(NOW)).unwrap()));
    }
}

#[test]
fn a_text_that_gpgv_would_read_differently_is_not_signed() {
    let dir = temp();
    let keyring = keyring_of(&dir, KeyAlgorithm::Ed25519);
    let long = "a".repeat(LONGEST_LINE);
    assert!(keyring.clearsign(long.as_bytes(), at(NOW)).is_ok());
    for text in [long + "a\n", "Suite: a\r\n".to_owned(), "a\rb".to_owned()] {
        let failure = keyring.clearsign(text.as_bytes(), at(NOW)).unwrap_err();
        assert!(matches!(failure, Error::Invalid(_)), "{failure}");
        assert!(keyring.detach(text.as_bytes(), at(NOW)).is_ok());
    }
}

#[test]
fn an_empty_keyring_says_how_to_make_a_key() {
    let dir = temp();
    let keyring = Keyring::open(&dir.path().join("nothing")).unwrap();
    assert!(keyring.keys().is_empty());
    for failure in [
        keyring.clearsign(b"x\n", at(NOW)).unwrap_err(),
        keyring.detach(b"x", at(NOW)).unwrap_err(),
        keyring.public_keys().unwrap_err(),
    ] {
        assert_eq!(failure.to_string(), "there is no signing key, make one with `debpoint key generate`");
    }
}

#[test]
fn secrets_show_neither_in_debug_nor_in_the_export() {
    let dir = temp();
    let keyring = keyring_of(&dir, KeyAlgorithm::Ed25519);
    let file = dir.path().join(format!("{}.asc", keyring.keys()[0].fingerprint));
    let debug = format!("{keyring:?} {:?}", keyring.keys);
    assert!(debug.contains(&keyring.keys()[0].fingerprint));
    assert!(debug.len() < 700, "more than what KeyInfo says: {debug}");
    let exported = keyring.public_keys().unwrap();
    assert_eq!(exported.matches("-----BEGIN").count(), 1);
    assert!(exported.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"));
    assert!(!Cert::from_bytes(&exported).unwrap().is_tsk());
    assert!(Cert::from_file(file).unwrap().is_tsk());
}

#[test]
fn key_files_and_their_directory_are_for_the_owner_only() {
    let temp = temp();
    let dir = temp.path().join("keys");
    Keyring::open_or_generate(&dir, at(NOW)).unwrap();
    Keyring::generate(&dir, KeyAlgorithm::Ed25519, "second", at(NOW)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn many_that_generate_at_once_get_one_and_the_same_key() {
    let temp = temp();
    let dir = temp.path().join("keys");
    let barrier = Barrier::new(8);
    let keys: Vec<Vec<KeyInfo>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    Keyring::open_or_generate(&dir, at(NOW)).unwrap().keys().to_vec()
                })
            })
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(keys[0].len(), 1);
    assert!(keys.iter().all(|found| *found == keys[0]), "{keys:?}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    assert_eq!(Keyring::open_or_generate(&dir, at(NOW + 9)).unwrap().keys(), keys[0]);
}

#[test]
fn a_key_signs_from_its_first_second_on_and_is_left_out_before() {
    let dir = temp();
    let old = keyring_of(&dir, KeyAlgorithm::Ed25519);
    assert!(old.detach(b"x", at(NOW)).is_ok());
    let failure = old.detach(b"x", at(NOW - 1)).unwrap_err().to_string();
    let fingerprint = &old.keys()[0].fingerprint;
    assert_eq!(failure, format!("the key {fingerprint} cannot sign: it was made later"));
    Keyring::generate(dir.path(), KeyAlgorithm::Ed25519, "young", at(NOW + 60)).unwrap();
    let both = Keyring::open(dir.path()).unwrap();
    let signatures = |time| both.detach(b"x", at(time)).unwrap().len();
    assert!(signatures(NOW + 60) > signatures(NOW + 59) + 100, "one signature more");
}

#[test]
fn names_of_keys_are_printable() {
    let dir = temp();
    for name in ["", "  ", "two\nlines"] {
        let failure = Keyring::generate(dir.path(), KeyAlgorithm::Ed25519, name, at(NOW)).unwrap_err();
        assert!(matches!(failure, Error::Invalid(_)), "{failure}");
    }
}

#[test]
fn algorithms_are_read_as_they_are_written() {
    for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa4096] {
        assert_eq!(algorithm.to_string().parse::<KeyAlgorithm>().unwrap(), algorithm);
    }
    assert!("dsa".parse::<KeyAlgorithm>().is_err());
}

#[test]
fn what_is_not_one_secret_key_is_refused_with_its_file_name() {
    let (dir, one, two) = (temp(), temp(), temp());
    let first = keyring_of(&one, KeyAlgorithm::Ed25519);
    let second = keyring_of(&two, KeyAlgorithm::Ed25519);
    let secret = |dir: &TempDir, keyring: &Keyring| {
        fs::read_to_string(dir.path().join(format!("{}.asc", keyring.keys()[0].fingerprint))).unwrap()
    };
    let (secret_1, secret_2) = (secret(&one, &first), secret(&two, &second));
    let path = dir.path().join("bad.asc");
    for (content, reason) in [
        (String::new(), "it is not an OpenPGP key"),
        ("garbage\n".to_owned(), "it is not an OpenPGP key"),
        (secret_1[..secret_1.len() / 2].to_owned(), "it is not an OpenPGP key"),
        (first.export_public().unwrap(), "it is a public key, the secret key is needed"),
        (secret_1.clone() + &secret_2, "it holds more than one key, use a file for each"),
    ] {
        fs::write(&path, &content).unwrap();
        let refused = Keyring::open(dir.path()).unwrap_err().to_string();
        assert_eq!(refused, format!("cannot use the key file {}: {reason}", path.display()));
        let refused = Keyring::import(one.path(), content.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused, format!("cannot import the key: {reason}"));
    }
    let imported = Keyring::import(two.path(), secret_1.as_bytes()).unwrap();
    assert_eq!(imported, first.keys()[0]);
    let again = Keyring::import(two.path(), secret_1.as_bytes()).unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { what: "key", .. }), "{again}");
    fs::write(two.path().join("copy.asc"), secret_1).unwrap();
    assert_eq!(Keyring::open(two.path()).unwrap().keys().len(), 2, "a copy counts once");
}
