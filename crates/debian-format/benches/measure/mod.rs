//! What the benches share.

use std::hint::black_box;
use std::time::Instant;

/// The file that the command line names.
pub(crate) fn index() -> std::io::Result<Option<Vec<u8>>> {
    let Some(file) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) else {
        println!("skipped: name a Packages file");
        return Ok(None);
    };
    let index = std::fs::read(file)?;
    println!("{} bytes, {} stanzas", index.len(), debian_format::deb822::stanzas(&index).count());
    Ok(Some(index))
}

/// Prints the best time of five runs.
pub(crate) fn measure(what: &str, mut run: impl FnMut() -> usize) {
    let once = |_| {
        let begun = Instant::now();
        black_box(run());
        begun.elapsed()
    };
    let best = (0..5).map(once).min().unwrap_or_default();
    println!("{what:44} {:8.1} ms", best.as_secs_f64() * 1000.0);
}
