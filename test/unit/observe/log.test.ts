import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { describeError } from '../../../src/observe/errors.js';
import { createLog, type LogFields } from '../../../src/observe/log.js';

const TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiI4YzdmIiwiZXhwIjoxfQ.8rK2vQmQn0xJt-1_hSxk9bYzWqLr3pTf5eUoGd7aHiM';
const PARTS = TOKEN.split('.');

function lines(use: (log: ReturnType<typeof createLog>) => void, level: 'debug' | 'info' = 'debug'): string {
  let text = '';
  use(createLog({ level, destination: { write: (line) => void (text += line) } }));
  return text;
}

function expectNoToken(text: string): void {
  for (const part of PARTS) expect(text).not.toContain(part);
}

describe('the log', () => {
  it('writes one JSON line an event, with its fields', () => {
    const text = lines((log) => log.info('listening', { url: 'http://127.0.0.1:8000', port: 8000 }));
    expect(text.trimEnd()).not.toContain('\n');
    expect(JSON.parse(text)).toMatchObject({
      level: 'info', event: 'listening', url: 'http://127.0.0.1:8000/', port: 8000, time: expect.stringMatching(/Z$/),
    }); // prettier-ignore
  });

  it('drops fields that are not on the list, and values that are no text and no number', () => {
    const fields = { token: TOKEN, signing_key: 'hunter2', detail: 'x', route: { nested: TOKEN }, count: 3 };
    const text = lines((log) => log.error('odd', fields as unknown as LogFields));
    expectNoToken(text);
    const written = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(written).sort()).toEqual(['count', 'event', 'level', 'pid', 'time']);
  });

  it('cuts a token out of a field that it should never have been in', () => {
    expectNoToken(lines((log) => log.warn('odd', { cause: `x ${TOKEN} y`, url: `http://h/${TOKEN}` })));
  });

  it('keeps only 8 characters of a jti, and no credentials of a URL', () => {
    const url = 'postgres://user:hunter2@db:5432/x?password=hunter3';
    const text = lines((log) => log.info('x', { jti_prefix: '0123456789abcdef', url }));
    expect(JSON.parse(text)).toMatchObject({ jti_prefix: '01234567', url: 'postgres://db:5432/x' });
    expect(text).not.toContain('hunter');
  });

  it('is silent below its level', () => {
    expect(lines((log) => log.debug('x'), 'info')).toBe('');
  });
});

describe('what is told of an error', () => {
  it('is its class, its code and where it came from', () => {
    const error = Object.assign(new RangeError('boom'), { code: 'ECONNREFUSED' });
    const described = describeError(error);
    expect(described).toMatchObject({ error_name: 'RangeError', error_code: 'ECONNREFUSED' });
    expect(described.error_stack).toMatch(/^at .*log\.test\.ts:\d+:\d+/);
    expect(described.error_stack).not.toContain('boom');
  });

  it('of PostgreSQL, its SQLSTATE, constraint and table', () => {
    const error = new pg.DatabaseError(`duplicate key (${TOKEN})`, 1, 'error');
    Object.assign(error, {
      code: '23505', constraint: 'token_blacklist_blacklistedtoken_token_id_key', table: 'token_blacklist_blacklistedtoken',
      detail: `Key (token)=(${TOKEN}) already exists.`, where: TOKEN, hint: TOKEN, query: TOKEN, internalQuery: TOKEN,
    }); // prettier-ignore
    const described = describeError(error);
    expect(described).toMatchObject({
      error_code: '23505',
      error_constraint: 'token_blacklist_blacklistedtoken_token_id_key',
      error_table: 'token_blacklist_blacklistedtoken',
    });
    expectNoToken(JSON.stringify(described));
  });

  const PROPERTIES = ['name', 'message', 'stack', 'code', 'constraint', 'table', 'detail', 'where', 'query', 'hint', 'schema', 'column', 'cause', 'errors', 'token']; // prettier-ignore
  const SHAPES: [string, (text: string) => unknown][] = [
    ['as it is', (text) => text],
    ['in a sentence', (text) => `duplicate key value (${text})`],
    [
      'on lines that look like frames',
      (text) => `x\n    at ${text} (/app/${text}.js:1:1)\n    at /${text}:1:1`,
    ],
    ['in an object', (text) => ({ [text]: text, message: text, name: text, code: text })],
    ['in a list of errors', (text) => [new Error(text)]],
  ];

  it.each(PROPERTIES)('never a token in its %s, nor in that of a cause', (property) => {
    for (const part of [TOKEN, ...PARTS]) {
      for (const [, shape] of SHAPES) {
        const error = new Error(`e ${part}`);
        Object.defineProperty(error, property, { value: shape(part), configurable: true });
        const wrapped = new Error(part, { cause: new Error(part, { cause: error }) });
        for (const thrown of [error, wrapped, new AggregateError([error], part), { cause: error }]) {
          expectNoToken(lines((log) => log.error('failed', describeError(thrown))));
        }
      }
    }
  });

  it('never a token that was in the message when the error was made, and was changed since', () => {
    const error = new Error(`x\n    at fn (/${TOKEN}:1:1)`);
    error.message = 'clean';
    expectNoToken(JSON.stringify(describeError(error)));
  });

  it('survives whatever is thrown', () => {
    const cyclic = new Error('a');
    cyclic.cause = cyclic;
    expect(describeError(cyclic).error_cause).toBe('Error < Error < Error < Error');
    const hostile = Object.defineProperty({}, 'code', { get: () => { throw new Error(TOKEN); } }); // prettier-ignore
    for (const thrown of [
      hostile,
      null,
      undefined,
      7,
      TOKEN,
      Symbol(TOKEN),
      () => TOKEN,
      new Proxy({}, {}),
    ]) {
      expectNoToken(JSON.stringify(describeError(thrown)));
    }
    fc.assert(fc.property(fc.anything(), (thrown) => void describeError(thrown)));
  });
});
