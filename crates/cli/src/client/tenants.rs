//! What an operator does with tenants: list them, suspend one, let it in again.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    api::{Api, Change},
    codes, escaped, people, print,
    words::{one_line, table},
};
use crate::text::quoted;

/// Characters of a name in a list.
const NAME_CHARS_MAX: usize = 64;

/// What to do with a tenant.
#[derive(Subcommand)]
pub enum Act {
    /// Cancel its open runs, and let it start nothing until it is let in again
    Suspend {
        /// The tenant
        name: String,
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
    /// Let it in again
    Resume {
        /// The tenant
        name: String,
    },
}

/// Does it, or lists the tenants that a token names.
pub(super) fn run(api: &Api, act: Option<&Act>, json: bool) -> Result<ExitCode> {
    match act {
        None => list(api, json)?,
        Some(Act::Suspend { name, yes }) => {
            if !yes && !people::confirmed(&format!("suspend {name}, and cancel its open runs"))? {
                eprintln!("Nothing was changed.");
                return Ok(codes::declined());
            }
            api.change(Change::Put, &path(name))?;
            let shown = api.get(&path(name))?;
            print(json, &shown, || {
                format!(
                    "{} is suspended, and starts nothing. Its open runs are being cancelled: {} sessions are left.\n\
                     Let it in again:  {}\n",
                    named(&shown["tenant"]),
                    shown["cancelling"],
                    api.hints().own(&format!("tenants resume {}", quoted(name))),
                )
            });
        }
        Some(Act::Resume { name }) => {
            api.change(Change::Delete, &path(name))?;
            let shown = api.get(&path(name))?;
            print(json, &shown, || format!("{} may start runs\n", named(&shown["tenant"])));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(api: &Api, json: bool) -> Result<()> {
    let told = api.get("/v1/tenants")?;
    let names = told["tenants"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let shown: Vec<Value> = names.map(|name| api.get(&path(name))).collect::<Result<_, _>>()?;
    let all = json!({"tenants": shown});
    print(json, &all, || listed(&shown));
    Ok(())
}

fn listed(tenants: &[Value]) -> String {
    let mut rows = vec![["TENANT", "STATE", "BY"].map(str::to_owned).to_vec()];
    rows.extend(tenants.iter().map(|tenant| {
        let left = tenant["cancelling"].as_u64().unwrap_or_default();
        let state = match (tenant["suspended"] == true, left) {
            (false, _) => "may start runs".to_owned(),
            (true, 0) => "suspended".to_owned(),
            (true, left) => format!("suspended, {left} sessions left to cancel"),
        };
        vec![named(&tenant["tenant"]), state, named(&tenant["by"])]
    }));
    table(&rows)
}

fn named(name: &Value) -> String {
    one_line(name.as_str().unwrap_or_default(), NAME_CHARS_MAX)
}

fn path(name: &str) -> String {
    format!("/v1/tenants/{}/suspension", escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_who_is_suspended_and_by_whom() {
        let tenant = |name: &str, by: Option<&str>, left: u32| json!({"tenant": name, "suspended": by.is_some(), "since": null, "by": by, "cancelling": left});
        let text = listed(&[tenant("acme", Some("ops/ann"), 3), tenant("bravo", None, 0)]);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let expected = ["acme    suspended, 3 sessions left to cancel  ops/ann", "bravo   may start runs"];
        assert!(lines[0].starts_with("TENANT  STATE  "), "{text}");
        assert_eq!(lines[1..], expected);
        assert_eq!(path("a/b"), "/v1/tenants/a%2Fb/suspension");
    }
}
