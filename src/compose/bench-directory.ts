import { readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'carelink-bench-';
const OWNER = 'owner.json';

/** Who made a directory. A process number means something only where it was given. */
interface Owner {
  readonly pid: number;
  readonly where: string;
}

/** A directory for the data of one run. What killed runs of this machine left behind is removed first. */
export async function makeRunDirectory(parent = tmpdir()): Promise<string> {
  await removeLeftovers(parent);
  const directory = await mkdtemp(join(parent, PREFIX));
  const owner: Owner = { pid: process.pid, where: whereWeAre() };
  await writeFile(join(directory, OWNER), JSON.stringify(owner));
  return directory;
}

async function removeLeftovers(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const directory = join(parent, name);
    const owner = ownerOf(directory);
    if (owner === undefined || owner.where !== whereWeAre() || isAlive(owner.pid)) continue;
    const { uid } = await stat(directory).catch(() => ({ uid: -1 }));
    if (process.getuid !== undefined && uid !== process.getuid()) continue;
    // Another bench may be at the same: what one has removed is no error for the other.
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

function ownerOf(directory: string): Owner | undefined {
  try {
    const { pid, where } = JSON.parse(readFileSync(join(directory, OWNER), 'utf8')) as Partial<Owner>;
    return typeof pid === 'number' && typeof where === 'string' ? { pid, where } : undefined;
  } catch {
    return undefined;
  }
}

/** Containers that share a directory have process numbers of their own. */
function whereWeAre(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
