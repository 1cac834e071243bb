//! How fast a big index is read: `cargo bench -p debian-format --bench scan -- FILE`, where the file is a `Packages`
//! without compression. debcontrol reads the same text for comparison.

mod measure;

use std::io::BufReader;

use debian_format::deb822::{StanzaReader, stanzas};
use measure::measure;

fn main() -> std::io::Result<()> {
    let Some(index) = measure::index()? else { return Ok(()) };
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
