//! Documents made of the fuzzer's bytes: an event spelled in unusual ways, with hostile values in
//! and around it. Most are accepted, since only those reach the database.

use etl::entity::{AttributeKind, Kind};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

/// One thing in so many is wrong on purpose, so that a document of some twenty things is mostly an
/// event.
const WRONG: u8 = 250;

/// Exponents and numbers of digits around which something ends: `f64`, `numeric`, `i32`.
const EDGES: [i64; 14] = [
    0,
    1,
    18,
    19,
    20,
    308,
    309,
    324,
    1_000,
    16_383,
    16_384,
    131_071,
    131_072,
    2_147_483_647,
];

/// Most digits or characters that one repetition spells out.
const LONGEST: i64 = 150_000;

/// Levels of brackets around which something ends.
const DEPTHS: [usize; 6] = [1, 2, 20, 126, 127, 128];

/// A member of an object: its name and its value, both as they are spelled.
type Member = (String, String);

/// Makes a document.
///
/// # Errors
///
/// When the bytes are not enough.
pub fn made_of(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = *bytes.choose(Kind::ALL)?;
    let mut metadata = vec![
        member(bytes, "type", |_| Ok(format!("\"{kind}\"")))?,
        member(bytes, "event_at", time)?,
        member(bytes, "event_id", uuid)?,
    ];
    let mut payload = vec![member(bytes, "id", integer)?];
    for attribute in kind.attributes() {
        if attribute.optional && bytes.arbitrary()? {
            continue;
        }
        payload.push(member(bytes, attribute.name, |bytes| {
            match attribute.kind {
                AttributeKind::Integer => integer(bytes),
                AttributeKind::Number => score(bytes),
                AttributeKind::Boolean => Ok(bytes.arbitrary::<bool>()?.to_string()),
                AttributeKind::Text => string(bytes),
                AttributeKind::Time => time(bytes),
            }
        })?);
    }
    add_unknown(bytes, &mut metadata)?;
    add_unknown(bytes, &mut payload)?;
    let mut whole = vec![
        ("\"metadata\"".to_owned(), object(bytes, metadata)?),
        ("\"payload\"".to_owned(), object(bytes, payload)?),
    ];
    add_unknown(bytes, &mut whole)?;
    let mark = if one_in(bytes, 16)? { "\u{feff}" } else { "" };
    let mut document = format!("{mark}{}", object(bytes, whole)?).into_bytes();
    if one_in(bytes, 16)? {
        damage(bytes, &mut document)?;
    }
    Ok(document)
}

