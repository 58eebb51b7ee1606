import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { services } from './services.js';

const SOURCE = fileURLToPath(new URL('helm/template.go', import.meta.url));
const CHART = fileURLToPath(new URL('../../deploy/helm/carelink-tokens', import.meta.url));

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: unknown;
}

export type Rendered = { readonly manifests: readonly Manifest[] } | { readonly error: string };

/** The chart as Helm renders it, for each of several values, by Go's own templates. Takes some seconds to compile. */
export function renderChart(values: readonly object[]): Rendered[] {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-helm-'));
  try {
    const program = join(directory, 'template');
    const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', CGO_ENABLED: '0' };
    // In GOPATH mode: Debian's packages are the sources that it compiles.
    execFileSync(services().go!, ['build', '-o', program, SOURCE], { env, stdio: 'pipe' });
    const input = JSON.stringify(
      values.map((one) => ({ release: 'tokens', namespace: 'auth', values: one })),
    );
    const answers = JSON.parse(execFileSync(program, [CHART], { input, encoding: 'utf8' })) as {
      files: Readonly<Record<string, string>> | null;
      error: string;
    }[];
    return answers.map(({ files, error }) => (files === null ? { error } : { manifests: documents(files) }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function documents(files: Readonly<Record<string, string>>): Manifest[] {
  return Object.entries(files)
    .filter(([name]) => name.endsWith('.yaml'))
    .flatMap(([name, text]) =>
      parseAllDocuments(text, { uniqueKeys: true }).flatMap((document) => {
        if (document.errors.length > 0) throw new Error(`${name}: ${String(document.errors[0])}`);
        const manifest = document.toJS() as Manifest | null;
        return manifest === null ? [] : [manifest];
      }),
    );
}
