// Closed-loop load: every user refreshes its own token, and with what it gets refreshes again, until the time is up.
// A process of its own, so that it takes no time from what it measures but the core's; and on sockets without an HTTP
// client, for it shares two cores with a server of which a refresh is some 200 us (undici's fetch-like request: 110 us,
// its dispatch: 65 us, this: 35 us). Reads its orders from stdin ({url, tokens, seconds}), keeps its chains from one
// block to the next, and prints one JSON line a block.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const chains = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await block(order))}\n`);
}

async function block({ url, tokens, seconds }) {
  const current = chains.get(url) ?? [...tokens];
  chains.set(url, current);
  const { hostname, port, pathname } = new URL(url);
  const head = `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: `;
  const latenciesMs = [];
  let failed = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;

  const user = (index) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let sentAt = 0;
      let received = '';
      const send = () => {
        sentAt = performance.now();
        if (sentAt >= endsAt) {
          socket.end();
          resolve();
          return;
        }
        const body = `{"refresh":"${current[index]}"}`;
        socket.write(`${head}${body.length}\r\n\r\n${body}`, 'latin1');
      };
      socket.setEncoding('latin1');
      socket.on('connect', send);
      socket.on('data', (text) => {
        received += text;
        const answer = answerIn(received);
        if (answer === undefined) return;
        received = '';
        latenciesMs.push(performance.now() - sentAt);
        if (!answer.ok) failed++;
        // Without rotation the token stays.
        else if (answer.refresh !== undefined) current[index] = answer.refresh;
        send();
      });
      // An answer that ends its connection: the next request would go nowhere.
      socket.on('close', () => {
        if (performance.now() < endsAt)
          reject(new Error(`the server closed a connection after: ${received}`));
      });
      socket.on('error', reject);
    });
  await Promise.all(current.map((_, index) => user(index)));

  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  latenciesMs.sort((a, b) => a - b);
  const at = (q) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * q))];
  return {
    refreshes: latenciesMs.length - failed,
    failed,
    perSecond: (latenciesMs.length - failed) / elapsedSeconds,
    meanMs: latenciesMs.reduce((sum, ms) => sum + ms, 0) / latenciesMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    generatorCpuUs: (cpu.user + cpu.system) / latenciesMs.length,
  };
}

/** Undefined until all of it is there; `ok` where it is a 200 with a pair, or with an access token alone. */
function answerIn(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1];
  // Without a length it comes in chunks (gunicorn): an empty one is the last.
  const whole =
    length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= end + 4 + Number(length);
  if (!whole) return undefined;
  if (!text.startsWith('HTTP/1.1 200 ')) return { ok: false };
  // A compact JWT has nothing to unescape.
  const field = '"refresh":"';
  const start = text.indexOf(field, end) + field.length;
  if (start < field.length) return { ok: text.includes('"access":"', end) };
  return { ok: true, refresh: text.slice(start, text.indexOf('"', start)) };
}
