//! What several tests share.

use std::fs;
use std::process::Command;

use proptest::prelude::*;

/// Says that a peer to compare with is missing; where all peers must be there, that is a failure.
pub(crate) fn skip(peer: &str) {
    println!("skipped: no {peer}");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI needs {peer}");
}

/// Whether a program can be run.
pub(crate) fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(program);
    }
    found
}

/// Runs a program and returns its standard output.
pub(crate) fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The Packages indices apt has fetched on this machine, or `None` with a note.
pub(crate) fn real_indices() -> Option<Vec<Vec<u8>>> {
    let list = ["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"];
    let files = Command::new("apt-get").args(list).output().map(|output| output.stdout).unwrap_or_default();
    let files = String::from_utf8(files).unwrap();
    let read = |file: &str| run("/usr/lib/apt/apt-helper", &["cat-file", file]);
    let indices: Vec<Vec<u8>> = files.lines().map(read).collect();
    if indices.is_empty() {
        skip("index of apt");
    }
    Some(indices).filter(|indices| !indices.is_empty())
}

/// An installation of apt in a directory of its own, which knows one archive and has no package installed.
pub(crate) struct Apt {
    root: tempfile::TempDir,
}

impl Apt {
    /// Makes it, with this index as that of the archive.
    pub(crate) fn new(index: &[u8]) -> Apt {
        let apt = Apt { root: tempfile::tempdir().unwrap() };
        let root = apt.root.path();
        for directory in ["etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let at = root.display();
        let configuration = format!(
            "Dir::Etc \"{at}/etc\"; Dir::Etc::Parts \"{at}/etc/apt.conf.d\"; Dir::Etc::SourceParts \"/dev/null\";
             Dir::State \"{at}\"; Dir::State::Lists \"{at}/lists\"; Dir::State::status \"{at}/status\";
             Dir::Cache \"{at}/cache\"; Dir::Log \"{at}\"; APT::Sandbox::User \"root\";
             APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }}; Acquire::Languages \"none\";
             pkgCacheGen::ForceEssential \",\";"
        );
        fs::write(root.join("apt.conf"), configuration).unwrap();
        fs::write(root.join("etc/sources.list"), format!("deb [trusted=yes] copy:{at} ./\n")).unwrap();
        fs::write(root.join("status"), "").unwrap();
        fs::write(root.join("Packages"), index).unwrap();
        apt.run("apt-get", &["-q", "update"]).unwrap();
        apt
    }

    /// What a program of apt prints, or its errors.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let configuration = self.root.path().join("apt.conf");
        let output = Command::new(program)
            .args(args)
            .env("APT_CONFIG", configuration)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

/// A value with the white space around each line taken away, as debcontrol does in part.
pub(crate) fn normal_lines(value: &str) -> String {
    let lines: Vec<&str> = value.split('\n').map(|line| line.trim_matches([' ', '\t', '\r'])).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Paragraphs that keep the syntax but are not nice, with comments anywhere or only between paragraphs.
pub(crate) fn paragraph_text(comments: bool) -> impl Strategy<Value = String> {
    let value = "[ \t]{0,2}([a-c:#äö.-]( ?[a-c:#äö-]){0,4})?[ \t]{0,2}";
    let plain = "[ \t][ \t.a:#]{0,5}\n";
    let line = if comments { "(#[a: ]{0,4}\n)?[ \t][ \t.a:#]{0,5}\n" } else { plain };
    let field = (value, prop::collection::vec(line, 0..3));
    let paragraph = prop::collection::vec(field, 1..5).prop_map(|fields| {
        let names = ["Package", "x", "Y-2", "/odd"];
        let field = |(name, (value, lines)): (&str, (String, Vec<String>))| {
            format!("{name}:{value}\n{}", lines.concat())
        };
        names.into_iter().zip(fields).map(field).collect::<String>()
    });
    let between = "\n([ \t]{0,2}\n|#[a: ]{0,4}\n){0,2}\n";
    prop::collection::vec((paragraph, between), 0..4)
        .prop_map(|all| all.into_iter().map(|(paragraph, between)| paragraph + &between).collect())
}
