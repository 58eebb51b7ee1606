import { expect, it } from 'vitest';
import { splitSearchPath } from '../../../src/store/search-path.js';

it.each([
  [undefined, undefined, undefined],
  ['-c search_path=t1', undefined, 't1'],
  ['-csearch_path=t1,public', undefined, 't1,public'],
  ['--search-path=t1', undefined, 't1'],
  ['-c search_path="Clinic\\ A",public -c jit=off', '-c jit=off', '"Clinic A",public'],
  ['-c statement_timeout=5s', '-c statement_timeout=5s', undefined],
  ['-c search_path=a -c geqo=off --search_path=b', '-c geqo=off', 'b'],
  ['-c application_name=search_path=x', '-c application_name=search_path=x', undefined],
])('the search path in options %s is taken out, and nothing else', (options, kept, searchPath) => {
  expect(splitSearchPath(options)).toEqual({ options: kept, searchPath });
});
