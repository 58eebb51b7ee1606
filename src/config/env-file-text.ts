/** A variable as a file sets it. */
export interface FileVariable {
  readonly name: string;
  readonly value: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

export interface EnvFileText {
  readonly variables: readonly FileVariable[];
  /** One for each line that can't be read: its number and why. A value is never told: it may be a secret. */
  readonly faults: readonly string[];
}

const ASSIGNMENT = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)$/s;
/** Up to a blank and a number sign: `#` within a value (`pa#ss`) is a part of it. */
const REMARK = /(?:^|[ \t])#.*$/s;

/**
 * Reads `NAME=value` lines as dotenv files have them: `#` begins a remark, `export` in front is allowed, and in quotes a
 * value may have several lines. In double quotes `\n`, `\r`, `\t`, `\"` and `\\` are escapes; in single quotes nothing is.
 * `$NAME` is not replaced. Where a name comes twice, the last one counts.
 */
export function parseEnvFile(text: string): EnvFileText {
  const variables = new Map<string, FileVariable>();
  const faults: string[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1;
    const trimmed = (lines[at] ?? '').trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const [, name, rest] = ASSIGNMENT.exec(trimmed) ?? [];
    if (name === undefined || rest === undefined) {
      faults.push(`line ${line} is no NAME=value`);
      continue;
    }
    const quote = rest.charAt(0);
    if (quote !== '"' && quote !== "'") {
      variables.set(name, { name, value: rest.replace(REMARK, '').trim(), line });
      continue;
    }
    const quoted = takeQuoted(quote, rest.slice(1), lines, at);
    if ('fault' in quoted) faults.push(`line ${line} ${quoted.fault}`);
    else variables.set(name, { name, value: quoted.value, line });
    at = quoted.end;
  }
  return { variables: [...variables.values()], faults };
}

type Quoted = { readonly end: number } & ({ readonly value: string } | { readonly fault: string });

/** @param first what follows the opening quote in its line; a file whose quote never ends has lost only that line */
function takeQuoted(quote: string, first: string, lines: readonly string[], at: number): Quoted {
  const text = [first, ...lines.slice(at + 1)].join('\n');
  const pattern = quote === '"' ? /^((?:[^"\\]|\\.)*)"/s : /^([^']*)'/s;
  const match = pattern.exec(text);
  if (match === null) return { fault: `has a ${quote} that is never closed`, end: at };
  const end = at + (match[0].match(/\n/g)?.length ?? 0);
  const after = (text.slice(match[0].length).split('\n', 1)[0] ?? '').trim();
  if (after !== '' && !after.startsWith('#')) return { fault: `has text behind its closing ${quote}`, end };
  const inner = match[1] ?? '';
  return { value: quote === '"' ? unescaped(inner) : inner, end };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unescaped(text: string): string {
  return text.replace(/\\([nrt"\\$])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
