import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pythonJsonFault } from '../../../src/http/python-json.js';
import { services } from '../../support/services.js';
import { bodyCases, type Case } from './drf-cases.js';
import { post, start, talk } from './server-under-test.js';

const PYTHON = '/usr/bin/python3';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** What the real Django, DRF and simplejwt 5.2.2 answer. */
function askDjango(cases: readonly Case[]): (Answer | { raised: string })[] {
  const oracle = fileURLToPath(new URL('drf-oracle.py', import.meta.url));
  const input = JSON.stringify(cases.map((one) => ({ ...one, body: one.body.toString('base64') })));
  const { status, stdout, stderr } = spawnSync(PYTHON, [oracle], { input, maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

describe.skipIf(!services().django)('fields and bodies are read as the real DRF reads them', () => {
  const cases = bodyCases();
  const theirs = services().django ? askDjango(cases) : [];

  it('the same status and the same body, beside our `error`', { timeout: 120_000 }, async () => {
    // To Django every text is a token that is no JWT; so here.
    const refuse = () => Promise.resolve({ kind: 'invalid', reason: 'invalid' } as const);
    const { server, port } = await start({
      service: { refresh: refuse, verify: refuse, logout: refuse, slide: refuse },
      compat: '5.2',
    });
    const wrong: unknown[] = [];
    for (const [n, one] of cases.entries()) {
      const expected = theirs[n]!;
      // Where Django answers 500, ours only must not.
      const text = await talk(port, bytesOf(one));
      const [head, body] = splitOnce(text, '\r\n\r\n');
      const status = Number(head.split(' ')[1]);
      if ('raised' in expected) {
        if (status < 400 || status >= 500) wrong.push({ one: shown(one), status, expected });
        continue;
      }
      const { error, ...rest } = JSON.parse(body) as { error?: unknown };
      const same = status === expected.status && JSON.stringify(rest) === expected.body;
      const challenge = /WWW-Authenticate: (.*)\r/i.exec(head)?.[1];
      if (!same || typeof error !== 'string' || challenge !== expected.headers['www-authenticate']) {
        wrong.push({ one: shown(one), ours: { status, body }, expected });
      }
    }
    await server.close(0);
    expect(wrong).toEqual([]);
    expect(cases.length).toBeGreaterThan(400);
  });
});

describe.skipIf(!services().django)('what is wrong with a text that is not JSON', () => {
  it('is said in the words of Python, for 20,000 texts', () => {
    const texts = mutants(20_000);
    const program = `
import json, sys
def constant(o): raise ValueError('Out of range float values are not JSON compliant: ' + repr(o))
def fault(text):
    try: json.loads(text, parse_constant=constant)
    except ValueError as e: return str(e)
    return None
json.dump([fault(t) for t in json.load(sys.stdin)], sys.stdout)`;
    const output = execFileSync(PYTHON, ['-c', program], { input: JSON.stringify(texts) });
    const theirs = JSON.parse(output.toString()) as (string | null)[];
    const wrong = texts.flatMap((text, n) => {
      const ours = isJson(text) ? null : pythonJsonFault(text);
      return ours === theirs[n] ? [] : [{ text, ours, theirs: theirs[n] }];
    });
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(theirs.filter((fault) => fault !== null).length).toBeGreaterThan(10_000);
  });

  it('is found without recursion', () => {
    expect(pythonJsonFault('['.repeat(65_536))).toBe('Expecting value: line 1 column 65537 (char 65536)');
    expect(pythonJsonFault('{"a":'.repeat(10_000))).toMatch(/^Expecting value: line 1/);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Texts near JSON: good ones with a few characters cut, doubled or put in, from a seed. */
function mutants(count: number): string[] {
  const seeds = [
    '{"refresh":"abc.def.ghi"}',
    '{"a":[1,2.5,-3e7,null,true,false],"b":{"c":"\\u00e9\\n\\ud83d\\ude00"}}',
    '[{"a":1}, {"b":[]}, {}]',
    ' {\n "x" : "😀" ,\t"y": [ ] }\n',
    '"\\ud800\\udc00\\""',
  ];
  const pieces = [
    ...Array.from('{}[]",:\\ \n\t0123.eE+-utrnafls/'),
    'NaN',
    'Infinity',
    '-Infinity',
    '\\u',
    '😀',
    '\x01',
    '\ufeff',
  ];
  let state = 20_260_117;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, () => {
    let text = Array.from(seeds[random(seeds.length)]!);
    for (let i = random(4); i >= 0; i -= 1) {
      const at = random(text.length + 1);
      const cut = random(3);
      const put = random(2) === 0 ? [pieces[random(pieces.length)]!] : [];
      text = [...text.slice(0, at), ...put, ...text.slice(at + cut)];
    }
    return text.join('');
  });
}

function bytesOf({ method, path, contentType, body }: Case): Buffer {
  const type: Record<string, string> = contentType === null ? {} : { 'Content-Type': contentType };
  const head = post(path, '', { 'Content-Length': String(body.length), Connection: 'close', ...type });
  const bare = contentType === null ? head.replace('Content-Type: application/json\r\n', '') : head;
  return Buffer.concat([Buffer.from(bare.replace('POST', method), 'latin1'), body]);
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return [text.slice(0, at + 2), Buffer.from(text.slice(at + by.length), 'latin1').toString('utf8')];
}

function shown({ method, path, contentType, body }: Case): string {
  return `${method} ${path} ${contentType ?? '(no type)'} ${JSON.stringify(body.toString('latin1').slice(0, 200))}`;
}
