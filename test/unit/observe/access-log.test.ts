import fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { accessLog, type AccessLine } from '../../../src/observe/access-log.js';
import { createLog, type LogLevel } from '../../../src/observe/log.js';
import { readableLines } from '../../../src/observe/readable-lines.js';

const LINE: AccessLine = {
  requestId: '5c1f0d3e-0000-4000-8000-000000000000',
  traceId: undefined,
  address: '198.51.100.7',
  route: 'refresh',
  status: 200,
  outcome: 'rotated',
  durationMs: 1.23456,
};

const logOf = (level: LogLevel = 'info') => {
  const writes: string[] = [];
  const log = createLog({ level, destination: { write: (text) => void writes.push(text) } });
  return { log, writes };
};

describe('a line of the access log', () => {
  it('is the one that the log would write itself, field for field and in its order', async () => {
    const requestId = fc.oneof(fc.uuid(), fc.stringMatching(/^[\w.:+/=@-]{1,128}$/));
    const lines = fc.record({
      requestId,
      traceId: fc.option(fc.stringMatching(/^[0-9a-f]{32}$/), { nil: undefined }),
      address: fc.oneof(fc.constant(''), fc.ipV4(), fc.ipV6()),
      route: fc.constantFrom('refresh', 'verify', 'blacklist', 'sliding_refresh'),
      status: fc.constantFrom(200, 400, 401, 429, 500, 503),
      outcome: fc.constantFrom('rotated', 'expired', 'bad_request', 'error'),
      durationMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
    }) as fc.Arbitrary<AccessLine>;
    await fc.assert(
      fc.asyncProperty(lines, async (line) => {
        const { log, writes } = logOf();
        accessLog('all', log)!.write(line);
        await turn();
        const { requestId: request_id, traceId: trace_id, durationMs, ...rest } = line;
        log.info('request', {
          request_id,
          ...(trace_id === undefined ? {} : { trace_id }),
          ...(rest.address === '' ? {} : { address: rest.address }),
          route: rest.route,
          outcome: rest.outcome,
          status: rest.status,
          duration_ms: Math.round(durationMs * 1000) / 1000,
        });
        const [ours = '', its = ''] = writes;
        const time = /"time":"([^"]*)"/;
        expect(ours.replace(time, '')).toBe(its.replace(time, ''));
        const told = time.exec(ours)?.[1] ?? '';
        expect(new Date(told).toISOString()).toBe(told);
      }),
    );
  });

  it('never holds a token that a proxy took for an id', async () => {
    const { log, writes } = logOf();
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI4YzdmIn0.8rK2vQmQn0xJt-1_hSxk9bYz';
    accessLog('all', log)!.write({ ...LINE, requestId: token });
    await turn();
    expect(JSON.parse(writes.join(''))).toMatchObject({ request_id: '[token]' });
  });

  it('is written with the others of its turn, and none waits for the next request', async () => {
    const { log, writes } = logOf();
    const access = accessLog('all', log)!;
    for (let n = 0; n < 3; n++) access.write(LINE);
    expect(writes).toEqual([]);
    await turn();
    expect(writes.map((text) => text.split('\n').length - 1)).toEqual([3]);
    access.write(LINE);
    await turn();
    expect(writes).toHaveLength(2);
  });

  it('is never cut by those of other workers: no write is longer than what a pipe takes in one go, and each ends with a line', async () => {
    const { log, writes } = logOf();
    const access = accessLog('all', log)!;
    for (let n = 0; n < 200; n++) access.write({ ...LINE, requestId: 'x'.repeat(1 + (n % 128)) });
    await turn();
    expect(writes.join('').split('\n')).toHaveLength(201);
    for (const text of writes) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4_096);
      expect(text.endsWith('}\n')).toBe(true);
    }
  });

  it('is shown to people one by one', async () => {
    const shown: string[] = [];
    const destination = readableLines({ write: (text) => void shown.push(text) });
    const access = accessLog('all', createLog({ level: 'info', destination }))!;
    for (let n = 0; n < 2; n++) access.write(LINE);
    await turn();
    expect(shown.join('').split('\n')).toEqual([
      expect.stringMatching(
        /^\d\d:\d\d:\d\d info {2}request request_id=5c1f.* status=200 .*duration_ms=1\.235$/,
      ),
      expect.stringMatching(/ request_id=5c1f/),
      '',
    ]);
  });

  it.each<['off' | 'errors' | 'all', LogLevel, string | undefined]>([
    ['off', 'info', undefined],
    ['off', 'debug', 'debug'],
    ['all', 'warn', undefined],
    ['errors', 'info', 'info'],
  ])('with --access-log %s and --log-level %s is written as %s', async (wanted, level, as) => {
    const { log, writes } = logOf(level);
    const access = accessLog(wanted, log);
    access?.write(LINE);
    await turn();
    expect(writes.map((text) => (JSON.parse(text) as { level: string }).level)).toEqual(
      as === undefined ? [] : [as],
    );
    expect(access?.wants(200)).toBe(as === undefined ? undefined : wanted !== 'errors');
  });
});
