//! What a million sessions a day come to, and ten million: arithmetic on named figures. `docs/scale.md` has the tables that
//! this prints, and a test compares them.

use std::fmt::Write;

use crate::compare::prices;

const DAY_SECONDS: f64 = 86_400.0;
const DAYS_PER_MONTH: f64 = 30.0;
const MILLION: f64 = 1e6;
const GB: f64 = 1e9;

const D1_LIMITS: &str = "https://developers.cloudflare.com/d1/platform/limits/";
const D1_PRICES: &str = "https://developers.cloudflare.com/d1/platform/pricing/";
const OBJECT_LIMITS: &str = "https://developers.cloudflare.com/durable-objects/platform/limits/";
const OBJECT_PRICES: &str = "https://developers.cloudflare.com/durable-objects/platform/pricing/";
const WORKER_PRICES: &str = "https://developers.cloudflare.com/workers/platform/pricing/";
const LANGFUSE_LIMITS: &str = "https://langfuse.com/faq/all/api-limits";

/// Sessions that begin in a day.
const SCALES: [f64; 2] = [1e6, 1e7];

/// A number, and where it is from.
struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
    source: &'static str,
}

const fn figure(what: &'static str, value: f64, unit: &'static str, source: &'static str) -> Figure {
    Figure { what, value, unit, source }
}

// Assumed: change these to what you have.
const CALLS: Figure = figure("calls of a model in a run, one run in a session", 6.0, "", "assumed");
const CALL_SECONDS: Figure =
    figure("how long a call takes", prices::ANSWER_S, "s", "assumed, as in `cargo xtask bench`");
const PEAK: Figure = figure("the busiest second, in means of the day", 5.0, "×", "assumed");
const RETENTION_DAYS: Figure =
    figure("an idle session is kept", 30.0, "days", "`RETENTION_DAYS`, the default");
const FILL: Figure = figure("how full a database is planned", 0.7, "", "assumed: room to grow, and to move");

// Of longhaul.
const OBJECT_ROWS: Figure = figure(
    "rows that a run writes in its object, alarms among them",
    10.0,
    "",
    "ARCHITECTURE.md; a test counts them",
);
const TENANT_ROWS: Figure = figure("rows in the tenant's object", 1.0, "", "ARCHITECTURE.md");
const INDEX_ROWS: Figure =
    figure("rows in D1: announced, ended, its model's day, and deleted at last", 4.0, "", "ARCHITECTURE.md");
const INDEX_BATCHES: Figure =
    figure("writes to D1: announced, ended, deleted", 3.0, "", "`crates/host/src/index.rs`");
const INDEX_BYTES: Figure = figure(
    "bytes of a run in D1, with `CAPTURE=preview`",
    970.0,
    "",
    "`index sql`: 111 MiB for 120,000 runs",
);
const OBJECT_BYTES: Figure =
    figure("bytes of a session's object on disk", 20_400.0, "", "`tenant`, the files of its sessions");
const OBJECT_REQUESTS: Figure = figure(
    "requests to objects: the tenant's, the post, one watcher, the alarm of the run, the alarm of the retention",
    5.0,
    "",
    "`docs/operate.md`; counted by hand",
);
const WORKER_REQUESTS: Figure = figure("requests to the Worker: a post, one watcher", 2.0, "", "assumed");
const NEXUS_REQUESTS: Figure = figure(
    "requests of a trace to Nexus, `native`: the trace, and a span for each call",
    7.0,
    "",
    "`docs/traces.md`",
);
const SESSIONS_MAX: Figure = figure(
    "sessions of a tenant with open runs, at most",
    1_000.0,
    "",
    "`TENANT_SESSIONS_MAX`, the most that it takes",
);
const RATE_LIMIT: Figure = figure("requests of a tenant", 600.0, "/min", "`RATE_LIMIT` in `wrangler.toml`");

// Of the platform, and of one backend.
const D1_BYTES: Figure = figure("size of a database", 10.0, "GB", D1_LIMITS);
const D1_WRITE_MS: Figure =
    figure("how long a write takes (\"several milliseconds\"; one at a time)", 5.0, "ms", D1_LIMITS);
const OBJECT_RATE: Figure = figure("requests to one object (a soft limit)", 1_000.0, "/s", OBJECT_LIMITS);
const LANGFUSE_RATE: Figure = figure(
    "requests with traces that Langfuse Cloud takes, its largest plan",
    20_000.0,
    "/min",
    LANGFUSE_LIMITS,
);
const D1_ROWS_USD: Figure = figure("a million rows written in D1", 1.0, "USD", D1_PRICES);
const D1_GB_USD: Figure = figure("a GB in D1, a month", 0.75, "USD", D1_PRICES);
const OBJECT_ROWS_USD: Figure =
    figure("a million rows written in objects", prices::ROWS_WRITTEN, "USD", OBJECT_PRICES);
