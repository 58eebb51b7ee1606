// A refresh endpoint whose delays are known: what bench reports of it can be held against them. Prints {url}. What it
// really did, a timer being late on a busy machine, is told by GET /: all times from read to answered, in ms.
//   fixed: 100 ms. bimodal: 9 of 10 take 100 ms, every tenth 500 ms.
//   stall N: 5 ms; but once N requests came, all are held for 2 s, as by a database that froze.
import { createServer } from 'node:http';

const [mode, after = '0'] = process.argv.slice(2);
const token = `${'h'.repeat(36)}.${'c'.repeat(190)}.${'s'.repeat(43)}`;
const body = JSON.stringify({ access: token, refresh: token });
const STALL_MS = 2_000;
let [count, stalledUntilMs] = [0, 0];

const held = [];
const server = createServer((request, response) => {
  if (request.method === 'GET') return response.end(JSON.stringify(held));
  request.resume().on('end', () => {
    count += 1;
    if (mode === 'stall' && count === Number(after)) stalledUntilMs = performance.now() + STALL_MS;
    const readAtMs = performance.now();
    const answer = () => {
      held.push(performance.now() - readAtMs);
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    };
    atTime(performance.now() + Math.max(delayMs(), stalledUntilMs - performance.now()), answer);
  });
});

function delayMs() {
  if (mode === 'fixed') return 100;
  if (mode === 'bimodal') return count % 10 === 0 ? 500 : 100;
  return 5;
}

// A timer is late by a millisecond or more, which would be 5 % of 20: the rest is waited for turn by turn.
function atTime(dueMs, then) {
  const leftMs = dueMs - performance.now();
  if (leftMs > 3) setTimeout(() => atTime(dueMs, then), leftMs - 2);
  else if (leftMs > 0) setImmediate(() => atTime(dueMs, then));
  else then();
}

server.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })),
);
process.on('SIGTERM', () => process.exit(0));
