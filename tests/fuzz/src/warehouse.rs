//! A real PostgreSQL that every accepted event is offered to.
//!
//! `ETL_FUZZ_DATABASE_URL` names a database with the loader's schema. Events go into the landing
//! tables a batch at a time and are taken back, so that the database stays as it was.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use etl::entity::{Attribute, AttributeKind, Kind};
use etl::event::{AnyEvent, Event, Recorded};
use etl::warehouse::rows::Columns;
use etl::warehouse::statement::{fill, sql_type};
use postgres::types::Type;
use postgres::{Client, NoTls, Transaction};
use serde_json::value::RawValue;

use crate::{accept, text, with_event};

/// Where the database is; without it, events are held against the promises alone.
const URL: &str = "ETL_FUZZ_DATABASE_URL";

/// Events of a batch, unless `ETL_FUZZ_BATCH` says otherwise: enough that the round trips do not
/// count.
const BATCH: usize = 100;

/// Most bytes of a batch: a few large documents are one.
const BATCH_BYTES: usize = 4 << 20;

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Events that the database has taken so far.
pub fn taken() -> u64 {
    TAKEN.load(Ordering::Relaxed)
}

/// Offers an accepted event, as the document that it came in.
pub fn offer(document: &[u8]) {
    static WAREHOUSE: Mutex<Option<Warehouse>> = Mutex::new(None);
    let Ok(url) = env::var(URL) else { return };
    let mut warehouse = WAREHOUSE.lock().unwrap_or_else(PoisonError::into_inner);
    warehouse
        .get_or_insert_with(|| Warehouse::connect(&url))
        .offer(document);
}

struct Warehouse {
    client: Client,
    batch: usize,
    waiting: Vec<Vec<u8>>,
    waiting_bytes: usize,
}

impl Warehouse {
    fn connect(url: &str) -> Warehouse {
        let mut client = Client::connect(url, NoTls)
            .unwrap_or_else(|error| panic!("{URL} leads to no database: {error}"));
        client
            .batch_execute(include_str!("../sql/session.sql"))
            .unwrap_or_else(|error| {
                panic!("the database of {URL} has no schema, which `etl run` creates: {error:?}")
            });
        Warehouse {
            client,
            batch: env::var("ETL_FUZZ_BATCH")
                .ok()
                .and_then(|batch| batch.parse().ok())
                .unwrap_or(BATCH),
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    fn offer(&mut self, document: &[u8]) {
        self.waiting_bytes += document.len();
        self.waiting.push(document.to_vec());
        if self.waiting.len() < self.batch && self.waiting_bytes < BATCH_BYTES {
            return;
        }
        if self.take(&self.waiting.clone()).is_err() {
            for document in self.waiting.clone() {
                if let Err(cause) = self.take(std::slice::from_ref(&document)) {
                    let kept = keep(&document);
                    panic!("accepted and yet not taken, see {kept}: {cause}");
                }
            }
            panic!("the database refuses together what it takes one by one");
        }
        TAKEN.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Has the database take documents and compare what it has taken with what it reads in them
    /// itself; else says what is wrong.
    fn take(&mut self, documents: &[Vec<u8>]) -> Result<(), String> {
        let mut transaction = self.client.transaction().map_err(explain)?;
        for kind in Kind::ALL {
            let events: Vec<(&str, AnyEvent)> = documents
                .iter()
                .map(|document| {
                    let event = accept(document).expect("it was accepted before");
                    (text(document), event)
                })
                .filter(|(_, event)| event.kind() == *kind)
                .collect();
            if let Some((_, first)) = events.first() {
                with_event!(first, first => take(&mut transaction, like(first, events.clone())))?;
            }
        }
        transaction.rollback().map_err(explain)
    }
}

/// An event and its document.
type Stated<'d, E> = (&'d str, Event<E>);

/// The events of the same entity as the first one.
fn like<'d, E: Recorded>(_: &Event<E>, events: Vec<(&'d str, AnyEvent)>) -> Vec<Stated<'d, E>> {
    events
        .into_iter()
        .filter_map(|(document, event)| Some((document, E::unwrap(event)?)))
        .collect()
}

/// The statement that takes events of an entity.
fn statement(kind: Kind) -> String {
    let compared = |column: &dyn Fn(&Attribute) -> String| {
        let alike = kind.attributes().iter().filter(|attribute| {
            !matches!(attribute.kind, AttributeKind::Number | AttributeKind::Time)
        });
        alike.map(column).collect::<Vec<String>>().join(", ")
    };
    let taken = compared(&|attribute| format!("taken.{}", attribute.name));
    let stated = compared(&|attribute| {
        let Attribute { name, kind, .. } = attribute;
        format!("(stated.payload ->> '{name}')::{}", sql_type(*kind))
    });
    let template = include_str!("../sql/take.sql")
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect::<Vec<&str>>()
        .join("\n")
        .replace("{taken}", &taken)
        .replace("{stated}", &stated);
    fill(&template, kind)
}

/// Runs the statement that takes events of an entity; it returns those that are not what the document
/// says.
fn take<E: Recorded>(
    transaction: &mut Transaction<'_>,
    events: Vec<Stated<'_, E>>,
) -> Result<(), String> {
    let known: Vec<&str> = ["id"]
        .into_iter()
        .chain(E::ATTRIBUTES.iter().map(|attribute| attribute.name))
        .collect();
    let states: Vec<&E> = events.iter().map(|(_, event)| &event.state).collect();
    let mut columns = Columns::default();
    columns.push_each(Type::TEXT_ARRAY, &events, |(document, _)| *document);
    columns.push_each(Type::INT8_ARRAY, &events, |(_, event)| event.entity_id);
    columns.push_each(Type::UUID_ARRAY, &events, |(_, event)| event.event_id);
    columns.push_each(Type::TIMESTAMPTZ_ARRAY, &events, |(_, event)| {
        event.event_at
    });
    columns.push_each(Type::TEXT_ARRAY, &events, |(_, event)| {
        event.extra.as_deref().map(RawValue::get)
    });
    columns.push(Type::TEXT_ARRAY, known);
    columns.push_attributes(&states);
    let rows = transaction
        .query_typed(&statement(E::KIND), &columns.parameters())
        .map_err(explain)?;
    match rows.first() {
        Some(row) => Err(format!("the database has {}", row.get::<_, String>(0))),
        None => Ok(()),
    }
}

fn explain(error: postgres::Error) -> String {
    format!("{error:?}")
}

/// Keeps a document that the database refused; returns the path.
fn keep(document: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = folder.join("refused.json");
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, document)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("nowhere ({error}): {}", String::from_utf8_lossy(document)),
    }
}
