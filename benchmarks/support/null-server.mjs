// The null server of bench's own calibration, as a script of its own. Prints {url}.
import { fork } from 'node:child_process';

const child = fork(new URL('../../dist/bench/null-server.js', import.meta.url));
child.on('message', (port) => console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` })));
process.on('SIGTERM', () => {
  child.disconnect();
  process.exit(0);
});
