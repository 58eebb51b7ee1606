import type { ValueKind } from './kinds.js';

/** Those that belong to the request itself: bench writes them, or the connection does. */
const OURS = new Set([
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'keep-alive',
]);

/** `Name: value` (RFC 9110, 5.1 and 5.5), as name and value. */
export const headerLine: ValueKind<readonly [name: string, value: string]> = {
  placeholder: 'Name: value',
  allowed: "a header such as 'X-Tenant: clinic'",
  parse(text) {
    const [, name, value] =
      /^([\w!#$%&'*+.^`|~-]+):[ \t]+([\t\x20-\x7e\x80-\xff]*\S)[ \t]*$/.exec(text) ?? [];
    if (name === undefined || value === undefined || OURS.has(name.toLowerCase())) return undefined;
    return [name, value];
  },
  explain(text) {
    const name = text.split(':')[0]?.toLowerCase() ?? '';
    if (OURS.has(name)) return `bench writes ${name} itself`;
    return /^https?:\/\//.test(text) ? 'the URL of the server goes before --header' : undefined;
  },
};
