//! What several tests share.

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
