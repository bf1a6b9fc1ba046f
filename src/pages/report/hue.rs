//! Colours with a meaning: one thing has one colour in all charts.

/// A colour for a light and for a dark page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hue {
    /// Class of the style sheet that gives an element this colour.
    pub class: &'static str,
    /// On a light page.
    pub light: &'static str,
    /// On a dark page.
    pub dark: &'static str,
}

/// For charts of all kinds together.
pub const EVERYTHING: Hue = Hue {
    class: "everything",
    light: "#6a5aa8",
    dark: "#ab9fe6",
};

/// For rejected files.
pub const REJECTED: Hue = Hue {
    class: "rejected",
    light: "#c2571a",
    dark: "#ee9257",
};

/// The style sheet's rules for these colours.
pub fn rules(hues: &[Hue]) -> String {
    let classes = |value: fn(&Hue) -> &'static str| -> String {
        hues.iter()
            .map(|hue| format!(".{} {{ --hue: {}; }}\n", hue.class, value(hue)))
            .collect()
    };
    format!(
        "{}@media (prefers-color-scheme: dark) {{\n{}}}\n",
        classes(|hue| hue.light),
        classes(|hue| hue.dark)
    )
}

#[cfg(test)]
mod tests {
    use super::{EVERYTHING, REJECTED, rules};

    #[test]
    fn a_class_has_a_colour_for_the_light_and_one_for_the_dark() {
        let sheet = rules(&[EVERYTHING, REJECTED]);
        let (light, dark) = sheet
            .split_once("@media (prefers-color-scheme: dark)")
            .expect("both");
        for hue in [EVERYTHING, REJECTED] {
            let rule = |value: &str| format!(".{} {{ --hue: {value}; }}", hue.class);
            assert!(light.contains(&rule(hue.light)), "{light}");
            assert!(dark.contains(&rule(hue.dark)), "{dark}");
        }
    }
}
