// Closed-loop load of connections that each present one token after the other, whatever they are answered. A process of
// its own. Reads {url, tokens, connections} from its first line, stops at the end of its input once what is in flight is
// answered, and prints one JSON line: how many answers of each status, the slowest (ms), and when it was told to stop.
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, tokens, connections } = JSON.parse((await lines.next()).value);
const { origin, pathname: path } = new URL(url);
const pool = new Pool(origin, { connections, pipelining: 1, headersTimeout: 30_000 });
const statuses = {};
let slowestMs = 0;
let next = 0;
let stoppedAtMs;
void lines.next().then(() => (stoppedAtMs = Date.now()));

await Promise.all(
  Array.from({ length: connections }, async () => {
    while (stoppedAtMs === undefined) {
      const refresh = tokens[next++ % tokens.length];
      const beganMs = performance.now();
      const response = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh }),
      });
      await response.body.dump();
      statuses[response.statusCode] = (statuses[response.statusCode] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    }
  }),
);
await pool.close();
process.stdout.write(`${JSON.stringify({ statuses, slowestMs, stoppedAtMs })}\n`);
