use longhaul_trace::VIEW_CONTENT_BYTES_MAX;
use serde_json::{Value, json};

use crate::stage::{START, Stage};

#[test]
fn the_view_of_a_run_that_was_cut_off_once() {
    let mut stage = Stage::default();
    stage.accept("Write a haiku about tides.");
    stage.crash(40);
    stage.answer("The moon lets go of the sea.\nDONE", 300);
    let view = serde_json::to_string_pretty(&stage.trace(1).view()).unwrap();
    insta::assert_snapshot!(view);
}

#[test]
fn a_running_trace_has_nulls_where_nothing_is_known() {
    let mut stage = Stage::default();
    stage.accept("x");
    let view = serde_json::to_value(stage.trace(1).view()).unwrap();
    assert_eq!((&view["status"], &view["started_at"]), (&json!("running"), &json!(START)));
    for key in ["ended_at", "stop_reason"] {
        assert_eq!(view[key], Value::Null, "{key}");
    }
    let call = &view["spans"][1];
    for key in ["ended_at", "duration_ms", "error_type", "usage", "latency_ms", "output"] {
        assert!(call.as_object().unwrap().contains_key(key));
        assert_eq!(call[key], Value::Null, "{key}");
    }
    assert_eq!((&call["call"], &call["attempt"], &call["status"]), (&json!(1), &json!(1), &json!("unset")));
    assert_eq!(call["input"][1], json!({"role": "user", "content": "x"}));
}

#[test]
fn a_huge_conversation_makes_no_huge_view() {
    let mut stage = Stage::default();
    stage.accept("x");
    for _ in 0..6 {
        stage.answer(&"a".repeat(1_300_000), 10);
    }
    let view = serde_json::to_string(&stage.trace(1).view()).unwrap();
    assert!(view.len() < 3 * 7 * VIEW_CONTENT_BYTES_MAX, "{}", view.len());
    let view: Value = serde_json::from_str(&view).unwrap();
    let last = &view["spans"][6];
    assert_eq!(last["input_left_out"], 10);
    assert_eq!(last["input"][1]["content"], "Continue.");
    assert!(last["output"]["content"].as_str().unwrap().ends_with(" more bytes]"));
}
