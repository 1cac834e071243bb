//! How fast a big index is read: `cargo bench -p debian-format --bench scan -- FILE`, where the file is a `Packages`
//! without compression. debcontrol reads the same text for comparison.

use std::hint::black_box;
use std::io::BufReader;
use std::time::Instant;

use debian_format::deb822::{StanzaReader, stanzas};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(file) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) else {
        println!("skipped: name a Packages file");
        return Ok(());
    };
    let index = std::fs::read(file)?;
    println!("{} bytes, {} stanzas", index.len(), stanzas(&index).count());
    measure("stanzas", || stanzas(&index).count());
    measure("SHA256 of each stanza", || stanzas(&index).filter_map(|stanza| stanza.get("SHA256")).count());
    measure("all fields", || stanzas(&index).flat_map(|stanza| stanza.fields()).count());
    measure("StanzaReader", || {
        let mut reader = StanzaReader::new(BufReader::with_capacity(1 << 16, &index[..]));
        let mut count = 0;
        while reader.next_stanza().is_ok_and(|stanza| stanza.is_some()) {
            count += 1;
        }
        count
    });
    let text = String::from_utf8_lossy(&index);
    measure("debcontrol", || debcontrol::parse_str(&text).map_or(0, |paragraphs| paragraphs.len()));
    Ok(())
}

/// The best of five runs.
fn measure(what: &str, mut run: impl FnMut() -> usize) {
    let once = |_| {
        let begun = Instant::now();
        black_box(run());
        begun.elapsed()
    };
    let best = (0..5).map(once).min().unwrap_or_default();
    println!("{what:24} {:8.1} ms", best.as_secs_f64() * 1000.0);
}
