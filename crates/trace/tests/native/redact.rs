use std::borrow::Cow;

use longhaul_trace::redact::{Redaction, UnknownRedaction};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Letters and digits as chance makes them; nothing here is a key of anybody.
const CHANCE: &str = "q7Rk2Vx9Lm4Tz8Wb3Ny6Hc1Jd5Gf0PsAeUiOoKvXrYtQwZ";

fn chance(count: usize) -> String {
    CHANCE.chars().cycle().take(count).collect()
}

/// A prefix and what chance puts after it: joined here, so that no file holds what looks like a key.
fn key(prefix: &str, count: usize) -> String {
    format!("{prefix}{}", chance(count))
}

/// The first line of a PEM block, joined here for the same reason.
fn begin(label: &str) -> String {
    format!("-----{} {label}-----", "BEGIN")
}

fn all() -> Redaction {
    Redaction::parse("secrets,emails").unwrap()
}

fn secrets(text: &str) -> String {
    Redaction::default().text(text).into_owned()
}

#[test]
fn the_variable_takes_a_list_or_off() {
    assert_eq!(Redaction::parse("secrets"), Ok(Redaction::default()));
    assert_eq!(Redaction::parse(" emails , secrets "), Ok(all()));
    let mail = "Bearer a1b2c3d4e5 to bob@example.com";
    assert_eq!(Redaction::parse("off").unwrap().text(mail), mail);
    assert_eq!(Redaction::parse("emails").unwrap().text(mail), "Bearer a1b2c3d4e5 to [redacted:email]");
    for bad in ["", "on", "secrets,", "off,emails", "Secrets", "secrets emails"] {
        assert_eq!(Redaction::parse(bad), Err(UnknownRedaction), "{bad:?}");
    }
}

