//! No parser does work that is the product of two sizes in its input.

use longhaul_fuzz::growth::{Cost, GROWTH_MAX, SHAPES, Shape};

#[test]
fn a_byte_costs_the_same_however_many_there_are() {
    let mut costs: Vec<(&Shape, Cost)> = SHAPES.iter().map(|shape| (shape, shape.measure())).collect();
    costs.sort_by(|(_, a), (_, b)| b.ns_per_byte.total_cmp(&a.ns_per_byte));
    println!("| parser | made of | ns/byte | growth |\n|---|---|---:|---:|");
    for (shape, cost) in &costs {
        let Shape { parser, made_of, .. } = shape;
        println!("| {parser} | {made_of} | {:.1} | {:.2} |", cost.ns_per_byte, cost.growth);
    }
    let (slowest, cost) = &costs[0];
    println!(
        "measured: the slowest parser is {} with {}: {:.0} ns a byte",
        slowest.parser, slowest.made_of, cost.ns_per_byte
    );
    let growing: Vec<String> = costs
        .iter()
        .filter(|(_, cost)| cost.growth > GROWTH_MAX)
        .map(|(shape, cost)| format!("{}, {}: {:.1} times", shape.parser, shape.made_of, cost.growth))
        .collect();
    assert!(growing.is_empty(), "a byte of four times the input costs more:\n{}", growing.join("\n"));
}
