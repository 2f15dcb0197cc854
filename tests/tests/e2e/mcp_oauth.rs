//! MCP servers that a person authorises: links, what comes back, and what is kept.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answered, Api, Asked, FarSide, Launch, Post, Server};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::openapi::document::Document;

const KEY: &str = "a-key-of-more-than-thirty-two-bytes";
const TOKEN: &str = "token-of-the-issuer-4711";
const REFRESH: &str = "refresh-of-the-issuer-0815";
const BETTER: &str = "token-with-more-rights-42";
const SECRET: &str = "secret-of-the-client-1234";
const LINKS: &str = "/v1/mcp/links";
const AUTHORIZATIONS: &str = "/v1/mcp/authorizations";
const SERVERS: &str = "/v1/mcp/servers";

/// An MCP server that wants a token, as far as its issuer goes, which is the same server. What it says can be changed.
struct Far {
    side: FarSide,
    origin: Arc<Mutex<String>>,
    /// What a token is answered with.
    token: Arc<Mutex<Value>>,
}

impl Far {
    async fn start() -> Far {
        let origin = Arc::new(Mutex::new(String::new()));
        let token =
            Arc::new(Mutex::new(json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600,
            "refresh_token": REFRESH, "scope": "read write"})));
        let (own, given) = (Arc::clone(&origin), Arc::clone(&token));
        let side = FarSide::start(move |asked| {
            let (origin, token) =
                (own.lock().expect("it is whole").clone(), given.lock().expect("it is whole").clone());
            async move { answer(&origin, &token, &asked) }
        })
        .await;
        origin.lock().expect("it is whole").clone_from(&side.origin());
        Far { side, origin, token }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.origin.lock().expect("it is whole"))
    }

    fn answers_with(&self, token: Value) {
        *self.token.lock().expect("it is whole") = token;
    }

    fn asked(&self, path: &str) -> Vec<Asked> {
        self.side.asked().into_iter().filter(|asked| asked.path.split('?').next() == Some(path)).collect()
    }
}

fn answer(origin: &str, token: &Value, asked: &Asked) -> Answered {
    match asked.path.split('?').next().unwrap_or_default() {
        "/.well-known/oauth-protected-resource/mcp" => Answered::json(
            200,
            &json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin], "scopes_supported": ["read", "write"]}),
        ),
        "/.well-known/oauth-authorization-server" => Answered::json(
            200,
            &json!({"issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
                "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
                "token_endpoint_auth_methods_supported": ["client_secret_post"]}),
        ),
        "/register" => Answered::json(201, &json!({"client_id": "client-1", "client_secret": SECRET})),
        "/mcp" => mcp(origin, asked),
        "/token" if token.get("error").is_some() => Answered::json(400, token),
        "/token" => Answered::json(200, token),
        _ => Answered::json(404, &Value::Null),
    }
}

/// The MCP server: it lists its tools for any token of the issuer, and performs one for a token with the right to write.
fn mcp(origin: &str, asked: &Asked) -> Answered {
    let wants = |status, error: &str, scope: &str| {
        let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
        let challenge = format!("Bearer {error}scope=\"{scope}\", resource_metadata=\"{metadata}\"");
        Answered::json(status, &Value::Null).with("www-authenticate", challenge)
    };
    let Some(token) = asked.header("authorization").strip_prefix("Bearer ") else {
        return wants(401, "", "read");
    };
    let result = match asked.body["method"].as_str().unwrap_or_default() {
        "tools/list" => {
            json!({"resultType": "complete", "tools": [{"name": "find", "inputSchema": {"type": "object"}}]})
        }
        "tools/call" if token == TOKEN => return wants(403, "error=\"insufficient_scope\", ", "write"),
        "tools/call" => json!({"resultType": "complete", "content": [{"type": "text", "text": "Found it."}]}),
        _ => {
            return Answered::json(
                404,
                &json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": -32601, "message": "unknown"}}),
            );
        }
    };
    Answered::json(200, &json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}))
}

fn launch(far: &Far) -> Launch {
    let servers = json!({"crm": {"url": far.url()}, "shut": {"url": format!("{}/shut", far.side.origin())}});
    Launch::new()
        .var("AUTH", "off")
        .var("MCP_SERVERS", servers.to_string())
        .var("PUBLIC_URL", "https://runs.example.com/")
        .var("CREDENTIALS_KEY", KEY)
}

async fn with_far(far: &Far) -> (Server, Api) {
    let server = launch(far).start().await;
    let api = Api::new(server.base_url());
    (server, api)
}

