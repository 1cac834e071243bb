//! apt by itself, and with a cache in between. apt-cacher-ng takes a Location without a host for a host, so it needs a
//! distribution that does not redirect.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};

use checkpoint_core::digest::Sha256;
use checkpoint_testkit::{peer, program, recorder};
use tempfile::TempDir;

use super::{Habits, Mirror, client, files_below};
use crate::support::apt::Apt;

const HABITS: Habits<'_> = Habits {
    gets: &[".deb", ".dsc", ".tar.gz"],
    asks: &["main/Contents-amd64", "main/dep11/Components-amd64.yml", "main/i18n/Translation-en"],
    probes: &[],
};

/// Further indices, as apt-file and appstream have them fetched.
const TARGETS: &str = "Acquire::Languages \"en\";
Acquire::IndexTargets::deb::Contents-deb {
  MetaKey \"$(COMPONENT)/Contents-$(ARCHITECTURE)\"; ShortDescription \"Contents\"; Description \"Contents\";
};
Acquire::IndexTargets::deb::DEP-11 {
  MetaKey \"$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml\"; ShortDescription \"dep11\"; Description \"dep11\";
};
";

fn apt(url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    apt_through("DIRECT", url, suite, keyring)
}

fn apt_through(proxy: &str, url: &str, suite: &str, keyring: &Path) -> Vec<Sha256> {
    let sources = format!(
        "Types: deb deb-src\nURIs: {url}\nSuites: {suite}\nComponents: main contrib\nSigned-By: {}\n",
        keyring.display()
    );
    let apt = Apt::new(&sources);
    let targets = apt.path("etc/apt/targets.conf");
    std::fs::write(&targets, TARGETS).unwrap();
    let (proxy, targets) = (format!("Acquire::http::Proxy={proxy}"), targets.to_str().unwrap());
    let get = |args: &[&str]| {
        apt.run("apt-get", &[&["-q", "-y", "-c", targets, "-o", &proxy], args].concat()).clean()
    };
    get(&["update"]);
    get(&["install", "--download-only", "apt", "lib", "tool", "data", "usr-is-merged"]);
    get(&["source", "--download-only", "tool"]);
    files_below(&apt.path(""))
}

#[test]
fn apt_gets_packages_and_sources_of_a_date() {
    if program("apt-get") {
        Mirror::new().serves(&HABITS, apt);
    }
}

/// A running apt-cacher-ng with directories of its own. Dropping it ends it.
struct Cacher {
    address: String,
    child: Child,
    _home: TempDir,
}

impl Cacher {
    fn start() -> Cacher {
        let home = tempfile::tempdir().unwrap();
        let port = recorder::listen().local_addr().unwrap().port();
        let directory = home.path().display();
        std::fs::create_dir(home.path().join("conf")).unwrap();
        let configuration = format!(
            "CacheDir: {directory}/cache\nLogDir: {directory}/log\nSocketPath: {directory}/socket\n\
             BindAddress: 127.0.0.1\nPort: {port}\nForeGround: 1\nAllowUserPorts: 0\n"
        );
        std::fs::write(home.path().join("conf/acng.conf"), configuration).unwrap();
        // It asks the system's name server about 127.0.0.1, too; here there is none.
        let resolver = home.path().join("resolv.conf");
        std::fs::write(&resolver, "nameserver 127.0.0.1\n").unwrap();
        let start = "mount --bind \"$0\" /etc/resolv.conf && exec apt-cacher-ng -c \"$1\"";
        let mut cacher = client("unshare", home.path());
        cacher.args(["--map-root-user", "--mount", "sh", "-c", start]).arg(&resolver);
        let child = cacher.arg(home.path().join("conf")).spawn().unwrap();
        let mut cacher = Cacher { address: format!("127.0.0.1:{port}"), child, _home: home };
        while TcpStream::connect(&cacher.address).is_err() {
            assert_eq!(cacher.child.try_wait().unwrap(), None, "apt-cacher-ng has ended");
            std::thread::yield_now();
        }
        cacher
    }
}

impl Drop for Cacher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn apt_gets_a_date_through_apt_cacher_ng() {
    let unshare = ["--map-root-user", "--mount", "true"];
    let may = Command::new("unshare").args(unshare).status().is_ok_and(|status| status.success());
    if program("apt-cacher-ng") && program("apt-get") && peer("the right to mount for oneself", may) {
        let cacher = Cacher::start();
        let proxy = format!("http://{}", cacher.address);
        let apt = |url: &str, suite: &str, keyring: &Path| apt_through(&proxy, url, suite, keyring);
        Mirror::direct().serves(&HABITS, apt);
    }
}
