import { readFileSync } from 'node:fs';
import type { ServeSettings } from '../config/settings.js';
import { BACKLOG } from '../http/listener.js';
import type { Log } from '../observe/log.js';

/** The admin port's connections, Redis, the change feed, files, pipes, and what Node has for itself. */
const FILES_BESIDES = 200;

/** Tells what the system allows less of than the settings want. Linux alone is asked; elsewhere nothing is said. */
export function tellHostLimits({ http, poolSize }: ServeSettings, log: Log): void {
  const files = fileLimit(read('/proc/self/limits'));
  const wanted = http.maxConnections + poolSize + FILES_BESIDES;
  if (files !== undefined && files < wanted) {
    log.warn('file_limit_low', {
      count: files,
      cause:
        `${wanted} files may be wanted (--max-connections ${http.maxConnections}, --pool-size ${poolSize}), and ${files} are ` +
        'allowed: beyond that no connection is accepted. Raise the limit (ulimit -n, LimitNOFILE=), or lower --max-connections',
    });
  }
  const somaxconn = Number(read('/proc/sys/net/core/somaxconn') ?? NaN);
  if (somaxconn < BACKLOG) {
    log.info('backlog_limited', {
      count: somaxconn,
      cause:
        `the kernel lets ${somaxconn} connections wait to be accepted, and ${BACKLOG} are asked for: in a burst, the ` +
        'others come back after a second or more. Raise net.core.somaxconn',
    });
  }
}

/** The soft limit of open files; undefined: there is none, or nobody says. */
function fileLimit(limits: string | undefined): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
