//! Text that others wrote: names, file names, rejected values.

use maud::{Markup, Render, html};

use crate::escape::printable;

/// Most characters of a text that the page shows.
const MAX_CHARS: usize = 160;

/// Characters of a text that a statement reads: one more than the page shows, so that a cut is
/// noticed.
pub const CHARS_READ: i32 = MAX_CHARS as i32 + 1;

/// A text from an event, a file name or the server. Control and format characters, among them those
/// that reverse the direction of writing, are shown as escapes, as on the command line.
/// Right-to-left text is isolated from what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Untrusted<'a>(pub &'a str);

impl Render for Untrusted<'_> {
    fn render(&self) -> Markup {
        let (text, is_cut) = match self.0.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => (&self.0[..end], true),
            None => (self.0, false),
        };
        html! { bdi { (printable(text, &[])) @if is_cut { "…" } } }
    }
}

#[cfg(test)]
mod tests {
    use maud::{Render, html};

    use super::{MAX_CHARS, Untrusted};

    fn shown(text: &str) -> String {
        Untrusted(text).render().into_string()
    }

    #[test]
    fn no_text_becomes_markup() {
        let hostile = "</title><script>\"&";
        let escaped = "&lt;/title&gt;&lt;script&gt;&quot;&amp;";
        assert_eq!(shown(hostile), format!("<bdi>{escaped}</bdi>"));
        let attribute = html! { a title=(hostile) {} };
        assert_eq!(
            attribute.into_string(),
            format!("<a title=\"{escaped}\"></a>")
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let whole = "漢".repeat(MAX_CHARS);
        assert_eq!(shown(&whole), format!("<bdi>{whole}</bdi>"));
        assert_eq!(shown(&format!("{whole}字")), format!("<bdi>{whole}…</bdi>"));
    }

    #[test]
    fn invisible_characters_are_shown_as_escapes() {
        for (character, escape) in [
            ('\u{1b}', "\\u{1b}"),
            ('\n', "\\n"),
            ('\u{9b}', "\\u{9b}"),
            ('\u{ad}', "\\u{ad}"),
            ('\u{61c}', "\\u{61c}"),
            ('\u{200b}', "\\u{200b}"),
            ('\u{200f}', "\\u{200f}"),
            ('\u{2028}', "\\u{2028}"),
            ('\u{202e}', "\\u{202e}"),
            ('\u{2066}', "\\u{2066}"),
            ('\u{feff}', "\\u{feff}"),
            ('\u{e0041}', "\\u{e0041}"),
        ] {
            let text = format!("a{character}b");
            assert_eq!(shown(&text), format!("<bdi>a{escape}b</bdi>"));
        }
        assert_eq!(shown("Jörg שלום 漢 😀 \\"), "<bdi>Jörg שלום 漢 😀 \\</bdi>");
    }
}
