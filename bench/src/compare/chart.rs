//! The chart, as an SVG that is read on a light and on a dark page.

use std::fmt::Write;

use super::{
    book::{Better, Book, Line},
    table::Column,
};

/// The lines that are drawn, a panel each.
const PANELS: [&str; 6] = [
    "runs/s, 16 at once, no tools",
    "runs/s, 16 at once, five tools",
    "p50 of a run, ms, 1 at once, five tools",
    "processor time of a turn, ms, 16 at once, five tools",
    "rows written by a run, five tools",
    "after SIGKILL, unattended: ms to the repeated call, 1 session",
];

const WIDTH: f64 = 880.0;
const PANEL: f64 = 430.0;
const NAME: f64 = 80.0;
const BAR_MAX: f64 = 250.0;
const ROW: f64 = 22.0;
const TOP: f64 = 44.0;

/// Bars of the contestants' medians with whiskers for the range; `note` says when and where.
pub(crate) fn chart(book: &Book, columns: &[Column], note: &str) -> String {
    let panels: Vec<&Line> =
        PANELS.iter().filter_map(|title| book.lines().iter().find(|line| line.title == *title)).collect();
    let panel_height = 34.0 + ROW * columns.len() as f64 + 14.0;
    let height = TOP + panel_height * panels.len().div_ceil(2) as f64 + 40.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #1f2328; }}
.title {{ font-weight: 600; }}
.note {{ fill: #59636e; font-size: 11px; }}
.bar {{ fill: #8c959f; }}
.ours {{ fill: #0969da; }}
.faint {{ opacity: 0.45; }}
.range {{ stroke: #1f2328; stroke-width: 1; }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #f0f6fc; }}
  .note {{ fill: #9198a1; }}
  .bar {{ fill: #656c76; }}
  .ours {{ fill: #4493f8; }}
  .range {{ stroke: #f0f6fc; }}
}}
</style>
<text class="title" x="10" y="22" font-size="15">The same work side by side: six model calls a run, state on disk</text>
"#,
        escaped(&summary(&panels, columns))
    );
    for (index, line) in panels.iter().enumerate() {
        let (x, y) = ((index % 2) as f64 * (PANEL + 10.0) + 10.0, TOP + (index / 2) as f64 * panel_height);
        panel(&mut svg, line, columns, x, y);
    }
    let mut put = |text: &str, y: f64| {
        writeln!(svg, r#"<text class="note" x="10" y="{y}">{}</text>"#, escaped(text)).expect("a text");
    };
    if columns.iter().any(|column| !column.is_durable) {
        put("pale: keeps nothing on disk", height - 26.0);
    }
    put(note, height - 10.0);
    svg + "</svg>\n"
}

fn panel(svg: &mut String, line: &Line, columns: &[Column], x: f64, y: f64) {
    let better = if line.better == Better::More { "more is better" } else { "less is better" };
    let title = escaped(&line.title);
    let mut put = |text: String| svg.push_str(&(text + "\n"));
    put(format!(r#"<text class="title" x="{x}" y="{}">{title}</text>"#, y + 14.0));
    put(format!(r#"<text class="note" x="{x}" y="{}">{better}</text>"#, y + 28.0));
    let most = columns.iter().filter_map(|column| line.sample(column.name)).map(|sample| sample.range().1);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    for (index, Column { name, is_durable, .. }) in columns.iter().enumerate() {
        let top = y + 34.0 + ROW * index as f64;
        let (middle, left) = (top + 11.0, x + NAME);
        let class = match (index, is_durable) {
            (0, _) => "ours",
            (_, true) => "bar",
            (_, false) => "bar faint",
        };
        put(format!(r#"<text x="{x}" y="{}">{}</text>"#, middle + 4.0, escaped(name)));
        let mut end = left;
        if let Some(sample) = line.sample(name) {
            let width = |value: f64| (value / most * BAR_MAX).max(1.0);
            let ((low, high), bar) = (sample.range(), width(sample.median()));
            put(format!(
                r#"<rect class="{class}" x="{left}" y="{}" width="{bar:.1}" height="14" rx="2"/>"#,
                top + 4.0
            ));
            if high > low {
                let (from, to) = (left + width(low), left + width(high));
                put(format!(
                    r#"<line class="range" x1="{from:.1}" y1="{middle}" x2="{to:.1}" y2="{middle}"/>"#
                ));
            }
            end = left + width(high);
        }
        let text = line.text(name);
        let shown = text.split(" (").next().unwrap_or(&text);
        put(format!(r#"<text x="{:.1}" y="{}">{}</text>"#, end + 6.0, middle + 4.0, escaped(shown)));
    }
}

/// What the chart says, for who cannot see it.
fn summary(panels: &[&Line], columns: &[Column]) -> String {
    let lines = panels.iter().map(|line| {
        let cells: Vec<String> =
            columns.iter().map(|column| format!("{} {}", column.name, line.text(column.name))).collect();
        format!("{}: {}", line.title, cells.join(", "))
    });
    lines.collect::<Vec<_>>().join("; ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_bar_for_who_was_measured_and_words_for_who_was_not() {
        let mut book = Book::default();
        for value in [10.0, 20.0] {
            book.add("rates", PANELS[0], Better::More, "ours", value);
        }
        book.say("rates", PANELS[0], Better::More, "<theirs>", "> 30 s");
        let columns = ["ours", "<theirs>"].map(|name| Column {
            name,
            version: String::new(),
            is_durable: name == "ours",
        });
        let svg = chart(&book, &columns, "today & here");
        assert_eq!((svg.matches("<rect").count(), svg.matches("<line").count()), (1, 1));
        for part in [
            "&gt; 30 s",
            "pale: keeps nothing on disk",
            "today &amp; here",
            "prefers-color-scheme: dark",
            ">15.0</text>",
            "&lt;theirs&gt;",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
