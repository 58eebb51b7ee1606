// A way to a port of loopback on which every answer comes so many milliseconds later: a database further away. In a
// process of its own. Arguments: port to go to, milliseconds. Prints its own port.
import { connect, createServer } from 'node:net';

const [targetPort, delayMs] = process.argv.slice(2).map(Number);

const server = createServer({ noDelay: true }, (client) => {
  const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
  // One direction only: a round trip pays once.
  client.on('data', (data) => target.write(data));
  later(target, client);
  for (const [one, other] of [
    [client, target],
    [target, client],
  ]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));

/** setTimeout keeps no time under a millisecond: what is left is waited for turn by turn. */
function later(from, to) {
  const queue = [];
  let running = false;
  const run = () => {
    while (queue.length > 0 && queue[0].dueMs <= performance.now()) to.write(queue.shift().data);
    if (queue.length === 0) {
      running = false;
      return;
    }
    const leftMs = queue[0].dueMs - performance.now();
    if (leftMs > 1.5) setTimeout(run, leftMs - 1);
    else setImmediate(run);
  };
  from.on('data', (data) => {
    queue.push({ data, dueMs: performance.now() + delayMs });
    if (running) return;
    running = true;
    run();
  });
}
