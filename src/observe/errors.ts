/** What may be told of an error. The names are those of the log's fields. */
export interface ErrorDescription {
  error_name: string;
  /** SQLSTATE or errno. */
  error_code?: string;
  error_constraint?: string;
  error_table?: string;
  /** Names and codes of the causes, outermost first. */
  error_cause?: string;
  /** Where it was thrown: frames only, no message line. */
  error_stack?: string;
}

// Nothing of an error is trusted to be free of secrets: PostgreSQL puts the row in `detail` ("Key (token)=(eyJ...)
// already exists"), pg the statement's values in `where` and `query`, a parser the input in `message`. So those
// are never read, and what is read must look like what it says it is; a base64url segment looks like neither.
const ERROR_NAME = /^[A-Z][A-Za-z]{0,39}$/;
const ERROR_CODE = /^[A-Z0-9][A-Z0-9_]{1,39}$/;
const SQL_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
/** A frame as V8 prints it: of Node itself, or of a module's file. */
const FRAME = /^ {4}at (?:.+ \()?(?:node:[\w/]+|(?:file:\/\/|\/|[A-Z]:\\)[^()]+\.[cm]?[jt]s):\d+:\d+\)?$/;
/** The signature of a token, or the beginning of one of its other parts. */
const TOKEN_LIKE = /[A-Za-z0-9_-]{33}|ey[JA]\w/;

const FRAMES = 12;
/** A chain of causes may be a cycle. */
const CAUSES = 4;

/**
 * Describes an error by its class, code, constraint and table, the same of its causes, and its stack's frames.
 * Never its message or any text of the database: those can hold a whole token.
 */
export function describeError(error: unknown): ErrorDescription {
  const description: ErrorDescription = { error_name: nameOf(error) };
  const code = matching(property(error, 'code'), ERROR_CODE);
  if (code !== undefined) description.error_code = code;
  const constraint = matching(property(error, 'constraint'), SQL_NAME);
  if (constraint !== undefined) description.error_constraint = constraint;
  const table = matching(property(error, 'table'), SQL_NAME);
  if (table !== undefined) description.error_table = table;
  const causes = causesOf(error);
  if (causes !== '') description.error_cause = causes;
  const stack = framesOf(error);
  if (stack !== '') description.error_stack = stack;
  return description;
}

function nameOf(error: unknown): string {
  const name = matching(property(error, 'name'), ERROR_NAME);
  if (name !== undefined) return name;
  return error instanceof Error ? 'Error' : 'NotAnError';
}

function causesOf(error: unknown): string {
  const told: string[] = [];
  let cause = innerOf(error);
  while (cause !== undefined && told.length < CAUSES) {
    const code = matching(property(cause, 'code'), ERROR_CODE);
    told.push(code === undefined ? nameOf(cause) : `${nameOf(cause)} ${code}`);
    cause = innerOf(cause);
  }
  return told.join(' < ');
}

/** The cause; of an AggregateError (a connect that tried several addresses) the first of its errors. */
function innerOf(error: unknown): unknown {
  const cause = property(error, 'cause');
  if (cause !== undefined) return cause;
  const errors = property(error, 'errors');
  return Array.isArray(errors) ? (errors[0] as unknown) : undefined;
}

function framesOf(error: unknown): string {
  const stack = property(error, 'stack');
  if (typeof stack !== 'string') return '';
  // A message may have lines that look like frames, so it is cut away before frames are looked for.
  const message = property(error, 'message');
  const at = typeof message === 'string' && message !== '' ? stack.lastIndexOf(message) : -1;
  const rest = at < 0 ? stack : stack.slice(at + (message as string).length);
  return rest
    .split('\n')
    .filter((line) => FRAME.test(line) && !TOKEN_LIKE.test(line))
    .slice(0, FRAMES)
    .map((line) => line.trim())
    .join('\n');
}

function matching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}

/** Reads a property of anything: a getter of a foreign error may throw. */
function property(holder: unknown, name: string): unknown {
  if (typeof holder !== 'object' || holder === null) return undefined;
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
