import type { Notice } from './output.js';

/**
 * Signals that would end a process without its doing anything about it (SIGHUP, SIGUSR2), or would open a debugger to
 * whoever can reach loopback (SIGUSR1, Node's own default).
 */
const IGNORED = {
  SIGHUP:
    'SIGHUP is ignored: what runs goes on, without its terminal too, and nothing is read again. SIGTERM ends it in good order.',
  SIGUSR1: 'SIGUSR1 is ignored: no inspector is opened.',
  SIGUSR2: 'SIGUSR2 is ignored.',
} as const;

/**
 * Takes over what Node would do by itself: signals that are not for us are ignored and told, and Node's warnings are
 * told in our form, not printed between the lines of a log. Windows has no such signals but SIGHUP, which is the end of
 * the console there and can't be refused.
 */
export function tellOfProcess(tell: (notice: Notice) => void, earlyWarnings: readonly NodeWarning[]): void {
  const signals = process.platform === 'win32' ? [] : (Object.keys(IGNORED) as (keyof typeof IGNORED)[]);
  for (const signal of signals) {
    process.removeAllListeners(signal);
    process.on(signal, () => tell({ event: 'signal_ignored', kind: signal, cause: IGNORED[signal] }));
  }
  // Node's own listener prints. With NODE_NO_WARNINGS=1 there is none, and none is wanted.
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  const tellWarning = (warning: NodeWarning): void => {
    const kind = warning.code ?? warning.name;
    tell({ event: 'node_warning', kind, cause: `Node warns (${kind}): ${withoutUrls(warning.message)}` });
  };
  process.on('warning', tellWarning);
  earlyWarnings.forEach(tellWarning);
}

type NodeWarning = Error & { readonly code?: string };

/** Some of Node's warnings quote a URL that they find odd, and a database's has a password. */
function withoutUrls(message: string): string {
  return message.replace(/\S+:\/\/\S+/g, '[url]').replace(/\s+/g, ' ');
}
