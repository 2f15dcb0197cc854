use longhaul_trace::index::Tenants;

use super::{
    auth::{Caller, Scope, is_name},
    problem::{Outcome, Problem},
    route::{Route, TENANT},
};

/// Refuses what the caller may not ask for, and says whose things the request is about: the caller's own tenant's, those
/// of the tenant that an operator has chosen, or where an operator asks for a list without choosing, all tenants'.
///
/// # Errors
/// 400 for a name that no tenant can have, 403 for what the token's scopes do not allow.
pub(crate) fn reach<'a>(caller: &Caller<'a>, route: &Route, chosen: Option<&'a str>) -> Outcome<Tenants<'a>> {
    let is_operator = caller.scopes.allow(Scope::Operator);
    // What takes no choice is the own tenant's, and the parameter is refused with the others that are not known.
    if let Some(tenant) = chosen.filter(|_| route.takes_tenant()) {
        if !is_name(tenant) {
            return Err(Problem::parameter(TENANT, "must be the name of a tenant, of [A-Za-z0-9_-]"));
        }
        if is_operator {
            return Ok(Tenants::One(tenant));
        }
        if tenant != caller.tenant {
            let detail = format!("a token without the scope `operator` asks for nothing of `{tenant}`");
            return Err(Problem::scope(detail));
        }
    }
    // Whoever decides may see what there is to decide.
    if *route != Route::Approvals || caller.check(Scope::Approve).is_err() {
        caller.check(route.scope())?;
    }
    let is_list = matches!(route, Route::Traces | Route::Stats | Route::Approvals | Route::Models);
    Ok(if is_operator && is_list { Tenants::All } else { Tenants::One(caller.tenant) })
}

#[cfg(test)]
mod tests {
    use longhaul_core::limits;

    use super::*;
    use crate::api::{auth::Access, route::route};

    #[test]
    fn only_an_operator_reaches_beyond_the_own_tenant() {
        let long = |letter: char| letter.to_string().repeat(limits::TOKEN_BYTES_MIN);
        let (all, reader, operator) = (long('a'), long('b'), long('c'));
        let text = format!("acme/ann:{all},acme/bob:{reader}[read],ops/ian:{operator}[operator]");
        let access = Access::parse(None, Some(&text)).unwrap();
        let reached = |token: &str, (method, path): (&str, &str), chosen: Option<&str>| {
            let caller = access.caller(Some(&format!("Bearer {token}")), None).unwrap();
            let route = route(method, path).unwrap().1;
            match reach(&caller, &route, chosen) {
                Ok(Tenants::All) => "*".to_owned(),
                Ok(Tenants::One(tenant)) => tenant.to_owned(),
                Err(problem) => problem.code.to_owned(),
            }
        };
        let list = ("GET", "/v1/traces");
        let read = ("GET", "/v1/sessions/s");
        for get in [list, read, ("GET", "/v1/stats"), ("GET", "/v1/approvals"), ("GET", "/v1/models")] {
            for token in [&all, &reader] {
                assert_eq!(reached(token, get, None), "acme", "{get:?}");
                assert_eq!(reached(token, get, Some("acme")), "acme", "{get:?}");
                assert_eq!(reached(token, get, Some("bravo")), "scope", "{get:?}");
            }
            assert_eq!(reached(&operator, get, Some("bravo")), "bravo", "{get:?}");
            assert_eq!(reached(&operator, get, None), if get == read { "ops" } else { "*" }, "{get:?}");
            assert_eq!(reached(&operator, get, Some("a/b")), "invalid_parameter", "{get:?}");
        }
        for ask in [("POST", "/v1/sessions/s/cancel"), ("DELETE", "/v1/sessions/s")] {
            assert_eq!(reached(&operator, ask, Some("bravo")), "bravo");
            assert_eq!(reached(&operator, ask, None), "scope", "it says whose");
            assert_eq!(reached(&all, ask, Some("bravo")), "scope");
            assert_eq!(reached(&reader, ask, Some("acme")), "scope");
        }
        // An operator starts nothing and decides nothing of another's.
        for post in ["/v1/sessions", "/v1/compare", "/v1/sessions/s/runs", "/v1/sessions/s/approvals/1"] {
            assert_eq!(reached(&operator, ("POST", post), Some("bravo")), "scope", "{post}");
            assert_eq!(reached(&all, ("POST", post), Some("bravo")), "acme", "the parameter is not known");
        }
        for method in ["GET", "PUT", "DELETE"] {
            let suspension = (method, "/v1/tenants/bravo/suspension");
            assert_eq!(
                (reached(&all, suspension, None), reached(&operator, suspension, None)),
                ("scope".to_owned(), "ops".to_owned())
            );
        }
    }
}
