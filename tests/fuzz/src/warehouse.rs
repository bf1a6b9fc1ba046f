//! A real PostgreSQL that every accepted event is offered to.
//!
//! `ETL_FUZZ_DATABASE_URL` names a database with the loader's schema. Events go into the landing
//! tables a batch at a time and are taken back, so that the database stays as it was.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use etl::event::{AcceptedEvent, Card, Event, User, accept};
use postgres::types::ToSql;
use postgres::{Client, NoTls, Transaction};
use serde_json::value::RawValue;

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
                panic!("the database of {URL} lacks the schema, which `etl run` makes: {error:?}")
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
    /// itself, or tells what is wrong.
    fn take(&mut self, documents: &[Vec<u8>]) -> Result<(), String> {
        let mut transaction = self.client.transaction().map_err(explain)?;
        let (mut users, mut cards) = (Vec::new(), Vec::new());
        for document in documents {
            let text = std::str::from_utf8(document).expect("an event is UTF-8");
            match accept(document).expect("it was accepted before") {
                AcceptedEvent::User(event) => users.push((text, event)),
                AcceptedEvent::Card(event) => cards.push((text, event)),
            }
        }
        take_users(&mut transaction, &users)?;
        take_cards(&mut transaction, &cards)?;
        transaction.rollback().map_err(explain)
    }
}

fn take_users(
    transaction: &mut Transaction<'_>,
    events: &[(&str, Event<User>)],
) -> Result<(), String> {
    let scores: Vec<f64> = events.iter().map(|(_, event)| event.state.score).collect();
    take(
        transaction,
        include_str!("../sql/take_users.sql"),
        events,
        &[
            &texts(events, |state| &state.name),
            &texts(events, |state| &state.address),
            &texts(events, |state| &state.job),
            &scores,
        ],
    )
}

fn take_cards(
    transaction: &mut Transaction<'_>,
    events: &[(&str, Event<Card>)],
) -> Result<(), String> {
    let owners: Vec<i64> = events
        .iter()
        .map(|(_, event)| event.state.user_id)
        .collect();
    let active: Vec<bool> = events.iter().map(|(_, event)| event.state.active).collect();
    let times = |time: fn(&Card) -> DateTime<Utc>| -> Vec<DateTime<Utc>> {
        events.iter().map(|(_, event)| time(&event.state)).collect()
    };
    take(
        transaction,
        include_str!("../sql/take_cards.sql"),
        events,
        &[
            &owners,
            &texts(events, |state| &state.created_by_name),
            &active,
            &times(|state| state.created_at),
            &times(|state| state.updated_at),
        ],
    )
}

/// Runs the statement that takes events of one kind; it answers with the places of those that are
/// not what the document says.
fn take<S>(
    transaction: &mut Transaction<'_>,
    statement: &str,
    events: &[(&str, Event<S>)],
    state: &[&(dyn ToSql + Sync)],
) -> Result<(), String> {
    let documents: Vec<&str> = events.iter().map(|(document, _)| *document).collect();
    let ids: Vec<i64> = events.iter().map(|(_, event)| event.entity_id).collect();
    let event_ids: Vec<_> = events.iter().map(|(_, event)| event.event_id).collect();
    let times: Vec<_> = events.iter().map(|(_, event)| event.event_at).collect();
    let extras: Vec<_> = events
        .iter()
        .map(|(_, event)| event.extra.as_deref().map(RawValue::get))
        .collect();
    let common: [&(dyn ToSql + Sync); 5] = [&documents, &ids, &event_ids, &times, &extras];
    let rows = transaction
        .query(statement, &[&common, state].concat())
        .map_err(explain)?;
    match rows.first() {
        Some(row) => Err(format!("the database holds {}", row.get::<_, String>(0))),
        None => Ok(()),
    }
}

fn texts<'e, S>(
    events: &'e [(&str, Event<S>)],
    text: impl Fn(&'e S) -> &'e String,
) -> Vec<&'e str> {
    events
        .iter()
        .map(|(_, event)| text(&event.state).as_ref())
        .collect()
}

fn explain(error: postgres::Error) -> String {
    format!("{error:?}")
}

/// Keeps a document that broke a promise later than when it was judged, and tells where.
fn keep(document: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let path = folder.join("refused.json");
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, document)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("nowhere ({error}): {}", String::from_utf8_lossy(document)),
    }
}
