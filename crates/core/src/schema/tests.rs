use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Misfit, misfits, output_schema_faults, schema_faults, told_misfits};
use crate::limits::{
    MISFITS_MAX, OUTPUT_SCHEMA_BYTES_MAX, OUTPUT_SCHEMA_DEPTH_MAX, POINTER_CHARS_MAX, SCHEMA_STEPS_MAX,
};

fn told(schema: &Value, value: &Value) -> String {
    told_misfits(&misfits(schema, value))
}

#[test]
fn what_does_not_fit_is_named_by_its_place() {
    let line = json!({"type": "object", "required": ["sku"], "additionalProperties": false,
        "properties": {"sku": {"type": "string", "minLength": 2}, "count": {"type": "integer", "minimum": 1}}});
    let schema = json!({"type": "object", "required": ["lines"], "properties": {
        "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
        "to": {"anyOf": [{"$ref": "#/$defs/line"}, {"type": "null"}]},
        "kind": {"oneOf": [{"const": "gift", "title": "A gift."}, {"const": "sale"}]},
        "rate": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "unit": {"enum": ["cm", "in", null]}}, "$defs": {"line": line}});
    for (value, expected) in [
        (json!({"lines": [{"sku": "ab", "count": 1.0}], "to": null, "kind": "sale", "rate": 0.5}), ""),
        (json!([]), "it must be an object, not an array"),
        (json!({}), "/lines is missing"),
        (json!({"lines": []}), "/lines must have at least 1 items, has 0"),
        (
            json!({"lines": [{"sku": "ab"}, {"sku": 1, "a/b": 2}]}),
            "/lines/1/sku must be a string, not a number; /lines/1/a~1b is not in the schema",
        ),
        (
            json!({"lines": [{"sku": "ü", "count": 0.5}]}),
            "/lines/0/count must be a whole number, not a number; /lines/0/sku must have at least 2 characters, has 1",
        ),
        (
            json!({"lines": [{"sku": "ab"}], "to": {"count": 0}}),
            "/to/sku is missing; /to/count must be at least 1",
        ),
        (
            json!({"lines": [{"sku": "ab"}], "to": 7}),
            "/to must be an object, not a number, or must be null, not a number",
        ),
        (json!({"lines": [{"sku": "ab"}], "kind": "loan"}), "/kind must be \"gift\", or must be \"sale\""),
        (
            json!({"lines": [{"sku": "ab"}], "rate": 1, "unit": "m"}),
            "/rate must be less than 1; /unit must be one of \"cm\", \"in\", null",
        ),
    ] {
        assert_eq!(told(&schema, &value), expected, "{value}");
    }
    assert_eq!(schema_faults(&schema), Vec::new());
    let twice = json!({"oneOf": [{"minimum": 1}, {"minimum": 2}, {"type": "string"}]});
    assert_eq!(told(&twice, &json!(3)), "it must fit one of 3 schemas, fits 2");
    assert_eq!(told(&json!({"properties": {"a": false}}), &json!({"a": 1})), "/a is not allowed");
    // What is not known says nothing, and of what else speaks of members nothing follows.
    let open = json!({"patternProperties": {"^[0-9]+$": {}}, "additionalProperties": false, "items": [], "minimum": "1"});
    assert_eq!(told(&open, &json!({"7": 1})), "");
}

#[test]
fn numbers_are_compared_by_what_they_are() {
    let most = u64::MAX;
    for (bound, value, fits) in [
        (json!({"maximum": most}), json!(most), true),
        (json!({"maximum": most - 1}), json!(most), false),
        (json!({"exclusiveMaximum": 9_007_199_254_740_993_u64}), json!(9_007_199_254_740_992.0), true),
        (json!({"minimum": 9_007_199_254_740_993_u64}), json!(9_007_199_254_740_992.0), false),
        (json!({"minimum": -1}), json!(-1.5), false),
        (json!({"maximum": 1e300}), json!(most), true),
        (json!({"minimum": 0}), json!(-0.0), true),
        (json!({"const": 1}), json!(1.0), true),
        (json!({"enum": [[1.0, {"a": 2}]]}), json!([1, {"a": 2.0}]), true),
        (json!({"const": true}), json!(1), false),
        (json!({"type": "integer"}), json!(1e30), true),
        (json!({"type": "integer"}), json!(1.5), false),
        (json!({"maxLength": 1.0}), json!("é"), true),
    ] {
        assert_eq!(misfits(&bound, &value).is_empty(), fits, "{bound} {value}");
    }
}