/// Opens a link, and gives its parameters.
async fn opened(api: &Api) -> (Value, Vec<(String, String)>) {
    let answer = api.post(LINKS, &json!({"server": "crm"})).await;
    Document::read().check("POST", LINKS, &answer);
    let link = answer.ok(200);
    let url = Url::parse(link["url"].as_str().expect("a link")).expect("an address");
    (link, url.query_pairs().into_owned().collect())
}

fn of<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

async fn crm(api: &Api) -> Value {
    let answer = api.get(SERVERS).await;
    Document::read().check("GET", SERVERS, &answer);
    answer.ok(200)["servers"][0].clone()
}

/// All bytes on disk.
fn stored(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).expect("the storage is a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => stored(&path),
            false => fs::read(&path).expect("a file of the storage"),
        })
        .collect()
}

fn brought(far: &Far, state: &str) -> Value {
    json!({"code": "code-1", "state": state, "iss": far.side.origin()})
}

#[tokio::test]
async fn a_person_authorises_a_server_and_nothing_shows_the_token() {
    let far = Far::start().await;
    let (mut server, api) = with_far(&far).await;
    let document = Document::read();
    let before = crm(&api).await;
    assert_eq!(
        (&before["name"], &before["authorized"], &before["problem"]),
        (&json!("crm"), &json!(false), &Value::Null)
    );
    assert_eq!(format!("http://{}", before["host"].as_str().unwrap_or_default()), far.side.origin());

    let (link, pairs) = opened(&api).await;
    assert_eq!(format!("http://{}", link["host"].as_str().unwrap_or_default()), far.side.origin());
    assert_eq!((of(&pairs, "client_id"), of(&pairs, "scope")), ("client-1", "read write"));
    assert_eq!((of(&pairs, "resource"), of(&pairs, "code_challenge_method")), (far.url().as_str(), "S256"));
    assert_eq!(of(&pairs, "redirect_uri"), "https://runs.example.com/oauth/callback");
    assert_eq!(
        far.asked("/register")[0].body["redirect_uris"],
        json!(["https://runs.example.com/oauth/callback"])
    );

    // They come back after a kill.
    server.crash().await;
    let state = of(&pairs, "state");
    let answer = api.post(AUTHORIZATIONS, &brought(&far, state)).await;
    document.check("POST", AUTHORIZATIONS, &answer);
    let made = answer.ok(200);
    assert_eq!(
        (&made["server"], &made["authorized"], &made["scope"]),
        (&json!("crm"), &json!(true), &json!("read write"))
    );
    let sent: Vec<(String, String)> = Url::parse(&format!("http://h/?{}", far.asked("/token")[0].text))
        .expect("a form")
        .query_pairs()
        .into_owned()
        .collect();
    assert_eq!(
        (of(&sent, "code"), of(&sent, "client_secret"), of(&sent, "resource")),
        ("code-1", SECRET, far.url().as_str())
    );
    let digest = <sha2::Sha256 as sha2::Digest>::digest(of(&sent, "code_verifier"));
    assert_eq!(URL_SAFE_NO_PAD.encode(digest), of(&pairs, "code_challenge"));

    let after = crm(&api).await;
    assert_eq!(
        (&after["authorized"], &after["by"], &after["renewable"]),
        (&json!(true), &json!("local"), &json!(true))
    );
    // A second link needs no second registration.
    opened(&api).await;
    assert_eq!(far.asked("/register").len(), 1);
    let stored = stored(&server.storage());
    for secret in [TOKEN, REFRESH, SECRET, KEY, of(&sent, "code_verifier"), state] {
        assert!(!server.log().contains(secret), "{secret} is in the log");
        assert!(
            !stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
            "{secret} is in the storage as it is"
        );
    }

    let forgotten = api.call(Method::DELETE, "/v1/mcp/servers/crm/authorization", &[], None).await;
    document.check("DELETE", "/v1/mcp/servers/{server}/authorization", &forgotten);
    assert_eq!(forgotten.status, 204);
    assert_eq!(crm(&api).await["authorized"], false);
}

/// The open request of a run that waits for a person to authorise its server.
async fn waits(api: &Api, post: &Post) -> Value {
    eventually("somebody is asked", || async {
        let run = api.run(post).await;
        assert_ne!(run["status"], "failed", "{run}");
        let asked = run["waiting_for"].get(0).cloned();
        asked.filter(|asked| asked["kind"] == "authorize")
    })
    .await
}

