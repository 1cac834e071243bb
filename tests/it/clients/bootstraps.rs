//! Programs that install a system into a directory.

use std::path::Path;

use checkpoint_core::digest::Sha256;
use checkpoint_testkit::program;

use super::{Habits, Mirror, client, files_below, run};

const HABITS: Habits<'_> = Habits { gets: &[".deb"], asks: &[], probes: &[] };

/// All that there is; debootstrap adds apt and usr-is-merged in any case.
const INCLUDE: &str = "--include=apt,data,lib,tool,usr-is-merged";

fn debootstrap(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let mut debootstrap = client("debootstrap", home.path());
    debootstrap.args(["--download-only", "--variant=minbase", "--arch=amd64", "--components=main,contrib"]);
    debootstrap.arg(INCLUDE).arg("--keyring").arg(keyring).args([suite, root.to_str().unwrap(), url]);
    run(&mut debootstrap);
    files_below(&root)
}

#[test]
fn debootstrap_downloads_a_system_of_a_date() {
    if program("debootstrap") {
        Mirror::new().serves(&HABITS, debootstrap);
    }
}

fn mmdebstrap(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let source = format!("deb [signed-by={}] {url} {suite} main contrib", keyring.display());
    let mut mmdebstrap = client("mmdebstrap", home.path());
    mmdebstrap.args([
        "--variant=extract",
        "--architectures=amd64",
        "--skip=cleanup",
        "--mode=chrootless",
        INCLUDE,
    ]);
    mmdebstrap.args([suite, root.to_str().unwrap(), &source]);
    run(&mut mmdebstrap);
    files_below(&root)
}

#[test]
fn mmdebstrap_makes_a_system_of_a_date() {
    if program("mmdebstrap") {
        Mirror::new().serves(&HABITS, mmdebstrap);
    }
}
