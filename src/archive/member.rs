//! The members of an archive: files with their names, modification times and rights, as `tar` has
//! them in the PAX format, compressed with zstd.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::mem;

use bytes::Bytes;
use tar::{Archive, Builder, Entry, EntryType, Header};
use zstd::stream::{Decoder, Encoder};

use crate::clock::{FileTime, NANOS_PER_SECOND};
use crate::inbox::reading::MAX_FILE_SIZE;
use crate::stamp::FileRights;

/// Level of compression: zstd's own default. Events are so much alike that higher ones gain little.
const LEVEL: i32 = 3;

/// Bytes of the name in a member's header. A longer name is in the PAX record `path`.
const HEADER_NAME: usize = 100;

/// Most bytes of the records of a member: they have a name and times.
const MAX_RECORDS: u64 = 1 << 16;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name in the folder.
    pub(crate) name: Vec<u8>,
    /// Its modification time.
    pub(crate) modified: FileTime,
    /// Its rights.
    pub(crate) rights: FileRights,
    /// Its content.
    pub(crate) document: Bytes,
}

/// Writes an archive of these members into a file.
///
/// # Errors
///
/// When the file cannot be written.
pub(super) fn write<'m>(
    file: &File,
    members: impl IntoIterator<Item = &'m Member>,
) -> io::Result<()> {
    let mut encoder = Encoder::new(file, LEVEL)?;
    // What a disk has changed is then noticed by whoever unpacks it.
    encoder.include_checksum(true)?;
    let mut archive = Builder::new(encoder);
    for member in members {
        append(&mut archive, member)?;
    }
    archive.into_inner()?.finish()?;
    Ok(())
}

fn append(archive: &mut Builder<impl io::Write>, member: &Member) -> io::Result<()> {
    let modified = pax_time(member.modified);
    let mut records: Vec<(&str, &[u8])> = vec![("mtime", modified.as_bytes())];
    if member.name.len() > HEADER_NAME {
        records.push(("path", &member.name));
    }
    archive.append_pax_extensions(records)?;
    let mut header = Header::new_ustar();
    let length = member.name.len().min(HEADER_NAME);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name[..length].copy_from_slice(&member.name[..length]);
    }
    header.set_entry_type(EntryType::Regular);
    header.set_mode(member.rights.mode);
    header.set_uid(member.rights.user.into());
    header.set_gid(member.rights.group.into());
    header.set_size(member.document.len() as u64);
    // The record counts; this is for programs that know no records, and no time before 1970.
    let seconds = member.modified.nanos().div_euclid(NANOS_PER_SECOND);
    header.set_mtime(u64::try_from(seconds).unwrap_or(0));
    header.set_cksum();
    archive.append(&header, member.document.as_ref())
}

/// Reads an archive to its end, and hands each member to `take`.
///
/// # Errors
///
/// When the file cannot be read or is not a whole archive of files, and what `take` fails with.
pub(crate) fn each<E: From<io::Error>>(
    file: impl Read,
    mut take: impl FnMut(Member) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = Archive::new(Decoder::new(file)?);
    let mut records = Records::default();
    // Raw, since the crate takes a line break in a name for the end of a record.
    for entry in archive.entries()?.raw(true) {
        let entry = entry?;
        match entry.header().entry_type() {
            EntryType::XHeader => records = Records::read(entry)?,
            _ => take(read(entry, mem::take(&mut records))?)?,
        }
    }
    // Behind the last member are zeros and the checksum.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// Whether an archive could be read and is not whole: else the system could not read it.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::UnexpectedEof
            | ErrorKind::Other
    )
}

fn read(mut entry: Entry<'_, impl Read>, records: Records) -> io::Result<Member> {
    let name = match records.path {
        Some(path) => path,
        None => entry.path_bytes().into_owned(),
    };
    let invalid = |what: &str| {
        let name = String::from_utf8_lossy(&name);
        io::Error::new(ErrorKind::InvalidData, format!("{name}: {what}"))
    };
    let header = entry.header();
    if header.entry_type() != EntryType::Regular {
        return Err(invalid("it is not a file"));
    }
    let modified = match records.modified {
        Some(modified) => modified,
        None => FileTime::from_stat(header.mtime()?.cast_signed(), 0),
    };
    let number =
        |number: u64| u32::try_from(number).map_err(|_| invalid("its owner has no number"));
    let rights = FileRights {
        mode: header.mode()?,
        user: number(header.uid()?)?,
        group: number(header.gid()?)?,
    };
    if entry.size() > MAX_FILE_SIZE {
        return Err(invalid("it is larger than an event can be"));
    }
    let mut document = Vec::with_capacity(entry.size() as usize);
    entry.read_to_end(&mut document)?;
    Ok(Member {
        name,
        modified,
        rights,
        document: document.into(),
    })
}

