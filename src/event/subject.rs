//! What a rejected document is about, as far as that can be read.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::entity::Kind;
use crate::source::Source;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

/// The entity that a document is about and its natural key: the document is a JSON object whose
/// `payload.id` is a number, or a string with the digits of one. An unknown or missing
/// `metadata.type` is taken for that of the folder's service.
pub fn subject(bytes: &[u8], source: Source) -> Option<(Kind, i64)> {
    let text = str::from_utf8(bytes).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let document: Document<'_> = object(text)?;
    let payload: Payload<'_> = object(document.payload.get())?;
    let id = payload.id.get();
    let digits = id
        .strip_prefix('"')
        .and_then(|id| id.strip_suffix('"'))
        .unwrap_or(id);
    let kind = document
        .metadata
        .and_then(|metadata| object::<Metadata<'_>>(metadata.get()))
        .and_then(|metadata| {
            let name: &str = serde_json::from_str(metadata.kind.get()).ok()?;
            Kind::named(name)
        })
        .unwrap_or(source.entity());
    Some((kind, digits.parse().ok()?))
}

/// Reads an object alone: a list would be taken for one that leaves out the names.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::subject;
    use crate::entity::Kind;
    use crate::source::Source;

    fn subject_of(document: &[u8]) -> Option<(Kind, i64)> {
        subject(document, Source::of(Kind::Card))
    }

    #[test]
    fn a_document_is_about_the_entity_that_it_names() {
        for document in [
            r#"{"payload": {"id": 42}}"#,
            r#" {"payload": {"active": [{"id": 1}], "id" : "42"}, "metadata": 1}"#,
            r#"{"payload": {"id": 42}, "metadata": {"type": "card"}}"#,
            r#"{"payload": {"id": 42}, "metadata": {"type": "cart"}}"#,
        ] {
            let found = subject_of(document.as_bytes());
            assert_eq!(found, Some((Kind::Card, 42)), "{document}");
        }
        let user = r#"{"payload": {"id": 42}, "metadata": {"type": "user"}}"#;
        assert_eq!(subject_of(user.as_bytes()), Some((Kind::User, 42)));
        for document in [
            "42",
            "[42]",
            r#"{"payload": [42]}"#,
            r#"{"payload": {"id": 42, "id": 42}}"#,
            r#"{"payload": {"user_id": 42}, "id": 42}"#,
            r#"{"payload": {"id": 4.2}}"#,
            r#"{"payload": {"id": 42}"#,
        ] {
            assert_eq!(subject_of(document.as_bytes()), None, "{document}");
        }
        assert_eq!(subject_of(b"\xff42"), None);
    }
}
