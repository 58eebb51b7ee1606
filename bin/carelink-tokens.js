#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';

// From the first moment on, for Node opens a debugger on SIGUSR1. cli/process-events.ts takes over from here.
if (process.platform !== 'win32') {
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => undefined);
}
const earlyWarnings = [];
if (process.listenerCount('warning') > 0) {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => earlyWarnings.push(warning));
}

/** Modules are opened many at once, and each worker has sockets and pipes besides. */
const FEWEST_FILES = 256;

/** The soft limit; Infinity where nobody says. */
function openFiles() {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch (error) {
    // Not even that one file may be opened; elsewhere than on Linux there is none.
    return error.code === 'EMFILE' ? 0 : Infinity;
  }
}

const main = new URL('../dist/cli/main.js', import.meta.url);
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`carelink-tokens needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exitCode = 2;
} else if (!existsSync(main)) {
  console.error('carelink-tokens is not built yet. Run `npm run build` first.');
  process.exitCode = 2;
} else if (openFiles() < FEWEST_FILES) {
  // Beyond the limit Node says that a module is not there, or that it can't be read: told now, for it would mislead.
  console.error(
    `carelink-tokens may open ${openFiles()} files, and needs ${FEWEST_FILES} to start. Raise the limit: ` +
      '`ulimit -n 65536` in the shell, LimitNOFILE=65536 for systemd.',
  );
  process.exitCode = 2;
} else {
  const { main: run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2), earlyWarnings);
}
