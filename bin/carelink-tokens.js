#!/usr/bin/env node
import { existsSync } from 'node:fs';

// Node opens a debugger on SIGUSR1 from its first moment. main.js says more about signals.
if (process.platform !== 'win32')
  for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP']) process.on(signal, () => {});

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
  process.exitCode = await run(process.argv.slice(2));
}
