//! `PULP_MANIFEST`: a line `path,sha256,size` for each file.

use std::fmt;
use std::str::FromStr;

use checkpoint_core::digest::Sha256;
use checkpoint_core::name::RelativePath;
use checkpoint_core::{Error, Result};

/// One file of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) path: RelativePath,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.path, self.sha256, self.size)
    }
}

impl FromStr for Line {
    type Err = Error;

    /// The path may hold commas; digest and size cannot.
    fn from_str(text: &str) -> Result<Line> {
        let wrong =
            || Error::Invalid(format!("'{}' is not of the form path,sha256,size", text.escape_debug()));
        let mut fields = text.trim_end_matches(['\r', '\n']).rsplitn(3, ',');
        let (Some(size), Some(sha256), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(wrong());
        };
        Ok(Line {
            path: path.parse()?,
            sha256: sha256.trim().parse()?,
            size: size.trim().parse().map_err(|_| wrong())?,
        })
    }
}

/// Reads a whole manifest. The error names the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>> {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(index, line)| {
            line.parse().map_err(|error: Error| Error::Invalid(format!("line {}: {error}", index + 1)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_manifest_reads_back_what_it_writes() {
        let text = format!("a,b.iso,{DIGEST},3\nsub/2.iso,{DIGEST},0\n");
        let lines = parse(&text).unwrap();
        assert_eq!(lines[0].path.as_str(), "a,b.iso");
        assert_eq!(lines.iter().map(|line| format!("{line}\n")).collect::<String>(), text);
    }

    #[test]
    fn a_bad_line_is_refused_with_its_number() {
        for bad in ["../x,DIGEST,1", "/etc/passwd,DIGEST,1", "x,abc,1", "x,DIGEST,-1", "x,DIGEST", "<html>"] {
            let text = format!("ok,{DIGEST},1\n{}\n", bad.replace("DIGEST", DIGEST));
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