/// A field that the loader knows; now and then it is missing, misnamed or something else.
fn member(
    bytes: &mut Unstructured<'_>,
    name: &str,
    value_of: impl FnOnce(&mut Unstructured<'_>) -> Result<String>,
) -> Result<Member> {
    let spelled = if one_in(bytes, 8)? {
        name.chars()
            .map(|letter| format!("\\u{:04x}", u32::from(letter)))
            .collect()
    } else {
        name.to_owned()
    };
    let value = if wrong(bytes)? {
        value(bytes, 3)?
    } else {
        value_of(bytes)?
    };
    Ok((format!("\"{spelled}\""), value))
}

fn add_unknown(bytes: &mut Unstructured<'_>, members: &mut Vec<Member>) -> Result<()> {
    for number in 0..bytes.int_in_range(0..=3)? {
        // Told apart by the number, since a name that stands twice is a rejection.
        let name = string(bytes)?;
        let name = if wrong(bytes)? {
            name
        } else {
            format!("\"{number}{}", &name[1..])
        };
        members.push((name, value(bytes, 4)?));
    }
    Ok(())
}

/// Whether something rare happens; it does not once the bytes have run out.
fn one_in(bytes: &mut Unstructured<'_>, times: u8) -> Result<bool> {
    Ok(bytes.int_in_range(1..=times)? == times)
}

fn wrong(bytes: &mut Unstructured<'_>) -> Result<bool> {
    one_in(bytes, WRONG)
}

/// Any JSON value, with at most so many objects and lists within each other, but for brackets alone.
fn value(bytes: &mut Unstructured<'_>, levels: usize) -> Result<String> {
    Ok(match bytes.int_in_range(0..=11)? {
        0 => "null".to_owned(),
        1 => bytes.arbitrary::<bool>()?.to_string(),
        2..=4 => number(bytes)?,
        5..=6 => string(bytes)?,
        7 => {
            let depth = *bytes.choose(&DEPTHS)? + usize::from(wrong(bytes)?);
            let inner = if depth < DEPTHS[3] && levels > 0 {
                value(bytes, 0)?
            } else {
                "0".to_owned()
            };
            match bytes.arbitrary()? {
                true => "[".repeat(depth) + &inner + &"]".repeat(depth),
                false => "{\"\":".repeat(depth) + &inner + &"}".repeat(depth),
            }
        }
        8 if levels > 0 => {
            let times = 1 << bytes.int_in_range(0..=14)?;
            let element = value(bytes, 0)?;
            let times = times.min(LONGEST as usize / element.len());
            format!("[{}null]", (element + ",").repeat(times))
        }
        9 if levels > 0 => {
            let mut elements = Vec::new();
            for _ in 0..bytes.int_in_range(0..=4)? {
                elements.push(value(bytes, levels - 1)?);
            }
            let comma = format!("{},{}", space(bytes)?, space(bytes)?);
            format!("[{}{}]", space(bytes)?, elements.join(&comma))
        }
        _ if levels > 0 => {
            let mut members = Vec::new();
            for _ in 0..bytes.int_in_range(0..=4)? {
                members.push((string(bytes)?, value(bytes, levels - 1)?));
            }
            object(bytes, members)?
        }
        _ => "{}".to_owned(),
    })
}

/// An object with its members in any order.
fn object(bytes: &mut Unstructured<'_>, mut members: Vec<Member>) -> Result<String> {
    let mut text = format!("{}{{", space(bytes)?);
    while !members.is_empty() {
        let (name, value) = members.swap_remove(bytes.choose_index(members.len())?);
        let comma = if members.is_empty() { "" } else { "," };
        text.push_str(&format!(
            "{}{name}{}:{value}{comma}",
            space(bytes)?,
            space(bytes)?
        ));
    }
    text.push_str(&space(bytes)?);
    text.push('}');
    Ok(text)
}

/// White space, mostly none.
fn space(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=15)? {
        12 => " ",
        13 => "\n",
        14 => "\t\r\n",
        15 => "          ",
        _ => "",
    }
    .to_owned())
}

/// A string with all that strings may hold, and seldom what they may not.
fn string(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::from("\"");
    for _ in 0..bytes.int_in_range(0..=6)? {
        match bytes.int_in_range(0..=11)? {
            0..=2 => text.push(bytes.int_in_range(b'a'..=b'z')?.into()),
            3 | 4 => match bytes.arbitrary()? {
                '"' | '\\' | '\0'..='\x1f' => text.push_str("\\\\"),
                letter => text.push(letter),
            },
            5 => text.push_str(
                bytes.choose(&["\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\t", "\\r"])?,
            ),
            6 => text.push_str(&format!("\\u{:04X}", bytes.int_in_range(1..=0xd7ff)?)),
            7 => text.push_str(&format!(
                "\\u{:04x}\\u{:04x}",
                bytes.int_in_range(0xd800..=0xdbff)?,
                bytes.int_in_range(0xdc00..=0xdfff)?
            )),
            8 => text.push_str(bytes.choose(&[
                "$serde_json::private::RawValue",
                "$serde_json::private::Number",
                "'; drop table landing.user_event; --",
                "{\\\"a\\\": 1}",
                "\u{7f}\u{85}\u{2028}\u{202e}",
                "\u{feff}\u{fffe}\u{ffff}\u{10ffff}",
                "metadata",
                "\\u0069d",
                "\\\\u0000",
                "\\\\x00",
                "%s%n",
            ])?),
            9 if wrong(bytes)? => {
                text.push_str(bytes.choose(&[
                    "\\u0000",
                    "\\ud800",
                    "\\udc00x",
                    "\\ud800\\u0041",
                    "\\x",
                    "\n",
                ])?);
            }
            10 => {
                let letter = bytes.choose(&["a", "ä", "\\\\", "\u{1f600}", "\\u0001"])?;
                text.push_str(&letter.repeat(bytes.int_in_range(0..=3_000)?));
            }
            _ => text.push(' '),
        }
    }
    text.push('"');
    Ok(text)
}

