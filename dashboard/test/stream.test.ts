import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../src/events";
import {
  CONNECT_MS,
  PING_MS,
  PONG_MS,
  startStream,
  type Connection,
  type SocketEvents,
  type StreamPorts,
} from "../src/stream";

/** A world with its own time, in which sockets are opened and lost by hand. */
class World implements StreamPorts {
  time = 0;
  opened: { after: number; events: SocketEvents; sent: string[]; isClosed: boolean }[] = [];
  frames: Frame[] = [];
  connections: Connection[] = [];
  isWanted = true;
  private timers: { at: number; callback: () => void }[] = [];

  readonly stream = startStream(this, {
    onFrame: (frame) => this.frames.push(frame),
    onConnection: (connection) => this.connections.push(connection),
    isWanted: () => this.isWanted,
  });

  open(after: number, events: SocketEvents) {
    const socket = { after, events, sent: [] as string[], isClosed: false };
    this.opened = [...(this.opened ?? []), socket];
    return { send: (text: string) => void socket.sent.push(text), close: () => void (socket.isClosed = true) };
  }

  now() {
    return this.time;
  }

  random() {
    return 0.5;
  }

  timer(callback: () => void, waitMs: number) {
    const timer = { at: this.time + waitMs, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  pass(ms: number) {
    const until = this.time + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.time = next.at;
      next.callback();
    }
    this.time = until;
  }

  get socket() {
    const last = this.opened.at(-1);
    assert(last);
    return last;
  }

  get state() {
    return this.connections.at(-1)?.state;
  }

  say(...frames: object[]) {
    for (const frame of frames) this.socket.events.onMessage(JSON.stringify(frame));
  }
}

const event = (seq: number) => ({ seq, run: 1, at: seq, type: "cancel.requested", by: "x" });
const seqs = (world: World) =>
  world.frames.flatMap((frame) => ("seq" in frame && frame.type !== "caught_up" ? [frame.seq] : []));

test("after a loss it goes on from the last event, with none twice", () => {
  const world = new World();
  world.say(event(1), event(2), { type: "caught_up", seq: 2 }, event(3));
  assert.equal(world.state, "live");
  world.socket.events.onClose();
  assert.equal(world.state, "lost");
  world.pass(30_000);
  assert.equal(world.socket.after, 3);
  world.say(event(3), event(4), { type: "caught_up", seq: 4 });
  assert.deepEqual(seqs(world), [1, 2, 3, 4]);
  assert.equal(world.state, "live");
});

test("the end of the replay is a cursor too", () => {
  const world = new World();
  world.say(event(1), { type: "caught_up", seq: 9 });
  world.socket.events.onClose();
  world.stream.retryNow();
  assert.equal(world.socket.after, 9);
});

test("attempts come more and more slowly, and at once when asked", () => {
  const world = new World();
  const waits: number[] = [];
  for (let n = 0; n < 8; n += 1) {
    world.socket.events.onClose();
    const connection = world.connections.at(-1);
    assert(connection?.state === "lost");
    waits.push(connection.retryAt - world.time);
    world.pass(connection.retryAt - world.time);
  }
  assert.deepEqual(waits, [375, 750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500]);
  world.socket.events.onClose();
  const before = world.opened.length;
  world.stream.retryNow();
  world.stream.retryNow();
  assert.equal(world.opened.length, before + 1);
});

test("a success makes the next loss a first one", () => {
  const world = new World();
  world.socket.events.onClose();
  world.pass(1_000);
  world.socket.events.onClose();
  world.pass(1_000);
  world.say({ type: "caught_up", seq: 0 });
  world.socket.events.onClose();
  const connection = world.connections.at(-1);
  assert(connection?.state === "lost" && connection.failures === 1);
});

test("a ping without a pong is a loss; with one it is not", () => {
  const world = new World();
  world.say({ type: "caught_up", seq: 0 });
  world.pass(PING_MS);
  assert.deepEqual(world.socket.sent, ["ping"]);
  world.socket.events.onMessage("pong");
  world.pass(PONG_MS + 1);
  assert.equal(world.state, "live");
  world.pass(PING_MS - PONG_MS);
  assert.equal(world.socket.sent.length, 2);
  const silent = world.socket;
  world.pass(PONG_MS);
  assert(silent.isClosed);
  assert.equal(world.connections.filter(({ state }) => state === "lost").length, 1);
});

test("a connection that never catches up is given up", () => {
  const world = new World();
  world.pass(CONNECT_MS);
  assert.equal(world.state, "lost");
});

test("a socket that was given up is not heard any more", () => {
  const world = new World();
  const old = world.socket;
  old.events.onClose();
  world.stream.retryNow();
  old.events.onMessage(JSON.stringify(event(1)));
  old.events.onClose();
  assert.deepEqual(seqs(world), []);
  assert.equal(world.state, "connecting");
});

test("a loss after the end is no loss", () => {
  const world = new World();
  world.isWanted = false;
  world.socket.events.onClose();
  world.pass(100_000);
  assert.equal(world.state, "over");
  assert.equal(world.opened.length, 1);
});

test("what is no frame is passed over, and after a stop nothing happens", () => {
  const world = new World();
  for (const text of ["", "{", "7", "null", '{"a":1}']) world.socket.events.onMessage(text);
  assert.equal(world.frames.length, 0);
  world.stream.stop();
  assert(world.socket.isClosed);
  world.socket.events.onClose();
  world.pass(100_000);
  assert.equal(world.opened.length, 1);
  assert.equal(world.connections.length, 1);
});
