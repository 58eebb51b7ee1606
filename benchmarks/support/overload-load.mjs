// Open-loop load for overload: refreshes come when they are due, whatever became of those before, and over as many
// connections as that takes. A latency counts from the moment a refresh was due, so a generator that is late, or a
// connection that can't be had, is in it. A process of its own, on plain sockets: it shares two cores with the server.
//
// Reads one line of orders from stdin:
//   {url, tokens, phases: [{seconds, rate}], retries, patienceMs, connections, seed}
// and prints one JSON line: what became of every phase, and the tokens that nobody got an answer for.
//
// A client that retries (`retries` > 0) honours Retry-After, and repeats the same token; one that doesn't gives up.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const [line] = await new Promise((resolve) =>
  createInterface({ input: process.stdin }).once('line', (text) => resolve([text])),
);
const { url, tokens, phases, retries, patienceMs, connections, seed } = JSON.parse(line);
const { hostname, port, pathname } = new URL(url);
const head =
  `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
  'Content-Type: application/json\r\nContent-Length: ';

const random = seeded(seed);
const tally = phases.map(() => ({
  offered: 0,
  retried: 0,
  ok: [],
  answeredAt: [],
  refused: 0,
  refusedMs: [],
  other: 0,
  noAnswer: 0,
  bad: [],
}));
/** Tokens whose client gave up without a 200. */
const unanswered = [];
const lagMs = [];

/** Read from its head; what comes of a token goes to its end. */
const pool = tokens;
let nextToken = 0;
const idle = [];
const waiting = [];
let waitingAt = 0;
let open = 0;
let inFlight = 0;
let later = 0;
let starved = 0;
let connects = 0;
let opened = () => undefined;
let startedAt = 0;
const ends = [];
class Connection {
  constructor(request) {
    open++;
    connects++;
    this.request = undefined;
    this.received = '';
    this.timer = undefined;
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.take(text));
    socket.on('error', () => undefined);
    socket.on('close', () => this.closed());
    if (request === undefined) {
      socket.once('connect', () => {
        idle.push(this);
        opened();
      });
    } else this.send(request);
  }

  send(request) {
    this.request = request;
    const now = performance.now();
    lagMs.push(now - request.dueAt);
    const body = `{"refresh":"${request.token}"}`;
    this.socket.write(`${head}${body.length}\r\n\r\n${body}`, 'latin1');
    this.timer = setTimeout(() => this.socket.destroy(), patienceMs);
  }

  take(text) {
    this.received = this.received === '' ? text : this.received + text;
    const { received } = this;
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(received)?.[1];
    const whole =
      length === undefined ? received.endsWith('\r\n0\r\n\r\n') : received.length >= end + 4 + Number(length);
    if (!whole) return;
    this.received = '';
    clearTimeout(this.timer);
    const { request } = this;
    this.request = undefined;
    if (request === undefined) return;
    const status = Number(received.slice(9, 12));
    if (status === 200) {
      const field = '"refresh":"';
      const start = received.indexOf(field, end) + field.length;
      settle(request, 200, 0, received.slice(start, received.indexOf('"', start)));
    } else {
      const retryAfter = /\r\nretry-after: *(\d+)/i.exec(received)?.[1];
      settle(request, status, retryAfter === undefined ? 1 : Number(retryAfter), undefined);
    }
    if (/\r\nconnection: close/i.test(received.slice(0, end))) {
      this.socket.destroy();
      return;
    }
    const next = waiting[waitingAt];
    if (next === undefined) idle.push(this);
    else {
      waiting[waitingAt++] = undefined;
      if (waitingAt === waiting.length) {
        waiting.length = 0;
        waitingAt = 0;
      }
      this.send(next);
    }
  }

  closed() {
    open--;
    clearTimeout(this.timer);
    const { request } = this;
    this.request = undefined;
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
    if (request !== undefined) settle(request, 0, 1, undefined);
    const next = waiting[waitingAt];
    if (next !== undefined) {
      waiting[waitingAt++] = undefined;
      new Connection(next);
    }
  }
}

const cpuBefore = process.cpuUsage();

// A proxy's pool: opened before, so that no SYN is lost to a full backlog and comes again seconds later.
while (open < connections) {
  await new Promise((resolve) => {
    opened = resolve;
    new Connection(undefined);
  });
}
startedAt = performance.now();
for (const { seconds } of phases) ends.push((ends.at(-1) ?? startedAt) + seconds * 1000);

await new Promise((finished) => {
  let phase = 0;
  let dueAt = startedAt + gap(0);
  const tick = () => {
    for (let n = 0; n < 64; n++) {
      while (phase < phases.length && dueAt >= ends[phase]) {
        phase++;
        if (phase < phases.length) dueAt = ends[phase - 1] + gap(phase);
      }
      if (phase === phases.length) break;
      if (dueAt > performance.now()) break;
      tally[phase].offered++;
      const token = take();
      if (token === undefined) starved++;
      else send({ token, dueAt, phase, tries: 0 });
      dueAt += gap(phase);
    }
    if (phase === phases.length && inFlight === 0 && later === 0) {
      finished();
      return;
    }
    const early = phase === phases.length ? 20 : dueAt - performance.now();
    if (early > 1) setTimeout(tick, early - 0.5);
    else setImmediate(tick);
  };
  tick();
});

const cpu = process.cpuUsage(cpuBefore);
const summary = tally.map((of, n) => {
  const beganAt = n === 0 ? startedAt : ends[n - 1];
  const { seconds } = phases[n];
  of.ok.sort((a, b) => a - b);
  of.refusedMs.sort((a, b) => a - b);
  const perSecond = new Array(Math.ceil(seconds)).fill(0);
  let inTime = 0;
  for (const at of of.answeredAt) {
    const second = Math.floor((at - beganAt) / 1000);
    if (second < perSecond.length && at < ends[n]) {
      perSecond[second]++;
      inTime++;
    }
  }
  return {
    offered: (of.offered + of.retried) / seconds,
    fresh: of.offered / seconds,
    ok: of.ok.length,
    okPerSecond: inTime / seconds,
    perSecond,
    p50Ms: at(of.ok, 0.5),
    p99Ms: at(of.ok, 0.99),
    maxMs: of.ok.at(-1) ?? null,
    refused: of.refused / seconds,
    refusedP50Ms: at(of.refusedMs, 0.5),
    refusedP99Ms: at(of.refusedMs, 0.99),
    other: of.other,
    noAnswer: of.noAnswer,
    // Of requests due in this phase: when the last that was slow or not answered 200 was over, after the phase began.
    lastBadMs: of.bad.reduce((last, ms) => Math.max(last, ms), 0),
  };
});
lagMs.sort((a, b) => a - b);
const total = tally.reduce((sum, { offered, retried }) => sum + offered + retried, 0);
process.stdout.write(
  `${JSON.stringify({
    phases: summary,
    unanswered,
    starved,
    connects,
    lagP99Ms: at(lagMs, 0.99),
    cpuUs: (cpu.user + cpu.system) / total,
    busy: (cpu.user + cpu.system) / 1000 / (performance.now() - startedAt),
  })}\n`,
  () => process.exit(0),
);

function gap(phase) {
  return (-Math.log(1 - random()) * 1000) / phases[phase].rate;
}

/** Whoever has refreshed comes back last. */
function take() {
  const token = pool[nextToken];
  if (token !== undefined) pool[nextToken++] = undefined;
  return token;
}

function send(request) {
  inFlight++;
  const connection = idle.pop();
  if (connection !== undefined) connection.send(request);
  else if (open < connections) new Connection(request);
  else waiting.push(request);
}

function settle(request, status, retryAfter, next) {
  const now = performance.now();
  inFlight--;
  const of = tally[request.phase];
  const tookMs = now - request.dueAt;
  if (status === 200) {
    of.ok.push(tookMs);
    of.answeredAt.push(now);
    if (tookMs > 250) of.bad.push(now - startOf(request.phase));
    pool.push(next);
    return;
  }
  of.bad.push(now - startOf(request.phase));
  if (status === 503) {
    of.refused++;
    of.refusedMs.push(tookMs);
  } else if (status === 0) of.noAnswer++;
  else of.other++;
  if (request.tries >= retries) {
    unanswered.push([request.token, status]);
    return;
  }
  later++;
  const pauseMs = Math.max(retryAfter, 0.05) * 1000;
  setTimeout(() => {
    later--;
    const dueAt = performance.now();
    const phase = ends.findIndex((end) => dueAt < end);
    const at = phase < 0 ? phases.length - 1 : phase;
    tally[at].retried++;
    send({ token: request.token, dueAt, phase: at, tries: request.tries + 1 });
  }, pauseMs);
}

function startOf(phase) {
  return phase === 0 ? startedAt : ends[phase - 1];
}

function at(sorted, q) {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

/** mulberry32 */
function seeded(from) {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
