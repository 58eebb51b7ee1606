/** The examples of docs/http-api.md are what a server answers: each command is run, and its output is held against the page. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { documented } from '../support/openapi.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

const PAGE = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8');

interface Example {
  readonly heading: string;
  /** Of the server that the text before it names. */
  readonly args: readonly string[];
  readonly command: string;
  readonly output: string;
}

/** Each block of commands with the block that follows it. */
const EXAMPLES: readonly Example[] = PAGE.split(/^#+ /m).flatMap((section) => {
  const blocks = [...section.matchAll(/```sh\n([^]+?)```\n\n```\w+\n([^]*?)```/g)];
  return blocks.map(([, command = '', output = ''], at) => {
    const before = section.slice(0, section.indexOf(command));
    const serve = /`serve ([^`]*)`[^`]*(?:`\w+`[^`]*)*:\s/.exec(before)?.[1] ?? '';
    return {
      heading: `${section.split('\n', 1)[0]} ${at + 1}`,
      args: serve.split(' ').filter(Boolean),
      command,
      output,
    };
  });
});

/** `…` stands for anything in a line. */
function patternOf(output: string): RegExp {
  const escaped = output.trimEnd().replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('…', '[^\\n]*')}$`);
}

describe.skipIf(services().postgres === undefined)('the examples of http-api.md', () => {
  const world = rotationWorld();
  const servers = new Map<string, Promise<TestServer>>();
  afterAll(async () => {
    for (const server of servers.values()) await (await server).stop();
  });

  const serverWith = (args: readonly string[]): Promise<TestServer> => {
    const key = args.join(' ');
    const known = servers.get(key);
    if (known !== undefined) return known;
    const started = startServer({ databaseUrl: world.url, args });
    servers.set(key, started);
    return started;
  };

  it.each(EXAMPLES)('$heading', async ({ args, command, output }) => {
    const { url, adminUrl } = await serverWith(args);
    const [fresh, spent] = [await world.login(), await world.login()];
    const sliding = mintRefresh({
      userId: spent.userId,
      tokenType: 'sliding',
      claims: { refresh_exp: Math.floor(Date.now() / 1000) + 3_600 },
    });
    await world.sql(
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now() - interval '1 hour', id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [spent.jti],
    );
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
      env: {
        PATH: process.env['PATH'],
        API: `${url}/account/token`,
        ADMIN: adminUrl,
        REFRESH: fresh.token,
        SPENT: spent.token,
        SLIDING: sliding.token,
      },
    });
    expect(stdout.replaceAll('\r', '').trimEnd()).toMatch(patternOf(output));
  });

  it('are there, and the page names each path', () => {
    expect(EXAMPLES.length).toBeGreaterThan(12);
    expect(EXAMPLES.filter(({ args }) => args.length > 0).length).toBeGreaterThan(3);
    for (const entry of documented()) {
      const path = entry.split(' ')[1]!;
      expect(PAGE).toContain(path === '/' ? '`/`' : path.replace(/^\//, ''));
    }
  });
});
