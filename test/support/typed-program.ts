import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A program over the package's entries, and a project that checks it and the types of all libraries. */
export function writeTypedProgram(folder: string, more: Readonly<Record<string, unknown>> = {}): void {
  writeFileSync(
    join(folder, 'program.ts'),
    `import { bench, cleanup, migrate, serve, type Serving } from 'carelink-tokens';
     import { TokenManager } from 'carelink-tokens/client';
     export const serving: Promise<Serving> = serve({ port: 0 });
     export { bench, cleanup, migrate, TokenManager };`,
  );
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: ['node'],
    ...more,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
}
