//! Single files of a folder: all names one after the other, and one file by its name.

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::{EVENT_SUFFIX, Folder, Listing};
use crate::error::Error;

/// What the cards service keeps among its events: the number of its next card.
const COUNTER: &[u8] = b"__id_counter";

impl Folder {
    /// Hands the names of all event files to `take`, in no order. Other than a scan, it keeps
    /// nothing and asks nothing of the files, so it costs little however many there are.
    ///
    /// Tells how many other names there are that may have been meant as events. A hidden one that
    /// does not end in `.json` was not: it is a service's lock, or a file that is still being
    /// written. Nor was the counter.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the folder cannot be listed, and what `take` fails with.
    pub fn each_name(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<i64, Error> {
        let failure = |errno: Errno| Error::folder(self.source, self.path.clone(), errno.into());
        let mut others = 0;
        for entry in Dir::read_from(&self.handle).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let name = entry.file_name().to_bytes();
            match (name.starts_with(b"."), name.ends_with(EVENT_SUFFIX)) {
                (false, true) => take(name)?,
                (true, false) => {}
                _ if name == COUNTER => {}
                _ => others += 1,
            }
        }
        Ok(others)
    }

    /// A listing of the one file with this name, empty if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the system does not tell.
    pub fn find(&self, name: &[u8]) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                listing.push(name);
                for entry in &mut listing.entries {
                    entry.note(&stat);
                }
            }
            Err(Errno::NOENT) => {}
            Err(errno) => {
                return Err(Error::folder(self.source, self.path.clone(), errno.into()));
            }
        }
        Ok(listing)
    }
}

/// The file name that a text of [`name_text`](super::name_text) stands for.
pub fn name_bytes(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(escape) = rest.find('\\') {
        name.extend_from_slice(&rest.as_bytes()[..escape]);
        rest = &rest[escape + 1..];
        let byte = rest
            .strip_prefix('x')
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                name.push(byte);
                rest = &rest[3..];
            }
            None => {
                name.push(b'\\');
                rest = rest.strip_prefix('\\').unwrap_or(rest);
            }
        }
    }
    name.extend_from_slice(rest.as_bytes());
    name
}

#[cfg(test)]
mod tests {
    use super::super::name_text;
    use super::name_bytes;

    #[test]
    fn a_name_comes_back_from_its_text() {
        for name in [
            &b"a.json"[..],
            b"a\xff\xfe.json",
            b"a\\xFF.json",
            b"\\\\\\",
            b"\\\xff",
            "ä\\x\n.json".as_bytes(),
        ] {
            assert_eq!(name_bytes(&name_text(name)), name);
        }
    }
}
