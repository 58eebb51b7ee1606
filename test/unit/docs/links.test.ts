/** Each link of a document, and each document that the code names, leads somewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FILES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((name) => name !== '' && existsSync(join(ROOT, name)));
const { files: PACKED } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
const packed = (path: string): boolean =>
  path === 'README.md' || PACKED.some((entry) => path === entry || path.startsWith(`${entry}/`));
const textOf = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
/** Without blocks of code, whose brackets are no links and whose # is no heading. */
const prose = (text: string): string => text.replace(/^ *```[^]*?^ *```/gm, '');

const PAGES = FILES.filter((name) => name.endsWith('.md'));

/** What each page links to in this repository. */
const LINKS = PAGES.flatMap((page) =>
  [...prose(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => [page, target] as const),
);

/** The anchors that GitHub makes of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of prose(textOf(page)).matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\-_ ]/gu, '').replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}

/** What is wrong with a link to `target` from a file in `folder`; undefined: nothing. */
function faultOf(folder: string, page: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#', 2);
  const file = path === '' ? page : normalize(join(folder, path));
  if (!existsSync(join(ROOT, file))) return `${page}: ${target}: no such file`;
  if (anchor === undefined || anchor === '') return undefined;
  if (statSync(join(ROOT, file)).isDirectory() || !file.endsWith('.md'))
    return `${page}: ${target}: no anchors there`;
  return anchorsOf(file).has(anchor) ? undefined : `${page}: ${target}: no such heading`;
}

describe('links', () => {
  it('of every document lead to a file, and to a heading in it', () => {
    expect(PAGES.length).toBeGreaterThan(60);
    const faults = LINKS.map(([page, target]) => faultOf(dirname(page), page, target));
    expect(faults.filter(Boolean)).toEqual([]);
  });

  it('of the documents in the package lead into the package', () => {
    const missing = LINKS.filter(([page]) => packed(page)).filter(([page, target]) => {
      const [path = ''] = target.split('#');
      return path !== '' && !packed(normalize(join(dirname(page), path)).replace(/\/$/, ''));
    });
    expect(missing).toEqual([]);
  });

  it('of every document of ours are in the index, docs/README.md, once', () => {
    const index = textOf('docs/README.md');
    const own = PAGES.filter((page) => /^docs\/(?:how-to\/|reference\/|django\/)?[\w-]+\.md$/.test(page))
      .map((page) => page.slice('docs/'.length))
      .filter((page) => page !== 'README.md' && page !== 'operations.md');
    expect(own.filter((page) => index.split(`](${page})`).length !== 2)).toEqual([]);
  });

  it('of every decision are in their index, by the titles that they have', () => {
    const index = textOf('docs/decisions/README.md');
    const records = PAGES.filter((page) => /^docs\/decisions\/\d/.test(page));
    expect(records.length).toBeGreaterThan(40);
    const missing = records.filter((page) => {
      const [, number, title] = /^# (\d+)\. (.+)$/m.exec(textOf(page)) ?? [];
      const file = page.slice('docs/decisions/'.length);
      return !file.startsWith(String(number).padStart(4, '0')) || !index.includes(`[${title}](${file})`);
    });
    expect(missing).toEqual([]);
  });

  /** Of comments, messages, examples and tests. */
  const named = FILES.filter((name) =>
    /^(src|bin|deploy|migrations|examples|test|benchmarks|scripts)\//.test(name),
  )
    .filter((name) => /\.(ts|js|jsx|mjs|sql|ya?ml|conf|cfg|py|service|html)$/.test(name))
    .flatMap((name) =>
      [...textOf(name).matchAll(/(?<![\w./-])docs\/[\w./-]*\w(?:#[\w-]+)?/g)].map(
        ([target]) => [name, target] as const,
      ),
    );

  it('that the code names lead somewhere, too', () => {
    expect(named.length).toBeGreaterThan(30);
    const faults = named
      .map(([name, target]) => {
        const decision = /^docs\/decisions\/(\d{4})$/.exec(target)?.[1];
        if (decision === undefined) return faultOf('.', name, target);
        const there = FILES.some((file) => file.startsWith(`docs/decisions/${decision}-`));
        return there ? undefined : `${name}: ${target}: no such decision`;
      })
      .filter(Boolean);
    expect(faults).toEqual([]);
  });

  it('that messages and the files of deploy/ name are in the package', () => {
    const comment = /^\s*(?:\*|\/\/|\/\*)/;
    const inMessages = FILES.filter((name) => /^src\/.*\.ts$/.test(name)).flatMap((name) =>
      textOf(name)
        .split('\n')
        .filter((line) => !comment.test(line))
        .flatMap((line) =>
          [...line.matchAll(/(?<![\w./-])docs\/[\w./-]*\w/g)].map(([target]) => [name, target] as const),
        ),
    );
    const inDeploy = named.filter(([name]) => name.startsWith('deploy/'));
    const missing = [...inMessages, ...inDeploy].filter(([, target]) => !packed(target.split('#')[0]!));
    expect(inMessages.length).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });
});
