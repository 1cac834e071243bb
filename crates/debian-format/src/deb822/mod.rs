//! The syntax of control files and indices (Debian Policy 5.1, deb822(5)).
//!
//! There are two readers, for two needs. [`parse_paragraphs`] is strict, names the line of an error, and
//! gives owned [`Paragraph`]s that can be changed and written. [`stanzas`] and [`StanzaReader`] walk
//! through a Packages index of a hundred megabytes without a copy of anything, and skip what they do not
//! understand.
//!
//! Both agree, with each other and with apt, on where a paragraph ends: at a line that is empty. A line
//! of nothing but spaces continues the field above it.

mod paragraph;
mod scan;

pub use paragraph::{Paragraph, parse_paragraphs};
pub use scan::{Fields, Stanza, StanzaReader, Stanzas, stanzas};

/// Whether the text may be the name of a field: printable ASCII but neither a space nor a colon, and no
/// `#` or `-` at the beginning (Debian Policy 5.1).
pub fn is_field_name(name: &[u8]) -> bool {
    let starts_well = !matches!(name.first(), None | Some(b'#' | b'-'));
    starts_well && name.iter().all(|c| c.is_ascii_graphic() && *c != b':')
}
