//! The rules of docs/architecture.md that Cargo cannot keep. Each failure says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project;

/// A source file: its path from the project's directory, and its text without its own tests.
struct Source {
    path: String,
    code: String,
}

fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending = vec![project().join(directory)];
    while let Some(directory) = pending.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&path));
            }
        }
    }
    // Files that only tests see.
    found.retain(|source| !source.path.contains("/tests/") && !source.path.ends_with("/testing.rs"));
    assert!(!found.is_empty(), "there is nothing in {directory}");
    found
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned();
    let path = path.strip_prefix(project()).unwrap().to_str().unwrap().to_owned();
    Source { path, code }
}

/// The lines that are not comments, with their numbers.
fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.code.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.starts_with("//"))
}

fn all_crates() -> Vec<Source> {
    let names = ["checkpoint-core", "checkpoint-deb", "checkpoint-file", "debian-format"];
    let mut all = sources("src");
    names.iter().for_each(|name| all.extend(sources(&format!("crates/{name}/src"))));
    all
}

/// Fails with every line that holds one of the words, and with what to do instead.
fn refuse(sources: &[Source], allowed: &[&str], words: &[&str], instead: &str) {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !allowed.iter().any(|path| source.path.starts_with(path))) {
        for (number, line) in lines(source) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {line}", source.path));
            }
        }
    }
    assert!(found.is_empty(), "{instead}\n{}", found.join("\n"));
}

fn dependencies(name: &str) -> String {
    let manifest = fs::read_to_string(project().join("crates").join(name).join("Cargo.toml")).unwrap();
    let rest = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    rest.split("\n[").next().unwrap_or_default().to_owned()
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let forbidden = [
        ("debian-format", &["checkpoint", "tokio", "sqlx", "axum", "object_store"][..]),
        ("checkpoint-core", &["debian", "checkpoint-", "axum", "hyper", "clap"]),
        ("checkpoint-deb", &["checkpoint-file", "sqlx", "axum", "hyper", "object_store", "tokio"]),
        ("checkpoint-file", &["checkpoint-deb", "debian", "sqlx", "axum", "hyper", "object_store", "tokio"]),
    ];
    for (name, words) in forbidden {
        let dependencies = dependencies(name);
        let found = words.iter().find(|word| dependencies.lines().any(|line| line.starts_with(**word)));
        assert_eq!(found, None, "{name} must not depend on it: move the code to the layer that may");
    }
}

#[test]
fn the_core_names_no_package_format() {
    let words = ["debian", "Debian", "Packages", "InRelease", "Release", "PULP_MANIFEST", "dists/"];
    refuse(
        &sources("crates/checkpoint-core/src"),
        &[],
        &words,
        "formats belong to plugins: extend the seam instead",
    );
}

#[test]
fn only_one_file_names_plugin_crates() {
    let words = ["checkpoint_deb", "checkpoint_file"];
    refuse(
        &sources("src"),
        &["src/plugins.rs"],
        &words,
        "reach plugins through the registry of src/plugins.rs",
    );
}

#[test]
fn command_line_and_server_do_not_know_each_other() {
    refuse(&sources("src/cli"), &[], &["crate::server"], "wire them in src/run.rs");
    refuse(&sources("src/server"), &[], &["crate::cli"], "wire them in src/run.rs");
}

#[test]
fn sql_keys_output_environment_and_clock_have_one_place_each() {
    let all = all_crates();
    let catalog = "crates/checkpoint-core/src/catalog/";
    refuse(
        &all,
        &[catalog],
        &["sqlx::query", "SELECT ", "INSERT INTO", "DELETE FROM"],
        "SQL belongs into catalog/",
    );
    let key = "crates/checkpoint-core/src/artifacts/key.rs";
    refuse(&all, &[key], &["\"artifact/"], "object keys are made in artifacts/key.rs");
    refuse(
        &all,
        &["src/cli/output.rs"],
        &["println!", "print!(", "io::stdout"],
        "print through src/cli/output.rs",
    );
    refuse(&all, &["src/config.rs"], &["env::var", "env::temp_dir"], "read the environment in src/config.rs");
    let clocks = ["SystemTime::now", "Utc::now"];
    refuse(&all, &["src/app.rs"], &clocks, "take the time from the clock that the application passes on");
}

#[test]
fn modules_use_only_those_above_them() {
    for root in ["src", "crates/checkpoint-core/src", "crates/checkpoint-deb/src", "crates/debian-format/src"]
    {
        let lib = source(&project().join(root).join("lib.rs"));
        let name = |line: &str| {
            Some(
                line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')?.to_owned(),
            )
        };
        let order: Vec<String> = lines(&lib).filter_map(|(_, line)| name(line)).collect();
        for (index, module) in order.iter().enumerate() {
            let own = [format!("{root}/{module}.rs"), format!("{root}/{module}/")];
            let sources = sources(root)
                .into_iter()
                .filter(|source| own.iter().any(|path| source.path.starts_with(path)));
            for source in sources {
                let below = order[index + 1..].iter().find(|below| {
                    let used = [format!("crate::{below}::"), format!("crate::{below};")];
                    let grouped = |line: &str| {
                        let group =
                            line.strip_prefix("use crate::{").unwrap_or_default().trim_end_matches("};");
                        group.split(", ").any(|word| word == below.as_str())
                    };
                    lines(&source)
                        .any(|(_, line)| grouped(line) || used.iter().any(|used| line.contains(used)))
                });
                assert_eq!(
                    below, None,
                    "{} uses a module below its own: move one of them in {root}/lib.rs",
                    source.path
                );
            }
        }
    }
}

#[test]
fn files_and_functions_stay_short() {
    for source in all_crates() {
        let count = source.code.lines().count();
        assert!(count <= 600, "{} has {count} lines before its tests: split it by what it does", source.path);
    }
    let lines = fs::read_dir(project().join("crates/checkpoint-file/src")).unwrap();
    let lines =
        lines.map(|file| fs::read_to_string(file.unwrap().path()).unwrap().lines().count()).sum::<usize>();
    assert!(lines < 500, "the file plugin has {lines} lines: it is to prove that a plugin is small");
    let clippy = fs::read_to_string(project().join("clippy.toml")).unwrap();
    assert!(clippy.contains("too-many-lines-threshold = 70"), "clippy keeps functions under 70 lines");
    assert!(clippy.contains("too-many-arguments-threshold = 5"), "clippy keeps parameters at 5");
}
