import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryError } from './embedded-errors.js';

/**
 * The database files of a data directory, by the marks beside them.
 *
 * PGlite copies the files of a new cluster one by one. `pgdata.making` stands while it does, and no server has answered
 * from the directory yet: what an interrupted making left may be thrown away. `pgdata.complete` stands from then on.
 * Files with neither mark are never thrown away: with the old signing key and an empty database every spent and every
 * logged-out token would work again. `signing-key.used` says the same where whoever made room has deleted all of pgdata*:
 * a key alone may be one that an operator has put there for a first start.
 */
export type ClusterState = 'none' | 'being_made' | 'complete';

/** Where PGlite keeps its files. */
export function clusterPath(dataDirectory: string): string {
  return join(dataDirectory, 'pgdata');
}

const making = (dataDirectory: string): string => join(dataDirectory, 'pgdata.making');
const complete = (dataDirectory: string): string => join(dataDirectory, 'pgdata.complete');
const used = (dataDirectory: string): string => join(dataDirectory, 'signing-key.used');

/**
 * What is there. Changes nothing.
 *
 * @throws DataDirectoryError DATA_LOST where marks and files contradict each other
 */
export function inspectCluster(dataDirectory: string): ClusterState {
  const files = clusterPath(dataDirectory);
  const hasFiles = existsSync(files) && readdirSync(files).length > 0;
  if (existsSync(complete(dataDirectory))) {
    if (hasFiles) return 'complete';
    throw lost(dataDirectory, 'pgdata.complete');
  }
  if (existsSync(making(dataDirectory))) return 'being_made';
  if (!hasFiles && existsSync(used(dataDirectory))) throw lost(dataDirectory, 'signing-key.used');
  if (!hasFiles) return 'none';
  throw new DataDirectoryError(
    'DATA_LOST',
    `The directory ${dataDirectory} holds database files (pgdata) without the mark pgdata.complete. Nothing was changed. ` +
      'If this database was in use, the mark got lost: create it again as an empty file. ' +
      `If its first start was interrupted, delete pgdata. ${WAY_OUT}`,
  );
}

function lost(dataDirectory: string, mark: string): DataDirectoryError {
  return new DataDirectoryError(
    'DATA_LOST',
    `The database of ${dataDirectory} is gone: ${mark} is there, and pgdata is not. A new, empty one would ` +
      `accept spent and logged-out tokens again. ${WAY_OUT}`,
  );
}

/** What is always possible, and what it costs. */
export const WAY_OUT =
  'You can also put back a copy of the whole directory, or delete the whole directory, signing-key included: ' +
  'then a new database and a new key are made, and everybody has to log in again.';

/** Marks the beginning of a new cluster, before anything else of it is there. */
export function beginCluster(dataDirectory: string): void {
  writeFileSync(making(dataDirectory), '', { mode: 0o600, flush: true });
}

/** Puts what an interrupted making left aside, for somebody who wants to look at it. One such copy is kept. */
export function discardUnfinished(dataDirectory: string): void {
  const files = clusterPath(dataDirectory);
  if (!existsSync(files)) return;
  const aside = `${files}.incomplete`;
  rmSync(aside, { recursive: true, force: true });
  renameSync(files, aside);
}

/** Marks a cluster that PGlite has opened: its files are all there. */
export function completeCluster(dataDirectory: string): void {
  for (const mark of [complete(dataDirectory), used(dataDirectory)]) {
    writeFileSync(mark, '', { mode: 0o600, flush: true });
  }
  rmSync(making(dataDirectory), { force: true });
}