/// The PAX records of a member.
#[derive(Debug, Default, PartialEq, Eq)]
struct Records {
    path: Option<Vec<u8>>,
    modified: Option<FileTime>,
}

impl Records {
    fn read(mut entry: Entry<'_, impl Read>) -> io::Result<Records> {
        let invalid = || {
            io::Error::new(
                ErrorKind::InvalidData,
                "the records of a member cannot be read",
            )
        };
        if entry.size() > MAX_RECORDS {
            return Err(invalid());
        }
        let mut bytes = Vec::with_capacity(entry.size() as usize);
        entry.read_to_end(&mut bytes)?;
        Records::parse(&bytes).ok_or_else(invalid)
    }

    /// Each record is its own length in bytes, a space, `key=value` and a line break. The value may have
    /// line breaks, too.
    fn parse(bytes: &[u8]) -> Option<Records> {
        let mut records = Records::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let digits = rest.iter().position(|byte| *byte == b' ')?;
            let length: usize = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
            let (record, others) = rest.split_at_checked(length)?;
            let record = record.get(digits + 1..)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => records.path = Some(value.to_owned()),
                b"mtime" => records.modified = Some(time_of_pax(str::from_utf8(value).ok()?)?),
                _ => {}
            }
            rest = others;
        }
        Some(records)
    }
}

/// A time as a PAX record has it: seconds since 1970-01-01 UTC, as a decimal number.
fn pax_time(time: FileTime) -> String {
    let nanos = time.nanos().unsigned_abs();
    let second = NANOS_PER_SECOND.unsigned_abs();
    let sign = match time.nanos() < 0 {
        true => "-",
        false => "",
    };
    format!("{sign}{}.{:09}", nanos / second, nanos % second)
}

/// The time that a PAX record has; digits below a nanosecond are cut off.
fn time_of_pax(text: &str) -> Option<FileTime> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, text),
    };
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: Cow<'_, str> = match fraction.get(..9) {
        Some(nanos) => nanos.into(),
        None => format!("{fraction:0<9}").into(),
    };
    let nanos: i64 = fraction.parse().ok()?;
    Some(FileTime::from_stat(sign * seconds, sign * nanos))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Member, Records, each, pax_time, time_of_pax, write};
    use crate::clock::FileTime;
    use crate::stamp::FileRights;

    #[test]
    fn a_time_survives_a_record() {
        for (nanos, text) in [
            (0, "0.000000000"),
            (1, "0.000000001"),
            (-1, "-0.000000001"),
            (1_234_567_890_123_456_789, "1234567890.123456789"),
            (-1_500_000_000, "-1.500000000"),
        ] {
            let time = FileTime::from_nanos(nanos);
            assert_eq!(pax_time(time), text);
            assert_eq!(time_of_pax(text), Some(time));
        }
        assert_eq!(
            time_of_pax("12.5"),
            Some(FileTime::from_stat(12, 500_000_000))
        );
        assert_eq!(time_of_pax("12"), Some(FileTime::from_stat(12, 0)));
        assert_eq!(time_of_pax("later"), None);
    }

    #[test]
    fn members_survive_an_archive() {
        let member = |name: &[u8], document: &[u8]| Member {
            name: name.to_vec(),
            modified: FileTime::from_nanos(1_763_928_623_000_000_001),
            rights: FileRights {
                mode: 0o640,
                user: 3_000_000,
                group: 7,
            },
            document: Bytes::copy_from_slice(document),
        };
        let members = [
            member(b"a.json", b"{}"),
            member(b"empty.json", b""),
            member(b"-\xff\n.json", &[0; 3000]),
            member(&[b'x'; 255], b"long"),
            member(
                &[&[b'x'; 100][..], b"\n12 size=1\n9 path=a\n.json"].concat(),
                b"odd",
            ),
        ];
        let file = tempfile::tempfile().expect("a file");
        write(&file, &members).expect("an archive");
        let mut read = Vec::new();
        std::io::Seek::rewind(&mut &file).expect("a file");
        each(&file, |member| {
            read.push(member);
            Ok::<(), std::io::Error>(())
        })
        .expect("an archive");
        assert_eq!(read, members);
    }

    #[test]
    fn records_are_parsed_by_their_length() {
        let parse = |text: &str| Records::parse(text.as_bytes());
        let records = parse("12 mtime=12\n9 other=\n16 path=a\n=b 1\n\n").expect("records");
        assert_eq!(records.path.as_deref(), Some(&b"a\n=b 1\n"[..]));
        assert_eq!(records.modified, Some(FileTime::from_stat(12, 0)));
        for text in [
            "x",
            "0 ",
            "1 ",
            "9 path=a",
            "99 path=a\n",
            "3 \n",
            "13 mtime=now\n",
            "-1 a=b\n",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
