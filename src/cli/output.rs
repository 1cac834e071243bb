//! What the user reads. Nothing else prints.

use std::io::{self, IsTerminal as _, Write};

use checkpoint_core::Kind;
use serde::Serialize;

use crate::error::{Error, Result};

/// Standard output.
#[derive(Default)]
pub struct Output;

impl Output {
    /// A line.
    pub fn line(&self, line: &str) -> Result<()> {
        self.write(|out| writeln!(out, "{line}"))
    }

    /// Text that ends its last line itself.
    pub fn text(&self, text: &str) -> Result<()> {
        self.write(|out| out.write_all(text.as_bytes()))
    }

    /// A value as JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        self.write(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            writeln!(out)
        })
    }

    /// A table with a heading, its columns as wide as they need to be.
    pub fn table<const N: usize>(&self, heading: [&str; N], rows: &[[String; N]]) -> Result<()> {
        let mut widths = heading.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: [&str; N]| {
            let padded: String =
                cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
            padded.trim_end().to_owned()
        };
        self.write(|out| {
            writeln!(out, "{}", line(heading))?;
            rows.iter().try_for_each(|row| writeln!(out, "{}", line(row.each_ref().map(String::as_str))))
        })
    }

    /// A remark that is not part of the result, on standard error.
    pub fn note(&self, note: &str) {
        let _ = writeln!(io::stderr(), "debpoint: {note}");
    }

    fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut out = io::stdout().lock();
        match write(&mut out).and_then(|()| out.flush()) {
            // Whoever read has seen enough, such as `head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Error::Output),
        }
    }
}

/// Whether somebody watches standard error.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Says what went wrong, in one sentence, and what can be done; gives the exit code.
pub fn failure(error: &Error) -> u8 {
    let mut err = io::stderr().lock();
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(err, "debpoint: {}", error.sentence());
    if let Some(hint) = hint(error) {
        let _ = writeln!(err, "hint: {hint}");
    }
    1
}

fn hint(error: &Error) -> Option<String> {
    use checkpoint_core::Error as Core;
    let hint = match error {
        Error::NoData(_) => {
            "name the directory with --data, or begin one with `debpoint repository create`".into()
        }
        Error::Config { .. } => "docs/configuration.md describes every key".into(),
        Error::Setting(_) => "as in --set origin=Example, or --set suites.bookworm.codename=bookworm".into(),
        Error::Listen { .. } => "choose another address with --listen".into(),
        Error::Problems(_) => "add or sync the files again: what is missing is stored anew".into(),
        Error::Core(Core::NotFound { what: what @ ("repository" | "distribution" | "remote"), .. }) => {
            format!("`debpoint {what} list` shows what there is")
        }
        Error::Core(Core::NotFound { what: "content", .. }) => {
            "`debpoint content list` shows what there is".into()
        }
        Error::Core(Core::NoCheckpoint(_)) => "`debpoint checkpoint list` shows what there is".into(),
        Error::Core(error) if error.kind() == Kind::AlreadyExists => "choose another name".into(),
        Error::Core(Core::Io { source, .. })
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            "debpoint has to be able to write in its data directory".into()
        }
        _ => return None,
    };
    Some(hint)
}
