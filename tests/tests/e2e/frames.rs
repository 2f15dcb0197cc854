//! What a WebSocket's reader sends: each frame that is not spoken here is answered, too many close the socket, and no
//! flood of them is felt by another tenant.

use longhaul_core::limits::{CLIENT_FRAME_BYTES_MAX, SOCKET_FRAMES_MAX, SOCKET_UNKNOWN_FRAMES_MAX};
use longhaul_tests::{Api, Frame, Launch, Post, Server, WsWatcher};
use tokio::time::{Duration, Instant};

/// Frames of a flood.
const FLOOD: usize = 100_000;
/// Requests whose time is compared.
const ASKED: usize = 100;
/// A flood stalls others each time; what else runs on the machine does not.
const ROUNDS: usize = 3;
/// How much longer they may take beside a flood: one core does the work of the test, too.
const RATIO_MAX: f64 = 4.0;
/// What the process may grow by under a flood: the frames, their copies and answers would be a multiple.
const GROWTH_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[tokio::test]
async fn a_flood_of_frames_is_not_felt_by_another_tenant() {
    let (server, alice, bob) = with_tenants().await;
    let post = bob.start_task("Be quick.").await;
    bob.ended(&post).await;
    let path = format!("/v1/sessions/{}", post.session);
    let watched = alice.start_task("Be watched.").await;
    alice.ended(&watched).await;
    asked(&bob, &path).await;
    for frame in ["x", "{\"type\":\"cancel\"}"] {
        let before = server.resident_bytes();
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let quiet = asked(&bob, &path).await;
            let mut socket = alice.watch(&watched.session, 0).await;
            socket.flood(frame, FLOOD).await;
            let flooded = asked(&bob, &path).await;
            ratios.push(flooded.as_secs_f64() / quiet.as_secs_f64());
            assert_eq!(closed(&mut socket).await.1, Some(1008), "{frame}");
        }
        let grown = server.resident_bytes().saturating_sub(before);
        assert!(ratios.iter().any(|ratio| *ratio < RATIO_MAX), "{frame}: {ratios:?}");
        assert!(grown < GROWTH_BYTES_MAX, "{frame}: {grown} bytes more");
    }
}

#[tokio::test]
async fn the_ninth_frame_that_nobody_knows_closes_the_socket() {
    let (_server, alice, post) = with_an_ended_run().await;
    let large = " ".repeat(CLIENT_FRAME_BYTES_MAX + 1);
    for kind in 0..4 {
        let mut socket = caught_up(&alice, &post.session).await;
        for count in 1..=SOCKET_UNKNOWN_FRAMES_MAX + 1 {
            match kind {
                0 => socket.send("x").await,
                1 => socket.send(&large).await,
                2 => socket.send_bytes(&[7; 64 * 1024]).await,
                _ => socket.send(r#"{"type":"run"}"#).await,
            }
            let frame = socket.next().await;
            if count <= SOCKET_UNKNOWN_FRAMES_MAX {
                assert!(matches!(frame, Some(Frame::Error(_))), "{kind}, frame {count}: {frame:?}");
            } else {
                assert_eq!((frame, socket.close_code()), (None, Some(1008)), "{kind}");
            }
        }
    }
    let mut socket = alice.watch(&post.session, 0).await;
    assert!(matches!(socket.next().await, Some(Frame::Event(_))), "the session is there for others");
}

#[tokio::test]
async fn frames_that_are_spoken_are_counted_and_pings_are_not() {
    let (_server, alice, post) = with_an_ended_run().await;
    let mut socket = caught_up(&alice, &post.session).await;
    for _ in 0..2 * SOCKET_FRAMES_MAX {
        socket.send("ping").await;
    }
    for _ in 0..2 * SOCKET_FRAMES_MAX {
        assert_eq!(socket.next().await, Some(Frame::Pong));
    }
    for _ in 0..SOCKET_FRAMES_MAX {
        socket.send(r#"{"type":"cancel"}"#).await;
    }
    socket.send("ping").await;
    assert_eq!(socket.next().await, Some(Frame::Pong), "so many are taken");
    socket.send(r#"{"type":"cancel"}"#).await;
    assert_eq!(closed(&mut socket).await.1, Some(1008));
}

/// The platform holds events back until they are on disk: those bytes are unsent, and the reader is not to blame.
#[tokio::test]
async fn a_frame_that_is_refused_while_a_run_goes_on_is_told() {
    let (_server, alice, post) = with_an_ended_run().await;
    let mut socket = caught_up(&alice, &post.session).await;
    alice.start_run(&post.session, &serde_json::json!({"task": "Go on."})).await;
    let (mut sent, mut errors) = (0, 0);
    while errors < SOCKET_UNKNOWN_FRAMES_MAX {
        match socket.next().await {
            Some(Frame::Error(_)) => errors += 1,
            Some(_) if sent < SOCKET_UNKNOWN_FRAMES_MAX => {
                socket.send("x").await;
                sent += 1;
            }
            Some(_) => {}
            None => panic!("closed after {sent} frames and {errors} errors"),
        }
    }
}

/// A reader that takes nothing gets no errors beside what it has not taken.
#[tokio::test]
async fn no_error_is_sent_to_a_socket_that_does_not_read() {
    let (_server, alice, _) = with_tenants().await;
    let post = alice.start(&serde_json::json!({"task": "x".repeat(200_000), "model": "scripted:echo"})).await;
    alice.ended(&post).await;
    let path = format!("/v1/sessions/{}/runs", post.session);
    for _ in 0..20 {
        let body = serde_json::json!({"task": "x".repeat(200_000), "model": "scripted:echo"});
        let next = longhaul_tests::api::started(alice.post(&path, &body).await.ok(202));
        alice.ended(&next).await;
    }
    let mut socket = alice.watch(&post.session, 0).await;
    for _ in 0..SOCKET_UNKNOWN_FRAMES_MAX {
        socket.send("x").await;
    }
    socket.send("ping").await;
    let mut errors = 0;
    while let Some(frame) = socket.next().await {
        match frame {
            Frame::Error(_) => errors += 1,
            Frame::Pong => break,
            _ => {}
        }
    }
    assert!(errors < SOCKET_UNKNOWN_FRAMES_MAX, "{errors} errors");
}

/// How long so many requests of a caller take, one after the other.
async fn asked(api: &Api, path: &str) -> Duration {
    let since = Instant::now();
    for _ in 0..ASKED {
        api.get(path).await.ok(200);
    }
    since.elapsed()
}

/// The frames until the socket is closed, and the code of that.
async fn closed(socket: &mut WsWatcher) -> (Vec<Frame>, Option<u16>) {
    let mut frames = Vec::new();
    while let Some(frame) = socket.next().await {
        frames.push(frame);
    }
    (frames, socket.close_code())
}

async fn with_an_ended_run() -> (Server, Api, Post) {
    let (server, alice, _) = with_tenants().await;
    let post = alice.start_task("Be watched.").await;
    alice.ended(&post).await;
    (server, alice, post)
}

/// A socket that has had its replay.
async fn caught_up(api: &Api, session: &str) -> WsWatcher {
    let mut socket = api.watch(session, 0).await;
    socket.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    socket
}

async fn with_tenants() -> (Server, Api, Api) {
    let server = Launch::new().var("API_TOKENS", "alice:alice-token,bob:bob-token").start().await;
    let api = Api::new(server.base_url());
    let (alice, bob) = (api.with_token("alice-token"), api.with_token("bob-token"));
    (server, alice, bob)
}
