//! The OpenAPI document has the routes of the table, and each of them what it may answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    problem::Code,
    route::{Access, ROUTES},
};

const DOCUMENT: &str = include_str!("../../../../dashboard/static/openapi.json");
#[test]
fn the_document_has_the_routes_and_problems_of_the_table() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut documented = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        documented += ["get", "post", "delete"].iter().filter(|method| item.get(**method).is_some()).count();
        assert!(path == "/openapi.json" || ROUTES.iter().any(|spec| spec.path == path), "{path}");
    }
    assert_eq!(documented, ROUTES.len() + 1, "the document itself is an asset");
    for spec in ROUTES {
        let operation = &document["paths"][spec.path][spec.method.to_lowercase()];
        let mut found = BTreeSet::new();
        for response in operation["responses"].as_object().unwrap().values() {
            let Some(reference) = response["$ref"].as_str() else { continue };
            let response = document.pointer(reference.trim_start_matches('#')).unwrap();
            let schema = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"];
            for code in schema["code"]["enum"].as_array().into_iter().flatten() {
                let code = Code::ALL.iter().find(|known| known.as_str() == code).unwrap();
                assert_eq!(schema["status"]["const"], code.status(), "{code:?}");
                found.insert(*code);
            }
        }
        assert_eq!(found, spec.problems.iter().copied().flatten().copied().collect(), "{spec:?}");
        assert_eq!(spec.access == Access::Token, operation.get("security").is_none(), "{spec:?}");
    }
}

#[test]
fn the_document_lists_the_codes_of_all_problems() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let listed = document["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
    let listed: BTreeSet<&str> = listed.iter().filter_map(Value::as_str).collect();
    assert_eq!(listed, Code::ALL.iter().map(|code| code.as_str()).collect());
}
