#!/usr/bin/env node
import { existsSync } from 'node:fs';

// From the first moment on, for Node opens a debugger on SIGUSR1. cli/process-events.ts takes over from here.
if (process.platform !== 'win32') {
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => undefined);
}
const earlyWarnings = [];
if (process.listenerCount('warning') > 0) {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => earlyWarnings.push(warning));
}

const main = new URL('../dist/cli/main.js', import.meta.url);
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`carelink-tokens needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exitCode = 2;
} else if (!existsSync(main)) {
  console.error('carelink-tokens is not built yet. Run `npm run build` first.');
  process.exitCode = 2;
} else {
  const { main: run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2), earlyWarnings);
}