/// A number that may be anything that JSON allows, and mostly fits a `numeric`.
fn number(bytes: &mut Unstructured<'_>) -> Result<String> {
    let sign = if bytes.arbitrary()? { "-" } else { "" };
    let mut text = sign.to_owned() + &digits(bytes, false)?;
    if one_in(bytes, 3)? {
        text = text + "." + &digits(bytes, true)?;
    }
    if one_in(bytes, 2)? {
        let edge = *bytes.choose(&EDGES)?;
        let exponent = match bytes.int_in_range(0..=3)? {
            0 => edge,
            1 => -edge,
            2 => edge + bytes.int_in_range(-2..=2)?,
            _ => bytes.int_in_range(-16_400..=131_080)?,
        };
        // What is far out is mostly brought back, or hardly any document would be accepted.
        let exponent = match wrong(bytes)? {
            true => exponent,
            false => exponent.clamp(-16_380, 131_060),
        };
        let plus = if exponent >= 0 {
            *bytes.choose(&["", "+", "00", "+0"])?
        } else {
            ""
        };
        text = format!("{text}{}{plus}{exponent}", bytes.choose(&["e", "E"])?);
    }
    Ok(text)
}

/// Digits, before the point without leading zeros.
fn digits(bytes: &mut Unstructured<'_>, leading_zeros: bool) -> Result<String> {
    let count = if one_in(bytes, 32)? {
        bytes.choose(&EDGES)? + bytes.int_in_range(-1..=1)?
    } else {
        bytes.int_in_range(1..=20)?
    };
    let first = bytes.int_in_range(b'0'..=b'9')?;
    if first == b'0' && !leading_zeros {
        return Ok("0".to_owned());
    }
    let next = char::from(bytes.int_in_range(b'0'..=b'9')?).to_string();
    Ok(char::from(first).to_string() + &next.repeat((count.clamp(1, LONGEST) - 1) as usize))
}

fn integer(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => i64::MAX.to_string(),
        1 => i64::MIN.to_string(),
        2 => "-0".to_owned(),
        3 if wrong(bytes)? => number(bytes)?,
        _ => bytes.arbitrary::<i64>()?.to_string(),
    })
}

fn score(bytes: &mut Unstructured<'_>) -> Result<String> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => "-0.0e-999999999999999".to_owned(),
        1 => "1.7976931348623157e308".to_owned(),
        2 => "4.9e-324".to_owned(),
        3 => format!(
            "0.{}e{}",
            digits(bytes, true)?,
            bytes.int_in_range(-99_999..=300)?
        ),
        4 if wrong(bytes)? => number(bytes)?,
        _ => format!("{}e-300", bytes.arbitrary::<i64>()?),
    })
}

fn uuid(bytes: &mut Unstructured<'_>) -> Result<String> {
    let number: u128 = bytes.arbitrary()?;
    let hex = format!("{number:032x}");
    let hex = if bytes.arbitrary()? {
        hex.to_uppercase()
    } else {
        hex
    };
    Ok(format!(
        "\"{}-{}-{}-{}-{}\"",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn time(bytes: &mut Unstructured<'_>) -> Result<String> {
    let year = *bytes.choose(&[0, 1, 4, 100, 1582, 1969, 1970, 2000, 2024, 2026, 9999])?;
    let (month, day) = *bytes.choose(&[(1, 1), (2, 28), (2, 28), (12, 31), (11, 23)])?;
    let day = day + u8::from(wrong(bytes)?);
    let (hour, minute, second) = *bytes.choose(&[(0, 0, 0), (23, 59, 59), (12, 30, 1)])?;
    let second = second + u8::from(wrong(bytes)?);
    let fraction = *bytes.choose(&["", ".0", ".999999", ".000001", ".5"])?;
    let (separator, zone) = match bytes.int_in_range(0..=3)? {
        0 => ("T", "Z"),
        1 => ("t", "+23:59"),
        2 => (" ", "-23:59"),
        _ => (" ", ""),
    };
    let more = if zone.is_empty() || fraction.is_empty() {
        ""
    } else {
        *bytes.choose(&["", "999", "0000000000000"])?
    };
    Ok(format!(
        "\"{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{more}{zone}\""
    ))
}

/// Does to a document what a bad disk or a writer that dies would do.
fn damage(bytes: &mut Unstructured<'_>, document: &mut Vec<u8>) -> Result<()> {
    let place = bytes.choose_index(document.len())?;
    match bytes.int_in_range(0..=3)? {
        0 => document.truncate(place),
        1 => document[place] = bytes.arbitrary()?,
        2 => drop(document.remove(place)),
        _ => document.insert(place, bytes.arbitrary()?),
    }
    Ok(())
}
