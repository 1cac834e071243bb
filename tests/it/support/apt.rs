//! This machine's apt in a root of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::text;

/// A root in which apt works as on an empty machine.
pub struct Apt {
    root: TempDir,
}

/// What a run of apt said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub text: String,
}

impl Said {
    /// The paths that were asked for, in order; the run must have had `Debug::Acquire::http`.
    pub fn requests(&self) -> Vec<&str> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("GET "));
        lines.filter_map(|line| line.split(' ').next()).collect()
    }

    /// Fails if apt warned, complained, or remarked on anything.
    pub fn clean(self) -> Said {
        assert!(self.ok, "{}", self.text);
        let remark = |line: &&str| ["W: ", "E: ", "N: "].iter().any(|mark| line.starts_with(mark));
        assert_eq!(self.text.lines().find(remark), None, "{}", self.text);
        self
    }
}

impl Apt {
    /// With one .sources file.
    pub fn new(sources: &str) -> Apt {
        let apt = Apt { root: tempfile::tempdir().unwrap() };
        for directory in [
            "etc/apt/sources.list.d",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/log/apt",
            "var/cache/apt/archives/partial",
        ] {
            std::fs::create_dir_all(apt.path(directory)).unwrap();
        }
        std::fs::write(apt.path("var/lib/dpkg/status"), "").unwrap();
        let root = apt.root.path().display();
        let configuration = format!(
            "Dir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\nDir::Etc::SourceList \"/dev/null\";\n\
             Dir::Bin::Methods \"/usr/lib/apt/methods\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
             Acquire::http::Proxy \"DIRECT\";\n"
        );
        std::fs::write(apt.path("apt.conf"), configuration).unwrap();
        apt.set_sources(sources);
        apt
    }

    pub fn set_sources(&self, sources: &str) {
        std::fs::write(self.path("etc/apt/sources.list.d/test.sources"), sources).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs one of apt's programs.
    pub fn run(&self, program: &str, args: &[&str]) -> Said {
        self.run_in(self.root.path(), program, args)
    }

    /// Runs one of apt's programs in a directory.
    pub fn run_in(&self, directory: &Path, program: &str, args: &[&str]) -> Said {
        let mut command = Command::new(program);
        command.current_dir(directory);
        command.args(args).env("APT_CONFIG", self.path("apt.conf")).env("LC_ALL", "C");
        for name in ["http_proxy", "HTTP_PROXY"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        Said { ok: output.status.success(), text: text(&output.stdout) + &text(&output.stderr) }
    }

    /// `apt-get update`, showing its requests.
    pub fn update(&self) -> Said {
        self.run("apt-get", &["-q", "-o", "Debug::Acquire::http=1", "update"])
    }

    /// The names of all packages it knows; never empty where an archive is not.
    pub fn names(&self) -> Vec<String> {
        let said = self.run("apt-cache", &["pkgnames"]);
        said.text.lines().map(str::to_owned).collect()
    }

    /// Downloads what an installation needs; gives the files.
    pub fn download(&self, package: &str) -> Vec<String> {
        let said = self.run("apt-get", &["-q", "-y", "-d", "install", package]);
        assert!(said.ok, "{}", said.text);
        self.archives()
    }

    /// What it has downloaded.
    pub fn archives(&self) -> Vec<String> {
        let names = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let entries = std::fs::read_dir(self.path("var/cache/apt/archives")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| names(&entry.unwrap().path())).collect();
        files.retain(|name| name.ends_with(".deb"));
        files.sort();
        files
    }
}
