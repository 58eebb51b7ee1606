import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ShadowDocument } from '../../src/shadow/report.js';
import { BIN, startServer, type ServerOptions, type TestServer } from './server.js';

export interface Shadow extends TestServer {
  report(): Promise<ShadowDocument>;
  /** The report, once so many requests were judged or given up, and none is owed. */
  settled(requests: number): Promise<ShadowDocument>;
}

const BOUND_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** Makes our schema, as an operator does before anything of ours is started. */
export async function migrate(databaseUrl: string, args: readonly string[] = []): Promise<void> {
  await promisify(execFile)(process.execPath, [BIN, 'migrate', '--database-url', databaseUrl, ...args]);
}

/** `serve --shadow-of`, in front of a Django on a database that is migrated. */
export async function startShadow(django: string, options: ServerOptions): Promise<Shadow> {
  const server = await startServer({
    ...options,
    args: ['--shadow-of', django, ...(options.args ?? [])],
  });
  const report = async (): Promise<ShadowDocument> =>
    (await (await fetch(`${server.adminUrl}/shadow`)).json()) as ShadowDocument;
  return {
    ...server,
    output: () => server.output(),
    report,
    async settled(requests) {
      const end = Date.now() + BOUND_MS;
      for (;;) {
        const document = await report();
        const { judged, dropped } = document.requests;
        const ended = judged + Object.values(dropped).reduce((sum, one) => sum + one, 0);
        if (ended >= requests) return document;
        if (Date.now() > end) throw new Error(`${ended} of ${requests} judged: ${JSON.stringify(document)}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    },
  };
}
