import { styleText } from 'node:util';
import { processSource } from '../config/source.js';
import { colourForbidden } from '../config/terminal.js';

type Style = Parameters<typeof styleText>[0];

/** One of the two streams, and whether it may be coloured: only a terminal, and only where NO_COLOR isn't set. */
interface Sink {
  readonly write: (text: string) => void;
  readonly style: (style: Style, text: string) => string;
}

/**
 * What goes where. stdout has what was asked for: text for people, or with --json documents and nothing else.
 * stderr has all the rest.
 */
export class Output {
  readonly #json: boolean;
  readonly #quiet: boolean;
  readonly #out = sink(process.stdout);
  readonly #err = sink(process.stderr);

  constructor(options: { readonly json: boolean; readonly quiet: boolean }) {
    this.#json = options.json;
    this.#quiet = options.quiet;
  }

  /** With --json: one line of JSON to stdout. */
  document(value: unknown): void {
    if (this.#json) this.#out.write(`${JSON.stringify(value)}\n`);
  }

  /** Without --json: lines for people to stdout. */
  say(...lines: string[]): void {
    if (!this.#json && !this.#quiet) this.#out.write(`${lines.join('\n')}\n`);
  }

  /** The one line that is asked for even with --quiet. */
  verdict(line: string): void {
    if (!this.#json) this.#out.write(`${line}\n`);
  }

  /** Sets off a part of what is said. */
  strong(text: string): string {
    return this.#out.style('bold', text);
  }

  /** What is going on, to stderr; not with --json or --quiet. */
  note(text: string): void {
    if (!this.#json && !this.#quiet) this.#err.write(`${text}\n`);
  }

  warn(sentence: string): void {
    this.#err.write(`${this.#err.style('yellow', 'warning:')} ${sentence}\n`);
  }

  /** One line a problem. */
  error(message: string): void {
    this.#err.write(`${this.#err.style('red', 'error:')} ${message.replaceAll('\n', '\n       ')}\n`);
  }
}

function sink(stream: NodeJS.WriteStream): Sink {
  const coloured = stream.isTTY && !colourForbidden(processSource().env);
  return {
    write: (text) => void stream.write(text),
    style: (style, text) => (coloured ? styleText(style, text) : text),
  };
}

/** A reader that has gone (`| head -1`) is no reason to fall over: a server goes on, a command ends as it would. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
