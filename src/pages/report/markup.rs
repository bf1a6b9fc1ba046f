//! HTML and SVG as a tree. Whatever stands in it is escaped when it is written, so that no text,
//! wherever it comes from, can become markup.

use std::fmt::{self, Write as _};

/// An element with its attributes and children.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
}

/// An empty element.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: Vec::new(),
        children: Vec::new(),
    }
}

impl Element {
    /// With an attribute.
    pub fn set(mut self, name: &'static str, value: impl fmt::Display) -> Element {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// With an attribute `class`.
    pub fn class(self, name: &'static str) -> Element {
        self.set("class", name)
    }

    /// With a text behind what it has.
    pub fn text(mut self, text: impl fmt::Display) -> Element {
        self.children.push(Node::Text(text.to_string()));
        self
    }

    /// With an element behind what it has.
    pub fn child(mut self, element: Element) -> Element {
        self.children.push(Node::Element(element));
        self
    }

    /// With elements behind what it has.
    pub fn children(mut self, elements: impl IntoIterator<Item = Element>) -> Element {
        self.children
            .extend(elements.into_iter().map(Node::Element));
        self
    }
}

/// A text from an event or a file name: set apart, so that right-to-left text stays within its
/// bounds, and with its control characters made visible.
pub fn foreign(text: &str) -> Element {
    let visible: String = text
        .chars()
        .map(|char| match char {
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect();
    element("bdi").text(visible)
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            escape(f, value)?;
            f.write_char('"')?;
        }
        f.write_char('>')?;
        for child in &self.children {
            match child {
                Node::Element(element) => element.fmt(f)?,
                Node::Text(text) => escape(f, text)?,
            }
        }
        write!(f, "</{}>", self.name)
    }
}

fn escape(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for char in text.chars() {
        match char {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            char => f.write_char(char)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{element, foreign};

    #[test]
    fn no_text_becomes_markup() {
        let hostile = "</title><script>'\"&\u{1b}";
        let written = element("a").set("title", hostile).child(foreign(hostile));
        let escaped = "&lt;/title&gt;&lt;script&gt;&#39;&quot;&amp;";
        assert_eq!(
            written.to_string(),
            format!("<a title=\"{escaped}\u{1b}\"><bdi>{escaped}\u{fffd}</bdi></a>")
        );
    }
}