#[test]
fn a_check_takes_bounded_steps_and_tells_a_bounded_text() {
    let is_too_much = |schema: &Value, value: &Value| told(schema, value).contains("to be checked");
    // Two ways at each level, 2^100 of them.
    let twice = json!({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}], "type": "array"});
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(is_too_much(&twice, &deep));
    assert!(is_too_much(&json!({"$ref": "#"}), &json!(1)), "a circle");
    let long = json!({"items": {"enum": vec![0; 1_000]}});
    assert!(is_too_much(&long, &json!(vec![0; SCHEMA_STEPS_MAX / 1_000])));
    let texts = json!({"allOf": vec![json!({"minLength": 0}); 1_000]});
    assert!(is_too_much(&texts, &json!("a".repeat(256 * 1024))));
    let many = misfits(&json!({"items": {"type": "null"}}), &json!(vec![1; 1_000]));
    assert_eq!(many.len(), MISFITS_MAX);
    let name = "/".repeat(100_000);
    let open = json!({"additionalProperties": {"additionalProperties": {"additionalProperties": false}}});
    let long = misfits(&open, &json!({&name: {&name: {&name: 1}}}));
    assert_eq!(long[0].pointer.chars().count(), POINTER_CHARS_MAX);
    let wordy = misfits(&json!({"const": name}), &json!(1));
    assert!(wordy[0].detail.len() < 500);
}

#[test]
fn what_a_schema_says_that_is_not_checked_is_named() {
    let pointers =
        |schema: &Value| schema_faults(schema).into_iter().map(|it| it.pointer).collect::<Vec<_>>();
    for (schema, expected) in [
        (json!({"title": "x", "default": 1, "$comment": "", "examples": []}), vec![]),
        (
            json!({"pattern": "a", "properties": {"a": {"format": "email"}, "not": {"not": {}}}}),
            vec!["/pattern", "/properties/a/format", "/properties/not/not"],
        ),
        (
            json!({"items": [{}], "type": "text", "required": [1], "enum": []}),
            vec!["/enum", "/items", "/required", "/type"],
        ),
        (
            json!({"allOf": [], "anyOf": {}, "oneOf": [{"minimum": "1"}], "minLength": -1, "maxItems": 0.5}),
            vec!["/allOf", "/anyOf", "/maxItems", "/minLength", "/oneOf/0/minimum"],
        ),
        (
            json!({"type": [], "properties": [], "additionalProperties": 1, "exclusiveMinimum": true}),
            vec!["/additionalProperties", "/exclusiveMinimum", "/properties", "/type"],
        ),
        (json!({"$ref": 1, "$defs": {"a/b": 1}}), vec!["/$defs/a~1b", "/$ref"]),
        (
            json!({"properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "other.json"}, "c": {"$ref": "#/required"}}}),
            vec!["/properties/a/$ref", "/properties/b/$ref", "/properties/c/$ref"],
        ),
        (json!({"items": {"$ref": "#/$defs/a%20b"}, "$defs": {"a%20b": {}}}), vec!["/items/$ref"]),
        (
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            vec!["/$defs/a/$ref", "/$defs/b/anyOf/0/$ref"],
        ),
        // A list and a tree.
        (json!({"properties": {"next": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}}}), vec![]),
    ] {
        assert_eq!(pointers(&schema), expected, "{schema}");
    }
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"items": inner}));
    assert_eq!(pointers(&nested(OUTPUT_SCHEMA_DEPTH_MAX)), Vec::<String>::new());
    assert_eq!(pointers(&nested(OUTPUT_SCHEMA_DEPTH_MAX + 1)), ["/items".repeat(OUTPUT_SCHEMA_DEPTH_MAX)]);
}

#[test]
fn the_schema_of_a_result_is_an_objects_and_small() {
    let faults = |schema: &Value| told_misfits(&output_schema_faults(schema));
    assert_eq!(faults(&json!({"type": "object"})), "");
    assert_eq!(faults(&json!(true)), "it must be a JSON Schema, an object");
    assert_eq!(faults(&json!({})), "/type must be \"object\": the result is one");
    assert!(faults(&json!({"type": ["object"], "not": {}})).starts_with("/type must"));
    let of = |bytes: usize| json!({"type": "object", "title": "x".repeat(bytes)});
    let frame = of(0).to_string().len();
    assert_eq!(faults(&of(OUTPUT_SCHEMA_BYTES_MAX - frame)), "");
    assert!(faults(&of(OUTPUT_SCHEMA_BYTES_MAX - frame + 1)).contains("32768 bytes"));
}

