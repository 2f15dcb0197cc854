//! A `wrangler.toml` that somebody wrote, and that we change: their text, comments and order stay.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::text::read;

/// The document of a `wrangler.toml`.
pub(crate) struct Configuration {
    document: DocumentMut,
}

impl Configuration {
    /// That of a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::parse(&read(path)?).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// That of a text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(Self { document: text.parse()? })
    }

    /// Its text.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Writes it where it was read.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        fs::write(path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A text at the top.
    pub(crate) fn top(&self, name: &str) -> Option<&str> {
        self.document.get(name)?.as_str()
    }

    /// The names and values of its variables; what is no text is as TOML writes it.
    pub(crate) fn vars(&self) -> Vec<(String, String)> {
        let vars = self.document.get("vars").and_then(Item::as_table_like);
        let pairs = vars.into_iter().flat_map(|vars| vars.iter());
        let text = |item: &Item| match item.as_str() {
            Some(text) => text.to_owned(),
            None => item.to_string().trim().to_owned(),
        };
        pairs.map(|(name, item)| (name.to_owned(), text(item))).collect()
    }

    /// Sets a variable, at the end of them.
    pub(crate) fn set_var(&mut self, name: &str, text: &str) {
        let vars = self.document.entry("vars").or_insert(Item::Table(Table::new()));
        if let Some(vars) = vars.as_table_like_mut() {
            vars.insert(name, value(text));
        }
    }

    /// Names the database of a binding by its id.
    pub(crate) fn set_database_id(&mut self, binding: &str, id: &str) {
        match self.document.get_mut("d1_databases") {
            Some(Item::ArrayOfTables(tables)) => {
                let named = tables.iter_mut().find(|table| is(table.get("binding"), binding));
                named.into_iter().for_each(|table| drop(table.insert("database_id", value(id))));
            }
            Some(Item::Value(Value::Array(tables))) => {
                let mut tables = tables.iter_mut().filter_map(Value::as_inline_table_mut);
                let named =
                    tables.find(|table| table.get("binding").and_then(Value::as_str) == Some(binding));
                named.into_iter().for_each(|table| drop(table.insert("database_id", id.into())));
            }
            Some(_) | None => {}
        }
    }

    /// Adds what `wanted`, the configuration of a new project, has and this one needs; and says what that was.
    pub(crate) fn complete(&mut self, wanted: &Self) -> Vec<String> {
        let mut said = Vec::new();
        for name in ["main", "no_bundle", "rules", "build", "assets"] {
            if let Some(item) = wanted.document.get(name).filter(|_| !self.document.contains_key(name)) {
                self.document.insert(name, placed_anew(item));
                // The comment that stands above a value is its key's.
                if let (Some(mut own), Some(theirs)) =
                    (self.document.key_mut(name), wanted.document.key(name))
                {
                    *own.leaf_decor_mut() = theirs.leaf_decor().clone();
                }
                said.push(format!("has `{name}`"));
            }
        }
        let date = wanted.top("compatibility_date").unwrap_or_default().to_owned();
        // Dates are written so that they sort as texts do.
        if self.top("compatibility_date").is_none_or(|own| own < date.as_str()) {
            let decor =
                self.document.get("compatibility_date").and_then(Item::as_value).map(|it| it.decor().clone());
            let mut fresh = Value::from(date.as_str());
            if let Some(decor) = decor {
                *fresh.decor_mut() = decor;
            }
            self.document.insert("compatibility_date", Item::Value(fresh));
            said.push(format!("has the compatibility date {date}"));
        }
        for (name, key, why) in [
            ("d1_databases", "binding", "the index of runs, the inbox and the statistics"),
            ("ratelimits", "name", "bounds how often a tenant asks"),
        ] {
            for entry in entries(wanted.document.get(name)) {
                let named = entry.get(key).and_then(Item::as_str).unwrap_or_default().to_owned();
                if !entries(self.document.get(name)).iter().any(|own| is(own.get(key), &named)) {
                    push(
                        self.document.entry(name).or_insert(Item::ArrayOfTables(ArrayOfTables::new())),
                        entry,
                    );
                    said.push(format!("binds {named}: {why}"));
                }
            }
        }
        self.complete_objects(wanted, &mut said);
        said
    }

    /// The classes of Durable Objects, each with the migration that makes it.
    fn complete_objects(&mut self, wanted: &Self, said: &mut Vec<String>) {
        for entry in bindings(&wanted.document) {
            let text = |key: &str| entry.get(key).and_then(Item::as_str).unwrap_or_default().to_owned();
            let (name, class) = (text("name"), text("class_name"));
            let own = bindings(&self.document).into_iter().find(|own| is(own.get("name"), &name));
            // A project may call its classes as it likes.
            let class = own
                .as_ref()
                .and_then(|own| own.get("class_name")?.as_str().map(str::to_owned))
                .unwrap_or(class);
            if own.is_none() {
                let objects = self.document.entry("durable_objects").or_insert_with(|| {
                    let mut table = Table::new();
                    table.set_implicit(true);
                    Item::Table(table)
                });
                if let Some(objects) = objects.as_table_like_mut() {
                    let item = objects.entry("bindings").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
                    push(item, entry);
                }
                said.push(format!("binds {name} to the class {class}"));
            }
            if !self.classes().contains(&class) {
                let tag = self.free_tag();
                let mut migration = Table::new();
                migration.insert("tag", value(&tag));
                migration.insert("new_sqlite_classes", value(Array::from_iter([class.as_str()])));
                migration.decor_mut().set_prefix("\n");
                push(
                    self.document.entry("migrations").or_insert(Item::ArrayOfTables(ArrayOfTables::new())),
                    migration,
                );
                said.push(format!("has the migration {tag}, which makes the class {class}"));
            }
        }
    }

    /// The classes that its migrations make, or rename something to.
    fn classes(&self) -> Vec<String> {
        let mut classes = Vec::new();
        for migration in entries(self.document.get("migrations")) {
            let array =
                |name: &str| migration.get(name).and_then(Item::as_array).cloned().unwrap_or_default();
            for name in ["new_sqlite_classes", "new_classes"] {
                classes.extend(array(name).iter().filter_map(|class| class.as_str().map(str::to_owned)));
            }
            for renamed in &array("renamed_classes") {
                let to = renamed.as_inline_table().and_then(|it| it.get("to")).and_then(Value::as_str);
                classes.extend(to.map(str::to_owned));
            }
        }
        classes
    }

    /// The classes of the Durable Objects that it binds.
    pub(crate) fn bound_classes(&self) -> Vec<String> {
        let text = |entry: &Table| entry.get("class_name").and_then(Item::as_str).map(str::to_owned);
        bindings(&self.document).iter().filter_map(text).collect()
    }

    /// The next tag: `v2` after `v1`.
    fn free_tag(&self) -> String {
        let taken = entries(self.document.get("migrations"));
        let is_free = |tag: &String| !taken.iter().any(|own| is(own.get("tag"), tag));
        (taken.len() + 1..).map(|n| format!("v{n}")).find(is_free).unwrap_or_default()
    }
}

