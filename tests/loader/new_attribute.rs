//! What a migration needs that adds an attribute: its values move out of the unknown fields of the events
//! that are loaded already.

use serde_json::{Value, json};

use crate::loader::{Loader, card_event, event_id};

/// A JSON value of a field, and what the column has of it afterwards; nothing where the value stays in
/// `extra`.
type Taken = (&'static str, Option<&'static str>);

/// Types of attributes, and values of a field.
const ATTRIBUTES: &[(&str, &[Taken])] = &[
    (
        "bigint",
        &[
            ("5", Some("5")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("9223372036854775808", None),
            ("5.0", None),
            ("\"5\"", None),
            ("true", None),
            ("[5]", None),
            ("{\"a\": 5}", None),
        ],
    ),
    (
        "double precision",
        &[
            ("5", Some("5")),
            ("-0.5e3", Some("-500")),
            ("1e400", None),
            ("\"5\"", None),
        ],
    ),
    (
        "boolean",
        &[
            ("true", Some("true")),
            ("false", Some("false")),
            ("\"true\"", None),
            ("1", None),
        ],
    ),
    (
        "text",
        &[
            ("\"a\\n\\\"b\"", Some("a\n\"b")),
            ("\"\"", Some("")),
            ("5", None),
        ],
    ),
    (
        "timestamptz",
        &[
            ("\"2026-11-23 20:10:20\"", Some("2026-11-23T20:10:20+00:00")),
            (
                "\"2026-11-23 20:10:20.123456\"",
                Some("2026-11-23T20:10:20.123456+00:00"),
            ),
            (
                "\"2026-11-23t20:10:20.1234569z\"",
                Some("2026-11-23T20:10:20.123456+00:00"),
            ),
            (
                "\"2026-11-23T20:10:20+05:30\"",
                Some("2026-11-23T14:40:20+00:00"),
            ),
            ("\"2026-11-23T20:10:20\"", None),
            ("\"2026-11-23 20:10:60\"", None),
            ("\"2026-11-23 24:00:00\"", None),
            ("\"2026-02-29 20:10:20\"", None),
            ("\"0000-11-23 20:10:20\"", None),
            ("\"9999-12-31T23:59:59-01:00\"", None),
            ("\"infinity\"", None),
            ("\"today\"", None),
            ("1790000000", None),
        ],
    ),
];

/// The events of cards 1, 2, … with a field of these values.
fn put_with_field(loader: &Loader, values: &[&str]) {
    for (number, value) in (1..).zip(values) {
        let event = card_event(
            &event_id(number),
            "2026-11-23 20:10:20",
            number as i64,
            3,
            true,
        );
        let other = if number % 2 == 0 { ",\"other\":1" } else { "" };
        let payload = format!("\"payload\":{{\"field\":{value}{other},");
        let document = event.to_string().replacen("\"payload\":{", &payload, 1);
        loader.put(&format!("cards/{number}.json"), document);
    }
}

#[test]
fn a_new_attribute_is_taken_from_the_unknown_fields() {
    for (sql_type, cases) in ATTRIBUTES {
        let loader = Loader::new();
        let mut values: Vec<&str> = cases.iter().map(|(value, _)| *value).collect();
        values.push("null");
        put_with_field(&loader, &values);
        let loaded = loader.run(&[])["loaded"].clone();
        // `1e400` is no number that a jsonb may be made of here; it is tried below.
        assert_eq!(loaded, values.len(), "{sql_type}");
        loader.execute(&format!(
            "set timezone = 'America/New_York';
                 alter table landing.card_event add column field {sql_type};
                 select landing.take_attribute('card', 'field')"
        ));
        let found = loader.query(
            "select card_id, to_jsonb(event) ->> 'field', extra from landing.card_event as event order by card_id",
        );
        for (number, (value, taken)) in (1_i64..).zip(cases.iter().chain(&[("null", None)])) {
            let is_taken = taken.is_some() || *value == "null";
            let mut payload = json!({});
            if !is_taken {
                payload["field"] = serde_json::from_str(value).unwrap_or(Value::Null);
            }
            if number % 2 == 0 {
                payload["other"] = json!(1);
            }
            let row = found[number as usize - 1].replace('\n', "\\n");
            let column = format!("{number}|{}|", taken.unwrap_or_default()).replace('\n', "\\n");
            let extra = row
                .strip_prefix(&column)
                .unwrap_or_else(|| panic!("{sql_type} {value}: {row}"));
            match payload
                .as_object()
                .is_some_and(|payload| payload.is_empty())
            {
                true => assert_eq!(extra, "", "{sql_type} {value}"),
                // What is too large for the test's own JSON is compared by its beginning.
                false if *value == "1e400" => assert!(extra.contains("\"field\": 1000"), "{extra}"),
                false => assert_eq!(
                    serde_json::from_str::<Value>(extra).expect("JSON"),
                    json!({ "payload": payload }),
                    "{sql_type} {value}"
                ),
            }
        }
        assert_eq!(
            loader.query("select entity from etl.rebuild"),
            ["card"],
            "the versions are to be rebuilt"
        );
        // Once more changes nothing.
        assert_eq!(
            loader.value("select landing.take_attribute('card', 'field')"),
            "0"
        );
    }
    let loader = Loader::new();
    loader.run(&[]);
    let refused = loader
        .client()
        .batch_execute("select landing.take_attribute('card', 'field')")
        .expect_err("there is no such column");
    assert!(
        format!("{refused:?}").contains("landing.card_event has no column field"),
        "{refused:?}"
    );
}
