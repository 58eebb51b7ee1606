/** A real Django project through `adopt`, as its operator does it: probe, verdicts, the key's file, the settings' file. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Adoption, Row } from '../../src/adopt/index.js';
import { nextSteps, tableLines } from '../../src/cli/commands/adopt-text.js';
import { judgeSite, readProbe, writeEnvFile } from '../../src/compose/adopt.js';
import { environment, type DjangoOptions } from './django.js';
import { manageLine } from './django/process.js';
import { BIN, cleanEnvironment, startServer, type TestServer } from './server.js';

export interface Adopted {
  readonly envFile: string;
  /** The text of it. */
  readonly env: string;
  readonly facts: string;
  readonly rows: readonly Row[];
  /** What a person reads. */
  readonly report: string;
  readonly options: Adoption['options'];
  remove(): void;
}

/** @param userView as of --user-view */
export async function adoptSite(options: DjangoOptions, userView?: string): Promise<Adopted> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-adopt-'));
  const at = (name: string) => join(directory, name);
  writeFileSync(at('probe.py'), await readProbe());
  await manageLine(environment(options), `manage.py shell < ${at('probe.py')} > ${at('facts.json')}`);
  const facts = { path: at('facts.json'), text: readFileSync(at('facts.json'), 'utf8') };
  const keyFile = at('carelink-signing.key');
  const adoption = judgeSite(facts, { userView, signingKeyFile: keyFile });
  await writeEnvFile(at('carelink.env'), adoption, { madeOf: facts.path, force: false });
  const steps = nextSteps(at('carelink.env'), facts.path, keyFile);
  return {
    envFile: at('carelink.env'),
    facts: facts.text,
    env: readFileSync(at('carelink.env'), 'utf8'),
    rows: adoption.rows,
    report: [
      ...tableLines(
        adoption.rows.map((row) => ({ ...row, accepted: false })),
        (text) => text,
      ),
      ...steps,
    ].join('\n'),
    options: adoption.options,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The next steps that the report prints: the key out of Django into its file, `migrate`, `serve`. */
export async function serveAdopted(
  { envFile, report }: Adopted,
  options: DjangoOptions,
  args: readonly string[] = [],
): Promise<TestServer> {
  const step = /^ *python (manage\.py shell -c .*)$/m.exec(report)?.[1];
  if (step === undefined) throw new Error('the report does not say how the key gets into its file');
  await manageLine(environment(options), step);
  const env = cleanEnvironment({ DATABASE_URL: options.database });
  await promisify(execFile)(process.execPath, [BIN, 'migrate', '--env-file', envFile], { env });
  // Set to nothing: the key is the file's.
  return startServer({
    databaseUrl: options.database,
    args: ['--env-file', envFile, ...args],
    env: { CARELINK_SIGNING_KEY: '' },
  });
}
