/**
 * Loaded into the server that `bench` starts for itself (`node --import`): where bench is killed, nobody is left to stop the
 * server and to remove its data. The channel between the two breaks with bench, however it ends.
 */
import { rmSync } from 'node:fs';

const directory = new URL(import.meta.url).searchParams.get('directory');

/** Somebody who stops a server waits for it; here nobody does, and one that hangs would stay for ever. */
const PATIENCE_MS = 15_000;

const remove = (): void => {
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
};

process.once('disconnect', () => {
  process.once('exit', remove);
  setTimeout(() => {
    remove();
    process.kill(process.pid, 'SIGKILL');
  }, PATIENCE_MS).unref();
  process.kill(process.pid, 'SIGTERM');
});
// It is no reason to stay.
process.channel?.unref();
