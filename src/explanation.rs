//! The explanation of a code that the program prints.

/// What a code means and what to do about it, in whole sentences.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The code, as it is printed.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub advice: &'static str,
}
