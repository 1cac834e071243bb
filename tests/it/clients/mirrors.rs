//! Programs that make mirrors of their own.

use std::path::Path;

use checkpoint_core::digest::Sha256;
use checkpoint_testkit::program;

use super::{Habits, Mirror, client, files_below, run};

/// What mirrors are to get.
const ALL: &[&str] = &[".deb", ".udeb", ".dsc", ".tar.gz"];

fn debmirror(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    let (host, root) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut debmirror = client("debmirror", home.path());
    debmirror.args(["--method=http", "--host", host, "--root", root, "--dist", suite, "--arch=amd64"]);
    debmirror.args(["--section=main,contrib,main/debian-installer", "--source", "--getcontents", "--i18n"]);
    debmirror.args(["--di-dist", suite, "--di-arch=amd64", "--diff=none", "--rsync-extra=none", "--keyring"]);
    debmirror.arg(keyring).arg(home.path().join("mirror"));
    // It knows no exceptions from a proxy.
    debmirror.env_remove("http_proxy");
    run(&mut debmirror);
    files_below(home.path())
}

#[test]
fn debmirror_copies_a_date() {
    if program("debmirror") {
        let asks = [
            "main/Contents-amd64",
            "main/cnf/Commands-amd64",
            "main/dep11/Components-amd64.yml",
            "main/dep11/icons-48x48.tar",
            "main/i18n/Translation-en",
            "main/installer-amd64/current/images/MD5SUMS",
            "main/installer-amd64/current/images/netboot/mini.iso",
        ];
        Mirror::new().serves(&Habits { gets: ALL, asks: &asks, probes: &[] }, debmirror);
    }
}

fn aptly(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    let configuration = serde_json::json!({ "rootDir": home.path(), "gpgProvider": "gpg" });
    let file = home.path().join("aptly.conf");
    std::fs::write(&file, configuration.to_string()).unwrap();
    let mirror = |verb: &str, args: &[&str]| {
        let mut aptly = client("aptly", home.path());
        aptly.arg("-config").arg(&file).args(["mirror", verb]).arg("-keyring").arg(keyring).args(args);
        run(&mut aptly)
    };
    let what = [
        "-architectures=amd64",
        "-with-sources",
        "-with-udebs",
        "-with-installer",
        "copy",
        url,
        suite,
        "main",
        "contrib",
    ];
    mirror("create", &what);
    mirror("update", &["copy"]);
    files_below(home.path())
}

#[test]
fn aptly_mirrors_a_date() {
    if program("aptly") {
        let asks = ["main/installer-amd64/current/images/netboot/mini.iso"];
        let probes = ["contrib/installer-amd64/current/images/SHA256SUMS"];
        Mirror::new().serves(&Habits { gets: ALL, asks: &asks, probes: &probes }, aptly);
    }
}

/// apt-mirror asks for all forms of all files that there may be.
const APT_MIRROR_PROBES: &[&str] = &[
    "Contents-amd64.bz2",
    "Contents-amd64.gz",
    "Contents-amd64.xz",
    "contrib/Contents-amd64.bz2",
    "contrib/Contents-amd64.xz",
    "contrib/binary-amd64/Packages.bz2",
    "contrib/cnf/Commands-amd64",
    "contrib/i18n/Index",
    "contrib/source/Sources.bz2",
    "main/Contents-amd64.bz2",
    "main/Contents-amd64.xz",
    "main/binary-amd64/Packages.bz2",
    "main/cnf/Commands-amd64",
    "main/debian-installer/Contents-amd64.bz2",
    "main/debian-installer/Contents-amd64.gz",
    "main/debian-installer/Contents-amd64.xz",
    "main/debian-installer/binary-amd64/Packages.bz2",
    "main/debian-installer/i18n/Index",
    "main/i18n/Index",
    "main/source/Sources.bz2",
];

fn apt_mirror(url: &str, suite: &str, _: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mirror.list");
    let list = format!(
        "set base_path {}\nset defaultarch amd64\nset run_postmirror 0\n\
         deb {url} {suite} main contrib main/debian-installer\ndeb-src {url} {suite} main contrib\n",
        home.path().display()
    );
    std::fs::write(&file, list).unwrap();
    // wget keeps the port in the name of the directory, and apt-mirror looks for it without.
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    for directory in ["mirror", "skel"] {
        std::fs::create_dir_all(home.path().join(directory).join(host)).unwrap();
        std::os::unix::fs::symlink(host, home.path().join(directory).join("127.0.0.1")).unwrap();
    }
    run(client("apt-mirror", home.path()).arg(&file));
    files_below(&home.path().join("mirror").join(host))
}

#[test]
fn apt_mirror_copies_a_date() {
    if program("apt-mirror") {
        let asks = [
            "main/Contents-amd64",
            "main/binary-amd64/Release",
            "main/cnf/Commands-amd64",
            "main/dep11/Components-amd64.yml",
            "main/dep11/icons-48x48.tar",
            "main/i18n/Translation-en",
            "main/source/Release",
        ];
        Mirror::new().serves(&Habits { gets: ALL, asks: &asks, probes: APT_MIRROR_PROBES }, apt_mirror);
    }
}

fn reprepro(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    run(client("gpg", home.path()).args(["--batch", "--no-autostart", "--import"]).arg(keyring));
    let keys =
        run(client("gpg", home.path()).args(["--batch", "--no-autostart", "--with-colons", "--list-keys"]));
    let fingerprint = keys.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':');
    // It takes no more of a fingerprint than its end.
    let key = &fingerprint[fingerprint.len() - 16..];
    let conf = home.path().join("conf");
    std::fs::create_dir(&conf).unwrap();
    let what = "Components: main contrib\nUDebComponents: main\nArchitectures: amd64 source\n";
    std::fs::write(conf.join("distributions"), format!("Codename: {suite}\n{what}Update: copy\n")).unwrap();
    let update = format!("Name: copy\nMethod: {url}\nSuite: {suite}\n{what}VerifyRelease: {key}\n");
    std::fs::write(conf.join("updates"), update).unwrap();
    run(client("reprepro", home.path()).arg("--basedir").arg(home.path()).arg("update"));
    files_below(&home.path().join("pool"))
}

#[test]
fn reprepro_updates_from_a_date() {
    if program("reprepro") && program("gpg") {
        Mirror::new().serves(&Habits { gets: ALL, asks: &[], probes: &[] }, reprepro);
    }
}
