//! The reasons of rejections: a code for machines, what it means, and what to do about it.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::rejection::Rejection;
use crate::explanation::Explanation;

/// Makes the reasons of the kinds of [`Rejection`], of which there has to be one for each.
macro_rules! reasons {
    ($($kind:ident $code:literal, $meaning:literal, $advice:literal;)*) => {
        /// The kinds of rejections, of which each has a code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(
                #[doc = concat!("`", $code, "`")]
                $kind,
            )*
        }

        impl Reason {
            /// All of them.
            const ALL: &[Reason] = &[$(Reason::$kind),*];

            /// What each means and what to do.
            pub const EXPLANATIONS: &[Explanation] = &[
                $(Explanation { code: $code, meaning: $meaning, advice: $advice }),*
            ];

            /// The code, as in `landing.rejected_event.reason`. Codes never change their meaning.
            pub fn code(self) -> &'static str {
                match self {
                    $(Reason::$kind => $code,)*
                }
            }
        }

        impl Rejection {
            /// The code of its reason.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Rejection::$kind { .. } => Reason::$kind,)*
                }
                .code()
            }
        }
    };
}

reasons! {
    Truncated "truncated",
    "The document ends before it is complete, and the file has not changed for --settle (10 s).",
    "Nothing if its writer goes on: a file that changes is read again. Otherwise write it again.";

    NotUtf8 "not_utf8",
    "The document is not UTF-8; the detail has the cause (UTF-16, gzip, or the byte that begins no character).",
    "Fix the service; a file that is written anew is read again.";

    InvalidJson "invalid_json",
    "The document is not JSON; the detail has the place or the cause (NUL bytes, NaN, several documents in one file).",
    "Fix the service; a file that is written anew is read again.";

    NotAnObject "not_an_object",
    "The document, `metadata` or `payload` is not a JSON object.",
    "Fix the service; a file that is written anew is read again.";

    DuplicateField "duplicate_field",
    "An object has the same name twice, at any depth.",
    "Fix the service: each field once. Readers of JSON disagree about which of the two counts.";

    MissingField "missing_field",
    "The field in the detail is missing. One card event in ten has no user_id: so the service writes them.",
    "Fix the service. What nobody will fix is closed with `etl rejected dismiss --reason missing_field --note TEXT`.";

    WrongType "wrong_type",
    "The field in the detail has another type. Nothing is coerced: \"1\" is not a number.",
    "Fix the service; a file that is written anew is read again.";

    OutOfRange "out_of_range",
    "The number in the detail does not fit its column, a bigint or a double precision.",
    "Fix the service; a file that is written anew is read again.";

    InvalidTime "invalid_time",
    "The field in the detail is not a time such as 2026-11-23 20:10:23, with a fraction or not, or of RFC 3339.",
    "Fix the service; a file that is written anew is read again.";

    InvalidEventId "invalid_event_id",
    "metadata.event_id is not a UUID.",
    "Fix the service; a file that is written anew is read again.";

    UnknownType "unknown_type",
    "metadata.type is not the name of an entity.",
    "Fix the service. If it is a new entity, install an etl that knows it, then run `etl rejected retry`.";

    FromTheFuture "from_the_future",
    "metadata.event_at is more than --max-ahead (1 day) after the time at which the file changed. Loaded, it would hide \
     the real events of its user or card until then.",
    "Fix the clock of the service. If the time is right, `etl rejected retry --max-ahead AGE ID` accepts it. A run that \
     reads the file again (--since, another folder) needs the same --max-ahead, or it rejects the file once more.";

    InvalidText "invalid_text",
    "A string has a NUL or half of a surrogate pair, which no text in PostgreSQL can have.",
    "Fix the service; a file that is written anew is read again.";

    TooDeep "too_deep",
    "The document is nested too deeply for a jsonb.",
    "Fix the service; a file that is written anew is read again.";

    TooLarge "too_large",
    "The file is larger than --max-file-size (1 MiB) and was not read.",
    "If it should be loaded, raise --max-file-size (at most 16 MiB), then read it with `etl run --since TIME`.";

    Unreadable "unreadable",
    "The user of the loader may not read the file.",
    "Grant the right to read it. After chmod the next run reads it; after a change of groups, `etl run --since TIME`.";

    ConflictingEvent "conflicting_event",
    "An event with this type, id and event_id is loaded already, with other content, from the file in the detail.",
    "Find out which of the two is true. A second event needs an event_id of its own.";

    BrokenTimeline "broken_timeline",
    "The versions of the user or card contradict its events, or the database refuses to change them; the detail has \
     what PostgreSQL says.",
    "`etl verify` prints what is wrong. `etl rebuild` repairs the versions; then run `etl rejected retry`.";
}

impl ValueEnum for Reason {
    fn value_variants<'a>() -> &'a [Reason] {
        Reason::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.code()))
    }
}