/// Values of few kinds, so that schemas often name what is there.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..4).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, -0.0, 2.0, 1e19, 1e40]).prop_map(Value::from),
        Just(json!(u64::MAX)),
        "[ab\u{e9}]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc/~]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One keyword with a value that it takes.
fn any_keyword(schema: BoxedStrategy<Value>) -> impl Strategy<Value = (String, Value)> {
    let word =
        || prop::sample::select(vec!["array", "boolean", "integer", "null", "number", "object", "string"]);
    let number = prop_oneof![(-2_i64..4).prop_map(Value::from), Just(json!(0.5)), Just(json!(1e19))];
    let schemas = prop::collection::vec(schema.clone(), 1..3).prop_map(Value::from);
    let named = prop::collection::btree_map("[abc/~]", schema.clone(), 0..3)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    let keyed = |keywords: &[&'static str], value: BoxedStrategy<Value>| {
        (prop::sample::select(keywords.to_vec()), value)
            .prop_map(|(keyword, value)| (keyword.to_owned(), value))
    };
    let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let lengths = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
    prop_oneof![
        3 => keyed(&["type"], prop_oneof![
            word().prop_map(Value::from),
            prop::sample::subsequence(vec!["array", "integer", "null", "object", "string"], 1..3).prop_map(|words| json!(words)),
        ].boxed()),
        2 => keyed(&bounds, number.boxed()),
        2 => keyed(&lengths, (0_u64..4).prop_map(Value::from).boxed()),
        1 => keyed(&["required"], prop::collection::btree_set("[abc/~]", 0..3).prop_map(|names| json!(names)).boxed()),
        1 => keyed(&["enum"], prop::collection::vec(any_value(), 1..3).prop_map(Value::from).boxed()),
        1 => keyed(&["const"], any_value().boxed()),
        2 => keyed(&["items", "additionalProperties"], schema.boxed()),
        2 => keyed(&["allOf", "anyOf", "oneOf"], schemas.boxed()),
        3 => keyed(&["properties"], named.boxed()),
        1 => keyed(&["$ref"], prop::sample::select(vec!["#", "#/$defs/a", "#/$defs/b", "#/properties/a"]).prop_map(Value::from).boxed()),
        1 => keyed(&["title", "description", "$comment"], Just(json!("x")).boxed()),
    ]
}

fn any_schema() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), Just(json!({}))];
    let inner = leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(any_keyword(inner.boxed()), 0..4)
            .prop_map(|keywords| Value::Object(keywords.into_iter().collect()))
    });
    (prop::collection::vec(any_keyword(inner.clone().boxed()), 1..4), inner.clone(), inner)
        .prop_map(|(keywords, a, b)| {
            let mut schema: serde_json::Map<String, Value> = keywords.into_iter().collect();
            schema.insert("$defs".to_owned(), json!({"a": a, "b": b}));
            Value::Object(schema)
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_value_fits_where_the_judge_says_so(schema in any_schema(), values in prop::collection::vec(any_value(), 4)) {
        // What leads nowhere or in a circle has no meaning to compare.
        if !schema_faults(&schema).is_empty() {
            return Ok(());
        }
        let judge = jsonschema::draft202012::new(&schema).expect("a schema without fault is one to the judge");
        for value in values {
            let own = misfits(&schema, &value);
            prop_assert_eq!(own.is_empty(), judge.is_valid(&value), "{} {}: {:?}", schema, value, own);
            for Misfit { pointer, detail } in own {
                let place = value.pointer(&pointer);
                prop_assert!(place.is_some() || detail == "is missing", "{} of {}", pointer, value);
            }
        }
    }

    #[test]
    fn a_schema_without_fault_is_one_to_the_judge(schema in any_value(), keywords in any_schema()) {
        for schema in [schema, keywords] {
            if schema_faults(&schema).is_empty() {
                prop_assert!(jsonschema::meta::is_valid(&schema), "{}", schema);
            }
        }
    }
}
