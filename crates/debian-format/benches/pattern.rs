//! How fast patterns choose from a big index: `cargo bench -p debian-format --bench pattern -- FILE`, where the
//! file is a `Packages` without compression.

mod measure;

use debian_format::deb822::stanzas;
use debian_format::pattern::{Candidates, Pattern};
use measure::measure;

const PATTERNS: [&str; 13] = [
    "hello",
    "?name(^lib)",
    "?section(^admin$)",
    "?source-version(\"^2\\.\")",
    "?field(Description, game)",
    "!~n-dbgsym$ !~sdebug (~ramd64 | ~rall)",
    "?newest(1)",
    "?newest(2, ?name(^lib))",
    "?with-dependencies(?exact-name(hello))",
    "?with-dependencies(?exact-name(gnome))",
    "?with-recommends(?exact-name(gnome))",
    "?with-dependencies(?true)",
    "?with-recommends(?true)",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(index) = measure::index()? else { return Ok(()) };
    for text in PATTERNS {
        let pattern = Pattern::parse(text)?;
        // Everything anew each time, as one who selects once has it.
        let select = || {
            let candidates: Candidates<'_> = stanzas(&index).collect();
            pattern.select(&candidates)
        };
        let selection = select()?;
        let chosen = selection.chosen.iter().filter(|chosen| **chosen).count();
        measure(&format!("{text} ({chosen})"), || select().map_or(0, |selection| selection.chosen.len()));
    }
    Ok(())
}