fn is(item: Option<&Item>, text: &str) -> bool {
    item.and_then(Item::as_str) == Some(text)
}

fn bindings(document: &DocumentMut) -> Vec<Table> {
    entries(document.get("durable_objects").and_then(|objects| objects.get("bindings")))
}

/// The tables of an array, in whichever of TOML's two forms.
fn entries(item: Option<&Item>) -> Vec<Table> {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.iter().cloned().collect(),
        Some(Item::Value(Value::Array(values))) => {
            values.iter().filter_map(Value::as_inline_table).cloned().map(InlineTable::into_table).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Adds a table to an array, in the form that the array has.
fn push(item: &mut Item, mut table: Table) {
    // Else it would stand where it stood in the file that it is from.
    table.set_position(None);
    match item {
        Item::ArrayOfTables(tables) => tables.push(table),
        Item::Value(Value::Array(values)) => {
            for (_, item) in table.iter_mut() {
                if let Some(value) = item.as_value_mut() {
                    value.decor_mut().clear();
                }
            }
            let decor = values.iter().last().map(|last| last.decor().clone());
            let mut entry = table.into_inline_table();
            entry.fmt();
            let mut entry = Value::InlineTable(entry);
            if let Some(prefix) = decor.and_then(|decor| decor.prefix().cloned()) {
                entry.decor_mut().set_prefix(prefix);
            }
            values.push_formatted(entry);
        }
        Item::Value(_) | Item::Table(_) | Item::None => {}
    }
}

fn placed_anew(item: &Item) -> Item {
    let mut item = item.clone();
    if let Some(table) = item.as_table_mut() {
        table.set_position(None);
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of a new project, with its name in its place as it is.
    const NEW: &str = include_str!("../templates/wrangler.toml.in");
    const OLD: &str = include_str!("../fixtures/0.0.9/wrangler.toml");

    fn read(text: &str) -> Configuration {
        Configuration::parse(text).unwrap()
    }

    #[test]
    fn what_is_missing_is_added_and_what_somebody_wrote_stays() {
        let mut old = read(OLD);
        let said = old.complete(&read(NEW));
        let text = old.text();
        // Every line of theirs is there, in its order, but the date.
        let mut lines = text.lines();
        for line in OLD.lines().filter(|line| !line.starts_with("compatibility_date")) {
            assert!(lines.any(|own| own == line), "{line:?} is not where it was in:\n{text}");
        }
        for part in [
            "compatibility_date = \"2026-11-17\" # tried in spring",
            "name = \"TENANTS\"",
            "tag = \"v2\"\nnew_sqlite_classes = [\"Tenant\"]",
            "name = \"RATE_LIMIT\"",
            "binding = \"DB\"",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert_eq!(said.len(), 5, "{said:?}");
        toml::from_str::<toml::Table>(&text).unwrap();
        assert_eq!(old.complete(&read(NEW)), [""; 0], "once is enough");
        assert_eq!(old.text(), text);
        assert_eq!(read(NEW).complete(&read(NEW)), [""; 0]);
    }

    #[test]
    fn arrays_of_one_line_and_classes_of_other_names_are_understood() {
        let text = "main = \"m\"\nno_bundle = true\nrules = []\ncompatibility_date = \"2027-01-01\"\n\
                    durable_objects = { bindings = [{ name = \"SESSIONS\", class_name = \"Mine\" }] }\n\
                    migrations = [{ tag = \"v2\", new_sqlite_classes = [\"Mine\"] }]\n\
                    d1_databases = [\n  { binding = \"DB\" },\n]\n[build]\n[assets]\n";
        let mut own = read(text);
        let said = own.complete(&read(NEW));
        let completed = own.text();
        let table: toml::Table = toml::from_str(&completed).unwrap();
        assert_eq!(table["durable_objects"]["bindings"][1]["class_name"].as_str(), Some("Tenant"));
        assert_eq!(table["migrations"].as_array().unwrap().len(), 2);
        assert_eq!(table["migrations"][1]["tag"].as_str(), Some("v3"), "v2 is taken");
        assert!(
            completed.contains("compatibility_date = \"2027-01-01\""),
            "a later date is somebody's choice"
        );
        assert!(!said.iter().any(|it| it.contains("SESSIONS") || it.contains("Mine")), "{said:?}");
        own.set_database_id("DB", "4-2");
        let text = own.text();
        assert!(
            text.contains("\n  { binding = \"DB\"") && text.contains("database_id = \"4-2\" },\n]"),
            "{text}"
        );
    }

    #[test]
    fn an_id_and_a_variable_stand_beside_what_is_there() {
        let mut own = read(NEW);
        own.set_database_id("DB", "7-7");
        own.set_var("PUBLIC_URL", "https://a.example");
        let text = own.text();
        assert!(text.contains("migrations_dir = \"build/migrations\"\ndatabase_id = \"7-7\"\n"), "{text}");
        assert!(text.contains("# MODEL = \"@cf/meta/llama-3.1-8b-instruct\""), "{text}");
        assert_eq!(own.vars(), [("PUBLIC_URL".to_owned(), "https://a.example".to_owned())]);
        assert_eq!(read(&text).vars(), own.vars());
        let mut bare = read("name = \"a\"\n");
        bare.set_var("A", "b");
        assert_eq!(bare.text(), "name = \"a\"\n\n[vars]\nA = \"b\"\n");
    }
}
