/** Tokens whose user is the odd thing about them. */
import { BLACKLIST, REFRESH, token, VERIFY, type Case } from './case.js';
import { HS256, payloadText, signText } from './world.js';

const ids: readonly [string, string | undefined][] = [
  ['none', undefined],
  ['null', 'null'],
  ['text of the number', '"1"'],
  ['text that is no number', '"abc"'],
  ['over the range of integer', '2147483648'],
  ['over the range of bigint', '9223372036854775808'],
  ['over 2^53, and unknown', '9007199254740993'],
  ['huge', '1e300'],
  ['negative', '-5'],
  ['a float', '1.5'],
  ['true', 'true'],
  ['a list', '[1]'],
  ['an object', '{"id":1}'],
  ['text with a NUL', '"1\\u0000"'],
];

export const userCases: readonly Case[] = [REFRESH, VERIFY, BLACKLIST].flatMap((path) => [
  ...ids.map(([name, literal]) =>
    token(path, `user id is ${name}`, () => signText(HS256, payloadText({ user_id: literal }))),
  ),
  token(path, 'an inactive user', (world) => world.refresh({ userId: world.inactiveUser })),
  token(path, 'a user who is no more', (world) => world.unrecorded({ userId: world.unknownUser })),
]);