#[tokio::test]
async fn a_run_waits_for_a_person_who_authorises_and_once_more_for_more_rights() {
    let far = Far::start().await;
    let (mut server, api) = with_far(&far).await;
    let post = api.start_task("Look.\n#scripted call=crm__find {}\n#scripted turns=2").await;
    let asked = waits(&api, &post).await;
    assert_eq!(asked["url"], "https://runs.example.com/oauth/start?server=crm", "{asked}");
    // Nobody comes before a kill.
    server.crash().await;
    let (_, pairs) = opened(&api).await;
    assert_eq!(of(&pairs, "scope"), "read", "as the server's challenge says");
    far.answers_with(json!({"access_token": TOKEN, "token_type": "Bearer", "scope": "read"}));
    api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await.ok(200);
    eventually("more rights are asked for", || async {
        let more = waits(&api, &post).await;
        (more["request"] != asked["request"]).then_some(())
    })
    .await;
    let (_, pairs) = opened(&api).await;
    assert_eq!(of(&pairs, "scope"), "read write", "those that there are, and the new one");
    far.answers_with(json!({"access_token": BETTER, "token_type": "Bearer"}));
    api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await.ok(200);
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let events = api.events(&post.session).await;
    let resolved = of_type(&events, "approval.resolved");
    let how: Vec<_> = resolved.iter().map(|event| (&event["decision"], &event["by"])).collect();
    assert_eq!(how, [(&json!("authorized"), &json!("local")), (&json!("authorized"), &json!("local"))]);
    let found = of_type(&events, "tool.answered");
    assert!(found.iter().any(|event| event["result"].to_string().contains("Found it.")), "{found:?}");
    let everything = json!(events).to_string()
        + &api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.text
        + &server.log();
    let kept = stored(&server.storage());
    for secret in [TOKEN, BETTER, SECRET] {
        assert!(!everything.contains(secret), "{secret} is shown");
        assert!(
            !kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
            "{secret} is on disk as it is"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_over_is_renewed_once_whoever_asks() {
    let far = Far::start().await;
    let (_server, api) = with_far(&far).await;
    let (_, pairs) = opened(&api).await;
    far.answers_with(
        json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 0, "refresh_token": REFRESH}),
    );
    api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await.ok(200);
    far.answers_with(json!({"access_token": BETTER, "token_type": "Bearer", "expires_in": 3600}));
    let task = "Look.\n#scripted call=crm__find {}\n#scripted turns=2";
    let posts = futures::future::join_all((0..6).map(|_| api.start_task(task))).await;
    for post in &posts {
        assert_eq!(api.ended(post).await["status"], "succeeded");
    }
    let asked = far.asked("/token");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[1].text.contains("grant_type=refresh_token") && asked[1].text.contains(REFRESH),
        "{}",
        asked[1].text
    );
}

#[tokio::test]
async fn an_answer_is_taken_once_in_time_and_of_its_issuer() {
    let far = Far::start().await;
    let (_server, api) = with_far(&far).await;
    let document = Document::read();
    let closed = async |body: Value| {
        let answer = api.post(AUTHORIZATIONS, &body).await;
        document.check("POST", AUTHORIZATIONS, &answer);
        answer.problem(409, "link_closed");
    };
    closed(brought(&far, "a-state-of-nobody")).await;
    // One of another issuer is not redeemed, and uses the link up.
    for iss in [json!("https://evil.example"), json!(format!("{}/", far.side.origin())), Value::Null] {
        let (_, pairs) = opened(&api).await;
        let mut body = brought(&far, of(&pairs, "state"));
        body["iss"] = iss;
        closed(body.clone()).await;
        body["iss"] = json!(far.side.origin());
        closed(body).await;
    }
    assert!(far.asked("/token").is_empty(), "no code was shown to anybody");
    // A refusal is told, and is no authorization.
    let (_, pairs) = opened(&api).await;
    let denied = json!({"error": "access_denied", "error_description": "They said no.", "state": of(&pairs, "state"), "iss": far.side.origin()});
    let told = api.post(AUTHORIZATIONS, &denied).await.ok(200);
    assert_eq!(
        (&told["authorized"], &told["error"], &told["error_description"]),
        (&json!(false), &json!("access_denied"), &json!("They said no."))
    );
    // Used once.
    let (_, pairs) = opened(&api).await;
    let body = brought(&far, of(&pairs, "state"));
    let both = futures::future::join(api.post(AUTHORIZATIONS, &body), api.post(AUTHORIZATIONS, &body)).await;
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!((statuses, far.asked("/token").len()), ([200, 409], 1));
    for (body, at_fault) in
        [(json!({"state": "s"}), vec!["/code"]), (json!({"code": 7, "x": 1}), vec!["/state", "/code", "/x"])]
    {
        let answer = api.post(AUTHORIZATIONS, &body).await;
        assert_eq!(answer.problem(422, "invalid_request"), at_fault);
    }
    assert_eq!(
        api.post(LINKS, &json!({"server": "gone"})).await.problem(422, "invalid_request"),
        ["/server"]
    );
}

