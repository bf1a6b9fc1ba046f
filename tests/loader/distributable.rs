//! Without a cluster at hand: whether the schema can be distributed, and whether the statements avoid
//! the shapes that Citus refuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::loader::Loader;

/// Every unique index and every foreign key of the tables that are distributed has to have the natural
/// key of the entity, by which rows are distributed; in the first place, so that a table serves both.
#[test]
fn every_unique_constraint_and_foreign_key_leads_with_the_natural_key() {
    let loader = Loader::new();
    loader.run(&[]);
    let tables = "select oid, relname, case when relname like 'dim\\_%' then substr(relname, 5)
                                            else regexp_replace(relname, '_event$', '') end || '_id' as key
                  from pg_class
                  where relkind = 'r'
                    and (relnamespace = 'warehouse'::regnamespace and relname like 'dim\\_%'
                         or relnamespace = 'landing'::regnamespace and relname <> 'rejected_event')";
    let indexes = loader.query(&format!(
        "select index.indexrelid::regclass, attribute.attname = tables.key
         from ({tables}) as tables
         join pg_index as index on index.indrelid = tables.oid and index.indisunique
         join pg_attribute as attribute on attribute.attrelid = tables.oid and attribute.attnum = index.indkey[0]
         order by 1"
    ));
    assert!(indexes.len() >= 10, "{indexes:?}");
    let others = indexes.iter().filter(|index| !index.ends_with("|true"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    let keys = loader.query(&format!(
        "select foreign_key.conname, attribute.attname = tables.key and referenced.attname = tables.key
         from ({tables}) as tables
         join pg_constraint as foreign_key
           on foreign_key.contype = 'f' and tables.oid in (foreign_key.conrelid, foreign_key.confrelid)
         join pg_attribute as attribute
           on attribute.attrelid = foreign_key.conrelid and attribute.attnum = foreign_key.conkey[1]
         join pg_attribute as referenced
           on referenced.attrelid = foreign_key.confrelid and referenced.attnum = foreign_key.confkey[1]
         order by 1"
    ));
    assert_eq!(keys, ["dim_card_next|true", "dim_user_next|true"]);
}

/// The statements outside migrations, each with its path; those about an entity as those of a card.
fn statements() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut statements = Vec::new();
    for folder in fs::read_dir(&root).expect("the folder can be listed") {
        let folder = folder.expect("the folder can be listed").path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if !folder.is_dir() || ["migrations", "schema", "cluster"].contains(&name.as_ref()) {
            continue;
        }
        for file in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = file.expect("the folder can be listed").path();
            let text = fs::read_to_string(&path).expect("the file can be read");
            let lines = text.lines().filter(|line| !line.trim().starts_with("--"));
            let text = lines
                .collect::<Vec<_>>()
                .join("\n")
                .replace("{entity}", "card");
            let path = path.strip_prefix(&root).unwrap_or(&path);
            statements.push((path.display().to_string(), text));
        }
    }
    statements
}

/// A table that is distributed, if this is one: the entity.
fn entity(table: &str) -> Option<&str> {
    match table.split_once('.')? {
        ("landing", name) => name
            .strip_suffix("_event")
            .filter(|name| *name != "rejected"),
        ("warehouse", name) => {
            let name = name.strip_prefix("dim_").unwrap_or(name);
            Some(name.split('_').next().unwrap_or(name))
        }
        _ => None,
    }
}

/// The text from an opening bracket to the one that closes it.
fn within_brackets(text: &str) -> &str {
    let mut depth = 0;
    for (position, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..position];
        }
    }
    text
}

