use serde_json::{Map, Value, json};

/// Reads a body and collects what is wrong with it.
pub struct Check<'a> {
    body: &'a Map<String, Value>,
    faults: Map<String, Value>,
}

impl<'a> Check<'a> {
    /// A reader of this body.
    pub fn new(body: &'a Map<String, Value>) -> Self {
        Self { body, faults: Map::new() }
    }

    /// A text that must be there, and say something.
    pub fn text(&mut self, key: &str) -> String {
        match self.body.get(key).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                self.fault(key, "required, must be a text");
                String::new()
            }
        }
    }

    /// A text that may be absent or null.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        self.body.get(key).filter(|value| !value.is_null()).map(|_| self.text(key))
    }

    /// A text that must be one of those.
    pub fn one_of(&mut self, key: &str, allowed: &[&str]) -> String {
        let text = self.text(key);
        if !allowed.contains(&text.as_str()) {
            self.fault(key, "not one of those allowed");
        }
        text
    }

    /// A time that must be there: ISO 8601 that ends in `Z`.
    pub fn time(&mut self, key: &str) -> String {
        let text = self.text(key);
        if !is_time(&text) {
            self.fault(key, "must be ISO 8601 that ends in Z");
        }
        text
    }

    /// Such a time that may be absent or null.
    pub fn later_time(&mut self, key: &str) -> Option<String> {
        let time = self.body.get(key).filter(|value| !value.is_null()).map(|_| self.time(key))?;
        if self.body.get("started_at").and_then(Value::as_str).is_some_and(|start| start > time.as_str()) {
            self.fault(key, "is before started_at");
        }
        Some(time)
    }

    /// Notes that a field is at fault.
    pub fn fault(&mut self, key: &str, problem: &str) {
        self.faults.insert(key.to_owned(), problem.into());
    }

    /// The answer's `error` and `fields`, where something is at fault.
    pub fn finish(self) -> Result<(), (u16, Value)> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err((400, json!({"error": "Validation failed", "fields": self.faults})))
    }
}

/// `2027-01-15T08:00:00Z`, with or without a fraction of the second.
pub fn is_time(text: &str) -> bool {
    let Some(text) = text.strip_suffix('Z') else { return false };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let shape: String = seconds.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00"
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
