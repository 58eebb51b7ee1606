import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import type { Flags } from '../../../src/config/resolve.js';
import { source } from './source.js';

const settings = (options: Record<string, unknown>) => serveSettings(options as Flags, source());

describe('options that a program gives', () => {
  it('may be numbers', () => {
    expect(settings({ port: 0 }).http.port).toBe(0);
  });

  it.each([
    [{ port: null }, '--port takes a text, a number, true, false or a list of texts, not null.'],
    [{ port: {} }, 'not an object.'],
    [{ port: () => 1 }, 'not a function.'],
    [{ audience: [] }, 'not an empty list.'],
    [{ audience: ['a', 1] }, 'not a list of other things.'],
    [{ nope: '1' }, 'There is no option "nope".'],
    [{ basePath: '/x' }, 'There is no option "basePath". Did you mean base-path?'],
    [{ 'signing-key': null, port: 70_000 }, '--signing-key takes'],
    [{ port: 70_000 }, '--port takes'],
  ])('%o is refused with a sentence', (options, says) => {
    expect(() => settings(options)).toThrow(ConfigError);
    expect(() => settings(options)).toThrow(says);
  });
});
