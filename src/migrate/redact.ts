/** Enough to recognise a statement by. */
const MAX_LENGTH = 100;

/** NAMEDATALEN - 1: what is longer isn't a name, whatever it looks like. */
const LONGEST_NAME = 63;

/** One piece of SQL at the beginning of a text, tried in this order. */
const PIECES = {
  literal: /^(?:(?:[ebxn]|u&)?'|u&"|\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$)/iu,
  parameter: /^\$\d+(?![\p{L}\p{N}_$])/u,
  quotedName: /^"[^"]+"/,
  name: /^[\p{L}_][\p{L}\p{N}_$]*/u,
  number: /^\.?\d[\p{L}\p{N}_.]*/u,
  lineComment: /^--[^\r\n]*/,
  blank: /^\s+/,
} as const;

/**
 * A statement of somebody else's, fit to be shown: drivers put values into the text, and a value can be a token.
 *
 * It ends at its first string literal rather than after it. Where a literal ends depends on the session's settings
 * (standard_conforming_strings) and on whether the server has cut the text; where it begins does not.
 */
export function redactQuery(query: string): string {
  let shown = '';
  let rest = query;
  while (rest !== '' && shown.length <= MAX_LENGTH) {
    const { text, length } = nextPiece(rest);
    if (text === undefined) return shorten(`${shown}'…'`);
    if (text !== ' ' || !/(^| )$/.test(shown)) shown += text;
    rest = rest.slice(length);
  }
  return shorten(shown);
}

/** What is shown of the piece that a text begins with, and its length; nothing where a literal begins. */
function nextPiece(rest: string): { text: string | undefined; length: number } {
  const match = (piece: keyof typeof PIECES): string | undefined => PIECES[piece].exec(rest)?.[0];
  if (match('literal') !== undefined) return { text: undefined, length: 0 };
  const name = match('parameter') ?? match('quotedName') ?? match('name');
  if (name !== undefined) {
    return { text: name.length > LONGEST_NAME + 2 ? undefined : name, length: name.length };
  }
  const number = match('number');
  if (number !== undefined) return { text: '?', length: number.length };
  const skipped = match('lineComment') ?? blockComment(rest) ?? match('blank');
  if (skipped !== undefined) return { text: ' ', length: skipped.length };
  const character = rest.charAt(0);
  // A quote or a dollar that begins nothing known: the server has cut the text, or it is no SQL.
  return { text: /['"$]/.test(character) ? undefined : character, length: 1 };
}

/** Comments nest in PostgreSQL. */
function blockComment(rest: string): string | undefined {
  if (!rest.startsWith('/*')) return undefined;
  let depth = 0;
  for (const mark of rest.matchAll(/\/\*|\*\//g)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return rest.slice(0, mark.index + 2);
  }
  return rest;
}

function shorten(shown: string): string {
  const line = shown.trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line;
}