const OBJECT_GB_USD: Figure = figure("a GB in objects, a month", 0.2, "USD", OBJECT_PRICES);
const OBJECT_REQUESTS_USD: Figure =
    figure("a million requests to objects", prices::OBJECT_REQUESTS, "USD", OBJECT_PRICES);
const OBJECT_TIME_USD: Figure =
    figure("a million GB-s of objects that are awake", prices::GB_SECONDS, "USD", OBJECT_PRICES);
const OBJECT_GB: Figure = figure("memory that an object is billed with", prices::GB, "GB", OBJECT_PRICES);
const WORKER_REQUESTS_USD: Figure =
    figure("a million requests to the Worker", prices::WORKER_REQUESTS, "USD", WORKER_PRICES);

const FIGURES: [&Figure; 28] = [
    &CALLS,
    &CALL_SECONDS,
    &PEAK,
    &RETENTION_DAYS,
    &FILL,
    &OBJECT_ROWS,
    &TENANT_ROWS,
    &INDEX_ROWS,
    &INDEX_BATCHES,
    &INDEX_BYTES,
    &OBJECT_BYTES,
    &OBJECT_REQUESTS,
    &WORKER_REQUESTS,
    &NEXUS_REQUESTS,
    &SESSIONS_MAX,
    &RATE_LIMIT,
    &D1_BYTES,
    &D1_WRITE_MS,
    &OBJECT_RATE,
    &LANGFUSE_RATE,
    &D1_ROWS_USD,
    &D1_GB_USD,
    &OBJECT_ROWS_USD,
    &OBJECT_GB_USD,
    &OBJECT_REQUESTS_USD,
    &OBJECT_TIME_USD,
    &OBJECT_GB,
    &WORKER_REQUESTS_USD,
];

/// So many sessions a day.
struct Load {
    per_day: f64,
}

impl Load {
    fn per_second(&self) -> f64 {
        self.per_day / DAY_SECONDS
    }

    fn at_the_peak(&self) -> f64 {
        self.per_second() * PEAK.value
    }

    fn kept(&self) -> f64 {
        self.per_day * RETENTION_DAYS.value
    }

    /// As many as begin while one goes on.
    fn open(&self) -> f64 {
        self.at_the_peak() * run_seconds()
    }

    fn index_gb(&self) -> f64 {
        self.kept() * INDEX_BYTES.value / GB
    }

    fn databases_by_size(&self) -> f64 {
        (self.index_gb() / (D1_BYTES.value * FILL.value)).ceil()
    }

    fn index_writes(&self) -> f64 {
        self.at_the_peak() * INDEX_BATCHES.value
    }

    fn databases_by_writes(&self) -> f64 {
        (self.index_writes() * D1_WRITE_MS.value / 1_000.0 / FILL.value).ceil()
    }

    fn per_month(&self) -> f64 {
        self.per_day * DAYS_PER_MONTH
    }

