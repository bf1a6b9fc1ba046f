//! What a database holds, as texts.

use postgres::{Client, NoTls};

/// A database, by its URL.
pub struct Tables {
    pub url: String,
}

impl Tables {
    pub fn client(&self) -> Client {
        Client::connect(&self.url, NoTls).expect("the database is there")
    }

    /// The rows of a query as texts, one row a line of columns between bars; null is empty.
    pub fn query(&self, sql: &str) -> Vec<String> {
        let as_texts = format!(
            "with answer as materialized ({sql})
             select array_to_string(array(
               select coalesce(value, '') from json_each_text(row_to_json(answer)) with ordinality
               order by ordinality
             ), '|')
             from answer"
        );
        let mut client = self.client();
        client
            .batch_execute("set timezone = 'UTC'")
            .expect("the database answers");
        let rows = client
            .query(&as_texts, &[])
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The one value of a query.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.query(sql);
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.into_iter().next().unwrap_or_default()
    }
}
