import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Query } from './session.js';

/**
 * Who holds the lease, as its row tells it: for people, and for a newcomer that wants to know whether the holder is
 * gone. Only what proves that counts; where nothing does, the lease runs out by itself.
 *
 * - `proc`: this boot of the kernel, the namespace of pids, the pid and when that process began. Only a process of the
 *   same boot and namespace can judge by it; a pid that was given to another process has another beginning.
 * - `backend`: the pid of the session's backend, where that is the session's alone (no pooler). A session that is gone
 *   can't renew its lease, and what it was deleting was rolled back with it.
 */
export interface Holder {
  /** For a message: `process 4711 on web1`. */
  readonly name: string;
  readonly proc: string | undefined;
  readonly backend: number | undefined;
}

/** @param backend of a session that is this process's alone */
export function describeSelf(backend: number | undefined): string {
  const parts = [`process ${process.pid} on ${hostname()}`];
  const here = placeOfPids();
  const began = beginningOf(process.pid);
  if (here !== undefined && began !== undefined) parts.push(`proc=${here}/${process.pid}/${began}`);
  if (backend !== undefined) parts.push(`backend=${backend}`);
  return parts.join('; ');
}

/** Reads what `describeSelf` wrote, of this release or of one that wrote only the name. */
export function readHolder(text: string): Holder {
  const [name = text, ...facts] = text.split('; ');
  const fact = (key: string): string | undefined =>
    facts.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1);
  const backend = Number(fact('backend'));
  return {
    name,
    proc: fact('proc'),
    backend: Number.isSafeInteger(backend) && backend > 0 ? backend : undefined,
  };
}

/** Whether the holder is gone for certain. */
export async function isGone({ proc, backend }: Holder, query: Query): Promise<boolean> {
  if (proc !== undefined && isProcessGone(proc)) return true;
  if (backend === undefined) return false;
  // Every role sees the pids of all sessions; more than that not of other roles'.
  const rows = await query('SELECT pid FROM pg_stat_activity WHERE pid = $1', [backend]);
  return rows.length === 0;
}

function isProcessGone(proc: string): boolean {
  const [boot = '', namespace = '', pid = '', began = ''] = proc.split('/');
  if (`${boot}/${namespace}` !== placeOfPids() || !/^\d+$/.test(pid)) return false;
  const now = beginningOf(Number(pid));
  if (now !== undefined) return now !== began;
  // /proc may hide the processes of others (hidepid); a signal doesn't lie: ESRCH says that there is none.
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** What a pid is unique in: the kernel's boot and the namespace. Linux alone tells. */
function placeOfPids(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
    return namespace === undefined ? undefined : `${boot}/${namespace}`;
  } catch {
    return undefined;
  }
}

/** When a process began, in ticks since the boot; `gone` of one that has ended and wasn't yet buried. */
function beginningOf(pid: number): string | undefined {
  try {
    // proc(5): the name is in parentheses and may hold anything; state is the third field, starttime the 22nd.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : fields[19];
  } catch {
    return undefined;
  }
}
