//! Issuers and servers that mean well, and those that do not, over a wire of this process.

use std::{cell::RefCell, rc::Rc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    client::Challenge,
    limits::{METADATA_BYTES_MAX, STEP_UPS_MAX},
    servers::Oauth,
    wire::{Reply, Request, Wire},
};

const SERVER: &str = "https://h.example/mcp";
const AS: &str = "https://as.example";
const PRM: &str = "https://h.example/.well-known/oauth-protected-resource/mcp";
const META: &str = "https://as.example/.well-known/oauth-authorization-server";
const HOME: &str = "https://runs.example";
const NOW: u64 = 1_000_000;

/// Nothing of these waits.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing is waited for")
}

/// An address, the status of what is there, and its body.
type There = (String, u16, Vec<u8>);

/// What is at which address; anything else is 404. It remembers what it was asked.
#[derive(Clone, Default)]
struct Net {
    there: Rc<RefCell<Vec<There>>>,
    asked: Rc<RefCell<Vec<Request>>>,
}

impl Net {
    fn new(there: &[(&str, Value)]) -> Self {
        let net = Self::default();
        for (url, json) in there {
            net.put(url, 200, json.to_string().into_bytes());
        }
        net
    }

    fn put(&self, url: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.there.borrow_mut().retain(|(known, ..)| known != url);
        self.there.borrow_mut().push((url.to_owned(), status, body.into()));
    }

    fn urls(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|request| request.url.clone()).collect()
    }

    fn last(&self) -> Request {
        self.asked.borrow().last().cloned().expect("something was asked")
    }
}

impl Wire for Net {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>> {
        let there = self.there.borrow();
        let found = there.iter().find(|(url, ..)| *url == request.url);
        let (status, body) = found.map_or((404, Vec::new()), |(_, status, body)| (*status, body.clone()));
        self.asked.borrow_mut().push(request);
        let chunks: Vec<_> = body.chunks(1_000).map(|chunk| Ok(chunk.to_vec())).collect();
        let reply = Reply { status, headers: Vec::new(), body: stream::iter(chunks).boxed_local() };
        futures::future::ready(if status == 0 { Err("it is down".to_owned()) } else { Ok(reply) })
            .boxed_local()
    }

    fn sleep(&self, _: u64) -> LocalBoxFuture<'static, ()> {
        futures::future::pending().boxed_local()
    }
}

fn prm() -> Value {
    json!({"resource": SERVER, "authorization_servers": [AS], "scopes_supported": ["r", "w"]})
}

fn meta() -> Value {
    json!({"issuer": AS, "authorization_endpoint": format!("{AS}/authorize"), "token_endpoint": format!("{AS}/token"),
        "registration_endpoint": format!("{AS}/register"), "code_challenge_methods_supported": ["plain", "S256"]})
}

fn with(mut json: Value, field: &str, value: Value) -> Value {
    json[field] = value;
    json
}

fn found(net: &Net) -> Result<Discovery, OauthError> {
    block_on(discover(net, SERVER, None, &[], Reach::Public))
}

fn net() -> Net {
    Net::new(&[(PRM, prm()), (META, meta())])
}

fn issuer() -> Issuer {
    found(&net()).unwrap().issuer
}

fn oauth(id: &str, issuer: Option<&str>) -> Oauth {
    Oauth { client_id: id.to_owned(), client_secret: None, issuer: issuer.map(str::to_owned), scope: None }
}

fn registered(net: &Net, answer: Value) -> Result<Identity, OauthError> {
    net.put("https://as.example/register", 201, answer.to_string());
    block_on(register(net, &found(net)?.issuer, HOME, Reach::Public))
}

fn link(net: &Net) -> Link {
    let identity = registered(net, json!({"client_id": "c1", "client_secret": "s+1"})).unwrap();
    begin(&found(net).unwrap(), identity, Some("r w".to_owned()), HOME, &[7; 64])
}

