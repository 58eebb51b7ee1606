import { CommandError } from '../config/errors.js';

/**
 * What a server's `listen` gives, or a sentence on why it couldn't.
 *
 * @throws CommandError LISTEN_FAILED
 */
export async function listening<T>(started: Promise<T>, at: { host: string; port: number }): Promise<T> {
  try {
    return await started;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new CommandError(
      'LISTEN_FAILED',
      1,
      `Cannot listen on ${at.host}:${at.port} (${code}). ` +
        (code === 'EADDRINUSE'
          ? 'Another process has it: stop that one, or choose another port.'
          : 'Choose another host or port.'),
      { cause: error },
    );
  }
}
