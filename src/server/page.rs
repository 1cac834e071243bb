//! Directory pages, in the shape of Pulp's (and nginx's), which scripts read.

use std::fmt::Write as _;

use checkpoint_core::engine::Page;
use checkpoint_core::name::encode_path;

/// The column in which dates begin.
const COLUMN: usize = 100;

/// The page of the directory at `path`, the whole decoded path of the URL. Only the topmost has no parent.
pub(super) fn render(path: &str, page: &Page, topmost: bool) -> String {
    let title = escape(path);
    let parent = if topmost { "" } else { "<a href=\"../\">../</a>\n" };
    let mut html = format!(
        "\n<html>\n<head><title>Index of {title}</title></head>\n<body bgcolor=\"white\">\n\
         <h1>Index of {title}</h1>\n<hr><pre>{parent}"
    );
    for entry in &page.entries {
        let name = escape(&entry.name);
        let padding = " ".repeat(COLUMN.saturating_sub(name.chars().count()));
        let date = entry.modified.map(|time| time.for_listing()).unwrap_or_default();
        let size = entry.size.map(human_size).unwrap_or_default();
        let href = encode_path(&entry.name);
        // Writing to a string cannot fail.
        let _ = writeln!(html, "<a href=\"./{href}\">{name}</a>{padding}{date}  {size}");
    }
    html.push_str("</pre><hr></body>\n</html>");
    html
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// `0 Bytes`, `1 Byte`, `1.2 kB`, `3.4 MB`: decimal units.
fn human_size(size: u64) -> String {
    match size {
        1 => "1 Byte".into(),
        0..1000 => format!("{size} Bytes"),
        _ => {
            let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
            let mut value = size as f64 / 1000.0;
            let mut unit = 0;
            // 999.95 would be written as 1000.0.
            while value >= 999.95 && unit + 1 < units.len() {
                value /= 1000.0;
                unit += 1;
            }
            format!("{value:.1} {}", units[unit])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkpoint_core::engine::{Entry, Freshness};
    use checkpoint_core::time::Timestamp;

    #[test]
    fn a_page_has_the_shape_that_scripts_know() {
        let modified = Some(Timestamp::from_unix(1_742_306_682));
        let entries = vec![
            Entry { name: "a&b c+.iso".into(), modified, size: Some(1234) },
            Entry { name: "dir/".into(), modified: None, size: None },
        ];
        let html = render("/pulp/content/<x>/", &Page { entries, freshness: Freshness::Changing }, false);
        let padding = " ".repeat(100 - "a&amp;b c+.iso".len());
        let directory = " ".repeat(96);
        assert_eq!(
            html,
            format!(
                "\n<html>\n<head><title>Index of /pulp/content/&lt;x&gt;/</title></head>\n\
                 <body bgcolor=\"white\">\n<h1>Index of /pulp/content/&lt;x&gt;/</h1>\n\
                 <hr><pre><a href=\"../\">../</a>\n\
                 <a href=\"./a%26b%20c%2B.iso\">a&amp;b c+.iso</a>{padding}18-Mar-2025 14:04  1.2 kB\n\
                 <a href=\"./dir/\">dir/</a>{directory}  \n</pre><hr></body>\n</html>"
            )
        );
    }

    #[test]
    fn sizes_are_decimal() {
        let sizes =
            [(0, "0 Bytes"), (1, "1 Byte"), (999, "999 Bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB")];
        for (size, text) in sizes.into_iter().chain([(999_950, "1.0 MB"), (3_400_000, "3.4 MB")]) {
            assert_eq!(human_size(size), text);
        }
    }
}
