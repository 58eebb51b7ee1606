import type { ChildProcess } from 'node:child_process';

const living = new Set<ChildProcess>();

function endAll(): void {
  for (const child of living) child.kill('SIGKILL');
}

process.once('exit', endAll);
// The end that vitest gives its processes. It is no 'exit': without a listener of its own all would live on.
process.once('SIGTERM', () => {
  endAll();
  process.kill(process.pid, 'SIGTERM');
});

/**
 * No process of a test outlives the tests. All of them are behind the same listeners: with one each, a Redis Cluster
 * and Sentinels were more than the ten that Node takes for well, and it warned of a leak that there was not.
 */
export function endWithUs<Child extends ChildProcess>(child: Child): Child {
  living.add(child);
  child.once('exit', () => living.delete(child));
  return child;
}