#[test]
fn each_known_secret_is_replaced_by_its_kind() {
    let jwt = format!("{}.{}.{}", key("eyJ", 20), key("eyJ", 30), chance(43));
    let pem = |label: &str| format!("{}\n{}\nabc=\n-----END {label}-----", begin(label), chance(64));
    let digits = "12345678";
    let capitals = "Q7RK2VX9LM4TZ8WB";
    let word = "correcthorse";
    let c = chance(20);
    let cases = [
        (format!("call with Bearer {c}, please"), "call with Bearer [redacted:bearer], please"),
        (format!("bearer  {c}."), "bearer  [redacted:bearer]."),
        (format!("BEARER%20{c}"), "BEARER%20[redacted:bearer]"),
        (format!("Authorization: Basic {c}=="), "Authorization: Basic [redacted:basic]"),
        (format!("authorization: bearer {word}"), "authorization: bearer [redacted:bearer]"),
        (format!("-H 'Authorization: {c}'"), "-H 'Authorization: [redacted:secret]'"),
        (format!(r#"{{"Authorization": "Token {c}"}}"#), r#"{"Authorization": "Token [redacted:secret]"}"#),
        (key("sk-", 48), "[redacted:api_key]"),
        (format!("({})", key("sk-ant-api03-", 90)), "([redacted:api_key])"),
        (format!("a {} b", key("sk-proj-", 60)), "a [redacted:api_key] b"),
        (format!("\\n{}\\n", key("sk-or-v1-", 64)), "\\n[redacted:api_key]\\n"),
        (format!("x%3D{}", key("sk-", 24)), "x%3D[redacted:api_key]"),
        (format!("鍵{}です", key("sk-", 24)), "鍵[redacted:api_key]です"),
        (key("sk_live_", 24), "[redacted:api_key]"),
        (key("sk_test_", 24), "[redacted:api_key]"),
        (key("rk_live_", 24), "[redacted:api_key]"),
        (key("whsec_", 32), "[redacted:api_key]"),
        (key("nxs_", 64), "[redacted:api_key]"),
        (key("ghp_", 36), "[redacted:api_key]"),
        (key("gho_", 36), "[redacted:api_key]"),
        (key("ghu_", 36), "[redacted:api_key]"),
        (key("ghs_", 36), "[redacted:api_key]"),
        (key("ghr_", 76), "[redacted:api_key]"),
        (
            format!("https://{}@github.com/a/b", key("github_pat_", 82)),
            "https://[redacted:api_key]@github.com/a/b",
        ),
        (key("glpat-", 20), "[redacted:api_key]"),
        (format!("{}-{digits}-{c}", key("xoxb-", 12)), "[redacted:api_key]"),
        (key("xoxp-", 12), "[redacted:api_key]"),
        (key("xoxa-", 12), "[redacted:api_key]"),
        (key("xapp-", 12), "[redacted:api_key]"),
        (format!("key {}{capitals}.", "AKIA"), "key [redacted:api_key]."),
        (format!("{}{capitals}", "ASIA"), "[redacted:api_key]"),
        (key("AIza", 35), "[redacted:api_key]"),
        (key("hf_", 34), "[redacted:api_key]"),
        (key("npm_", 36), "[redacted:api_key]"),
        (key("pypi-", 80), "[redacted:api_key]"),
        (key("dop_v1_", 64), "[redacted:api_key]"),
        (key("shpat_", 32), "[redacted:api_key]"),
        (format!("{}.{}", key("SG.", 22), chance(43)), "[redacted:api_key]"),
        (format!("sk-{}", key("ya29.", 30)), "sk-[redacted:api_key]"),
        (format!("<{jwt}>"), "<[redacted:jwt]>"),
        (format!("a {jwt}. b"), "a [redacted:jwt]. b"),
        (pem("RSA PRIVATE KEY"), "[redacted:private_key]"),
        (format!("x {} y", pem("OPENSSH PRIVATE KEY")), "x [redacted:private_key] y"),
        (pem("PGP PRIVATE KEY BLOCK"), "[redacted:private_key]"),
        (format!("\"{}\"", pem("PRIVATE KEY").replace('\n', "\\n")), "\"[redacted:private_key]\""),
        (
            format!("{}\n{c}{c}\n{c}\nand then prose", begin("EC PRIVATE KEY")),
            "[redacted:private_key]\nand then prose",
        ),
        (
            format!("{}\nProc-Type: 4,ENCRYPTED\n\n{c}{c}\n{c}", begin("RSA PRIVATE KEY")),
            "[redacted:private_key]",
        ),
        (format!("postgres://app:{word}@db:5432/x"), "postgres://app:[redacted:password]@db:5432/x"),
        (
            format!("https://{}:pw@h/", key("sk_live_", 24)),
            "https://[redacted:api_key]:[redacted:password]@h/",
        ),
        (format!("redis://:{c}@host"), "redis://:[redacted:password]@host"),
        (format!("https://u:p@{digits}@h/"), "https://u:[redacted:password]@h/"),
        (format!("API_KEY={c}"), "API_KEY=[redacted:api_key]"),
        (format!("export OPENAI_API_KEY={word}\nA=b"), "export OPENAI_API_KEY=[redacted:api_key]\nA=b"),
        (format!("apikey: {c}"), "apikey: [redacted:api_key]"),
        (format!("x-api-key: {c}\r\n"), "x-api-key: [redacted:api_key]\r\n"),
        (format!("GET /?access_token={c}&page=2"), "GET /?access_token=[redacted:secret]&page=2"),
        (format!("client_secret = '{c}'"), "client_secret = '[redacted:secret]'"),
        (format!("clientSecret: \"{c}\","), "clientSecret: \"[redacted:secret]\","),
        (format!("password: {word}"), "password: [redacted:password]"),
        (format!("password:{word}\nuser: x"), "password:[redacted:password]\nuser: x"),
        (format!("my password: {c} ok?"), "my password: [redacted:password] ok?"),
        (format!("DB_PASSWORD=\"{word} {word}\""), "DB_PASSWORD=\"[redacted:password]\""),
        (format!("mysql --password {word} -h x"), "mysql --password [redacted:password] -h x"),
        (format!("PGPASSWORD={word} psql"), "PGPASSWORD=[redacted:password] psql"),
        (format!(r#"{{"token": "{c}"}}"#), r#"{"token": "[redacted:secret]"}"#),
        (format!(r#"{{\"token\":\"{c}\",\"a\":1}}"#), r#"{\"token\":\"[redacted:secret]\",\"a\":1}"#),
        (format!(r#"{{"password": {digits}}}"#), r#"{"password": "[redacted:password]"}"#),
        (format!(r#"{{"password": "a\"b{c}"}}"#), r#"{"password": "[redacted:password]"}"#),
        (format!(r#""say password={c}\"""#), r#""say password=[redacted:password]\"""#),
        (format!("os.environ[\"API_KEY\"] = \"{c}\""), "os.environ[\"API_KEY\"] = \"[redacted:api_key]\""),
        (format!("secret={word}"), "secret=[redacted:secret]"),
        (format!("token: {c}"), "token: [redacted:secret]"),
        (format!("token := \"{c}\""), "token := \"[redacted:secret]\""),
        (format!("'password' => '{c}'"), "'password' => '[redacted:password]'"),
        (format!("AccountKey={c}==;Endpoint=x"), "AccountKey=[redacted:api_key];Endpoint=x"),
        (format!("X-Amz-Signature={c}"), "X-Amz-Signature=[redacted:secret]"),
        (format!("password1=пароль{digits}"), "password1=[redacted:password]"),
    ];
    for (text, expected) in &cases {
        assert_eq!(secrets(text), *expected, "{text}");
    }
}

#[test]
fn e_mail_addresses_are_replaced_by_a_switch() {
    let cases = [
        ("write to bob@example.com.", "write to [redacted:email]."),
        ("<ann.o'x+tag@mail.example.co.uk>", "<ann.o'[redacted:email]>"),
        ("mailto:bob%40example.com", "mailto:[redacted:email]"),
        ("müller@bücher.de", "[redacted:email]"),
        ("请联系bob@example.com谢谢", "请联系[redacted:email]谢谢"),
        ("ssh://ann@host.example.org:22", "ssh://[redacted:email]:22"),
        ("a@b.io,c@d.io", "[redacted:email],[redacted:email]"),
        ("x@y.xn--p1ai", "[redacted:email]"),
    ];
    for (text, expected) in cases {
        assert_eq!(all().text(text), expected);
        assert_eq!(secrets(text), text);
    }
    let mixed = format!("bob@example.com{}\n{}", begin("RSA PRIVATE KEY"), key("", 32));
    assert_eq!(all().text(&mixed), "[redacted:email][redacted:private_key]");
    let url = "https://ann@example.org:hunter2@h/";
    assert_eq!(all().text(url), "https://[redacted:email]:[redacted:password]@h/");
    // An address that begins within a word does not make a domain of the rest of it.
    let cut = format!("a@b.long{}-{}@b.long", "x".repeat(30), "y".repeat(43));
    let once = all().text(&cut).into_owned();
    assert_eq!(once, format!("a@b.long{}[redacted:email]", "x".repeat(10)));
    assert_eq!(all().text(&once), once);
    // Without its long address this looks like a PEM block's first line.
    let label = format!("-----BEGIN a@b.{} PRIVATE KEY----- 2/x", "x".repeat(40));
    assert_eq!(all().text(&label), "-----BEGIN [redacted:email] PRIVATE KEY----- 2/x");
    assert_eq!(all().text(&all().text(&label)), all().text(&label));
    let header = format!("{}\nBy: a@b.{}\n{}", begin("PRIVATE KEY"), "x".repeat(100), key("", 32));
    assert_eq!(all().text(&all().text(&header)), all().text(&header));
    let header = format!("{}\n{}passwd=\u{e4}ion: x\n-\n", begin("RSA PRIVATE KEY"), key("", 16));
    assert_eq!(all().text(&all().text(&header)), all().text(&header));
    // What is after an address is no flag because the address is gone.
    assert_eq!(all().text("bob@example.com-----password hunter22"), "[redacted:email]-----password hunter22");
    assert_eq!(
        all().text("[redacted:email]-----password hunter22"),
        "[redacted:email]-----password hunter22"
    );
}

#[test]
fn prose_code_and_placeholders_stay() {
    let cases = [
        "the sk-ill of an sk-learn-pipeline-with-many-words",
        "task-12345678901234567890 on disk-abcdef0123456789abcdef",
        "the secret: be kind",
        "The secret: patience",
        "the secret: patience and tea",
        "token count: 12345678",
        "cost_per_token: 0.000015",
        "max_tokens: 100000",
        "password: none",
        "password: required",
        "password: forgotten yesterday",
        "password=******",
        "password=xxxxxxxx",
        "PASSWORD=${DB_PASSWORD}",
        "password: <your password>",
        "api_key=$OPENAI_API_KEY",
        "token: {{ secrets.TOKEN }}",
        "api_key: [REDACTED]",
        "set OPENAI_API_KEY=",
        "const apiKey = process.env.OPENAI_API_KEY2;",
        "api_key=os.environ[\"API_KEY\"]",
        "client = OpenAI(api_key=api_key)",
        "let token = parser.next_token(4);",
        "token = tokens[10]",
        "password: String,",
        "fn login(password: &str, token: Option<u64>)",
        "Token::Identifier(12345678)",
        "secret: SecretString,",
        "{\"token\": null, \"password\": \"\"}",
        "\"token\": \"a word of a sentence\"",
        "PWD=/home/user/project2",
        "Bearer authentication is used",
        "the bearer instruments market",
        "Authorization: Bearer <token>",
        "Authorization: required",
        "a bearer token",
        "hf_hub_download and hf_transfer_enabled",
        "npm_config_registry npm_package_version",
        "pypi-publish-workflow-for-releases",
        "ghp_ is the prefix of a token",
        "AKIA is a prefix, AKIAIOSFODNN7EXAMPLEX2 is too long",
        "eyJust a word.with.dots",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        &format!("look for `{}` in files", begin("PRIVATE KEY")),
        "http://localhost:8080/@user",
        "https://example.com/a:b@c",
        "https://user:<password>@host",
        "ftp://user@host",
        "ratio 16:9, 12:30:45, a=b, c==d",
        "https://docs.example.com/token:https://x",
        "[redacted:api_key] and password=[redacted:password]",
    ];
    for text in cases {
        assert!(
            matches!(Redaction::default().text(text), Cow::Borrowed(same) if same == text),
            "{:?}",
            secrets(text)
        );
    }
    for text in
        ["@user", "a@b", "lodash@4.17.21", "logo@2x.png", "git@github.com:a/b.git", "@app.route", "a @ b.c"]
    {
        assert!(matches!(all().text(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn the_time_is_linear_in_hostile_text() {
    let bytes = 4 * 1024 * 1024;
    let pem = format!("{}\nab", begin("PRIVATE KEY"));
    let parts = [
        "=",
        ":",
        "a:",
        "a@",
        "@",
        "://",
        "a://a:",
        "-",
        "sk-",
        "sk-a-",
        "eyJ",
        "eyJ-",
        "eyJaaaaaaaaa-eyJaaaaaaa.",
        "token=",
        "token=$",
        "token:\"",
        "token:\\\"",
        "password=a\\",
        "\\",
        "\"",
        "bearer ",
        "Bearer  ",
        "--token ",
        " ",
        "a%40",
        "[redacted:",
        "token=[redacted:x]",
        "SG.",
        "a.",
        "é",
        "authorization:bearer ",
        pem.as_str(),
    ];
    #[expect(clippy::disallowed_methods, reason = "the time of the machine is what is tested")]
    let now = std::time::Instant::now;
    let mut texts = vec![parts.concat().repeat(bytes / parts.concat().len())];
    texts.extend(parts.iter().map(|part| part.repeat(bytes / 8 / part.len())));
    texts.extend(parts.iter().map(|part| format!("{part}{}", "a".repeat(bytes / 8))));
    for text in texts {
        let started = now();
        let redacted = all().text(&text).len();
        // A quadratic scan takes minutes.
        let took = started.elapsed();
        assert!(took.as_secs() < 20, "{:?}… of {redacted} bytes took {took:?}", &text[..8]);
    }
}

/// Pieces out of which rules are made, and what lies between them.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "password",
        "token",
        "secret",
        "api_key",
        "authorization",
        "Bearer ",
        "basic ",
        "sk-",
        "ghp_",
        "eyJ",
        "AKIA",
        "npm_",
        "SG.",
        "://",
        "a://u:p",
        "@",
        "%40",
        ".com",
        "=",
        ":",
        ": ",
        " = ",
        "\"",
        "\\\"",
        "'",
        "`",
        "\\n",
        "\n",
        " ",
        "--",
        ",",
        ";",
        "&",
        "<",
        ">",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "$",
        "#",
        "/",
        ".",
        "-",
        "_",
        "\\",
        "[redacted:",
        "[redacted:jwt]",
        "é",
        "鍵",
        "🔑",
        "a",
        "git",
        "x",
        "Q7RK2VX9LM4TZ8WB",
        "q7Rk2Vx9Lm4Tz8Wb",
        "swordfish",
        "12345678",
        "[begin]",
        "-----END PRIVATE KEY-----",
        "-----",
        "String",
        "env.",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    let part = prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(part, 0..24)
        .prop_map(|parts| parts.concat().replace("[begin]", &begin("PRIVATE KEY")))
}

/// A secret in its form, and the part of it that must not be seen again.
fn planted() -> impl Strategy<Value = (String, String)> {
    let forms = [
        ("sk-", ""),
        ("sk-ant-api03-", ""),
        ("ghp_", ""),
        ("github_pat_", ""),
        ("glpat-", ""),
        ("sk_live_", ""),
        ("xoxb-", ""),
        ("nxs_", ""),
        ("AIza", ""),
        ("hf_", ""),
        ("npm_", ""),
        ("pypi-", ""),
        ("dop_v1_", ""),
        ("Bearer ", ""),
        ("Authorization: Basic ", "=="),
        ("api_key=", ""),
        ("password: ", ""),
        ("\"token\": \"", "\""),
        ("client_secret='", "'"),
        ("https://u:", "@h"),
        ("--password ", ""),
        ("DB_PASSWORD=", "\n"),
        ("{\\\"access_token\\\":\\\"", "\\\"}"),
        ("\nsecret=", "&b=c"),
    ];
    let body = "[a-z][A-Z][0-9][a-zA-Z0-9]{37}";
    (prop::sample::select(forms.to_vec()), body)
        .prop_map(|((before, after), body)| (format!("{before}{body}{after}"), body))
}

proptest! {
    #[test]
    fn redacting_twice_is_redacting_once(text in hostile()) {
        for words in ["secrets", "emails", "secrets,emails"] {
            let redaction = Redaction::parse(words).unwrap();
            let once = redaction.text(&text).into_owned();
            prop_assert_eq!(redaction.text(&once), once.as_str(), "{:?}", text);
        }
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        let once = all().text(&text).into_owned();
        prop_assert_eq!(all().text(&once), once.as_str());
    }

    #[test]
    fn a_planted_secret_does_not_survive(
        (secret, body) in planted(),
        before in any::<String>(),
        after in any::<String>(),
    ) {
        for glue in [" ", "\n", "(", "\"", "，", ">", "\t", "|", "*"] {
            let text = format!("{before}{glue}{secret} {after}");
            prop_assert!(!all().text(&text).contains(&body), "{}", all().text(&text));
        }
    }

    #[test]
    fn json_stays_json(
        key in prop::sample::select(vec!["password", "x", "token"]),
        text in hostile(),
        number in any::<u32>(),
    ) {
        let inner = serde_json::json!({ key: text, "password": number, "list": [{ "api_key": text }] });
        let inner = inner.to_string();
        let outer = serde_json::json!({ "arguments": inner, "message": text }).to_string();
        for json in [inner, outer] {
            let redacted = all().text(&json).into_owned();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&redacted).is_ok(), "{} -> {}", json, redacted);
        }
    }
}

#[test]
fn rd_02_a_telegram_bots_token_alone_and_in_a_url() {
    let token = ["7012345678", ":", "AAF3kd9LmQ2pXz7RtYb1Vn5HsWc8JgUe4Ko"].concat();
    let text = format!(
        "GET https://api.telegram.org/bot{token}/getMe said 401; the bot is {token}; ratio 123456789:35 at 12:30:45"
    );
    let expected = "GET https://api.telegram.org/bot7012345678:[redacted:api_key]/getMe said 401; the bot is \
                    7012345678:[redacted:api_key]; ratio 123456789:35 at 12:30:45";
    assert_eq!(secrets(&text), expected);
    assert_eq!(secrets(expected), expected);
}

#[test]
fn rd_03_a_cloudflare_token_of_the_new_form() {
    let token = ["cf", "ut_", "9dKw2LmQ7pXz4RtYb1Vn5HsWc8JgUe3Ko6Fa0Bh1c2d3e4f"].concat();
    let text = format!("no route to /client/v4/accounts/{token}/ai/v1/chat/completions");
    assert_eq!(secrets(&text), "no route to /client/v4/accounts/[redacted:api_key]/ai/v1/chat/completions");
    for prefix in [["cf", "at_"], ["cf", "k_"]] {
        assert_eq!(secrets(&key(&prefix.concat(), 40)), "[redacted:api_key]");
    }
}

#[test]
fn a_url_that_is_a_credential_is_one() {
    for (before, path) in [
        ("https://", format!("hooks.slack.com/services/T0123/B0123/{}", chance(24))),
        ("https://", format!("discord.com/api/webhooks/123456789/{}", chance(60))),
    ] {
        assert_eq!(
            secrets(&format!("{before}{path}?wait=true")),
            format!("{before}[redacted:api_key]?wait=true")
        );
    }
    let page = "https://discord.com/api/webhooks/ is the API's page";
    assert_eq!(secrets(page), page);
}