#[tokio::test]
async fn a_link_is_opened_by_whoever_may_approve_and_tokens_are_forgotten_by_an_admin() {
    let tokens = "acme/ann:token-of-ann-0123456[approve,read],acme/run:token-of-run-0123456[run]";
    let servers = json!({"crm": {"url": "https://crm.invalid/mcp"}}).to_string();
    let launch = Launch::new().var("API_TOKENS", tokens).var("MCP_SERVERS", servers);
    let server =
        launch.var("PUBLIC_URL", "https://runs.example.com").var("CREDENTIALS_KEY", KEY).start().await;
    let api = Api::new(server.base_url());
    let (ann, run) = (api.with_token("token-of-ann-0123456"), api.with_token("token-of-run-0123456"));
    let answer = ann.post(LINKS, &json!({"server": "crm"})).await;
    Document::read().check("POST", LINKS, &answer);
    answer.problem(503, "mcp_unauthorizable");
    let body = json!({"code": "c", "state": "s"});
    ann.post(AUTHORIZATIONS, &body).await.problem(409, "link_closed");
    run.post(LINKS, &json!({"server": "crm"})).await.problem(403, "scope");
    run.post(AUTHORIZATIONS, &body).await.problem(403, "scope");
    let forget = "/v1/mcp/servers/crm/authorization";
    ann.call(Method::DELETE, forget, &[], None).await.problem(403, "scope");
    assert_eq!(crm(&ann).await["authorized"], false);
    run.get(SERVERS).await.problem(403, "scope");
}

#[tokio::test]
async fn what_is_wrong_at_the_far_side_says_who_must_act() {
    let far = Far::start().await;
    let (_server, api) = with_far(&far).await;
    let shut = api.post(LINKS, &json!({"server": "shut"})).await;
    shut.problem(503, "mcp_unauthorizable");
    assert!(shut.text.contains("whoever runs the server"), "{}", shut.text);
    far.answers_with(json!({"error": "invalid_grant", "error_description": format!("code-1 {SECRET}")}));
    let (_, pairs) = opened(&api).await;
    let refused = api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await;
    Document::read().check("POST", AUTHORIZATIONS, &refused);
    refused.problem(503, "mcp_unauthorizable");
    assert!(refused.text.contains("invalid_grant") && !refused.text.contains(SECRET), "{}", refused.text);
    assert_eq!(crm(&api).await["authorized"], false);
}

#[tokio::test]
async fn another_key_means_that_somebody_authorises_again() {
    let far = Far::start().await;
    let (mut server, api) = with_far(&far).await;
    let (_, pairs) = opened(&api).await;
    let (_, open) = opened(&api).await;
    api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await.ok(200);
    server.change_var("CREDENTIALS_KEY", "another-key-of-more-than-thirty-two-bytes".to_owned());
    server.kill9().await;
    server.restart().await;
    let shown = crm(&api).await;
    assert_eq!((&shown["authorized"], &shown["by"]), (&json!(false), &json!("local")));
    assert!(shown["problem"].as_str().is_some_and(|text| text.contains("CREDENTIALS_KEY")), "{shown}");
    let late = api.post(AUTHORIZATIONS, &brought(&far, of(&open, "state"))).await;
    late.problem(409, "link_closed");
    let (_, pairs) = opened(&api).await;
    api.post(AUTHORIZATIONS, &brought(&far, of(&pairs, "state"))).await.ok(200);
    assert_eq!(crm(&api).await["authorized"], true);
}

#[tokio::test]
async fn without_a_key_or_an_address_there_is_no_link() {
    let far = Far::start().await;
    let document = Document::read();
    for (missing, set) in [
        ("CREDENTIALS_KEY", ("PUBLIC_URL", "https://runs.example.com")),
        ("PUBLIC_URL", ("CREDENTIALS_KEY", KEY)),
    ] {
        let servers = json!({"crm": {"url": far.url()}}).to_string();
        let server =
            Launch::new().var("AUTH", "off").var("MCP_SERVERS", servers).var(set.0, set.1).start().await;
        let api = Api::new(server.base_url());
        let answer = api.post(LINKS, &json!({"server": "crm"})).await;
        document.check("POST", LINKS, &answer);
        assert_eq!(answer.problem(503, "mcp_unauthorizable"), [missing]);
        assert!(crm(&api).await["problem"].as_str().is_some_and(|text| text.contains(missing)));
        let own = api.get("/oauth/client.json").await;
        document.check("GET", "/oauth/client.json", &own);
        match missing {
            "PUBLIC_URL" => drop(own.problem(404, "not_found")),
            _ => assert_eq!(own.ok(200)["client_id"], "https://runs.example.com/oauth/client.json"),
        }
    }
}
