//! The README's first command.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use checkpoint_testkit::program;

use crate::support::text;

#[test]
fn the_demonstration_shows_apt_installing_from_each_date() {
    if !program("apt-get") {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_debpoint"));
    let mut child = command.arg("demo").env_remove("DEBPOINT_DATA").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    while said.last().is_none_or(|line| line != "serving until Ctrl-C") {
        said.push(lines.next().expect("it goes on until it serves"));
    }
    let stanzas = said.iter().filter(|line| *line == "Types: deb").count();
    assert_eq!(stanzas, 3, "a stanza for each date and for live");
    let tries: Vec<&String> = said.iter().filter(|line| line.starts_with("    sh ")).collect();
    assert_eq!(tries.len(), 3);
    for (command, version) in tries.iter().zip(["1.0", "1.1", "1.1"]) {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        let out = text(&output.stdout);
        assert!(output.status.success(), "{command}: {out}{}", text(&output.stderr));
        assert!(out.contains(&format!("/hello-debpoint_{version}_all.deb")), "{command}: {out}");
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success() && child.wait().unwrap().success(), "Ctrl-C ends it well");
    let script = tries[0].split_whitespace().nth(1).unwrap();
    assert!(!std::path::Path::new(script).exists(), "it leaves nothing behind");
}