    /// What the month costs, part by part.
    fn costs(&self) -> [(&'static str, f64); 7] {
        let millions = self.per_month() / MILLION;
        let rows = OBJECT_ROWS.value + TENANT_ROWS.value;
        [
            (
                "objects are awake while models answer",
                millions * run_seconds() * OBJECT_GB.value * OBJECT_TIME_USD.value,
            ),
            ("rows written in objects", millions * rows * OBJECT_ROWS_USD.value),
            ("objects on disk", self.kept() * OBJECT_BYTES.value / GB * OBJECT_GB_USD.value),
            ("rows written in D1", millions * INDEX_ROWS.value * D1_ROWS_USD.value),
            ("D1 on disk", self.index_gb() * D1_GB_USD.value),
            ("requests to objects", millions * OBJECT_REQUESTS.value * OBJECT_REQUESTS_USD.value),
            ("requests to the Worker", millions * WORKER_REQUESTS.value * WORKER_REQUESTS_USD.value),
        ]
    }
}

fn run_seconds() -> f64 {
    CALLS.value * CALL_SECONDS.value
}

/// Runs that one tenant can start in a second, for their slots.
fn slots_per_second() -> f64 {
    SESSIONS_MAX.value / run_seconds()
}

/// All tables, as Markdown.
pub(crate) fn tables() -> Vec<String> {
    vec![figures(), rates(), databases(), sinks(), tenants(), costs()]
}

fn figures() -> String {
    let mut text = "| figure | value | from |\n|---|---|---|".to_owned();
    for Figure { what, value, unit, source } in FIGURES {
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let source = if source.starts_with("https") { format!("<{source}>") } else { (*source).to_owned() };
        write!(text, "\n| {what} | {}{unit} | {source} |", shown(*value)).expect("strings take all");
    }
    text
}

fn rates() -> String {
    table(
        "sessions a day",
        &[
            ("runs that begin in a second, the mean of the day", &Load::per_second),
            ("the same in the busiest second", &Load::at_the_peak),
            ("runs open at once then", &Load::open),
            ("requests to models in a second then", &|load| load.at_the_peak() * CALLS.value),
            ("objects that are kept, each with one alarm", &Load::kept),
            ("alarms that fire in a second, the mean", &|load| load.per_second() * 2.0),
            ("TB of objects", &|load| load.kept() * OBJECT_BYTES.value / GB / 1_000.0),
        ],
    )
}

fn databases() -> String {
    table(
        "D1",
        &[
            ("GB of the index", &Load::index_gb),
            ("databases for their size", &Load::databases_by_size),
            ("writes in the busiest second", &Load::index_writes),
            ("databases for these writes", &Load::databases_by_writes),
        ],
    )
}

fn sinks() -> String {
    table(
        "requests in the busiest second",
        &[
            ("OTLP, or Nexus with `NEXUS_MODE=otlp`: one for each run", &Load::at_the_peak),
            ("Nexus, `native`", &|load| load.at_the_peak() * NEXUS_REQUESTS.value),
            ("what Langfuse Cloud takes", &|_| LANGFUSE_RATE.value / 60.0),
        ],
    )
}

fn tenants() -> String {
    table(
        "if all of it were one tenant's",
        &[
            ("requests to its object in the busiest second", &Load::at_the_peak),
            ("tenants that its object's limit asks for", &|load| {
                (load.at_the_peak() / OBJECT_RATE.value).ceil()
            }),
            ("requests to the Worker in the busiest minute", &|load| {
                load.at_the_peak() * 60.0 * WORKER_REQUESTS.value
            }),
            ("what `RATE_LIMIT` lets through as it comes", &|_| RATE_LIMIT.value),
            ("runs that its slots let begin in a second", &|_| slots_per_second()),
            ("tenants that the slots ask for", &|load| (load.at_the_peak() / slots_per_second()).ceil()),
        ],
    )
}

fn costs() -> String {
    let loads = SCALES.map(|per_day| Load { per_day });
    let of = loads.each_ref().map(Load::costs);
    let mut text = head("US dollars a month");
    for place in 0..of[0].len() {
        let cells = of.map(|costs| costs[place].1);
        row(&mut text, of[0][place].0, cells);
    }
    let sums = of.map(|costs| costs.iter().map(|(_, usd)| usd).sum::<f64>());
    row(&mut text, "together", sums);
    let [first, second] = [0, 1].map(|place| sums[place] / (loads[place].per_month() / 1_000.0));
    write!(text, "\n| a thousand sessions | {first:.3} | {second:.3} |").expect("strings take all");
    text
}

type Column<'a> = &'a dyn Fn(&Load) -> f64;

fn table(title: &str, rows: &[(&str, Column<'_>)]) -> String {
    let mut text = head(title);
    for (what, of) in rows {
        row(&mut text, what, SCALES.map(|per_day| of(&Load { per_day })));
    }
    text
}

fn head(title: &str) -> String {
    let [first, second] = SCALES.map(shown);
    format!("| {title} | {first} a day | {second} a day |\n|---|---|---|")
}

fn row(text: &mut String, what: &str, cells: [f64; 2]) {
    let [first, second] = cells.map(shown);
    write!(text, "\n| {what} | {first} | {second} |").expect("strings take all");
}

/// Three digits that count, and commas.
fn shown(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        let digits = if number < 10.0 { 2 } else { 1 };
        let text = format!("{number:.digits$}");
        let text = if number < 0.2 { format!("{number:.3}") } else { text };
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 2.0).max(0.0));
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (number, text) in [
            (0.0, "0"),
            (0.128, "0.128"),
            (0.75, "0.75"),
            (5.0, "5"),
            (11.574, "11.6"),
            (57.87, "57.9"),
            (1_736.1, "1,740"),
            (30e6, "30,000,000"),
            (868.05, "868"),
        ] {
            assert_eq!(shown(number), text);
        }
    }

    #[test]
    fn size_binds_before_writes() {
        for per_day in SCALES {
            let load = Load { per_day };
            assert!(load.databases_by_size() >= load.databases_by_writes());
        }
        let million = Load { per_day: 1e6 };
        assert!((million.index_gb() - 29.1).abs() < 0.01);
        assert_eq!((million.databases_by_size(), million.databases_by_writes()), (5.0, 2.0));
        let sum: f64 = million.costs().iter().map(|(_, usd)| usd).sum();
        // 12 s × 0.128 GB × 12.50 USD, 11 + 4 rows and the requests, each 30 million times; and what is kept.
        let kept = 30.0 * (20.4 * 0.2 + 0.97 * 0.75);
        assert!((sum - 30.0 * (19.2 + 15.0 + 0.75 + 0.6) - kept).abs() < 0.01, "{sum}");
    }

    #[test]
    fn the_page_has_what_this_prints() {
        let page = include_str!("../../docs/scale.md");
        for table in tables() {
            let line = table.lines().find(|line| !page.contains(line));
            assert_eq!(
                line, None,
                "`cargo run -p longhaul-bench --release -- scale` prints it; put it into docs/scale.md"
            );
        }
    }
}
