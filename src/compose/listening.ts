import { CommandError } from '../config/errors.js';

export type ListenOptions =
  | { readonly host: '--host'; readonly port: '--port' }
  | { readonly host: '--admin-host'; readonly port: '--admin-port' };

/** Where the token endpoints listen. */
export const PUBLIC_PORT: ListenOptions = { host: '--host', port: '--port' };

/** Where health and metrics listen. */
export const ADMIN_PORT: ListenOptions = { host: '--admin-host', port: '--admin-port' };

/**
 * What a server's `listen` gives, or a sentence on why it couldn't.
 *
 * @param options those that say where it listens
 * @throws CommandError LISTEN_FAILED
 */
export async function listening<T>(
  started: Promise<T>,
  at: { host: string; port: number },
  options: ListenOptions,
): Promise<T> {
  try {
    return await started;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new CommandError(
      'LISTEN_FAILED',
      1,
      `Cannot listen on ${at.host}:${at.port} (${code}). ${whatToDo(code, at, options)}`,
      { cause: error },
    );
  }
}

function whatToDo(
  code: string,
  { host, port }: { host: string; port: number },
  options: ListenOptions,
): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Another process has it (\`ss -ltnp\` says which): stop that one, or choose another port with ${options.port}.`;
    case 'EACCES':
      return (
        `This user may not take the port ${port}: on most systems those below 1024 are root's. Choose one above with ` +
        `${options.port}, and let the reverse proxy have ${port}; or give the process CAP_NET_BIND_SERVICE.`
      );
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine (\`ip address\` lists them). Correct ${options.host}; 0.0.0.0 is all of them.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `This machine doesn't know the host name ${host}. Correct ${options.host}.`;
    default:
      return `Choose another host or port with ${options.host} and ${options.port}.`;
  }
}
