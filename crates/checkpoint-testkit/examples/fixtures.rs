//! Writes the packages of fixtures/debs into the directory that is named: `cargo run -p checkpoint-testkit
//! --example fixtures fixtures/debs`.

use debian_format::archive::DebBuilder;
use debian_format::compression::Compression;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("name the directory")?;
    for version in ["1.0", "1.1"] {
        let control = format!(
            "Package: hello-debpoint\nVersion: {version}\nArchitecture: all\n\
             Maintainer: debpoint developers <debpoint@example.org>\nSection: misc\nPriority: optional\n\
             Description: says which version of itself it is\n Two versions of it make a demonstration.\n"
        );
        let script = format!("#!/bin/sh\necho 'hello from version {version}'\n");
        let deb = DebBuilder::new(control)
            .file("usr/bin/hello-debpoint", script, 0o755)
            .compression(Compression::Gz, Compression::Xz)
            .build()?;
        std::fs::write(format!("{directory}/hello-debpoint_{version}_all.deb"), deb)?;
    }
    let control = "Package: debpoint-notes\nVersion: 1.0\nArchitecture: all\n\
        Maintainer: debpoint developers <debpoint@example.org>\nSection: doc\nPriority: optional\n\
        Description: notes that do not change\n Beside a package that does.\n";
    let notes = DebBuilder::new(control)
        .file("usr/share/doc/debpoint-notes/notes.txt", "nothing changed here\n", 0o644)
        .compression(Compression::Xz, Compression::Gz)
        .build()?;
    std::fs::write(format!("{directory}/debpoint-notes_1.0_all.deb"), notes)?;
    Ok(())
}
