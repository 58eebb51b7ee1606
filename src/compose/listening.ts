import { CommandError } from '../config/errors.js';
import type { HttpServer } from '../http/listener.js';
import type { SocketPlace } from '../http/socket-place.js';

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

/**
 * Listens at a unix socket and returns its URL.
 *
 * @param owns false: another process puts it to its place
 * @throws CommandError LISTEN_FAILED
 */
export function listenAtSocket(
  server: Pick<HttpServer, 'listenOn' | 'close'>,
  place: SocketPlace,
  owns: boolean,
): Promise<string> {
  return atSocket(place, async () => {
    if (owns) await place.check();
    await server.listenOn(place.bound);
    if (owns) {
      await place.publish().catch(async (error: unknown) => {
        await server.close(0);
        throw error;
      });
    }
    return `unix:${place.path}`;
  });
}

/** @throws CommandError LISTEN_FAILED where the work fails */
export async function atSocket<T>({ path }: SocketPlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new CommandError(
      'LISTEN_FAILED',
      1,
      `Cannot listen on unix:${path} (${code}). ${aboutSocket(code, path)}`,
      { cause: error },
    );
  }
}

function aboutSocket(code: string, path: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Another process listens there, or it can't be told whether one does (\`ss -lxp\` lists them): stop that one, or choose another path with --host.`;
    case 'ENOTSOCK':
      return `There is a file at ${path} that is no socket. It is left as it is: move it away, or choose another path with --host.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'This user may not make files in that directory. Give it a directory of its own (systemd: RuntimeDirectory=), or choose another path with --host.';
    case 'ENOENT':
    case 'ENOTDIR':
      return 'Its directory is not there. Make it (systemd: RuntimeDirectory=), or choose another path with --host.';
    default:
      return 'Choose another path with --host.';
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
