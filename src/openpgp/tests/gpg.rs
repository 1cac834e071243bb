//! Keys that GnuPG made.

use std::sync::Arc;

use super::*;

/// The moment gpg believes to make its keys, before `NOW`.
const GPG_NOW: &str = "20240101T000000!";

/// GnuPG with a home of its own.
struct Gpg {
    home: TempDir,
}

impl Gpg {
    fn new() -> Gpg {
        Gpg { home: temp() }
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let done = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"])
            .args(["--faked-system-time", GPG_NOW])
            .args(arguments)
            .output()
            .unwrap();
        assert!(done.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    fn make(&self, options: &[&str], algorithm: &str, expires: &str) {
        let quick = ["--passphrase", "", "--quick-gen-key", "archive", algorithm, "sign", expires];
        self.run(&[options, &quick].concat());
    }

    fn secret(&self) -> Vec<u8> {
        self.run(&["--passphrase", "", "--armor", "--export-secret-keys"])
    }

    /// Why the secret key is not taken.
    fn refusal(&self) -> String {
        let refused = Keyring::import(temp().path(), &self.secret()).unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused:?}");
        let sentence = refused.to_string();
        assert!(!sentence.contains(['\n', ';']) && !sentence.ends_with('.'), "one sentence: {sentence}");
        sentence.strip_prefix("cannot import the key: ").unwrap().to_owned()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut agent = Command::new("gpgconf");
        let _ = agent.args(["--kill", "gpg-agent"]).env("GNUPGHOME", self.home.path()).status();
    }
}

#[test]
fn keys_made_by_gpg_are_imported_and_sign() {
    if !program("gpg") {
        return;
    }
    for (algorithm, name) in [("ed25519", "Ed25519"), ("rsa2048", "RSA 2048"), ("nistp384", "NIST P-384")] {
        let (gpg, dir) = (Gpg::new(), temp());
        gpg.make(&[], algorithm, "never");
        let info = Keyring::import(dir.path(), &gpg.secret()).unwrap();
        assert_eq!((info.algorithm.as_str(), info.user_id.as_str()), (name, "archive"));
        assert_eq!((info.created, info.expires), (1_704_067_200, None));
        assert_signatures_hold(&Keyring::open(dir.path()).unwrap());
    }
}

#[test]
fn a_signing_subkey_signs_when_its_primary_secret_is_kept_elsewhere() {
    if !program("gpg") {
        return;
    }
    let (gpg, dir) = (Gpg::new(), temp());
    gpg.run(&["--passphrase", "", "--quick-gen-key", "archive", "ed25519", "cert", "never"]);
    let listed = String::from_utf8(gpg.run(&["--with-colons", "--list-keys"])).unwrap();
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let fingerprint = fingerprint.trim_end_matches(':');
    gpg.run(&["--passphrase", "", "--quick-add-key", fingerprint, "ed25519", "sign", "never"]);
    let subkeys = gpg.run(&["--passphrase", "", "--armor", "--export-secret-subkeys"]);
    let info = Keyring::import(dir.path(), &subkeys).unwrap();
    assert_eq!(info.fingerprint, fingerprint);
    assert_signatures_hold(&Keyring::open(dir.path()).unwrap());
}

#[test]
fn a_key_that_expires_says_when_and_signs_until_then() {
    if !program("gpg") {
        return;
    }
    let (gpg, dir) = (Gpg::new(), temp());
    gpg.make(&[], "ed25519", "20250101T000000");
    let info = Keyring::import(dir.path(), &gpg.secret()).unwrap();
    let expires = info.expires.unwrap();
    assert_eq!(expires, 1_735_689_600);
    let keyring = Keyring::open(dir.path()).unwrap();
    assert!(keyring.clearsign(b"x\n", at(expires - 1)).is_ok());
    let failure = keyring.clearsign(b"x\n", at(expires)).unwrap_err().to_string();
    assert!(failure.ends_with(" cannot sign: it has expired"), "{failure}");
}

#[test]
fn keys_that_apt_refuses_are_refused_with_the_reason() {
    if !program("gpg") {
        return;
    }
    let advice = "is refused by apt's verifiers, use Ed25519, RSA from 2048 bits or NIST curves";
    for (algorithm, name) in
        [("rsa1024", "RSA 1024"), ("brainpoolP256r1", "ECDSA brainpoolP256r1"), ("dsa2048", "DSA 2048")]
    {
        let gpg = Gpg::new();
        gpg.make(&[], algorithm, "never");
        assert_eq!(gpg.refusal(), format!("its algorithm ({name}) {advice}"));
    }
    let gpg = Gpg::new();
    gpg.make(&["--cert-digest-algo", "SHA1", "--allow-weak-key-signatures"], "ed25519", "never");
    let reason = gpg.refusal();
    assert!(reason.starts_with("apt's verifiers refuse it: ") && reason.contains("SHA1"), "{reason}");
}

#[test]
fn protected_revoked_and_public_keys_are_refused_with_the_reason() {
    if !program("gpg") {
        return;
    }
    let gpg = Gpg::new();
    gpg.run(&["--passphrase", "hunter2", "--quick-gen-key", "archive", "ed25519", "sign", "never"]);
    let protected = gpg.run(&["--passphrase", "hunter2", "--armor", "--export-secret-keys"]);
    let refused = Keyring::import(temp().path(), &protected).unwrap_err().to_string();
    let reason = "it is protected by a passphrase, which must be removed first";
    assert_eq!(refused, format!("cannot import the key: {reason}"));
    let public = gpg.run(&["--export"]);
    let refused = Keyring::import(temp().path(), &public).unwrap_err().to_string();
    assert_eq!(refused, "cannot import the key: it is a public key, the secret key is needed");

    let gpg = Gpg::new();
    gpg.make(&[], "ed25519", "never");
    let revocations = gpg.home.path().join("openpgp-revocs.d");
    let revocation = fs::read_dir(revocations).unwrap().next().unwrap().unwrap().path();
    // A colon keeps people from using it by mistake.
    let usable = fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    fs::write(&revocation, usable).unwrap();
    gpg.run(&["--import", revocation.to_str().unwrap()]);
    assert_eq!(gpg.refusal(), "it is revoked");
}

#[test]
fn warnings_name_files_that_others_may_read_and_keys_whose_end_is_in_sight() {
    if !program("gpg") {
        return;
    }
    let (gpg, dir) = (Gpg::new(), temp());
    gpg.make(&[], "rsa2048", "20250101T000000");
    let info = Keyring::import(dir.path(), &gpg.secret()).unwrap();
    let path = dir.path().join(format!("{}.asc", info.fingerprint));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let log = dir.path().join("log");
    let file = Arc::new(fs::File::create(&log).unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(file).finish();
    tracing::subscriber::with_default(subscriber, || Keyring::open(dir.path()).unwrap());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let [mode, expiry, weak] = lines[..] else { panic!("three warnings: {log}") };
    assert!(mode.contains("(mode 0640)") && mode.contains(path.to_str().unwrap()), "{mode}");
    assert!(expiry.contains("expires at 2025-01-01T00:00:00Z"), "{expiry}");
    assert!(expiry.contains(&info.fingerprint), "{expiry}");
    assert!(weak.contains("RSA 2048"), "{weak}");
}