/// The words of a statement: names with their dots, and single signs.
fn words(sql: &str) -> Vec<&str> {
    sql.split(|char: char| char.is_whitespace() || "(),;".contains(char))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Tables, CTEs and functions in a `from` or a `join`, each with its alias.
fn sources(sql: &str) -> Vec<(&str, &str)> {
    let words = words(sql);
    let mut sources = Vec::new();
    for position in 0..words.len() {
        if !["from", "join", "using", "update"].contains(&words[position]) {
            continue;
        }
        let Some(source) = words.get(position + 1) else {
            continue;
        };
        let alias = match words.get(position + 2) {
            Some(&"as") => words.get(position + 3).unwrap_or(source),
            _ => source,
        };
        sources.push((*source, *alias));
    }
    sources
}

/// What Citus would refuse in a statement.
fn refused(sql: &str) -> Vec<String> {
    let mut refused = Vec::new();
    let touches = words(sql).iter().any(|word| entity(word).is_some());
    if !touches {
        return refused;
    }
    // A subquery that depends on a set: Citus takes one that depends on a distributed table, or on a
    // step that is one by its text.
    for (start, _) in sql.match_indices("lateral (") {
        let body = within_brackets(&sql[start + "lateral ".len()..]);
        let own: BTreeSet<&str> = sources(body).into_iter().map(|(_, alias)| alias).collect();
        let is_distributed = own.iter().any(|alias| {
            let of_alias = sources(body).into_iter().find(|(_, other)| other == alias);
            of_alias.is_some_and(|(table, _)| entity(table).is_some())
        });
        let outer = words(body)
            .into_iter()
            .filter_map(|word| word.split_once('.'))
            .map(|(alias, _)| alias)
            .filter(|alias| {
                alias
                    .chars()
                    .all(|char| char.is_ascii_lowercase() || char == '_')
            })
            .filter(|alias| !own.contains(alias) && !["landing", "warehouse"].contains(alias));
        for alias in outer.collect::<BTreeSet<_>>() {
            let all = sources(sql);
            let is_table = all
                .iter()
                .any(|(table, other)| *other == alias && entity(table).is_some());
            let is_text = sql.contains(&format!("{alias} as not materialized ("));
            let is_lateral = sql.contains(&format!(") as {alias}\n"));
            if is_distributed && !(is_table || is_text || is_lateral) {
                refused.push(format!("a lateral subquery depends on {alias}"));
            }
        }
    }
    for (start, _) in sql.match_indices("exists (") {
        let body = within_brackets(&sql[start + "exists ".len()..]);
        if words(body).iter().any(|word| entity(word).is_some()) {
            refused.push("exists with a subquery over a distributed table".to_owned());
        }
    }
    // Users lie elsewhere than their cards: joined as they are, one side would have to be sent around.
    let mut from = None;
    for pair in words(sql).windows(2) {
        match (pair[0], entity(pair[1])) {
            ("from", found) => from = found,
            ("join", Some(joined)) if from.is_some_and(|from| from != joined) => {
                refused.push("a bare join of users and cards".to_owned());
            }
            _ => {}
        }
    }
    // What an update computes has to be the same wherever and whenever it is computed.
    let changed = sql
        .rfind("\nupdate ")
        .or(sql.rfind("\ndelete "))
        .map_or("", |start| &sql[start..]);
    let is_distributed = sources(&format!("{changed} "))
        .iter()
        .any(|(table, _)| entity(table).is_some());
    if is_distributed {
        for (start, _) in changed.match_indices("date_trunc(") {
            if !within_brackets(&changed[start + "date_trunc".len()..]).contains("at time zone") {
                refused.push("date_trunc in the session's zone within an update".to_owned());
            }
        }
        for function in [
            "now()",
            "clock_timestamp()",
            "random()",
            "gen_random_uuid()",
        ] {
            if changed.contains(function) {
                refused.push(format!("{function} within an update"));
            }
        }
    }
    refused
}

#[test]
fn no_statement_has_a_shape_that_citus_refuses() {
    let statements = statements();
    assert!(statements.len() > 90, "{}", statements.len());
    let refused: Vec<String> = statements
        .iter()
        .flat_map(|(path, sql)| {
            refused(sql)
                .into_iter()
                .map(move |why| format!("{path}: {why}"))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn the_shapes_that_citus_refuses_are_noticed() {
    let shapes = [
        "with touched as (select card_id from unnest($1::bigint[]) as touched (card_id))\nselect latest.event_at\n\
         from touched\ncross join lateral (\n  select event.event_at from landing.card_event as event\n  \
         where event.card_id = touched.card_id limit 1\n) as latest\n",
        "select place from unnest($1::bigint[]) as incoming (card_id)\nwhere exists (\n  select from landing.card_event \
         as known where known.card_id = incoming.card_id\n)",
        "\nselect owner.name\nfrom warehouse.dim_card as card\nleft join warehouse.dim_user as owner on owner.user_id = \
         card.user_id",
        "with copy as (select 1)\n\nupdate landing.card_event as event\nset run_id = 1\nfrom copy\nwhere \
         event.file_modified_at = date_trunc('second', event.file_modified_at)",
        "with copy as (select 1)\n\nupdate warehouse.dim_card as version\nset valid_to = now()\nfrom copy",
    ];
    for shape in shapes {
        assert_eq!(refused(shape).len(), 1, "{shape}: {:?}", refused(shape));
    }
}
