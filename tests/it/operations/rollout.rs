//! Expand, then contract: what an older release asks of the database must work on the schema of the next.

use std::collections::BTreeMap;

use peshub::platform::db::Db;
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, PgConnection, SqlSafeStr as _,
};

use crate::operations::migrations::without_the_newest;
use crate::operations::root;
use crate::support::{cluster, story};

/// What a query takes and gives, in the database's words; or why it cannot be prepared.
type Shape = Result<String, String>;

/// The checked queries, by what they say.
fn queries() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(".sqlx")).expect("the checked queries") {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let query: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        found.push(query["query"].as_str().expect("a query").to_owned());
    }
    assert!(found.len() > 100, "{} queries", found.len());
    found
}

async fn shapes(connection: &mut PgConnection, queries: &[String]) -> BTreeMap<String, Shape> {
    let mut shapes = BTreeMap::new();
    for query in queries {
        let sql = AssertSqlSafe(query.clone()).into_sql_str();
        let shape = match connection.describe(sql).await {
            Ok(found) => {
                let columns: Vec<_> = found
                    .columns()
                    .iter()
                    .map(|column| format!("{} {}", column.name(), column.type_info()))
                    .collect();
                Ok(format!("{:?} -> {columns:?}", found.parameters()))
            }
            Err(error) => Err(error.to_string()),
        };
        shapes.insert(query.clone(), shape);
    }
    shapes
}

/// Columns of tables that a row cannot be written without, by table.
async fn required(connection: &mut PgConnection) -> BTreeMap<String, Vec<String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
         ORDER BY 1, 2",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in rows {
        found.entry(table).or_default().push(column);
    }
    found
}

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let query =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    sqlx::query_scalar(query).fetch_all(connection).await.unwrap()
}

/// What an older release would run into: queries that are refused or give something else, and columns that it does not fill.
struct Old {
    shapes: BTreeMap<String, Shape>,
    tables: Vec<String>,
    required: BTreeMap<String, Vec<String>>,
}

impl Old {
    async fn read(connection: &mut PgConnection, queries: &[String]) -> Self {
        Self {
            shapes: shapes(connection, queries).await,
            tables: tables(connection).await,
            required: required(connection).await,
        }
    }

    async fn broken_on(&self, new: &mut PgConnection) -> Vec<String> {
        let mut broken = Vec::new();
        let known: Vec<_> = self
            .shapes
            .iter()
            .filter(|(_, shape)| shape.is_ok())
            .map(|(it, _)| it.clone())
            .collect();
        for (query, shape) in shapes(new, &known).await {
            if self.shapes[&query] != shape {
                broken.push(format!("{query}\n  was {:?}\n  is  {shape:?}", self.shapes[&query]));
            }
        }
        for (table, columns) in required(new).await {
            let before = self.required.get(&table).cloned().unwrap_or_default();
            let fresh: Vec<_> = columns.iter().filter(|it| !before.contains(it)).collect();
            if self.tables.contains(&table) && !fresh.is_empty() {
                broken.push(format!("{table}: an older release does not fill {fresh:?}"));
            }
        }
        broken
    }
}

#[test]
fn what_an_older_release_asks_works_on_the_newest_schema() {
    story(async |_| {
        let options = cluster::empty_database().await;
        without_the_newest(&options).await;
        let all = queries();
        let mut before = PgConnection::connect_with(&options).await.unwrap();
        let old = Old::read(&mut before, &all).await;
        before.close().await.unwrap();
        let works = old.shapes.values().filter(|shape| shape.is_ok()).count();
        assert!(works > 50, "{works} queries work on the schema of before");

        // The same database, a release later.
        let db = Db::open(options.clone(), 2);
        db.migrate().await.unwrap();
        db.close().await;
        let mut new = PgConnection::connect_with(&options).await.unwrap();
        assert_eq!(old.broken_on(&mut new).await, Vec::<String>::new());
        let now = shapes(&mut new, &all).await;
        let refused: Vec<_> = now.values().filter_map(|shape| shape.as_ref().err()).collect();
        assert!(refused.is_empty(), "every query works on the newest schema: {refused:#?}");

        new.close().await.unwrap();

        // What must not be done in one step is noticed.
        for (spoil, word) in [
            ("ALTER TABLE source RENAME COLUMN name TO title", r#"column \"name\""#),
            ("ALTER TABLE source DROP COLUMN created_at", "created_at"),
            ("ALTER TABLE posting ALTER COLUMN revision TYPE integer", "INT4"),
            ("DROP TABLE held_close", "held_close"),
            ("ALTER TABLE consumer ADD COLUMN region text NOT NULL", "does not fill [\"region\"]"),
        ] {
            let spoilt = cluster::copy_of(&options).await;
            let mut connection = PgConnection::connect_with(&spoilt).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(spoil)).execute(&mut connection).await.unwrap();
            let broken = old.broken_on(&mut connection).await.join("\n");
            assert!(broken.contains(word), "{spoil}: {broken}");
            connection.close().await.unwrap();
            cluster::drop_database(&spoilt).await;
        }
        cluster::drop_database(&options).await;
    });
}
