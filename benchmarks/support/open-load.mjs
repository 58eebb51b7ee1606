// Open-loop load: refreshes at a constant rate, whatever becomes of the ones before. A latency counts from the moment
// that a request was due, so that a stall is felt by all that should have been sent in it. A process of its own.
// Reads {url, tokens, rate} from its first line, stops at the end of its input, and prints one JSON line: for each
// request when it was due (ms since 1970), what it took (ms), and its status (0: no answer).
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, tokens, rate } = JSON.parse((await lines.next()).value);
const { origin, pathname: path } = new URL(url);
const pool = new Pool(origin, { connections: 200, pipelining: 1, headersTimeout: 30_000 });
const idle = [...tokens];
const samples = [];
const pending = new Set();
let ended = false;
void lines.next().then(() => (ended = true));

const startedAt = performance.now();
for (let n = 0; !ended; n++) {
  const dueAt = startedAt + (n * 1000) / rate;
  const early = dueAt - performance.now();
  if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
  const request = refresh(dueAt).finally(() => pending.delete(request));
  pending.add(request);
}
await Promise.all(pending);
await pool.close();
process.stdout.write(`${JSON.stringify(samples)}\n`);

async function refresh(dueAt) {
  const token = idle.shift();
  if (token === undefined) throw new Error('all tokens are in flight: give more of them');
  let status = 0;
  let next = token;
  try {
    const response = await pool.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh: token }),
    });
    const body = await response.body.json();
    status = response.statusCode;
    if (status === 200) next = body.refresh;
  } catch {
    // No answer; the same token is presented again in its turn.
  }
  idle.push(next);
  samples.push([performance.timeOrigin + dueAt, performance.now() - dueAt, status]);
}