fn given(net: &Net, status: u16, answer: Value) -> Result<Tokens, OauthError> {
    let pending = link(net).pending;
    net.put("https://as.example/token", status, answer.to_string());
    block_on(redeem(net, &pending, "code-1", NOW, Reach::Public))
}

fn tokens(refresh: bool) -> Tokens {
    let mut answer = json!({"access_token": "a1", "token_type": "bearer", "expires_in": 3600});
    if refresh {
        answer["refresh_token"] = "f1".into();
    }
    given(&net(), 200, answer).unwrap()
}

fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn query(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').expect("there is a query");
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[test]
fn metadata_are_looked_for_in_order() {
    let net = net();
    let discovery = found(&net).unwrap();
    assert_eq!((discovery.resource.as_str(), discovery.scopes.as_deref()), (SERVER, Some("r w")));
    assert_eq!(net.urls(), [PRM, META]);

    let root = "https://h.example/.well-known/oauth-protected-resource";
    let (tenant, other) = ("https://as.example/t1", "https://as.example/.well-known/openid-configuration/t1");
    let last = "https://as.example/t1/.well-known/openid-configuration";
    let all =
        with(with(prm(), "authorization_servers", json!([tenant])), "resource", json!("https://h.example"));
    let net = Net::new(&[(root, all), (last, with(meta(), "issuer", json!(tenant)))]);
    // A page for people is no document.
    net.put(other, 200, "<html>");
    let discovery = found(&net).unwrap();
    assert_eq!(discovery.resource, "https://h.example");
    assert_eq!(net.urls(), [PRM, root, &format!("{META}/t1"), other, last]);
}

#[test]
fn what_the_challenge_names_is_asked_and_nothing_else() {
    let named = "https://h.example/custom.json";
    let net = Net::new(&[(named, prm()), (META, meta())]);
    let ask = |named| block_on(discover(&net, SERVER, Some(named), &[], Reach::Public));
    assert!(ask(named).is_ok());
    assert_eq!(net.urls(), [named, META]);
    net.asked.borrow_mut().clear();
    assert!(matches!(ask("https://h.example/gone.json"), Err(OauthError::Server(_))));
    assert_eq!(net.urls(), ["https://h.example/gone.json"]);
    net.asked.borrow_mut().clear();
    for url in [
        "http://h.example/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/x",
        "file:///x",
        "https://a@h.example/x",
    ] {
        assert!(matches!(ask(url), Err(OauthError::Server(_))), "{url}");
    }
    assert_eq!(net.urls(), [""; 0], "nothing was sent");
}

#[test]
fn metadata_of_another_resource_or_issuer_are_refused() {
    for resource in ["https://evil.example/mcp", "https://h.example/mcp/more", "http://h.example/mcp", ""] {
        let net = Net::new(&[(PRM, with(prm(), "resource", json!(resource))), (META, meta())]);
        assert!(matches!(found(&net), Err(OauthError::Server(_))), "{resource}");
        assert_eq!(net.urls(), [PRM], "the issuer is not even asked");
    }
    for issuer in
        ["https://evil.example", "https://as.example/", "https://AS.example", "https://as.example:443"]
    {
        let net = Net::new(&[(PRM, prm()), (META, with(meta(), "issuer", json!(issuer)))]);
        assert!(found(&net).unwrap_err().to_string().contains("another issuer"), "{issuer}");
    }
}

#[test]
fn metadata_that_are_hostile_are_refused() {
    for (field, value) in [
        ("code_challenge_methods_supported", json!(["plain"])),
        ("code_challenge_methods_supported", Value::Null),
        ("token_endpoint", json!("http://as.example/token")),
        ("token_endpoint", json!("https://10.0.0.1/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", Value::Null),
        ("registration_endpoint", json!("https://localhost/register")),
    ] {
        let net = Net::new(&[(PRM, prm()), (META, with(meta(), field, value.clone()))]);
        assert!(matches!(found(&net), Err(OauthError::Server(_))), "{field} {value}");
    }
    for issuers in
        [json!([]), json!("x"), json!(["http://as.example"]), json!(["https://as.example?x"]), json!([7])]
    {
        let net = Net::new(&[(PRM, with(prm(), "authorization_servers", issuers.clone())), (META, meta())]);
        assert!(matches!(found(&net), Err(OauthError::Server(_))), "{issuers}");
    }
    let net = net();
    net.put(PRM, 302, "");
    assert!(found(&net).unwrap_err().to_string().contains("redirect"));
    net.put(PRM, 200, vec![b' '; METADATA_BYTES_MAX + 1]);
    assert!(found(&net).unwrap_err().to_string().contains("65536"));
    for status in [0, 500, 503, 429] {
        net.put(PRM, status, "");
        assert!(matches!(found(&net), Err(OauthError::Later(_))), "{status}");
    }
}

#[test]
fn an_issuer_that_is_known_goes_before_the_first_one() {
    let (other, at) = ("https://b.example", "https://b.example/.well-known/oauth-authorization-server");
    let prm = with(prm(), "authorization_servers", json!([AS, other]));
    let net = Net::new(&[(PRM, prm), (META, meta()), (at, with(meta(), "issuer", json!(other)))]);
    let name = |preferred: &[&str]| {
        block_on(discover(&net, SERVER, None, preferred, Reach::Public)).unwrap().issuer.name
    };
    assert_eq!((name(&[other]).as_str(), name(&[]).as_str()), (other, AS));
    assert_eq!(name(&["https://gone.example"]), AS);
}

#[test]
fn an_identity_is_given_or_a_document_or_registered() {
    let plain = issuer();
    let documents = Issuer { takes_documents: true, ..plain.clone() };
    let closed = Issuer { register_at: None, ..plain.clone() };
    let id = |identity: Result<Option<Identity>, OauthError>| identity.unwrap().map(|it| it.id);
    let own = "https://runs.example/oauth/client.json";
    assert_eq!(id(choose(&documents, None, None, HOME, None)).as_deref(), Some(own));
    assert_eq!(id(choose(&documents, None, None, "http://localhost:8787", None)), None);
    assert_eq!(id(choose(&plain, None, None, HOME, None)), None);
    assert!(matches!(choose(&closed, None, None, HOME, None), Err(OauthError::Operator(_))));
    let (fixed, elsewhere) = (oauth("fixed", None), oauth("https://else.example/c.json", None));
    let fixed = || Some((&fixed, Some("secret".to_owned())));
    assert_eq!(id(choose(&documents, fixed(), None, HOME, None)).as_deref(), Some("fixed"));
    assert_eq!(
        id(choose(&documents, Some((&elsewhere, None)), None, HOME, None)),
        Some(elsewhere.client_id.clone())
    );
    assert_eq!(id(choose(&plain, Some((&elsewhere, None)), None, HOME, None)), None, "it registers");
    // What was registered at one issuer is none at another.
    let known = registered(&net(), json!({"client_id": "c1"})).unwrap();
    assert_eq!(id(choose(&plain, None, None, HOME, Some(known.clone()))).as_deref(), Some("c1"));
    let moved = Issuer { name: "https://b.example".to_owned(), ..plain.clone() };
    assert_eq!(id(choose(&moved, None, None, HOME, Some(known))), None);
    for (given, bound) in [(oauth("fixed", Some(AS)), None), (oauth("fixed", None), Some(AS))] {
        let chosen = choose(&moved, Some((&given, None)), bound, HOME, None);
        assert!(matches!(chosen, Err(OauthError::Operator(_))), "a client id goes to its own issuer alone");
        assert!(choose(&plain, Some((&given, None)), bound, HOME, None).is_ok());
    }
}

#[test]
fn a_registration_says_what_kind_of_client_it_is() {
    let net = net();
    registered(&net, json!({"client_id": "c1"})).unwrap();
    let sent: Value = serde_json::from_slice(&net.last().body).unwrap();
    let expected = json!({"client_name": "longhaul", "client_uri": HOME, "redirect_uris": ["https://runs.example/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic", "application_type": "web"});
    assert_eq!(sent, expected);
    assert_eq!(document("http://localhost:1")["application_type"], "native");
    let own = document(HOME);
    assert_eq!(
        (own["client_id"].as_str(), own["token_endpoint_auth_method"].as_str()),
        (Some("https://runs.example/oauth/client.json"), Some("none"))
    );
    for wrong in [
        json!({}),
        json!({"client_id": ""}),
        json!({"client_id": "c\n"}),
        json!({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt", "client_secret": "s"}),
    ] {
        assert!(matches!(registered(&net, wrong.clone()), Err(OauthError::Server(_))), "{wrong}");
    }
    let brief =
        registered(&net, json!({"client_id": "c", "client_secret": "s", "client_secret_expires_at": 2_000}))
            .unwrap();
    assert!(brief.is_good(1_999_999) && !brief.is_good(2_000_000));
    net.put(
        "https://as.example/register",
        400,
        json!({"error": "invalid_redirect_uri", "error_description": "<b>no"}).to_string(),
    );
    let refused = block_on(register(&net, &issuer(), HOME, Reach::Public)).unwrap_err().to_string();
    assert!(refused.contains("invalid_redirect_uri") && !refused.contains("<b>"), "{refused}");
}

#[test]
fn a_link_has_what_it_needs_and_no_secret() {
    let link = link(&net());
    let pairs = query(&link.url);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(URL_SAFE_NO_PAD.encode([7; 32])));
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "c1"),
        ("redirect_uri", "https://runs.example/oauth/callback"),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
        ("resource", SERVER),
        ("scope", "r w"),
        ("state", &link.state),
    ] {
        assert_eq!(value(&pairs, name), Some(expected), "{name}");
    }
    assert_eq!(value(&pairs, "prompt"), None);
    assert!(link.state.len() == 43 && !link.url.contains("s+1") && !link.url.contains("s%2B1"));
    assert_eq!(Pending::of_json(&link.pending.to_json()), Some(link.pending.clone()));
    let shown = format!("{link:?} {:?}", tokens(true));
    assert!(!shown.contains("s+1") && !shown.contains("a1\"") && !shown.contains("f1"), "{shown}");
}

#[test]
fn who_sent_a_person_back_is_compared_byte_by_byte() {
    let net = net();
    let silent = link(&net).pending;
    net.put(
        META,
        200,
        with(meta(), "authorization_response_iss_parameter_supported", json!(true)).to_string(),
    );
    let promised = link(&net).pending;
    for pending in [&silent, &promised] {
        assert_eq!(check_issuer(pending, Some(AS)), Ok(()));
        for other in [
            "https://evil.example",
            "https://as.example/",
            "https://AS.example",
            "https://as.example:443",
            "",
        ] {
            assert!(check_issuer(pending, Some(other)).is_err(), "{other}");
        }
    }
    assert_eq!(check_issuer(&silent, None), Ok(()));
    assert!(check_issuer(&promised, None).is_err());
}

#[test]
fn a_code_is_redeemed_in_the_way_that_the_issuer_takes() {
    for (methods, answered, expected) in [
        (json!(null), json!(null), Some("Basic YzE6cyUyQjE=")),
        (json!(["client_secret_basic", "none"]), json!("client_secret_basic"), Some("Basic YzE6cyUyQjE=")),
        (json!(["client_secret_post"]), json!(null), None),
        (json!(["none"]), json!(null), None),
        (json!(["none"]), json!("client_secret_post"), None),
    ] {
        let net = Net::new(&[
            (PRM, prm()),
            (META, with(meta(), "token_endpoint_auth_methods_supported", methods.clone())),
        ]);
        let answer =
            json!({"client_id": "c1", "client_secret": "s+1", "token_endpoint_auth_method": answered});
        let identity = registered(&net, answer).unwrap();
        let pending = begin(&found(&net).unwrap(), identity, None, HOME, &[7; 64]).pending;
        net.put(
            "https://as.example/token",
            200,
            json!({"access_token": "a1", "token_type": "Bearer"}).to_string(),
        );
        block_on(redeem(&net, &pending, "code-1", NOW, Reach::Public)).unwrap();
        let request = net.last();
        let header =
            request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
        assert_eq!(header, expected, "{methods} {answered}");
        let sent = form(&request);
        for (name, value_) in [
            ("grant_type", "authorization_code"),
            ("code", "code-1"),
            ("resource", SERVER),
            ("redirect_uri", "https://runs.example/oauth/callback"),
            ("code_verifier", &URL_SAFE_NO_PAD.encode([7; 32])),
        ] {
            assert_eq!(value(&sent, name), Some(value_));
        }
        let is_post = methods == json!(["client_secret_post"]) || answered == json!("client_secret_post");
        assert_eq!(value(&sent, "client_secret"), is_post.then_some("s+1"));
        assert_eq!(value(&sent, "client_id"), expected.is_none().then_some("c1"));
    }
}

#[test]
fn tokens_are_what_the_issuer_says() {
    let one = tokens(true);
    assert_eq!(
        (one.access.as_str(), one.expires_at, one.granted.as_deref()),
        ("a1", Some(NOW + 3_600_000), Some("r w"))
    );
    assert!(one.can_refresh() && one.is_fresh(NOW) && !one.is_fresh(NOW + 3_580_000));
    assert_eq!(Tokens::of_json(&one.to_json()), Some(one));
    let fewer = json!({"access_token": "a", "token_type": "Bearer", "scope": "r", "expires_in": "60"});
    let fewer = given(&net(), 200, fewer).unwrap();
    assert_eq!(
        (fewer.granted.as_deref(), fewer.asked.as_deref(), fewer.expires_at),
        (Some("r"), Some("r w"), Some(NOW + 60_000))
    );
    for wrong in [
        json!({}),
        json!({"access_token": "a"}),
        json!({"access_token": "a", "token_type": "DPoP"}),
        json!({"access_token": "", "token_type": "Bearer"}),
        json!({"access_token": "a\r\nx: y", "token_type": "Bearer"}),
        json!({"access_token": "a".repeat(9_000), "token_type": "Bearer"}),
    ] {
        assert!(matches!(given(&net(), 200, wrong.clone()), Err(OauthError::Server(_))), "{wrong}");
    }
}

#[test]
fn what_is_refused_says_who_must_act_and_no_secret() {
    let echo = json!({"error": "invalid_grant", "error_description": "code-1 s+1"});
    let refused = given(&net(), 400, echo).unwrap_err();
    assert!(
        matches!(&refused, OauthError::Person(_)) && !refused.to_string().contains("code-1"),
        "{refused}"
    );
    assert!(matches!(given(&net(), 401, json!({"error": "invalid_client"})), Err(OauthError::Unknown(_))));
    assert!(matches!(
        given(&net(), 400, json!({"error": "temporarily_unavailable"})),
        Err(OauthError::Later(_))
    ));
    assert!(matches!(given(&net(), 503, json!({})), Err(OauthError::Later(_))));
    assert!(matches!(given(&net(), 307, json!({})), Err(OauthError::Server(_))));
    let fixed = oauth("fixed", None);
    let identity =
        choose(&issuer(), Some((&fixed, Some("wrong".to_owned()))), None, HOME, None).unwrap().unwrap();
    assert_eq!(identity.to_json()["secret"], Value::Null, "the variable has it");
    let net = net();
    let pending = begin(&found(&net).unwrap(), identity, None, HOME, &[7; 64]).pending;
    net.put("https://as.example/token", 401, json!({"error": "invalid_client"}).to_string());
    assert!(matches!(
        block_on(redeem(&net, &pending, "c", NOW, Reach::Public)),
        Err(OauthError::Operator(_))
    ));
}

#[test]
fn a_refresh_replaces_what_was_given() {
    let (net, one) = (net(), tokens(true));
    net.put(
        "https://as.example/token",
        200,
        json!({"access_token": "a2", "token_type": "Bearer", "refresh_token": "f2", "expires_in": 10})
            .to_string(),
    );
    let two = block_on(refresh(&net, &one, NOW + 5, Reach::Public)).unwrap();
    let sent = form(&net.last());
    assert_eq!(
        (value(&sent, "grant_type"), value(&sent, "refresh_token"), value(&sent, "resource")),
        (Some("refresh_token"), Some("f1"), Some(SERVER))
    );
    assert_eq!(
        (two.access.as_str(), two.expires_at, two.issued_at, two.granted.as_deref()),
        ("a2", Some(NOW + 10_005), NOW + 5, Some("r w"))
    );
    net.put(
        "https://as.example/token",
        200,
        json!({"access_token": "a3", "token_type": "Bearer"}).to_string(),
    );
    let three = block_on(refresh(&net, &two, NOW, Reach::Public)).unwrap();
    assert_eq!((value(&form(&net.last()), "refresh_token"), three.expires_at), (Some("f2"), None));
    assert!(three.can_refresh(), "one that is not replaced stays good");
    assert!(matches!(
        block_on(refresh(&net, &tokens(false), NOW, Reach::Public)),
        Err(OauthError::Person(_))
    ));
}

fn challenge(status: u16, scope: Option<&str>, error: Option<&str>) -> Challenge {
    Challenge {
        status,
        resource_metadata: None,
        scope: scope.map(str::to_owned),
        error: error.map(str::to_owned),
    }
}

#[test]
fn a_session_gets_the_token_or_a_renewed_one_or_waits() {
    let asked = Asked::default();
    assert_eq!(next(None, asked, NOW), Next::Person);
    let (one, plain) = (tokens(true), tokens(false));
    assert_eq!(next(Some(&one), asked, NOW), Next::Use);
    assert_eq!(next(Some(&one), asked, NOW + 3_600_000), Next::Refresh);
    assert_eq!(next(Some(&plain), asked, NOW + 3_600_000), Next::Person);
    let (refused, invalid) = (digest("a1"), challenge(401, None, Some("invalid_token")));
    let asked = Asked { challenge: Some(&invalid), refused: Some(&refused), ..Asked::default() };
    assert_eq!(next(Some(&one), asked, NOW + 100_000), Next::Refresh);
    assert_eq!(next(Some(&one), asked, NOW + 1_000), Next::Person, "it was given a moment ago");
    assert_eq!(next(Some(&plain), asked, NOW + 100_000), Next::Person);
    let often = Asked { step_ups: STEP_UPS_MAX, ..asked };
    assert!(matches!(next(Some(&plain), often, NOW), Next::Refuse(_)));
    let older = digest("a0");
    assert_eq!(
        next(Some(&one), Asked { refused: Some(&older), ..asked }, NOW),
        Next::Use,
        "there is a newer one"
    );
}

#[test]
fn more_rights_are_asked_for_where_that_can_help() {
    let (one, refused) = (tokens(true), digest("a1"));
    let ask = |challenge: &Challenge, scope, step_ups| {
        next(Some(&one), Asked { challenge: Some(challenge), refused: Some(&refused), scope, step_ups }, NOW)
    };
    let more = challenge(403, Some("x"), Some("insufficient_scope"));
    assert_eq!(ask(&more, None, STEP_UPS_MAX - 1), Next::Person);
    assert!(matches!(ask(&more, None, STEP_UPS_MAX), Next::Refuse(_)));
    assert!(matches!(ask(&more, Some("r w"), 0), Next::Refuse(_)));
    assert_eq!(ask(&more, Some("r w x"), 0), Next::Person);
    for pointless in [challenge(403, Some("r"), Some("insufficient_scope")), challenge(403, None, None)] {
        assert!(matches!(ask(&pointless, None, 0), Next::Refuse(_)), "{pointless:?}");
    }
}
